"""What all tests share: where the real photographs lie, and settings of the property tests."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# What signatures promise of shapes is checked while tests run; this comes before the modules are imported.
CHECKED = ["cafepick.models", *(f"cafepick.training.{name}" for name in ("losses", "augment", "corrupt", "batches"))]
install_import_hook(CHECKED, "beartype.beartype")

from cafepick.beans.crop import crop_beans, fit_zoom  # noqa: E402
from cafepick.beans.find import find_beans  # noqa: E402
from cafepick.config import CropConfig, ModelConfig, SearchConfig  # noqa: E402
from cafepick.data.demo import DrawnTray, draw_tray  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from cafepick.detector import Detector

settings.register_profile(
    "cafepick", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("cafepick")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True, scope="session")
def _recorded_unchecked() -> Iterator[None]:
    """While torch records a network, the sizes of its tensors are no numbers that could be checked."""
    record: Callable[..., object] = torch._C._create_graph_by_tracing

    def unchecked(*args: object, **kwargs: object) -> object:
        jaxtyping.config.update("jaxtyping_disable", True)
        try:
            return record(*args, **kwargs)
        finally:
            jaxtyping.config.update("jaxtyping_disable", False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch._C, "_create_graph_by_tracing", unchecked)
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real photographs; the test is skipped where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real photographs are not here")
    return SHARED_DATA


@pytest.fixture
def files_of_at_most() -> Callable[[int], AbstractContextManager[None]]:
    """A stand-in for a full disk: no file may grow beyond so many bytes, so a write fails half-way."""
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture(scope="session")
def drawn_trays() -> list[DrawnTray]:
    """Three drawn trays of 40 good beans each."""
    return [draw_tray(np.random.default_rng((7, number)), width=800, height=600, beans=40) for number in range(3)]


@pytest.fixture(scope="session")
def evening_trays() -> list[DrawnTray]:
    """Twelve other drawn trays, by a warm lamp, and with the camera's other tone for it; exposures differ a little."""

    def lit(tray: DrawnTray, exposure: float) -> DrawnTray:
        tone = 255 * (tray.photo / 255.0) ** 1.25
        return replace(tray, photo=np.clip(exposure * tone * (1.0, 0.93, 0.8), 0, 255).astype(np.uint8))

    drawn = (draw_tray(np.random.default_rng((70, n)), width=800, height=600, beans=40) for n in range(12))
    return [lit(tray, exposure) for tray, exposure in zip(drawn, np.tile([0.98, 1.0, 1.02], 4), strict=True)]


@pytest.fixture(scope="session")
def tiny_detector(drawn_trays: list[DrawnTray]) -> Detector:
    """A calibrated detector whose networks are small and untrained: quick, and as deterministic as a real one."""
    import torch

    from cafepick.detector import Detector
    from cafepick.models.build import build_discriminator, build_generator
    from cafepick.scoring.exact import Networks

    model = ModelConfig(size=32, width=8, latent=16, kernel=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = Networks.of(model, build_generator(model), build_discriminator(model))
    scenes = [find_beans(tray.photo) for tray in drawn_trays]
    crop = fit_zoom([[o.contour for o in scene.outlines if not o.cut] for scene in scenes], CropConfig(size=32))
    detector = Detector(
        networks, crop=crop, search=SearchConfig(steps=4, candidates=4), facts={"training": {"seed": 0}}
    )
    crops = [c.image for t, s in zip(drawn_trays, scenes, strict=True) for c in crop_beans(t.photo, s, crop) if c]
    return detector.calibrated(detector.score(np.stack(crops)), {"source": "drawn trays", "subjects": len(crops)})


@pytest.fixture(scope="session")
def tiny_model(tiny_detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tiny_detector`` as a file."""
    path = tmp_path_factory.mktemp("model") / "tiny.cafepick"
    tiny_detector.save(path)
    return path


@pytest.fixture(scope="session")
def quick_model(drawn_trays: list[DrawnTray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated model file with an encoder and all parts of a score, its networks untrained, beside its run folder.

    Weights are larger than untrained ones are, so that scores differ from bean to bean as those of trained ones do.
    """
    import torch

    from cafepick.beans.describe import describe_all
    from cafepick.config import ComparisonConfig, FusionConfig
    from cafepick.detector import Detector
    from cafepick.jobs.calibrate import Sample, calibrate_by_kept, digest_of, keep_aside
    from cafepick.jobs.join import join
    from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
    from cafepick.scoring.exact import Networks

    config, comparison = ModelConfig(size=32, width=8, latent=16, kernel=4, batch_norm=False), ComparisonConfig(width=8)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        head, decoder = build_comparison(config, width=comparison.width), build_generator(config)
        for weight in (*decoder.parameters(), head.to_logit.weight):
            weight.mul_(4)
        networks = Networks.of(config, build_generator(config), build_discriminator(config))
        networks = networks.with_quick_methods(build_encoder(config), decoder, head, comparison)
    scenes = [find_beans(tray.photo) for tray in drawn_trays]
    crop = fit_zoom([[o.contour for o in scene.outlines if not o.cut] for scene in scenes], CropConfig(size=32))
    crops = [c for t, s in zip(drawn_trays, scenes, strict=True) for c in crop_beans(t.photo, s, crop) if c]
    images, descriptors = np.stack([c.image for c in crops]), describe_all(crops)
    good, kept = (Sample(images[rows], descriptors[rows]) for rows in (slice(60), slice(-100, None)))  # 1 % needs 99
    detector = Detector(
        networks.with_usual(good.images),
        crop=crop,
        search=SearchConfig(steps=4, candidates=4, refine_steps=2, differences="standardised"),
        facts={"training": {"seed": 0, "held_back_sha256": digest_of(kept.images)}},
    )
    weights = FusionConfig(reconstruction=0.2, comparison=1.0, appearance=1.0)
    joined = join(detector, good, kept, weights, seed=0, progress=lambda *_: None)
    path = tmp_path_factory.mktemp("quick") / "quick.cafepick"
    calibrate_by_kept(joined.detector, joined.kept, scored=joined.scored, progress=lambda *_: None).save(path)
    path.with_suffix(".run").mkdir()
    keep_aside(path.with_suffix(".run"), joined.kept)
    return path


@pytest.fixture(scope="session", params=["onnx", "openvino"])
def exported_model(request: pytest.FixtureRequest, quick_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``quick_model``, exported to each format on the subjects that it kept aside."""
    from cafepick.detector import Detector
    from cafepick.export import export
    from cafepick.jobs.calibrate import KEPT_ASIDE, kept_aside

    out = tmp_path_factory.mktemp(request.param) / "exported.cafepick"
    trained = Detector.load(quick_model)
    kept = kept_aside(quick_model.with_suffix(".run"), trained)
    export(trained, out, request.param, kept, source=KEPT_ASIDE, progress=lambda *_: None)
    return out
