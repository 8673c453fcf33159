"""The facade: ``Detector.load("beans.cafepick").inspect(photo)`` gives a verdict for each bean."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cafepick.artefact import load_artefact, save_artefact
from cafepick.beans.conditions import Conditions, Range, conditions_of
from cafepick.beans.crop import box_of, crop_beans, crop_whole
from cafepick.beans.find import scene_of
from cafepick.config import CropConfig, ModelConfig, SearchConfig, from_dict
from cafepick.errors import ArtefactError, CalibrationError, ConfigError
from cafepick.images import check_photo
from cafepick.scoring.calibrate import Calibration
from cafepick.scoring.residual import pixel_threshold, segmentation
from cafepick.types import Box, Crop, Evidence, Judgement, Outline, Scored, ScoreParts, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cafepick.scoring.exact import Networks

METHODS: Final = ("exact",)
"""Ways to find the closest good subject."""

FALSE_REJECT: Final = 0.01
"""Share of good subjects that a user accepts to lose, unless told otherwise."""

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
        networks: Networks,
        *,
        crop: CropConfig,
        search: SearchConfig,
        calibration: Calibration | None = None,
        pixel_threshold: float = np.inf,
        facts: dict[str, Any] | None = None,
        checksum: str = "",
    ) -> None:
        self.networks = networks
        self.crop = crop
        self.search = search
        self.calibration = calibration
        self.pixel_threshold = pixel_threshold
        self.facts = facts or {}
        """What the artefact says of training, calibration and versions."""
        self.checksum = checksum
        """Checksum of the artefact that the detector was loaded from; empty before it is saved."""

    @classmethod
    def load(cls, path: str | Path, *, method: str = "exact", device: str = "auto") -> Detector:
        """Open a model file.

        Args:
            path: a ``*.cafepick`` file.
            method: how the closest good subject is found: ``exact``, by latent search.
            device: ``auto``, ``cpu`` or ``cuda``.

        Raises:
            ArtefactError: the file is missing, foreign, damaged, changed or too new.
            ConfigError: there is no such method or device here.
            MissingExtraError: the model needs torch, which is not installed.
        """
        from cafepick.scoring.exact import Networks  # noqa: PLC0415 - torch is slow to import, and optional

        if method not in METHODS:
            raise ConfigError(f"there is no method {method!r}: choose one of {', '.join(METHODS)}")
        artefact = load_artefact(path)
        header = artefact.header
        try:
            model = from_dict(ModelConfig, header["model"])
            crop = from_dict(CropConfig, header["crop"])
            search = from_dict(SearchConfig, header["search"])
            threshold = float(header["calibration"]["pixel_threshold"])
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise ArtefactError(
                f"{path} has a header that this cafepick cannot use ({error}): upgrade cafepick, or train anew"
            ) from error
        scores = artefact.tensors.get("calibration.scores")
        return cls(
            Networks.from_tensors(model, artefact.tensors, device=device),
            crop=crop,
            search=search,
            calibration=None if scores is None else Calibration.fit(scores),
            pixel_threshold=threshold,
            facts={key: header[key] for key in ("training", "calibration", "versions") if key in header},
            checksum=artefact.checksum,
        )

    def save(self, path: str | Path) -> None:
        """Write everything that detection needs to one file, whole or not at all.

        Raises:
            CalibrationError: there are no calibration scores, so no verdict would be possible.
        """
        header = {
            **self.facts,
            "crop": asdict(self.crop),
            "model": asdict(self.networks.config),
            "search": asdict(self.search),
            "calibration": {**self.facts.get("calibration", {}), "pixel_threshold": self.pixel_threshold},
            "versions": _versions(),
        }
        tensors = {**self.networks.to_tensors(), "calibration.scores": self._calibrated().scores}
        save_artefact(path, header, tensors)

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
            PhotoError: the array is no such photo.
        """
        return self.judge([self.prepare(photo, contours=contours)], false_reject=false_reject)[0]

    def prepare(self, photo: NDArray[np.uint8], *, contours: Sequence[NDArray[np.float32]] | None = None) -> Prepared:
        """Find and cut the subjects of one photo (H, W, 3).

        Raises:
            PhotoError: the array is no such photo.
        """
        check_photo(photo)
        height, width = photo.shape[:2]
        if self.crop.subject == "whole":
            return Prepared((height, width), (None,), (crop_whole(photo, self.crop),))
        scene = scene_of(photo, contours)
        crops = tuple(crop_beans(photo, scene, self.crop))
        return Prepared((height, width), scene.outlines, crops, conditions_of(scene))

    def judge(self, photos: Sequence[Prepared], *, false_reject: float | None = None) -> list[list[Verdict]]:
        """Judge the subjects of many photos together, which is quicker; the verdicts are those of ``inspect``.

        Raises:
            CalibrationError: the model has no calibration, or too little for ``false_reject``.
        """
        threshold = self.threshold(self.usual_rate() if false_reject is None else false_reject)
        crops = [crop for photo in photos for crop in photo.crops if crop is not None]
        judged = iter(self._judge_crops(crops, threshold))
        return [_with_cut_and_empty(photo, judged) for photo in photos]

    def score(self, images: NDArray[np.uint8], *, progress: Callable[[int, int], None] | None = None) -> Scored:
        """Search the closest good image of each crop (n, size, size, c), and score what differs."""
        return self.networks.score(images, self.search, progress=progress)

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

    def oddities(self, photo: Prepared) -> list[str]:
        """Say in words how a photo differs from those that set the threshold, apart from its beans' quality."""
        known = self.facts.get("calibration", {}).get("conditions")
        if known is None or photo.conditions is None:
            return []
        return Range.from_json(known).oddities(photo.conditions, size_counts=self.crop.scale == "fixed")

    def calibrated(self, scored: Scored, record: dict[str, Any]) -> Detector:
        """Return the detector with its thresholds set by the scores of good subjects that it was not trained on.

        Args:
            scored: what ``score`` gave for them.
            record: where they come from; kept in the artefact, with the former records as ``history``.

        Raises:
            CalibrationError: no subject, or a score that is not finite.
        """
        former = self.facts.get("calibration")
        last = {key: value for key, value in (former or {}).items() if key != "history"}
        history = [] if former is None else [*former.get("history", []), last]
        return Detector(
            self.networks,
            crop=self.crop,
            search=self.search,
            calibration=Calibration.fit(scored.score),
            pixel_threshold=pixel_threshold(scored.maps, quantile=PIXEL_QUANTILE),
            facts={**self.facts, "calibration": {**record, "history": history}},
        )

    def with_search(self, search: SearchConfig) -> Detector:
        """Return the detector with another search; its scores change, so it has to be calibrated again."""
        return Detector(self.networks, crop=self.crop, search=search, facts=self.facts)

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise CalibrationError(
                "this model has no calibration, so its scores say nothing yet: "
                "run  cafepick calibrate GOOD_PHOTOS --model MODEL"
            )
        return self.calibration

    def _judge_crops(self, crops: Sequence[Crop], threshold: float) -> Iterator[Verdict]:
        """Judge crops as if each were bean 1 of its photo."""
        if not crops:
            return
        scored = self.score(np.stack([crop.image for crop in crops]))
        p_values = self._calibrated().p_values(scored.score)
        for index, crop in enumerate(crops):
            parts = ScoreParts(*(float(part[index]) for part in (scored.residual, scored.discrimination, scored.score)))
            yield Verdict(
                bean=1,
                judgement=Judgement.NG if parts.score > threshold else Judgement.OK,
                box=crop.box,
                angle=crop.angle,
                scores=parts,
                p_value=float(p_values[index]),
                evidence=Evidence(
                    crop=crop,
                    reconstruction=scored.reconstructions[index],
                    anomaly_map=scored.maps[index],
                    segmentation=segmentation(scored.maps[index], self.pixel_threshold),
                ),
            )


def _with_cut_and_empty(photo: Prepared, judged: Iterator[Verdict]) -> list[Verdict]:
    """Number the verdicts of one photo; take the next one of ``judged`` for each subject that was cropped."""
    height, width = photo.shape
    if not photo.crops:
        return [Verdict(bean=0, judgement=Judgement.EMPTY, box=Box(0, 0, width, height))]
    return [
        Verdict(bean=bean, judgement=Judgement.CUT, box=box_of(outline.contour), outline=outline)
        if crop is None and outline is not None
        else replace(next(judged), bean=bean, outline=outline)
        for bean, (outline, crop) in enumerate(zip(photo.outlines, photo.crops, strict=True), start=1)
    ]


def _versions() -> dict[str, str]:
    """Versions of what made the artefact."""
    packages = ("cafepick", "numpy", "opencv-python-headless", "safetensors", "torch")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
