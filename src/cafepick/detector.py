"""The facade: ``Detector.load("beans.cafepick").inspect(photo)`` gives a verdict for each bean."""

from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from math import isqrt
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

import cv2
import numpy as np

from cafepick import __version__
from cafepick.artefact import Artefact, above, below, load_artefact, save_artefact
from cafepick.beans.conditions import Conditions, Range, conditions_of, too_few_pixels
from cafepick.beans.crop import box_of, crop_beans, crop_whole, kept_of, pixels_of
from cafepick.beans.descriptors import DESCRIPTORS, descriptors_of, layout_of, names_of, tells_light
from cafepick.beans.scene import scene_of
from cafepick.beans.view import frame_of
from cafepick.config import ComparisonConfig, CropConfig, Method, ModelConfig, SearchConfig, from_dict
from cafepick.cores import aside
from cafepick.errors import ArtefactError, CalibrationError, ConfigError, MissingExtraError
from cafepick.images import check_photo
from cafepick.scoring.appearance import Appearance, Looked
from cafepick.scoring.fusion import APPEARANCE, RECONSTRUCTION, Fusion
from cafepick.scoring.light import LIKE
from cafepick.scoring.reasons import area_of, in_words, reason_of
from cafepick.scoring.residual import segmentations
from cafepick.types import Box, Crop, Evidence, Judgement, Outline, Reason, Scored, ScoreParts, Verdict
from cafepick.yardstick import Yardstick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cafepick.scoring.calibrate import Calibration
    from cafepick.scoring.exact import Networks
    from cafepick.scoring.exported import ExportedNetworks
    from cafepick.scoring.frozen import Precision

METHODS: Final = ("auto", *get_args(Method))
"""Ways to find the good subject behind each; ``auto`` takes the quickest that the model knows."""

HALF_FAST: Final = "fast-bfloat16"
"""What the yardstick of the method ``fast`` in bfloat16 is called. Rounding moves its scores by about 1 % and parts of
them by up to 3 %, so they have thresholds of their own, and are never held against those of float32."""

FALSE_REJECT: Final = 0.01
"""Share of good subjects that a user accepts to lose, unless told otherwise."""

KEPT_ASIDE: Final = "kept aside in training"
"""Source of the good subjects that set the first threshold, in the record of a calibration."""

FACTS: Final = ("training", "calibration", "export", "versions")
"""Sections of an artefact's header that say where a model comes from."""

EXCESS: Final = np.float32(0.2)
"""What a place adds to the anomaly map where a closer look exceeds the usual as far as hardly any place of good ones
does (``scoring.places``): about as much as maps of the networks rise where hardly any pixel of good ones is higher."""

ENOUGH_SHOWN: Final = 0.75
"""Share of the pixels of a closer look that a photo must show, or it is blurred beside the good ones."""

SCORES: Final = ("residual", "discrimination", "score")
"""Fields of ``Scored`` that become fields of ``ScoreParts``."""

