"""``cafepick bench`` measures every stage and says what of; the numbers make sense."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cafepick import bench
from cafepick.cli.app import app
from cafepick.config import RECIPES
from cafepick.data.demo import DrawnTray, draw_tray
from cafepick.detector import Detector
from cafepick.errors import ConfigError
from cafepick.images import write_image
from cafepick.models.device import has_bfloat16
from cafepick.scoring.exact import Networks
from cafepick.types import Judgement
from sheet_scenes import taken

JUDGING = "describe, score and judge"
STAGES = ["decode", "find", "crop", "describe", JUDGING, f"{JUDGING}, 7 photos at once", "draw", "write", "all of it"]


@pytest.fixture(scope="module")
def untrained() -> Detector:
    """As a training by the standard recipe leaves it, with narrow networks that know nothing."""
    return bench.untrained(width=4, device="cpu")


@pytest.fixture
def photo(drawn_trays: list[DrawnTray], tmp_path: Path) -> Path:
    write_image(tmp_path / "tray.png", drawn_trays[0].photo)
    return tmp_path / "tray.png"


def test_every_stage_is_measured(photo: Path) -> None:
    ran = CliRunner().invoke(app, ["bench", "--width", "4", "--photo", str(photo), "--seconds", "0", "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    stages = {stage["stage"]: stage for stage in told["stages"]}
    assert list(stages)[: len(STAGES)] == STAGES
    passes = [(one["stage"], one["precision"]) for one in told["stages"] if one["stage"].startswith("fast, ")]
    precisions = list(told["machine"]["gflops"])
    assert passes == [(f"fast, {count} crops", how) for how in precisions for count in bench.BATCHES]
    for stage in told["stages"]:
        assert stage["runs"] >= bench.FEWEST
        assert 0 < stage["p50_ms"] <= stage["p99_ms"]
        assert stage["beans_a_second"] == pytest.approx(1e3 * stage["beans"] / stage["p50_ms"], rel=0.1)
    beans = stages["decode"]["beans"]
    assert 6 * beans < bench.MANY <= 7 * beans == stages[STAGES[5]]["beans"]
    assert stages["all of it"]["p50_ms"] > stages["find"]["p50_ms"]
    shares = [stage["share_of_peak"] for stage in told["stages"] if stage["share_of_peak"] is not None]
    assert len(shares) == len(bench.BATCHES) * len(told["machine"]["gflops"])
    assert all(0 < share < 1.5 for share in shares)
    assert told["memory_mb"]["process"] > 50
    assert told["photo"] == [600, 800]
    assert told["machine"]["cores"] >= 1


def test_the_table_has_a_line_for_each_stage(photo: Path) -> None:
    ran = CliRunner().invoke(app, ["bench", "--width", "4", "--photo", str(photo), "--seconds", "0"])
    assert ran.exit_code == 0, ran.output
    for stage in STAGES:
        assert any(line.startswith(stage) for line in ran.stdout.splitlines()), stage
    assert "GFLOP/s" in ran.stdout


def test_a_model_that_measures_on_a_sheet_finds_and_cuts_on_the_flat_sheet(untrained: Detector) -> None:
    detector = copy.copy(untrained)
    detector.crop = replace(detector.crop, sheet="a4", scale="fixed", zoom=4.0)  # crop pixels a millimetre
    drawn = taken(5, tilt=25.0, azimuth=60.0).photo
    measured = bench.measure(detector, photo=drawn, seconds=0, progress=lambda *_: None)
    names = [stage.stage for stage in measured.stages]
    together = f"{JUDGING}, 22 photos at once"
    assert names[: len(STAGES) + 1] == ["decode", "flatten", *STAGES[1:5], together, *STAGES[6:]]
    beans = [stage.beans for stage in measured.stages[: len(STAGES) + 1]]
    assert beans == [12] * 6 + [22 * 12] + [12] * 3


def test_an_untrained_model_judges_as_a_trained_one_does(untrained: Detector) -> None:
    assert untrained.appearance is not None
    assert untrained.fusion is not None
    assert untrained.usual_rate() == 0.01
    assert untrained.precision == ("bfloat16" if has_bfloat16("cpu") else "float32")
    (tray,) = untrained.judge([untrained.prepare(draw_tray(np.random.default_rng(5)).photo)])
    judged = [verdict for verdict in tray if verdict.scores is not None]
    assert {verdict.judgement for verdict in judged} <= {Judgement.OK, Judgement.NG}
    assert all(set(verdict.parts) == {"reconstruction", "comparison", "appearance"} for verdict in judged)


@pytest.mark.parametrize(("recipe", "width"), [("standard", None), ("quick", None), ("quick", 12)])
def test_an_untrained_model_has_the_networks_of_its_recipe(recipe: str, width: int | None) -> None:
    detector = bench.untrained(recipe, width=width, device="cpu")
    like = RECIPES[recipe]
    model = detector.networks.to_header()["model"]
    assert model == asdict(replace(like.model, width=width or like.model.width))
    assert detector.fusion is not None
    assert detector.fusion.weights == {part: weight for part, weight in asdict(like.fusion).items() if weight}


def test_what_cannot_be_measured_is_refused(quick_model: Path) -> None:
    with pytest.raises(ConfigError, match="measures the quick methods, which anogan has not: give a trained model"):
        bench.untrained("anogan", device="cpu")
    with pytest.raises(ConfigError, match="there is no recipe 'fast': choose one of"):
        bench.untrained("fast", device="cpu")
    for option in (["--width", "4"], ["--recipe", "quick"]):
        ran = CliRunner().invoke(app, ["bench", "--model", str(quick_model), *option])
        assert isinstance(ran.exception, ConfigError)
        assert "leave them out, or --model" in str(ran.exception)


def test_a_photo_without_beans_is_refused(untrained: Detector) -> None:
    with pytest.raises(ConfigError, match="no whole bean in this photo"):
        bench.measure(untrained, photo=np.full((200, 300, 3), 235, np.uint8), seconds=0, progress=lambda *_: None)


def test_arithmetic_counts_every_multiplication_and_addition(untrained: Detector) -> None:
    networks = untrained.networks
    assert isinstance(networks, Networks)
    assert networks.restoring is not None
    weights = [p for p in networks.restoring.encoder.parameters() if p.ndim == 4]  # of the convolutions
    encoder = 2 * sum(w.numel() * (64 // 2**depth) ** 2 for depth, w in enumerate(weights, start=1))
    counted = bench.arithmetic(networks.restoring, np.zeros((1, 64, 64, 3), np.uint8))
    assert counted > 4 * encoder  # the decoder, twice the discriminator, and the comparison
