"""Made-up defects: what the discriminator takes for not real, the encoder undoes, and the comparison looks for.

A discriminator that has only seen the generator's slips need not know what a defect is. One that has also told good
subjects from spoiled ones has features that differ where a defect is, and keeps the generator from drawing defects, so
that the closest good image stays good. The idea is that of OCR-GAN (Liang et al., arXiv 2203.00259); blobs of smooth
noise are as in DRAEM (Zavrtanik et al., arXiv 2108.07610), patches from other good images as in NSA (Schlüter et al.,
arXiv 2109.15222). No real defect is needed or used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate, max_pool2d

Images = Float[Tensor, "b c size size"]
Mask = Float[Tensor, "b 1 size size"]

WHOLE: Final = 0.4
"""Share of the images spoiled in colour that are so all over, as a faded or sour bean is."""
GROUND_STEP: Final = 0.08
"""A pixel belongs to the subject where a channel differs from the ground by more than this (pixels in [-1, 1])."""
SEEN: Final = 0.1
"""A pixel counts as spoiled in full where a channel changed by this much (pixels in 0..1), below in proportion."""
AGAIN: Final = 0.3
"""Share of the images that are spoiled in a second way too."""


class Spoiled(NamedTuple):
    """Good images with made-up defects."""

    images: Images
    """Pixels in [-1, 1]."""
    where: Mask
    """0 where nothing changed, up to 1 where it is plain to see."""


def spoil(images: Images, random: Generator) -> Spoiled:
    """Spoil each image in one way, some in two, and tell where.

    Args:
        images: good subjects, pixels in [-1, 1].
        random: on the CPU; decides everything.
    """
    light = (images + 1) / 2  # 0 is black, 1 is white
    inside = subject(images)
    spoiled = _once(light, light, inside, random)
    again = torch.rand(len(images), generator=random) < AGAIN
    if bool(again.any()):
        again = again.to(images.device)
        spoiled = spoiled.clone()
        spoiled[again] = _once(spoiled[again], light.roll(1, 0)[again], inside[again], random)
    where = ((spoiled - light).abs().amax(1, keepdim=True) / SEEN).clamp(max=1)
    return Spoiled(spoiled * 2 - 1, where)


def _once(light: Images, others: Images, inside: Mask, random: Generator) -> Images:
    """Spoil each image in one way; all images of one way are spoiled together."""
    chosen = torch.randint(len(KINDS), (len(light),), generator=random).to(light.device)
    spoiled = light.clone()
    for number, kind in enumerate(KINDS):
        these = (chosen == number).nonzero()[:, 0]
        if len(these):
            spoiled[these] = kind(Scene(light[these], others.roll(1, 0)[these], inside[these]), random).clamp(0, 1)
    return spoiled


class Scene(NamedTuple):
    """What a kind of defect has to go by."""

    light: Images
    """Good subjects, 0 black, 1 white."""
    others: Images
    """Another good subject for each."""
    inside: Mask
    """1 on the subject, 0 on its ground."""

    @property
    def around(self) -> Mask:
        """The subject and one pixel more: what is painted over leaves no rim behind."""
        return max_pool2d(self.inside, 3, stride=1, padding=1)

    @property
    def ground(self) -> Images:
        """The colour of the corner all over."""
        return self.light[:, :, :1, :1].expand_as(self.light)


Kind = Callable[[Scene, Generator], Images]


def recoloured(scene: Scene, random: Generator) -> Images:
    """Darker, paler or tinted, in blobs or all over: black, sour, faded, mouldy, stained."""
    light, inside, _ = scene.light, scene.inside, scene.others
    ways = torch.stack([way(light, random) for way in RECOLOURED])  # (ways, b, c, size, size)
    chosen = torch.randint(len(RECOLOURED), (len(light),), generator=random).to(light.device)
    whole = (_uniform(len(light), 0.0, 1.0, random) < WHOLE).to(light.device)
    where = torch.where(whole, inside, blobs(inside, random))
    return light.lerp(ways[chosen, torch.arange(len(light), device=light.device)], where)


def chipped(scene: Scene, random: Generator) -> Images:
    """Show the ground in blobs: chipped, eaten."""
    return scene.light.lerp(scene.ground, blobs(scene.around, random))


def cut(scene: Scene, random: Generator) -> Images:
    """Show the ground beyond a straight or bent line that takes 8 to 60 % of the subject's length: broken."""
    return scene.light.lerp(scene.ground, _beyond(scene, 0.08, 0.6, random) * scene.around)


def half_recoloured(scene: Scene, random: Generator) -> Images:
    """Recolour what lies beyond a line: partly black, partly sour."""
    return scene.light.lerp(recoloured(scene, random), _beyond(scene, 0.2, 0.8, random) * scene.inside)


def pierced(scene: Scene, random: Generator) -> Images:
    """Put one to four small dark discs on the subject: insect holes."""
    light, inside = scene.light, scene.inside
    spots = torch.zeros_like(inside)
    most = torch.randint(1, 5, (1,), generator=random)
    for _ in range(int(most)):
        spots = torch.maximum(spots, _disc(inside, random))
    return light.lerp(light * _uniform(len(light), 0.1, 0.6, random).to(light), spots * inside)


def patched(scene: Scene, random: Generator) -> Images:
    """Show another subject, upside down, in blobs: foreign texture and outline."""
    return scene.light.lerp(scene.others.flip(2), blobs(scene.around, random))


