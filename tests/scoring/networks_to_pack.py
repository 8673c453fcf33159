"""Shapes of networks that packing treats differently, and untrained batch norm that has something to do."""

from __future__ import annotations

import torch
from torch import nn

from cafepick.config import ModelConfig

SHAPES = [
    ModelConfig(size=64, width=8, latent=10, kernel=4, batch_norm=False),
    ModelConfig(size=64, width=8, latent=10, kernel=5, batch_norm=True),
    ModelConfig(size=28, channels=1, width=4, latent=10, kernel=5, batch_norm=True),
    ModelConfig(size=33, width=4, latent=10, kernel=4, batch_norm=False),
    ModelConfig(size=45, width=4, latent=10, kernel=3, batch_norm=True),
]


def shift_norms(*networks: nn.Module) -> None:
    """Give all batch norms statistics and offsets, drawn by torch."""
    for network in networks:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean = 0.02 * torch.randn(module.num_features)
                module.running_var = 0.002 + 0.01 * torch.rand(module.num_features)
                nn.init.normal_(module.bias, std=0.1)
