"""One grammar of device names, for training and judging alike."""

from __future__ import annotations

import pytest
import torch

from cafepick.errors import ConfigError
from cafepick.models.device import Place, place_named
from cafepick.scoring.exact import pick_device
from cafepick.training.device import open_fabric


@pytest.fixture
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch tell of so many GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)


@pytest.mark.parametrize("gpus", [2], indirect=True)
@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("name", "place", "device"),
    [
        ("auto", Place("cuda"), "cuda"),
        ("cpu", Place("cpu"), "cpu"),
        ("cuda", Place("cuda"), "cuda"),
        ("cuda:1", Place("cuda", 1), "cuda:1"),
    ],
)
def test_names_where_there_are_two_gpus(name: str, place: Place, device: str) -> None:
    assert place_named(name) == place
    assert pick_device(name) == torch.device(device)


@pytest.mark.parametrize("gpus", [2], indirect=True)
@pytest.mark.usefixtures("gpus")
def test_several_gpus_train_but_do_not_judge() -> None:
    assert place_named("cuda*2") == Place("cuda", None, 2)
    with pytest.raises(ConfigError, match=r"cuda\*2 names 2 GPUs, but beans are judged on one: use cuda or cuda:N"):
        pick_device("cuda*2")


@pytest.mark.parametrize(
    ("gpus", "name", "found"),
    [
        (0, "cuda", "a GPU that torch can use, found none"),
        (0, "cuda:0", "a GPU that torch can use, found none"),
        (1, "cuda:1", "2 GPUs that torch can use, found 1"),
        (2, "cuda*3", "3 GPUs that torch can use, found 2"),
    ],
    indirect=["gpus"],
)
@pytest.mark.usefixtures("gpus")
def test_a_gpu_that_is_not_there(name: str, found: str) -> None:
    for use in (pick_device, open_fabric):
        with pytest.raises(ConfigError, match=f"needs {found}: use --device cpu"):
            use(name)


@pytest.mark.parametrize(
    "name", ["", "tpu", "cuda:", "cuda:x", "cuda:-1", "cuda*", "cuda*0", "cpu:0", "auto*2", "cuda:1*2", " cpu"]
)
def test_another_name_is_refused_everywhere(name: str) -> None:
    for use in (pick_device, open_fabric):
        with pytest.raises(ConfigError, match=r"--device must be auto, cpu, cuda, cuda:N or cuda\*N, got"):
            use(name)


@pytest.mark.parametrize("gpus", [0], indirect=True)
@pytest.mark.usefixtures("gpus")
def test_auto_is_the_processor_where_there_is_no_gpu() -> None:
    assert pick_device("auto") == torch.device("cpu")
    assert open_fabric("auto").device == torch.device("cpu")