def wrinkled(scene: Scene, random: Generator) -> Images:
    """Lay bent dark and bright stripes over the subject: wrinkled, withered, rough."""
    light = scene.light
    count, size = len(light), light.shape[-1]
    across, down = _places(size, light)
    angle, waves = _uniform(count, 0.0, torch.pi, random).to(light), _uniform(count, 3.0, 9.0, random).to(light)
    bend = _smooth(count, 4, size, random, light) * 6
    stripes = torch.sin((across * angle.cos() + down * angle.sin()) * waves * torch.pi + bend)
    depth = _uniform(count, 0.1, 0.4, random).to(light)
    return light * (1 + depth * stripes * scene.inside * _smooth(count, 3, size, random, light).clamp(0.3, 1))


def shrunken(scene: Scene, random: Generator) -> Images:
    """Make the subject 50 to 85 % as large, or as wide or long: undersized, flat, shrivelled."""
    light = scene.light
    factors = _uniform(2 * len(light), 0.5, 0.85, random).view(-1, 2)
    which = torch.randint(3, (len(light),), generator=random)  # both, width alone, length alone
    factors[which == 0, 1] = factors[which == 0, 0]
    factors[which == 1, 1] = factors[which == 2, 0] = 1.0
    maps = torch.zeros(len(light), 2, 3)
    maps[:, 0, 0], maps[:, 1, 1] = 1 / factors[:, 0], 1 / factors[:, 1]
    grid = affine_grid(maps.to(light), list(light.shape), align_corners=False)
    return scene.ground + grid_sample(light - scene.ground, grid, align_corners=False)  # the ground fills what is free


KINDS: Final[tuple[Kind, ...]] = (
    recoloured,
    recoloured,  # the commonest defects of all
    half_recoloured,
    chipped,
    cut,
    pierced,
    patched,
    wrinkled,
    shrunken,
)


def subject(images: Images) -> Mask:
    """Return 1 where an image differs from the colour of its corner, its ground, and 0 elsewhere."""
    return ((images - images[:, :, :1, :1]).abs().amax(1, keepdim=True) > GROUND_STEP).float()


def blobs(within: Mask, random: Generator) -> Mask:
    """Return 1 in random soft-edged blobs, of which each image has at least one, and 0 elsewhere and outside."""
    count, _, size, _ = within.shape
    coarse = int(torch.randint(3, 9, (1,), generator=random))
    noise = torch.rand(count, 1, coarse, coarse, generator=random).to(within)
    noise = interpolate(noise, size=(size, size), mode="bicubic", align_corners=False) * within
    level = _uniform(count, 0.65, 0.95, random).to(within) * noise.amax((2, 3), keepdim=True)  # below the highest peak
    return torch.sigmoid((noise - level) * 40) * within


def darker(light: Images, random: Generator) -> Images:
    """Take 15 to 85 % of the light away: black beans, mould, holes."""
    return light * _uniform(len(light), 0.15, 0.85, random).to(light)


def paler(light: Images, random: Generator) -> Images:
    """Go 20 to 70 % of the way to white: faded, parchment, immature."""
    return light + (1 - light) * _uniform(len(light), 0.2, 0.7, random).to(light)


def tinted(light: Images, random: Generator) -> Images:
    """Multiply each channel by 0.75 to 1.25: sour, brown, stained."""
    count, channels = light.shape[:2]
    return (light * _uniform(count * channels, 0.75, 1.25, random).view(count, channels, 1, 1).to(light)).clamp(0, 1)


Way = Callable[[Images, Generator], Images]
RECOLOURED: Final[tuple[Way, ...]] = (darker, paler, tinted)


def _beyond(scene: Scene, least: float, most: float, random: Generator) -> Mask:
    """Return 1 beyond a bent line across the subject that leaves this share of its extent, in a random direction."""
    inside = scene.inside
    count, size = len(inside), inside.shape[-1]
    across, down = _places(size, inside)
    angle = _uniform(count, 0.0, 2 * torch.pi, random).to(inside)
    along = across * angle.cos() + down * angle.sin() + (_smooth(count, 4, size, random, inside) - 0.5) * 0.4
    far = torch.where(inside > 0, along, -torch.inf).amax((2, 3), keepdim=True)
    near = torch.where(inside > 0, along, torch.inf).amin((2, 3), keepdim=True)
    line = far - (far - near) * _uniform(count, least, most, random).to(inside)
    return torch.sigmoid((along - line) * size).nan_to_num(0.0)  # an image without subject has no line


def _disc(inside: Mask, random: Generator) -> Mask:
    """Return 1 in a disc with a radius of 1 to 4 % of the side, somewhere on each subject."""
    count, size = len(inside), inside.shape[-1]
    across, down = _places(size, inside)
    chance = torch.rand(count, size * size, generator=random).to(inside) * (inside.flatten(1) + 1e-6)
    place = chance.argmax(1)[:, None, None, None]
    left, top = (place % size) * 2 / size - 1, place.div(size, rounding_mode="floor") * 2 / size - 1
    far = ((across - left) ** 2 + (down - top) ** 2).sqrt()
    return torch.sigmoid((_uniform(count, 0.02, 0.08, random).to(inside) - far) * size)


def _places(size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far right (1, 1, 1, size) and how far down (1, 1, size, 1) each pixel lies, in [-1, 1)."""
    steps = torch.arange(size).to(like) * 2 / size - 1
    return steps.view(1, 1, 1, -1), steps.view(1, 1, -1, 1)


def _smooth(count: int, coarse: int, size: int, random: Generator, like: Tensor) -> Mask:
    """Return smooth noise, about 0 to 1."""
    noise = torch.rand(count, 1, coarse, coarse, generator=random).to(like)
    return interpolate(noise, size=(size, size), mode="bicubic", align_corners=False)


def _uniform(count: int, low: float, high: float, random: Generator) -> Float[Tensor, "count 1 1 1"]:
    return torch.rand(count, 1, 1, 1, generator=random) * (high - low) + low
