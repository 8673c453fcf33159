"""What the descriptors of a bean say, on beans drawn to differ in one thing."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cafepick.beans.crop import BLANK
from cafepick.beans.describe import LIGHT, NAMES, describe, describe_all
from cafepick.scoring.light import COLOURS
from cafepick.types import Box, Crop, Detail

COLOUR = (150, 140, 100)
"""RGB of a drawn bean."""


def bean(
    size: int = 64, *, length: float = 20, width: float = 14, colour: tuple[int, ...] = COLOUR, notch: bool = False
) -> Crop:
    """An upright oval with half-axes in units of 1/64 of the crop's side."""
    scale = size / 64
    mask = np.zeros((size, size), np.uint8)
    middle = (round((size - 1) / 2), round((size - 1) / 2))
    cv2.ellipse(mask, middle, (round(width * scale), round(length * scale)), 0, 0, 360, 1, cv2.FILLED)
    if notch:
        mask[: size // 2 - round(4 * scale), size // 2 :] = 0
    image = np.full((size, size, 3), BLANK, np.uint8)
    image[mask > 0] = colour
    return Crop(image, mask.astype(bool), np.eye(2, 3), Box(0, 0, size, size))


def named(crop: Crop) -> dict[str, float]:
    return dict(zip((*NAMES, *LIGHT), describe(crop).tolist(), strict=True))


def changed(crop: Crop, *, by: float = 1e-6) -> set[str]:
    """Names of the descriptors in which a bean differs from the plain one."""
    plain, other = named(bean()), named(crop)
    return {name for name in NAMES if abs(plain[name] - other[name]) > by}


def test_names_are_distinct_and_as_many_as_numbers() -> None:
    names = (*NAMES, *LIGHT)
    assert len(set(names)) == len(names) == len(describe(bean()))


def test_the_light_is_the_colour_of_the_surface() -> None:
    grey, warm = (named(replace(bean(), surface=surface)) for surface in ((50.0, 0.0, 0.0), (68.0, 8.0, 40.0)))
    assert [grey[name] for name in LIGHT] == [50, 0, 0]
    assert [warm[name] for name in LIGHT] == [68, 8, 40]
    assert len(LIGHT) == COLOURS
    assert {name: grey[name] for name in NAMES} == {name: warm[name] for name in NAMES}
    assert named(bean())["surface_lightness"] == 93  # not known: as crops are balanced to


def test_size_is_the_log_of_the_area() -> None:
    small, large = bean(length=12, width=9), bean(length=24, width=18)
    assert named(large)["size"] - named(small)["size"] == pytest.approx(np.log(4), abs=0.1)


def test_an_oval_is_its_own_ellipse_and_symmetric() -> None:
    plain = named(bean(65))
    assert plain["misfit"] < 0.03
    assert plain["solidity"] > 0.97
    assert plain["outline_sides"] < 0.02
    assert plain["pattern_sides"] == pytest.approx(0, abs=1e-5)


def test_colour_changes_colours_only() -> None:
    darker = changed(bean(colour=(75, 70, 50)))
    assert {"lightness_50", "yellowness_50"} <= darker
    assert not darker & {"size", "length", "boxiness", "solidity", "misfit", "roughness", "wave_2", "outline_ends"}
    assert named(bean(colour=(75, 70, 50)))["lightness_50"] < named(bean())["lightness_50"]


def test_a_missing_piece_shows_in_shape_and_symmetry() -> None:
    plain, broken = named(bean()), named(bean(notch=True))
    assert broken["solidity"] < plain["solidity"] - 0.02
    assert broken["outline_sides"] > plain["outline_sides"] + 0.1
    assert broken["misfit"] > plain["misfit"] + 0.05
    assert broken["wave_3"] > plain["wave_3"]


def test_a_hole_is_a_dark_spot() -> None:
    holed = bean()
    holed.image[30:32, 30:32] = 40
    plain, spotted = named(bean()), named(holed)
    assert spotted["dark_spots_5_mean"] > plain["dark_spots_5_mean"] + 0.1
    assert spotted["pale_spots_5_mean"] == pytest.approx(plain["pale_spots_5_mean"], abs=0.01)


def test_what_lies_around_the_bean_is_no_spot() -> None:
    plain, inlaid = bean(), bean()
    inlaid.image[~inlaid.mask] = 0
    for name, value in named(inlaid).items():
        if "spots" in name:
            assert value == named(plain)[name] == pytest.approx(np.log(0.1), abs=1e-3), name


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize(("period", "band"), [(4, 1), (8, 2), (16, 4)])
def test_stripes_lie_in_the_band_of_their_width(size: int, period: int, band: int) -> None:
    striped = bean(size)
    wave = 40 * np.sin(np.arange(size) * 2 * np.pi / (period * size / 64))
    striped.image[:] = np.clip(striped.image + wave[:, None, None], 0, 255)
    numbers = named(striped)
    bands = {width: numbers[f"texture_{width}"] for width in (1, 2, 4)}
    assert max(bands, key=bands.__getitem__) == band


def test_a_dark_end_is_uneven_and_lopsided() -> None:
    stained = bean()
    stained.image[:26][stained.mask[:26]] = (60, 50, 40)
    plain, other = named(bean()), named(stained)
    assert other["uneven_lightness"] > plain["uneven_lightness"] + 1
    assert other["pattern_ends"] > plain["pattern_ends"] + 3


def test_a_crop_of_another_size_gives_like_numbers() -> None:
    small, large = named(bean(64)), named(bean(128))
    for name in ("size", "length", "boxiness", "solidity", "lightness_50", "redness_50"):
        assert large[name] == pytest.approx(small[name], abs=0.06), name


def test_grey_crops_are_measured_too() -> None:
    plain = bean()
    grey = Crop(plain.image[:, :, :1], plain.mask, plain.to_photo, plain.box)
    assert describe(grey)[NAMES.index("redness_50")] == pytest.approx(0, abs=0.05)


@given(arrays.arrays(np.bool_, (16, 16)), st.integers(0, 255))
def test_any_outline_gives_finite_numbers(mask: np.ndarray, level: int) -> None:
    mask[8, 8] = True
    crop = Crop(np.full((16, 16, 3), level, np.uint8), mask, np.eye(2, 3), Box(0, 0, 16, 16))
    assert np.isfinite(describe(crop)).all()


def test_many_beans_are_measured_as_one_by_one_to_the_bit() -> None:
    rng = np.random.default_rng(3)
    crops = []
    for place in range(40):
        size, fine = (64, 96, 45, 256)[place % 4], (None, 128, 512)[place % 3]
        crop = bean(size, length=rng.uniform(1, 36), width=rng.uniform(1, 36), notch=place % 5 == 0)
        noise = rng.integers(-30, 30, (size, size, 3))
        speckled = np.clip(np.roll(crop.image, place, 0) + noise, 0, 255).astype(np.uint8)
        crop = replace(crop, image=speckled, mask=np.roll(crop.mask, place, 0))
        if fine is not None:
            detail = Detail(np.asarray(cv2.resize(speckled, (fine, fine)), np.uint8), bean(fine, length=9 + place).mask)
            crop = replace(crop, detail=detail)
        crops.append(crop)
    together = describe_all(crops)
    for place, crop in enumerate(crops):
        numbers = zip((*NAMES, *LIGHT), together[place], describe(crop), strict=True)
        assert not [name for name, ours, alone in numbers if ours != alone], place
    assert describe_all([]).shape == (0, len(NAMES) + len(LIGHT))
