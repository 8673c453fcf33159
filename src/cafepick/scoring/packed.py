"""The networks of one pass rewritten for a processor that multiplies bfloat16, alike but for rounding.

What is saved, of the time that the modules need under autocast:

- Weights become bfloat16 once, in the order in which oneDNN's kernels read them, not in every pass.
- Batch norm, which uses its running statistics, is folded into the weights before it; leaky ReLUs are computed by the
  convolution before them, while its result lies in the cache.
- Layers between few channels and full resolution leave most of a processor's multipliers idle. They are computed at
  half the resolution with four times the channels, one for each pixel of a 2 x 2 block (Shi et al., arXiv 1609.05158),
  or with twice the channels for each pair of neighbours in a row, which lie as they should in channels-last memory:
  more multiplications, in less time.

Sums over pixels and features, and what an answer is read from, are float32.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu_, linear

from cafepick.models.comparison import Compared
from cafepick.scoring.recorded import being_recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from cafepick.models.comparison import ComparisonHead
    from cafepick.models.discriminator import Discriminator
    from cafepick.models.encoder import Encoder
    from cafepick.models.generator import Generator

After = Literal["none", "relu", "leaky_relu"]

HALF: Final = torch.bfloat16
SLOPE: Final = 0.2
"""Of every leaky ReLU."""
LANES: Final = 16
"""Channels that a processor with AVX-512 computes at once."""


def can_pack() -> bool:
    """Return whether this torch has oneDNN's convolutions with weights in their own order; no promise of torch's."""
    reorders = hasattr(getattr(torch._C, "_nn", None), "mkldnn_reorder_conv2d_weight")
    names = ("_convolution_pointwise", "_convolution_transpose_pointwise", "_reorder_convolution_transpose_weight")
    return reorders and torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)


class Layer(nn.Module):
    """A (transposed) convolution of bfloat16 images in channels-last memory, and the activation after it.

    Args:
        weight: float32.
        bias: float32.
        stride: of rows and columns.
        padding: of both.
        after: the activation.
        output_padding: None: not transposed.
        pairs: whether it computes two neighbours in a row at once, one after the other in its channels.
    """

    weight: Tensor
    """In the order that oneDNN chose."""
    bias: Tensor | None

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        stride: int,
        padding: int,
        after: After = "none",
        output_padding: int | None = None,
        pairs: bool = False,
    ) -> None:
        super().__init__()
        half, sides, strides = weight.detach().to(HALF), [padding] * 2, [stride, 2 * stride if pairs else stride]
        if output_padding is None:
            self.operator, self.geometry = "_convolution_pointwise", [sides, strides, [1, 1]]
            reorder = torch._C._nn.mkldnn_reorder_conv2d_weight  # type: ignore[attr-defined] - private
            ordered = reorder(half.to_mkldnn(), *self.geometry, 1)
        else:
            surplus = [output_padding] * 2
            self.operator, self.geometry = "_convolution_transpose_pointwise", [sides, surplus, strides, [1, 1]]
            ordered = torch.ops.mkldnn._reorder_convolution_transpose_weight(half, *self.geometry, 1)
        self.after, self.pairs = after, pairs
        self.register_buffer("weight", ordered)
        self.register_buffer("bias", None if bias is None else bias.detach().to(HALF))

    @classmethod
    def of(
        cls,
        module: nn.Conv2d | nn.ConvTranspose2d,
        after: After = "none",
        norm: nn.Module | None = None,
        *,
        width: int | None = None,
    ) -> Layer:
        """Pack a layer with square kernels, and fold in the batch norm behind it, if there is one.

        Args:
            module: not transposed where ``width`` is given.
            after: the activation.
            norm: the batch norm.
            width: of the result, if it is known: few channels are computed in pairs where that pays.
        """
        weight, bias = _folded(module, norm)
        transposed, stride = isinstance(module, nn.ConvTranspose2d), int(module.stride[0])
        pairs = width is not None and width % 2 == 0 and 2 * module.out_channels <= LANES
        if pairs:
            weight, bias = pairs_of(weight, stride), None if bias is None else bias.repeat(2)
        return cls(
            weight,
            bias,
            stride=stride,
            padding=int(module.padding[0]),
            after=after,
            output_padding=int(module.output_padding[0]) if transposed else None,
            pairs=pairs,
        )

    @classmethod
    def backwards(
        cls, module: nn.Conv2d | nn.ConvTranspose2d, norm: nn.Module | None = None, *, side: int | None
    ) -> Layer:
        """Pack what takes a gradient by the result of a layer and its batch norm to one by what the layer was given.

        Args:
            module: with square kernels.
            norm: the batch norm behind it, if there is one.
            side: of what the layer was given; None for a transposed one, which tells it by itself.
        """
        weight, _ = _folded(module, norm)
        surplus = None if isinstance(module, nn.ConvTranspose2d) else _left_over(module, side)
        return cls(weight, None, stride=int(module.stride[0]), padding=int(module.padding[0]), output_padding=surplus)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c', h', w')."""
        if being_recorded():
            x = _recordable(self.operator, tuple(map(tuple, self.geometry)), self.after)(x, self.weight, self.bias)
        else:
            slope = [SLOPE] if self.after == "leaky_relu" else []
            convolve = getattr(torch.ops.mkldnn, self.operator)
            x = convolve(x, self.weight, self.bias, *self.geometry, 1, self.after, slope, "")
        return unpaired(x) if self.pairs else x