PIXEL_QUANTILE: Final = 0.99
"""Share of a good subject's pixels that the segmentation leaves unpainted."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """One photo with its subjects cut, ready to be judged; the photo itself is no longer needed."""

    shape: tuple[int, int]
    """Height and width of the photo in pixels."""
    outlines: tuple[Outline | None, ...]
    """Outline of each subject; None for ``whole``."""
    crops: tuple[Crop | None, ...]
    """Crop of each subject; None for a bean that the frame cuts."""
    conditions: Conditions | None = None
    """Surface and bean size; None for ``whole``."""


class Detector:
    """A trained and calibrated model.

    Scores are deterministic: a subject's score does not depend on what else is judged, nor on the order.
    """

    def __init__(
        self,
        networks: Networks | ExportedNetworks,
        *,
        crop: CropConfig,
        search: SearchConfig,
        method: Method = "exact",
        appearance: Appearance | None = None,
        fusion: Fusion | None = None,
        calibration: Calibration | None = None,
        part_calibrations: Mapping[str, Calibration] | None = None,
        pixel_threshold: float = np.inf,
        others: Mapping[str, Yardstick] | None = None,
        facts: dict[str, Any] | None = None,
        checksum: str = "",
        precision: Precision = "float32",
    ) -> None:
        _check_differences(networks, search)
        self.networks = networks
        self.crop = crop
        self.search = search
        self.method: Method = method
        """How the good subject behind each is found."""
        self.appearance = appearance
        """What the descriptors of good subjects are like; None for a model that does not look at them."""
        self.fusion = fusion
        """How the parts become one score; None: the reconstruction's score is the score."""
        self.calibration = calibration
        self.part_calibrations = part_calibrations or {}
        """Of each part by itself."""
        self.pixel_threshold = pixel_threshold
        self.others = dict(others or {})
        """What the scores of the model's other ways to score are measured by."""
        self.precision: Precision = precision
        """Of the pass of ``fast``; of the walk of ``exact``, whose scores are float32. ``refine`` is float32."""
        self.facts = facts or {}
        """What the artefact says of training, calibration and versions."""
        self.checksum = checksum
        """Checksum of the artefact that the detector was loaded from; empty before it is saved."""

    @classmethod
    def load(
        cls, path: str | Path, *, method: str = "auto", device: str = "auto", precision: Precision | None = None
    ) -> Detector:
        """Open a model file.

        Args:
            path: a ``*.cafepick`` file.
            method: how the good subject behind each is found: ``exact``, by a whole latent search; ``fast``, by one
                pass of the encoder; ``refine``, by a few search steps from there; ``auto``, by the quickest that the
                model knows.
            device: ``auto``, ``cpu`` or ``cuda``.
            precision: of the pass of ``fast``, and of the walk of ``exact``, whose scores are float32 and whose
                thresholds are the same either way. None takes ``bfloat16`` where the device multiplies it natively and
                it is quicker, for ``fast`` if the model was calibrated so, else ``float32``. Where ``fast`` was not
                calibrated in its precision, it scores, but judges nothing.

        Raises:
            ArtefactError: the file is missing, foreign, damaged, changed or too new.
            ConfigError: there is no such method or device here.
            MissingExtraError: the model needs torch, or the runtime of its graph, which is not installed.
        """
        if method not in METHODS:
            raise ConfigError(f"there is no method {method!r}: choose one of {', '.join(METHODS)}")
        artefact = load_artefact(path)
        header, tensors = artefact.header, artefact.tensors
        networks = _networks(path, header, tensors, device=device)
        try:
            crop = from_dict(CropConfig, header["crop"])
            search = from_dict(SearchConfig, header["search"])
            yardsticks = _yardsticks(header, tensors)
            _check_differences(networks, search)
            _check_crops(crop, header["model"])
        except (AttributeError, KeyError, TypeError, ValueError, ConfigError) as error:
            raise _unusable(path, error) from error
        check_descriptors(path, artefact)
        appearance = below(tensors, "appearance.")
        if appearance and any(name.startswith("light.") for name in appearance) != tells_light(crop):
            raise ArtefactError(f"{path} holds an appearance of other subjects than {crop.subject}: train anew")
        places = appearance["places.means"].shape if "places.means" in appearance else None
        if appearance and places != layout_of(crop).closer:
            raise ArtefactError(f"{path} knows good subjects by another closer look than it takes: train anew")
        chosen = networks.methods[0] if method == "auto" else _known(networks, method)
        taken = precision or _quickest(chosen, networks, yardsticks)
        mine = _popped(yardsticks, _way(chosen, taken))
        return cls(
            networks,
            crop=crop,
            search=search,
            method=chosen,
            appearance=Appearance.from_tensors(appearance) if appearance else None,
            fusion=mine.fusion,
            calibration=mine.calibration,
            part_calibrations=mine.part_calibrations,
            pixel_threshold=mine.pixel_threshold,
            others=yardsticks,
            facts={key: header[key] for key in FACTS if key in header},
            checksum=artefact.checksum,
            precision=taken,
        )

    def save(self, path: str | Path) -> None:
        """Write everything that detection needs to one file, whole or not at all.

        Raises:
            CalibrationError: there are no calibration scores, so no verdict would be possible.
        """
        self._calibrated()
        yardsticks = {name: known for name, known in self.yardsticks().items() if known.calibration is not None}
        fused = any(known.fusion is not None for known in yardsticks.values())
        exact = yardsticks.pop("exact", Yardstick())
        header = {
            **self.facts,
            **({} if self.appearance is None and not fused else {"descriptors": DESCRIPTORS}),
            "crop": asdict(self.crop),
            **self.networks.to_header(),
            "search": asdict(self.search),
            "calibration": {**self.facts.get("calibration", {}), **exact.to_header()},
            "methods": {name: known.to_header() for name, known in yardsticks.items()},
            "versions": versions_of("cafepick", "numpy", "opencv-python-headless", "safetensors", "torch"),
        }
        tensors = {
            **self.networks.to_tensors(),
            **above("appearance.", self.appearance.to_tensors() if self.appearance else {}),
            **exact.to_tensors(),
        }
        for name, known in yardsticks.items():
            tensors |= above(f"{name}.", known.to_tensors())
        save_artefact(path, header, tensors)

    @property
    def way(self) -> str:
        """Which yardstick the scores belong to: the method, and ``HALF_FAST`` for ``fast`` in bfloat16."""
        return _way(self.method, self.precision)

    def using(self, method: Method, *, precision: Precision | None = None) -> Detector:
        """Return the same model with another method, and what is known of its scores; ``precision`` is as in ``load``.

        Raises:
            ConfigError: the model does not know the method.
        """
        known = self.yardsticks()
        taken = precision or _quickest(_known(self.networks, method), self.networks, known)
        mine = _popped(known, _way(method, taken))
        return self._with(mine, method=method, others=known, precision=taken)

    def yardsticks(self) -> dict[str, Yardstick]:
        """Return what is known of the scores of each way to score, this detector's first."""
        mine = Yardstick(self.fusion, self.calibration, self.part_calibrations, self.pixel_threshold)
        return {self.way: mine, **{way: known for way, known in self.others.items() if way != self.way}}

    def inspect(
        self,
        photo: NDArray[np.uint8],
        *,
        false_reject: float | None = None,
        contours: Sequence[NDArray[np.float32]] | None = None,
    ) -> list[Verdict]:
        """Judge every subject of one photo.

        Args:
            photo: (H, W, 3) RGB, as ``cafepick.images.read_photo`` gives it.
            false_reject: share of good subjects that may be rejected by mistake, in (0, 1); None takes ``usual_rate``.
            contours: outlines of the beans, each (n, 2) x, y in photo pixels; None finds them.

        Returns:
            A verdict for each bean in reading order, or a single EMPTY one.

        Raises:
            CalibrationError: the model has no calibration, or too little for ``false_reject``.
            PhotoError: the array is no such photo, or shows no whole sheet where the model measures on one.
        """
        return self.judge([self.prepare(photo, contours=contours)], false_reject=false_reject)[0]

    def prepare(self, photo: NDArray[np.uint8], *, contours: Sequence[NDArray[np.float32]] | None = None) -> Prepared:
        """Find and cut the subjects of one photo (H, W, 3).

        Raises:
            PhotoError: the array is no such photo, or shows no whole sheet where the model measures on one.
        """
        check_photo(photo)
        height, width = photo.shape[:2]
        if self.crop.subject == "whole":
            whole = (crop_whole(photo, self.crop),)
            return Prepared((height, width), (None,), whole)
        frame = frame_of(photo, self.crop)
        pixels = frame.look(photo)  # the photo itself, or the sheet in it
        scene = scene_of(pixels, frame.into(contours))
        crops = crop_beans(pixels, scene, frame.cutting(self.crop))
        outlines = frame.outlines_back(scene.outlines)
        seen = conditions_of(replace(scene, outlines=outlines))
        return Prepared((height, width), outlines, frame.crops_back(crops, outlines), seen)

    def judge(self, photos: Sequence[Prepared], *, false_reject: float | None = None) -> list[list[Verdict]]:
        """Judge the subjects of many photos together, which is quicker; the verdicts are those of ``inspect``.

        Raises:
            CalibrationError: the model has no calibration, or too little for ``false_reject``.
        """
        threshold = self.threshold(self.usual_rate() if false_reject is None else false_reject)
        judged = iter(self._judge_cropped([one for photo in photos for one in _cropped(photo)], threshold))
        return [_with_cut_and_empty(photo, judged) for photo in photos]

    def score(
        self,
        images: NDArray[np.uint8],
        descriptors: NDArray[np.float64] | None = None,
        *,
        looked: Looked | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Scored:
        """Score subjects: find the good image behind each, and join what differs with how unusual it looks.

        Args:
            images: (n, size, size, c) crops.
            descriptors: (n, d) of the same, as ``beans.describe`` measures them; only a model with an appearance part
                needs them.
            looked: what another appearance says of them, in place of this model's; None asks this one.
            progress: called with how many are done and how many there are.

        Raises:
            ConfigError: the model needs descriptors, and there are none.
        """
        looks = self.appearance
        if looks is None:
            return self._score(images, progress=progress)
        if descriptors is None:
            raise ConfigError("this model looks at size, shape and colour: give the descriptors of the crops too")
        return self._score(images, lambda: looked or looks.look(descriptors), progress=progress)

    def _score(
        self,
        images: NDArray[np.uint8],
        appearance: Callable[[], Looked] | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Scored:
        """Score subjects, and ask what their appearance says when the networks are done."""
        scored = self.networks.score(
            images, self.search, method=self.method, precision=self.precision, progress=progress
        )
        if self.search.differences == "standardised" and self.method != "exact":
            scored = _per_pixel(scored, pixels_of(images, self.crop))
        parts, maps = dict(scored.parts), scored.maps
        if appearance is not None:
            looked = appearance()
            parts[APPEARANCE] = looked.scores
            maps = maps if looked.excess is None else maps + EXCESS * _enlarged(looked.excess, self.crop.size)
        score = scored.score if self.fusion is None else self.fusion.score(parts)
        return replace(scored, parts=parts, score=score, maps=maps)

    def usual_rate(self) -> float:
        """Return the false-reject rate for users who name none: 1 %, or the lowest that the calibration can promise.

        Raises:
            CalibrationError: the model has no calibration.
        """
        return max(FALSE_REJECT, 1 / (len(self._calibrated()) + 1))

    def threshold(self, false_reject: float) -> float:
        """Return the score above which a subject is NG at this false-reject rate.

        Raises:
            CalibrationError: the model has no calibration, or too little for ``false_reject``.
        """
        return self._calibrated().threshold(false_reject)

    def promise(self, false_reject: float) -> dict[str, float]:
        """Return the rate, what it may really be at most (95 % confidence), the threshold and what it rests on."""
        calibration = self._calibrated()
        return {
            "false_reject": false_reject,
            "false_reject_upper_bound": calibration.upper_bound(false_reject),
            "threshold": calibration.threshold(false_reject),
            "calibration_subjects": len(calibration.scores),
        }

    @property
    def size_counts_in_pixels(self) -> bool:
        """Whether the crops keep the size that beans have in the photo."""
        return self.crop.scale == "fixed" and self.crop.sheet == "none"

    def oddities(self, photo: Prepared) -> list[str]:
        """Say in words how a photo differs from those that set the threshold, apart from its beans' quality."""
        if self.crop.detail is not None:
            shown = min(kept_of(photo.shape, self.crop)[2:])
            return [too_few_pixels(shown, self.crop.detail)] if shown < ENOUGH_SHOWN * self.crop.detail else []
        known = self.facts.get("calibration", {}).get("conditions")
        if known is None or photo.conditions is None:
            return []
        shown, trained = Range.from_json(known), shown_in_training(self.facts)
        if trained is not None:  # a calibration teaches a light, but no size
            shown = replace(shown, length_low=trained.length_low, length_high=trained.length_high)
        found = shown.oddities(photo.conditions, size_counts=self.size_counts_in_pixels)
        if self._light_is_new(photo.conditions.surface, shown):
            found.append("the light is like that of no good photo, by the colour of the surface")
        return found

    def reservations(self) -> list[str]:
        """Say in words what speaks against the threshold whatever photo is judged; empty if nothing does."""
        return reservations(self.facts)

    def _light_is_new(self, surface: tuple[float, float, float], shown: Range) -> bool:
        """Tell a new light, unless the surface is so different that this is said of itself."""
        light = None if self.appearance is None else self.appearance.light
        return light is not None and not light.knows(surface) and not shown.holds(surface, LIKE) and shown.like(surface)

    def calibrated(
        self, scored: Scored, record: dict[str, Any], *, others: Mapping[str, Scored] | None = None
    ) -> Detector:
        """Return the detector with its thresholds set by the scores of good subjects that it was not trained on.

        Args:
            scored: what ``score`` gave for them.
            record: where they come from; kept in the artefact, with the former records as ``history``.
            others: what the model's other ways to score gave for them, by name (``way``); those left out have no
                threshold any more.

        Raises:
            CalibrationError: no subject, or a score that is not finite.
        """
        former = self.facts.get("calibration")
        last = {key: value for key, value in (former or {}).items() if key not in ("history", "learnt_from")}
        history = [] if former is None else [*former.get("history", []), last]
        given = {**(others or {}), self.way: scored}
        before = self.yardsticks()
        known = {
            way: _popped(dict(before), way).calibrated(given[way], quantile=PIXEL_QUANTILE)
            if way in given
            else before[way].without_calibration()
            for way in {**before, **given}
        }
        facts = {**self.facts, "calibration": {**record, "history": history}}
        return self._with(known.pop(self.way), others=known, facts=facts)

    def with_parts(self, appearance: Appearance | None, fusions: Mapping[str, Fusion]) -> Detector:
        """Return the detector with more parts to its scores, by way to score, which has to be calibrated again."""
        known = {name: Yardstick(fusion=fusion) for name, fusion in fusions.items()}
        return self._with(known.pop(self.way, Yardstick()), others=known, appearance=appearance)

    def with_search(self, search: SearchConfig) -> Detector:
        """Return the detector with another search; its scores change, so it has to be calibrated again."""
        return self._uncalibrated(search=search)

    def with_appearance(self, appearance: Appearance) -> Detector:
        """Return the detector with another appearance; its scores change, so it has to be calibrated again."""
        return self._uncalibrated(appearance=appearance)

    def with_networks(self, networks: ExportedNetworks, yardstick: Yardstick) -> Detector:
        """Return the detector with its method computed by a graph; what it knew of other methods is left out."""
        exact = ("fusion", "pixel_threshold")  # lie at the top of what a file says of its calibration
        record = {key: value for key, value in self.facts.get("calibration", {}).items() if key not in exact}
        return self._with(yardstick, networks=networks, others={}, facts={**self.facts, "calibration": record})

    def _uncalibrated(self, **changes: Any) -> Detector:
        known = {name: yardstick.without_calibration() for name, yardstick in self.yardsticks().items()}
        return self._with(known.pop(self.way), others=known, **changes)

    def _with(self, yardstick: Yardstick, **changes: Any) -> Detector:
        """Return the detector with another yardstick, and other changes; it is no longer that of a file."""
        names = ("networks", "crop", "search", "method", "appearance", "others", "facts", "precision")
        return Detector(
            fusion=yardstick.fusion,
            calibration=yardstick.calibration,
            part_calibrations=yardstick.part_calibrations,
            pixel_threshold=yardstick.pixel_threshold,
            **{**{name: getattr(self, name) for name in names}, **changes},
        )

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise CalibrationError(
                "this model has no calibration, so its scores say nothing yet: "
                "run  cafepick calibrate GOOD_PHOTOS --model MODEL"
            )
        return self.calibration

    def _judge_cropped(self, subjects: Sequence[_Cropped], threshold: float) -> Iterator[Verdict]:
        """Judge subjects of photos; they are measured while the networks look at them."""
        if not subjects:
            return
        crops = [one.crop for one in subjects]
        looks = self.appearance
        measured = None if looks is None else aside(partial(_measured, crops, self.crop, looks))
        scored = self._score(
            np.stack([crop.image for crop in crops]), None if measured is None else lambda: measured()[1]
        )
        descriptors = None if measured is None else measured()[0]
        known = self.part_calibrations
        p_values = self._calibrated().p_values(scored.score).tolist()
        scores = _rows({name: getattr(scored, name) for name in SCORES}, len(crops))
        by_part, marked = _rows(scored.parts, len(crops)), segmentations(scored.maps, self.pixel_threshold)
        judged = {part: known[part].p_values(values) for part, values in scored.parts.items() if part in known}
        parts = _rows(judged, len(crops))
        for index, (bean, outline, crop) in enumerate(subjects):
            seen = Evidence(crop, scored.reconstructions[index], scored.maps[index], marked[index])
            rejected = scores[index]["score"] > threshold
            row = None if descriptors is None else descriptors[index]
            why = self._why(seen, parts[index], row) if rejected else None
            yield Verdict(
                bean=bean,
                judgement=Judgement.NG if rejected else Judgement.OK,
                box=crop.box,
                angle=crop.angle,
                scores=ScoreParts(**scores[index], parts=by_part[index]),
                p_value=p_values[index],
                outline=outline,
                evidence=seen,
                parts=parts[index],
                why=why,
                reason="" if why is None else in_words(why),
            )

    def _why(self, seen: Evidence, p_values: Mapping[str, float], descriptors: NDArray[np.float64] | None) -> Reason:
        """Say why a subject is NG; ``p_values`` are those of the parts of its score."""
        area = partial(area_of, seen.crop.image, seen.reconstruction, seen.segmentation, seen.crop.mask)
        if self.appearance is None or descriptors is None:
            return area()
        return reason_of(p_values, names_of(self.crop), descriptors, self.appearance, area)


def reservations(facts: Mapping[str, Any]) -> list[str]:
    """Say in words what speaks against a model's threshold, of its facts or its file's header."""
    alone = facts.get("training", {}).get("alone", 0)
    if not alone or facts.get("calibration", {}).get("source") != KEPT_ASIDE:
        return []
    words = (
        "the threshold was set in a light that no other good photo showed, so many defects may pass: run  cafepick "
        "calibrate  on good ones in the light of these photos, or train on two photos or more in each light"
    )
    return [words]


def shown_in_training(facts: Mapping[str, Any]) -> Range | None:
    """Return what the good photos of a training showed, of the facts of its model; None where it is not known."""
    now = facts.get("calibration", {})
    records = [*now.get("history", []), now]
    known = next((one.get("conditions") for one in reversed(records) if one.get("source") == KEPT_ASIDE), None)
    return None if known is None else Range.from_json(known)


def check_descriptors(path: str | Path, artefact: Artefact) -> None:
    """Refuse a model that knows good subjects by descriptors, or by scales, that this cafepick does not have.

    Raises:
        ArtefactError: it does.
    """
    header = artefact.header
    of_them = any(name.startswith("appearance.") or "fusion." in name for name in artefact.tensors)
    if of_them and header.get("descriptors", 1) != DESCRIPTORS:
        made_by = header.get("versions", {}).get("cafepick", "unknown")
        raise ArtefactError(
            f"{path} was trained by a cafepick that measures size, shape and colour otherwise (version "
            f"{header.get('descriptors', 1)} of the descriptors, here {DESCRIPTORS}): train anew"
            + ("" if made_by == __version__ else f", or use cafepick {made_by}, which made it")
        )


class _Cropped(NamedTuple):
    """A subject that can be judged."""

    bean: int
    """Its number in its photo, from 1."""
    outline: Outline | None
    crop: Crop


def _cropped(photo: Prepared) -> list[_Cropped]:
    """Return the subjects of one photo that are not cut by the frame."""
    numbered = enumerate(zip(photo.outlines, photo.crops, strict=True), start=1)
    return [_Cropped(bean, outline, crop) for bean, (outline, crop) in numbered if crop is not None]


def _rows(columns: Mapping[str, NDArray[np.float64]], count: int) -> list[dict[str, float]]:
    """Return what each of ``count`` subjects has in columns (count,), by their names."""
    if not columns:
        return [{} for _ in range(count)]
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _with_cut_and_empty(photo: Prepared, judged: Iterator[Verdict]) -> list[Verdict]:
    """Return the verdicts of one photo; take the next one of ``judged`` for each subject that was cropped."""
    height, width = photo.shape
    if not photo.crops:
        return [Verdict(bean=0, judgement=Judgement.EMPTY, box=Box(0, 0, width, height))]
    return [
        Verdict(bean=bean, judgement=Judgement.CUT, box=box_of(outline.contour), outline=outline)
        if crop is None and outline is not None
        else next(judged)
        for bean, (outline, crop) in enumerate(zip(photo.outlines, photo.crops, strict=True), start=1)
    ]


def _measured(crops: Sequence[Crop], config: CropConfig, appearance: Appearance) -> tuple[NDArray[np.float64], Looked]:
    """Return descriptors (n, D) of crops, and what their appearance says."""
    descriptors = descriptors_of(crops, config)
    return descriptors, appearance.look(descriptors)


def _enlarged(places: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """(n, p) of a square of places -> (n, size, size)."""
    side = isqrt(places.shape[1])
    pictures = places.astype(np.float32).reshape(-1, side, side)
    return np.array([cv2.resize(one, (size, size)) for one in pictures], np.float32).reshape(-1, size, size)


def _per_pixel(scored: Scored, pixels: NDArray[np.int64]) -> Scored:
    """Return the differences per pixel of each subject."""
    reconstruction = scored.parts[RECONSTRUCTION] / pixels
    return replace(
        scored,
        residual=scored.residual / pixels,
        discrimination=scored.discrimination / pixels,
        score=reconstruction,
        parts={**scored.parts, RECONSTRUCTION: reconstruction},
    )


def _networks(
    path: str | Path, header: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], *, device: str
) -> Networks | ExportedNetworks:
    """Open what an artefact holds: a graph of the whole model, or the networks, which need torch."""
    try:
        model = from_dict(ModelConfig, header["model"])
        comparison = from_dict(ComparisonConfig, header["comparison"]) if "comparison" in header else None
        graph = dict(header["graph"]) if "graph" in header else None
    except (AttributeError, KeyError, TypeError, ValueError, ConfigError) as error:
        raise _unusable(path, error) from error
    if graph is not None:
        from cafepick.scoring.exported import ExportedNetworks  # noqa: PLC0415 - its runtime is optional

        return ExportedNetworks.from_tensors(model, graph, tensors, device=device)
    try:
        from cafepick.scoring.exact import Networks  # noqa: PLC0415 - torch is slow to import, and optional
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "train") from error
    return Networks.from_tensors(model, tensors, comparison=comparison, device=device)


def _check_differences(networks: Networks | ExportedNetworks, search: SearchConfig) -> None:
    """Refuse networks that measure differences in another way than the search says."""
    known = networks.differences
    if known is not None and known != search.differences:
        raise ConfigError(
            f"the networks measure {known} differences and search.differences asks for {search.differences} ones: what "
            f"is usual is learnt in training, so train anew for that"
        )


def _check_crops(crop: CropConfig, model: Mapping[str, Any]) -> None:
    """Refuse crops that the networks cannot look at.

    Raises:
        ConfigError: they are of another size, or have other channels.
    """
    cut, wanted = (crop.size, crop.channels), (model["size"], model["channels"])
    if cut != wanted:
        raise ConfigError(f"its crops have side {cut[0]} and {cut[1]} channels, its networks take {wanted}")


def _unusable(path: str | Path, error: Exception) -> ArtefactError:
    return ArtefactError(
        f"{path} has a header that this cafepick cannot use ({error}): upgrade cafepick, or train anew"
    )


def _known(networks: Networks | ExportedNetworks, method: str) -> Method:
    """Return the method if the model knows it."""
    for known in networks.methods:
        if known == method:
            return known
    raise ConfigError(
        f"this model knows the method {' and '.join(networks.methods)} only, not {method}: "
        + ("use the trained model" if "fast" in networks.methods else "train it with the recipe standard or quick")
    )


def _way(method: Method, precision: Precision) -> str:
    return HALF_FAST if method == "fast" and precision == "bfloat16" else method


def _quickest(method: Method, networks: Networks | ExportedNetworks, yardsticks: Mapping[str, Yardstick]) -> Precision:
    """Return the quickest precision that the device has and that there are thresholds for."""
    calibrated = yardsticks.get(HALF_FAST, Yardstick()).calibration is not None
    fast = method == "fast" and calibrated and half_is_native(networks)
    exact = method == "exact" and bool(getattr(networks, "walks_in_half", False))
    return "bfloat16" if fast or exact else "float32"


def half_is_native(networks: Networks | ExportedNetworks) -> bool:
    """Return whether the networks run natively in bfloat16 where they are."""
    return bool(getattr(networks, "half_is_native", False))


def _popped(yardsticks: dict[str, Yardstick], way: str) -> Yardstick:
    """Take out the yardstick of a way to score; bfloat16 fuses the parts as float32 does, if it has no own scales."""
    like = yardsticks.get("fast", Yardstick()) if way == HALF_FAST else Yardstick()
    return yardsticks.pop(way, Yardstick(fusion=like.fusion))


def _yardsticks(header: dict[str, Any], tensors: Mapping[str, NDArray[Any]]) -> dict[str, Yardstick]:
    """Return what an artefact knows of the scores of each way; ``exact`` lies at the top, as it came first."""
    known = {
        way: Yardstick.of(header["methods"][way], below(tensors, f"{way}."))
        for way in (*get_args(Method), HALF_FAST)
        if way in header.get("methods", {})
    }
    if "methods" not in header or "calibration.scores" in tensors:
        known["exact"] = Yardstick.of(header["calibration"], tensors)
    return known


def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
