"""What discriminator and generator minimise. Logits are (b,); every loss is the mean over a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

Logits = Float[Tensor, " b"]
Scalar = Float[Tensor, ""]
Images = Float[Tensor, "b c size size"]


class AdversarialLoss(NamedTuple):
    """Both sides of the game, as functions of the logits of real and of drawn images."""

    discriminator: Callable[[Logits, Logits], Scalar]
    generator: Callable[[Logits, Logits], Scalar]


def bce_discriminator(real: Logits, drawn: Logits) -> Scalar:
    r"""$-\log \sigma(D(x)) - \log(1 - \sigma(D(G(z))))$: Goodfellow et al., arXiv 1406.2661, eq. 1."""
    return softplus(-real).mean() + softplus(drawn).mean()


def bce_generator(real: Logits, drawn: Logits) -> Scalar:  # noqa: ARG001 - the real images do not enter
    r"""$-\log \sigma(D(G(z)))$, which does not saturate: the same paper, section 3."""
    return softplus(-drawn).mean()


def relativistic_discriminator(real: Logits, drawn: Logits) -> Scalar:
    r"""$\mathrm{softplus}(D(G(z)) - D(x))$ over pairs: Huang et al. (R3GAN), arXiv 2501.05441, eq. 2."""
    return softplus(drawn - real).mean()


def relativistic_generator(real: Logits, drawn: Logits) -> Scalar:
    r"""$\mathrm{softplus}(D(x) - D(G(z)))$ over pairs: the generator's side of the same equation."""
    return softplus(real - drawn).mean()


LOSSES: Final[dict[str, AdversarialLoss]] = {
    "bce": AdversarialLoss(bce_discriminator, bce_generator),
    "relativistic": AdversarialLoss(relativistic_discriminator, relativistic_generator),
}


def gradient_penalty(discriminator: Callable[[Images], Logits], images: Images) -> Scalar:
    r"""$\tfrac12 \lVert\nabla_x D(x)\rVert^2$: R1 on real images, R2 on drawn ones.

    Mescheder et al., arXiv 1801.04406, eq. 9. The sum of the logits has each image's own gradient only where no image
    sees its neighbours, so the discriminator must not use batch norm.
    """
    images = images.detach().requires_grad_()
    logits = discriminator(images)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)  # (b, c, size, size)
    return gradient.float().square().sum((1, 2, 3)).mean() / 2
