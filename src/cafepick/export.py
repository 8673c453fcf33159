"""Export a trained model: its method ``fast`` as one graph, compared with the original before it is written.

The graph takes crops as bytes and holds everything between them and the score parts: scaling to [-1, 1], encoder,
decoder, discriminator, comparison, the distances, and the reconstruction as bytes again. What follows (lambda,
appearance, fusion, thresholds) is numpy's part in both models alike.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.beans.crop import BLANK
from cafepick.detector import Detector, versions_of
from cafepick.errors import ConfigError, ExportError
from cafepick.files import replacing
from cafepick.jobs.calibrate import Sample, now
from cafepick.scoring.agreement import Agreement, agreement_of, same_subjects
from cafepick.scoring.exported import PASS, ExportedNetworks, GraphFacts
from cafepick.scoring.graph import OPSET, OneGraph, to_onnx, to_openvino

if TYPE_CHECKING:
    from pathlib import Path

    from cafepick.jobs.gather import Progress
    from cafepick.scoring.exact import Networks
    from cafepick.scoring.runtimes import GraphFormat
    from cafepick.types import Scored

DRAWN: Final = 500
"""Subjects that the model draws itself where no others are given."""
GROUND: Final = 8
"""Grey levels by which the ground that a model draws may miss that of real crops."""
SPOILED: Final = 500
"""Subjects at most that both models see a second time, with a spoiled part."""


def export(
    trained: Detector, out: Path, graph: GraphFormat, sample: Sample, *, source: str, progress: Progress
) -> Agreement:
    """Write ``trained`` as a model that needs no torch, if it judges as the original does; otherwise write nothing.

    Args:
        trained: a calibrated model with an encoder, opened from its file.
        out: where the exported model goes.
        graph: its format.
        sample: subjects that both models score; best good ones that the model was not trained on.
        source: what they are, for the record in the artefact.
        progress: called with the stage, how much is done and how much there is.

    Raises:
        CalibrationError: the model has no calibration of the method ``fast``.
        ConfigError: the model has no encoder, or is exported already.
        ExportError: the exported model does not judge as the trained one does.
        MissingExtraError: what writes or reads graphs is not installed.
        OutputError: the file cannot be written.
    """
    networks = check_exportable(trained)
    quick = trained.using("fast", precision="float32")
    progress("drawing up the graph", 0, 1)
    graphed = graph_of(networks, graph, trained=trained.checksum)
    progress("drawing up the graph", 1, 1)
    seen = with_spoiled(sample)
    ours = quick.score(
        seen.images,
        seen.descriptors,
        progress=lambda done, total: progress("scoring by the trained model", done, total),
    )
    exported = _judging_alike(quick, graphed, None, None)
    theirs = exported.score(
        seen.images, seen.descriptors, progress=lambda done, total: progress("scoring by the exported one", done, total)
    )
    exported = _judging_alike(quick, graphed, ours, theirs)
    agreement = _agreement(quick, exported, ours, theirs)
    exported.facts["export"] = {
        "date": now(),
        "compared_on": source,
        "agreement": asdict(agreement),
        "versions": versions_of("torch", "onnx", "onnxscript", "onnxruntime", "openvino"),
    }
    with replacing(out) as temporary:
        exported.save(temporary)
        _check_file(temporary, Sample(seen.images[:PASS], seen.descriptors[:PASS]), theirs)
    return agreement


def graph_of(networks: Networks, graph: GraphFormat, *, trained: str) -> ExportedNetworks:
    """Turn the networks of the method ``fast`` into one graph, and open it.

    Args:
        networks: with an encoder.
        graph: the format.
        trained: checksum of the artefact that they come from.

    Raises:
        ArtefactError: the runtime cannot read the graph.
        ConfigError: there is no encoder.
        MissingExtraError: what writes or reads graphs is not installed.
    """
    if networks.restoring is None:
        raise ConfigError("only the method fast fits into a graph, and these networks have no encoder")
    shape = (PASS, networks.config.size, networks.config.size, networks.config.channels)
    onnx = to_onnx(OneGraph(networks.restoring), shape)
    files = {"onnx": onnx} if graph == "onnx" else to_openvino(onnx)
    facts = GraphFacts(format=graph, opset=OPSET, trained=trained, differences=networks.differences or "plain")
    return ExportedNetworks.open(networks.config, facts, files)


def with_spoiled(sample: Sample) -> Sample:
    """Return the subjects, and some of them once more with a part turned to its negative, so that verdicts vary."""
    spoiled = sample.images[:SPOILED].copy()
    near, far = spoiled.shape[1] * 3 // 8, spoiled.shape[1] * 5 // 8
    spoiled[:, near:far, near:far] = 255 - spoiled[:, near:far, near:far]
    return Sample(
        np.concatenate([sample.images, spoiled]), np.concatenate([sample.descriptors, sample.descriptors[:SPOILED]])
    )


def drawn_sample(trained: Detector) -> Sample:
    """Return subjects that the model draws itself; of usual size, shape and colour, as far as it looks at these."""
    known = trained.appearance
    descriptors = np.empty((DRAWN, 0)) if known is None else np.tile(known.usual(), (DRAWN, 1))
    images = trained.networks.draw(DRAWN)
    if trained.crop.subject == "beans":
        ground = (np.abs(images.astype(np.int16) - BLANK) <= GROUND).all(axis=-1)
        images[ground] = BLANK  # as around real beans, so that as many pixels count
    return Sample(images, descriptors)


def check_exportable(trained: Detector) -> Networks:
    """Return the networks of a model that ``export`` can write, before anything is drawn or cut for it.

    Raises:
        CalibrationError: the model has no calibration of the method ``fast``.
        ConfigError: it has no encoder, or is exported already.
    """
    networks = trained.networks
    if isinstance(networks, ExportedNetworks):
        raise ConfigError("this model is an exported one already: export the trained model that it was made from")
    if "fast" not in networks.methods:
        raise ConfigError(
            "only the method fast, one pass of the encoder, fits into a graph, and this model has no encoder: train "
            "one that has, as with --set encoder.steps=2000"
        )
    trained.using("fast", precision="float32").usual_rate()  # refuses a model without calibration
    return networks


def _judging_alike(quick: Detector, graphed: ExportedNetworks, ours: Scored | None, theirs: Scored | None) -> Detector:
    """Return the detector that judges by the graph; subjects of its calibration that it has scored count as scored."""
    yardstick = quick.yardsticks()["fast"]
    if ours is not None and theirs is not None and yardstick.calibration is not None:
        yardstick = replace(
            yardstick,
            calibration=same_subjects(yardstick.calibration, ours.score, theirs.score),
            part_calibrations={
                part: same_subjects(known, ours.parts[part], theirs.parts[part])
                for part, known in yardstick.part_calibrations.items()
            },
        )
    return quick.with_networks(graphed, yardstick)


def _agreement(quick: Detector, exported: Detector, ours: Scored, theirs: Scored) -> Agreement:
    """Compare the two, and refuse what is not alike."""
    first, second = quick.calibration, exported.calibration
    if first is None or second is None:
        raise ExportError("there is no calibration to compare verdicts by")
    agreement = agreement_of(ours, theirs, (first, second))
    if said := agreement.objections():
        raise ExportError(
            f"the exported model does not judge as the trained one does: of {agreement.subjects} subjects, "
            f"{'; '.join(said)}. Nothing was written; try the other --format, or versions as in constraints.txt"
        )
    return agreement


def _check_file(path: Path, seen: Sample, theirs: Scored) -> None:
    """Make sure that the file, opened anew, says to the bit what was compared."""
    again = Detector.load(path).score(seen.images, seen.descriptors)
    if not np.array_equal(again.score, theirs.score[: len(seen.images)]):
        raise ExportError("the exported model scores otherwise once it is written and opened anew: nothing was written")