class ToPixels(nn.Module):
    """A transposed convolution of stride 2 to few channels: by the pixels of 2 x 2 blocks where it doubles the side.

    Args:
        weight: (i, o, k, k), float32.
        bias: float32.
        padding: of rows and columns.
        output_padding: of both.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, padding: int, output_padding: int) -> None:
        super().__init__()
        self.in_blocks = _doubles(weight.shape[-1], padding, output_padding)
        if self.in_blocks:
            blocks = blocks_of_transposed(weight, padding)
            self.layer = Layer(blocks, None if bias is None else bias.repeat(4), stride=1, padding=1)
        else:
            self.layer = Layer(weight, bias, stride=2, padding=padding, output_padding=output_padding)

    @classmethod
    def backwards(cls, module: nn.Conv2d, *, side: int) -> ToPixels:
        """Pack what takes a gradient by a convolution of stride 2 to one by its pixels, ``side`` in a row."""
        padding = int(module.padding[0])
        return cls(module.weight, None, padding=padding, output_padding=_left_over(module, side))

    def forward(self, x: Tensor, then: Callable[[Tensor], Tensor] = lambda pixels: pixels) -> Tensor:
        """(b, i, h, w) -> (b, o, h', w'); ``then`` is done with each number before it gets to its place."""
        x = then(self.layer(x))
        return unblocked(x) if self.in_blocks else x


class PackedEncoder(nn.Module):
    """The encoder: images (b, c, size, size) -> z (b, latent), float32."""

    weight: Tensor
    bias: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        blocks = layers_of(encoder)
        self.layers = nn.Sequential(*(Layer.of(block[0], "leaky_relu") for block in blocks))
        weight = _channels_last(encoder.to_z.weight, blocks[-1][0].out_channels)
        self.register_buffer("weight", weight.detach().to(HALF))
        self.register_buffer("bias", encoder.to_z.bias.detach().to(HALF))

    def forward(self, x: Tensor) -> Tensor:
        """Return z in [-1, 1]."""
        return linear(self.layers(x).permute(0, 2, 3, 1).flatten(1), self.weight, self.bias).float().tanh()


class PackedGenerator(nn.Module):
    """The generator: z (b, latent) -> images (b, c, size, size), float32."""

    weight: Tensor
    bias: Tensor

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        base, channels = generator.base, generator.norm.num_features
        scale, shift = _scale_and_shift(generator.norm)
        weight = generator.project.weight * scale.repeat_interleave(base**2)[:, None]
        weight = _channels_last(weight.T, channels).T.contiguous()  # (base^2 8 width, latent)
        self.register_buffer("weight", weight.detach().to(HALF))
        self.register_buffer("bias", shift.repeat(base**2).detach().to(HALF))
        self.shape = (base, base, channels)
        self.layers = nn.ModuleList(Layer.of(block[0], "relu", block[1]) for block in layers_of(generator))
        last = generator.to_image
        surplus, bias = int(last.output_padding[0]), None if last.bias is None else 2 * last.bias
        self.to_twice_image = ToPixels(2 * last.weight, bias, padding=int(last.padding[0]), output_padding=surplus)

    def forward(self, z: Tensor) -> Tensor:
        """Return images in [-1, 1]."""
        return self.draw(self.maps(z)[-1])

    def maps(self, z: Tensor) -> list[Tensor]:
        """Return what z is projected to, and what every block makes of it, coarsest first, bfloat16."""
        x = linear(z.to(HALF), self.weight, self.bias).relu_().unflatten(1, self.shape).permute(0, 3, 1, 2)
        maps = [x]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return maps

    def draw(self, x: Tensor) -> Tensor:
        """Return images, of the last of the maps."""
        # tanh x = 2 sigmoid 2x - 1, in a third of the time
        return self.to_twice_image(x, lambda twice: twice.float().sigmoid_().mul_(2).sub_(1))


class PackedDiscriminator(nn.Module):
    """The discriminator's maps: images (b, c, size, size) -> what each block sees, finest first, bfloat16."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        blocks = layers_of(discriminator)
        self.layers = nn.ModuleList(Layer.of(block[0], "leaky_relu", block[1]) for block in blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps."""
        seen = []
        for layer in self.layers:
            x = layer(x)
            seen.append(x)
        return seen


class PackedComparison(nn.Module):
    """The comparison, as ``ComparisonHead.forward``."""

    def __init__(self, head: ComparisonHead) -> None:
        super().__init__()
        self.down, self.mix, self.up = (
            nn.ModuleList(
                Layer.of(layer, "leaky_relu", width=side)
                for layer, side in zip(_list(part), head.sides[1:], strict=False)
            )
            for part in (head.down, head.mix, head.up)
        )
        self.to_map, self.rarity = _Map(head), head.rarity
        self.act, self.hidden, self.to_logit = head.act, head.hidden, head.to_logit

    def forward(self, image: Tensor, likeness: Tensor, seen: list[Tensor], seen_likeness: list[Tensor]) -> Compared:
        """Compare images with their reconstructions."""
        pixels = torch.cat([image, likeness, (image - likeness).abs_()], 1)
        differences = [(a - b).abs_() for a, b in zip(seen, seen_likeness, strict=True)]
        x, levels = pixels, []
        for halve, join, own, difference in zip(self.down, self.mix, seen, differences, strict=False):
            x = join(torch.cat([halve(x), own, difference], 1))
            levels.append(x)
        pooled = self.act(self.hidden(torch.cat([*_pool(x), *_pool(differences[-1])], 1)))
        for double, level in zip(reversed(list(self.up)), reversed(levels[:-1]), strict=True):
            x = double(torch.cat([_as_large(x, level), level], 1))
        return Compared(self.to_map(x, pixels) + self.rarity, self.to_logit(pooled).squeeze(1))


class _Map(nn.Module):
    """The last two layers of the comparison: half the resolution and the pixels -> logits of the map."""

    def __init__(self, head: ComparisonHead) -> None:
        super().__init__()
        last, bias = head.to_map.weight, head.fine.bias
        of_pixels = head.down[0].weight.shape[1]  # type: ignore[union-attr, operator] - a convolution's
        own, pixels = head.fine.weight.split([head.fine.in_channels - of_pixels, of_pixels], 1)
        self.in_blocks = head.sides[0] == 2 * head.sides[1]
        """Each pixel of a 2 x 2 block is a channel, until the end."""
        if self.in_blocks:
            own, pixels, bias = blocks_of_enlarged(own), blocks_of(pixels), None if bias is None else bias.repeat(4)
            last = torch.block_diag(*[last[..., 0, 0]] * 4)[..., None, None]
        self.coarse = Layer(own, None, stride=1, padding=1)
        """Of the maps; the activation comes after both."""
        self.fine = Layer(pixels, bias, stride=2 if self.in_blocks else 1, padding=1)
        """Of the pixels."""
        self.to_map = Layer(last, None, stride=1, padding=0)

    def forward(self, x: Tensor, pixels: Tensor) -> Tensor:
        x = self.coarse(x if self.in_blocks else _as_large(x, pixels))
        x = self.to_map(leaky_relu_(x + self.fine(pixels), SLOPE)).float()
        return unblocked(x) if self.in_blocks else x


@cache
def _recordable(
    operator: str, geometry: tuple[tuple[int, ...], ...], after: After
) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """Return a layer's operator for ``recorded``: torch records no arguments of the type Scalar?[]."""
    constants = "".join(f"  %{i} : int[] = prim::Constant[value={list(of)}]()\n" for i, of in enumerate(geometry))
    names = ", ".join(f"%{i}" for i in range(len(geometry)))
    slope = "%slope" if after == "leaky_relu" else ""
    graph = f"""
graph(%x : Tensor, %weight : Tensor, %bias : Tensor?):
{constants}  %groups : int = prim::Constant[value=1]()
  %after : str = prim::Constant[value="{after}"]()
  %slope : float = prim::Constant[value={SLOPE}]()
  %slopes : Scalar?[] = prim::ListConstruct({slope})
  %algorithm : str = prim::Constant[value=""]()
  %y : Tensor = mkldnn::{operator}(%x, %weight, %bias, {names}, %groups, %after, %slopes, %algorithm)
  return (%y)
"""
    return torch._C._create_function_from_graph(operator, torch._C.parse_ir(graph))


def pairs_of(weight: Float[Tensor, "o i k k"], stride: int) -> Float[Tensor, "2*o i k k+stride"]:
    """Return the convolution, of twice the stride in a row, whose 2 channels o are neighbours of another's result."""
    kernel = weight.shape[-1]
    pairs = weight.new_zeros(2, *weight.shape[:3], kernel + stride)
    pairs[0, ..., :kernel] = pairs[1, ..., stride:] = weight
    return pairs.flatten(0, 1)


def unpaired(x: Float[Tensor, "b 2*o h w"]) -> Float[Tensor, "b o h 2*w"]:
    """Put neighbours in their places; of an image in channels-last memory, nothing is moved."""
    count, channels, height, width = x.shape
    return x.permute(0, 2, 3, 1).reshape(count, height, 2 * width, channels // 2).permute(0, 3, 1, 2)


def blocks_of(weight: Float[Tensor, "o i 3 3"]) -> Float[Tensor, "4*o i 4 4"]:
    """Return the stride-2 convolution, padding 1, whose 4 channels o are the 2 x 2 blocks of a 3 x 3 convolution."""
    blocks = weight.new_zeros(2, 2, *weight.shape[:2], 4, 4)
    for a in range(2):
        for b in range(2):
            blocks[a, b, ..., a : a + 3, b : b + 3] = weight
    return blocks.flatten(0, 2)


def blocks_of_enlarged(weight: Float[Tensor, "o i 3 3"]) -> Float[Tensor, "4*o i 3 3"]:
    """Return the same of a 3 x 3 convolution of an image that was enlarged to double size by repeating pixels."""
    blocks = weight.new_zeros(2, 2, *weight.shape[:2], 3, 3)
    for a, b, y, x in torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(3), torch.arange(3)).tolist():
        blocks[a, b, ..., (a + y - 1) // 2 + 1, (b + x - 1) // 2 + 1] += weight[..., y, x]
    return blocks.flatten(0, 2)


def blocks_of_transposed(weight: Float[Tensor, "i o k k"], padding: int) -> Float[Tensor, "4*o i 3 3"]:
    """Return the 3 x 3 convolution whose 4 channels o are the 2 x 2 blocks of a transposed one that doubles sides."""
    kernel = weight.shape[-1]
    blocks = weight.new_zeros(2, 2, weight.shape[1], weight.shape[0], 3, 3)
    taps = [(a, d, a + padding - 2 * (d - 1)) for a in range(2) for d in range(3)]  # pixel a of a block, step, weight
    taps = [tap for tap in taps if 0 <= tap[2] < kernel]
    for a, dy, y in taps:
        for b, dx, x in taps:
            blocks[a, b, ..., dy, dx] = weight[..., y, x].T
    return blocks.flatten(0, 2)


def unblocked(x: Float[Tensor, "b 4*o h w"]) -> Float[Tensor, "b o 2*h 2*w"]:
    """Put the channels of 2 x 2 blocks in their places; in channels-last memory, where ``pixel_shuffle`` is slow."""
    count, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).unflatten(3, (2, channels // 2)).transpose(2, 3)  # (b, h, 2, w, 2 o)
    return rows.reshape(count, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)


def doubles(module: nn.ConvTranspose2d) -> bool:
    """Return whether a transposed convolution of stride 2 doubles the side exactly."""
    return _doubles(module.kernel_size[0], int(module.padding[0]), module.output_padding[0])


def _doubles(kernel: int, padding: int, output_padding: int) -> bool:
    return kernel - 2 * padding + output_padding == 2


def _left_over(module: nn.Conv2d, side: int | None) -> int:
    """Return how many rows below, of so many, a convolution does not reach."""
    if side is None:
        raise ValueError("the side of what a convolution was given is needed: its result does not tell it")
    return (side + 2 * int(module.padding[0]) - int(module.kernel_size[0])) % int(module.stride[0])


def _folded(module: nn.Conv2d | nn.ConvTranspose2d, norm: nn.Module | None) -> tuple[Tensor, Tensor | None]:
    """Return weight and bias of a layer together with the batch norm behind it."""
    weight, bias = module.weight, module.bias
    if not isinstance(norm, nn.BatchNorm2d):
        return weight, bias
    scale, shift = _scale_and_shift(norm)
    axis = 1 if isinstance(module, nn.ConvTranspose2d) else 0
    shape = [-1 if dimension == axis else 1 for dimension in range(4)]
    return weight * scale.view(shape), shift if bias is None else shift + scale * bias


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a batch norm in ``eval`` mode multiplies each channel by, and adds."""
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    return scale, norm.bias - mean * scale


def layers_of(network: Encoder | Generator | Discriminator) -> list[Any]:
    """Return the layers of each block: a convolution and what follows it."""
    return list(network.blocks)


def _list(modules: nn.ModuleList) -> list[Any]:
    return list(modules)


def _channels_last(weight: Float[Tensor, "n chw"], channels: int) -> Float[Tensor, "n hwc"]:
    """Reorder what meets a flattened map, as the map lies in memory."""
    return weight.unflatten(1, (channels, -1)).transpose(1, 2).flatten(1)


def _as_large(x: Tensor, other: Tensor) -> Tensor:
    return interpolate(x, size=other.shape[-2:], mode="nearest")


def _pool(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.float().mean((2, 3)), x.amax((2, 3)).float()
