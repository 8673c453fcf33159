"""What verdicts rest on, kept so that pictures can be drawn later: numbers as JSON, crops and maps as a npz file.

verdicts --beans_of--> JSON for the database            --verdicts_of--> verdicts at any rate, for draw.overlay
         --save------> checks/ab/ID.npz (no objects)    --load---------> Evidence of one bean, for draw.panel
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cafepick.files import replacing
from cafepick.server.marks import mark
from cafepick.types import Box, Crop, Evidence, Judgement, Outline, ScoreParts, Verdict

ARRAYS: Final = ("beans", "crops", "masks", "reconstructions", "maps", "segmentations", "to_photo")


def beans_of(verdicts: Sequence[Verdict], shape: tuple[int, int]) -> list[dict[str, Any]]:
    """Return what is kept of the verdicts on one photo of (height, width), as JSON; nothing for an empty photo."""
    return [_bean_of(verdict, shape) for verdict in verdicts if verdict.judgement is not Judgement.EMPTY]


def outline_of(contour: NDArray[np.floating]) -> list[list[float]]:
    """Return an outline (n, 2) as JSON, to a tenth of a pixel."""
    return np.round(contour.astype(np.float64), 1).tolist()


def box_json(box: Box) -> dict[str, float]:
    """Return a box as JSON."""
    return {name: round(float(value), 1) for name, value in box._asdict().items()}


def area_of(contour: NDArray[np.floating]) -> float:
    """Return the area inside an outline (n, 2), square pixels."""
    return round(float(cv2.contourArea(contour.astype(np.float32))), 1)


def _bean_of(verdict: Verdict, shape: tuple[int, int]) -> dict[str, Any]:
    scores, contour = verdict.scores, None if verdict.outline is None else verdict.outline.contour
    parts, why = getattr(verdict, "parts", None) or {}, getattr(verdict, "why", None)
    return {
        "bean": verdict.bean,
        "p_value": verdict.p_value,
        "score": None if scores is None else scores.score,
        "residual": None if scores is None else scores.residual,
        "discrimination": None if scores is None else scores.discrimination,
        "box": box_json(verdict.box),
        "angle": round(float(verdict.angle), 1),
        "area": float(shape[0] * shape[1]) if contour is None else area_of(contour),
        "outline": [] if contour is None else outline_of(contour),
        "reason": str(getattr(verdict, "reason", "") or ""),
        "why": None if why is None else {"key": why.key, "high": bool(why.high), "share": float(why.share)},
        "parts": {str(name): float(share) for name, share in dict(parts).items()},
    }


def save(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write what the judged verdicts rest on, whole or not at all; no file where nothing was judged.

    Raises:
        OutputError: it cannot be written.
    """
    judged = [(verdict.bean, verdict.evidence) for verdict in verdicts if verdict.evidence is not None]
    if not judged:
        return
    arrays = {
        "beans": np.array([bean for bean, _ in judged], np.int32),
        "crops": np.stack([one.crop.image for _, one in judged]),
        "masks": np.stack([one.crop.mask for _, one in judged]),
        "reconstructions": np.stack([one.reconstruction for _, one in judged]),
        "maps": np.stack([one.anomaly_map for _, one in judged]).astype(np.float16),
        "segmentations": np.stack([one.segmentation for _, one in judged]),
        "to_photo": np.stack([one.crop.to_photo for _, one in judged]),
    }
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def load(path: Path, beans: Sequence[dict[str, Any]]) -> dict[int, Evidence]:
    """Return what was kept, by number of the bean; empty where nothing was.

    Args:
        path: what ``save`` wrote.
        beans: what ``beans_of`` gave for the same verdicts.
    """
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in ARRAYS}
    by_number = {bean["bean"]: bean for bean in beans}
    found = {}
    for index, number in enumerate(arrays["beans"].tolist()):
        bean = by_number[number]
        box = Box(**bean["box"])
        crop = Crop(arrays["crops"][index], arrays["masks"][index], arrays["to_photo"][index], box, bean["angle"])
        maps, painted = arrays["maps"][index].astype(np.float32), arrays["segmentations"][index]
        found[number] = Evidence(crop, arrays["reconstructions"][index], maps, painted)
    return found


def verdicts_of(beans: Sequence[dict[str, Any]], evidence: dict[int, Evidence], rate: float) -> list[Verdict]:
    """Return the verdicts on a photo as they are at ``rate``."""
    return [_verdict_of(bean, evidence.get(bean["bean"]), rate) for bean in beans]


def _verdict_of(bean: dict[str, Any], evidence: Evidence | None, rate: float) -> Verdict:
    judgement = Judgement(mark(bean, rate))
    scored = bean["p_value"] is not None
    outline = np.array(bean["outline"], np.float32).reshape(-1, 2)
    return Verdict(
        bean=bean["bean"],
        judgement=judgement,
        box=Box(**bean["box"]),
        angle=bean["angle"],
        scores=ScoreParts(bean["residual"], bean["discrimination"], bean["score"]) if scored else None,
        p_value=bean["p_value"],
        outline=Outline(outline, cut=judgement is Judgement.CUT) if len(outline) else None,
        evidence=evidence,
    )
