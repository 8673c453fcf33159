"""cafepick beside its peers, on the same crops in one run: speed of anomalib's networks, AUROC of PyOD and GANomaly.

    pip install pyod
    pip download --no-deps anomalib==2.7.0 && python -m zipfile -e anomalib-*.whl anomalib
    export OPENBLAS_NUM_THREADS=1  # as cafepick's own commands have it
    python benchmarks/peers.py speed beans.cafepick --anomalib anomalib [--json benchmarks/results/peers_speed.json]
    python benchmarks/peers.py auroc beans.cafepick --anomalib anomalib --data ../shared/data [--json FILE]

anomalib's models are taken from its files as they are, but not installed: they need torchvision, which not every
machine has. What these files import from elsewhere in anomalib is put in their place here, with the same shapes: the
ResNet-18 of PatchCore, PaDiM and STFPM, the Gaussians of PaDiM, the Gaussian blur of maps.

``speed``: 300 drawn beans in crops, 64 x 64, in memory, in batches of 64; both cores. All take turns, so that
whatever else the machine does falls on all, three runs a turn after one to warm up, and the median of all counts.
DRAEM, the slowest by far, sees one batch. Peers are untrained, in PyTorch, once in float32, as they come, and once
with weights in bfloat16 and channels-last; they are neither packed nor compiled, as ours are. PatchCore compares with
``BANK`` patches, fewer than the tenth of all that is its default, and through ResNet-18, where its default is a
larger network. GANomaly gives no map. EfficientAD, which takes images of 256 pixels, and FastFlow are left out.

``auroc``: all learn from the crops of ``usk/train/good`` and judge those of ``usk/valid``, which is development data:
some choices of cafepick were made on it, none of its peers'. GANomaly has anomalib's losses, order and rates; images
of 64 pixels in [-1, 1], where anomalib takes 256 and ImageNet's scale; and its AUROC is told after each of
``EPOCHS``, none picked. PyOD's detectors have their default options, and are given pixels, 16 x 16, or cafepick's
descriptors of a bean, standardised, of which no light is taken out. Those that draw lots do so for each seed. ECOD
ranks what is judged together. PatchCore, PaDiM, STFPM and EfficientAD need weights of ImageNet, which are no part of
this comparison.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import os
import platform
import statistics
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional

from cafepick import Detector
from cafepick.beans.describe import NAMES
from cafepick.data.demo import draw_tray
from cafepick.data.sources import open_source
from cafepick.files import write_json
from cafepick.jobs.gather import gather_as
from cafepick.process import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from cafepick.jobs.gather import Subjects

BATCH = 64
TRAYS, BEANS = 5, 60
ROUNDS, RUNS = 3, 3
"""Turns of each, and how often it does its work in a turn, after once to warm up."""
BANK = 10_000
"""Patches of good images that PatchCore compares with."""
DRAEM = "DRAEM"
NAMED = ("GANomaly", "PatchCore", DRAEM)
"""Peers that were to be beaten by six times."""
EPOCHS = (5, 10, 20)
"""Of GANomaly, after which its AUROC is told."""
PYOD = ("PCA", "KNN", "LOF", "IForest", "ECOD", "OCSVM")
PYOD_OF_FEW = ("GMM", "MCD")
"""Of descriptors alone: they need the covariance of all that they are given. GMM has one component by default."""
DRAWING_LOTS = ("IForest", "GMM", "MCD")
WIDTHS = {"layer1": 64, "layer2": 128, "layer3": 256}
"""Of ResNet-18's layers."""


class Scores(NamedTuple):
    """Stands for ``anomalib.data.InferenceBatch``."""

    pred_score: torch.Tensor
    anomaly_map: torch.Tensor | None = None


class Blur(nn.Module):
    """Stands for anomalib's Gaussian blur of a map (n, 1, h, w)."""

    def __init__(self, kernel_size: tuple[int, int], sigma: tuple[float, float], channels: int) -> None:
        super().__init__()
        assert channels == 1
        step = torch.arange(kernel_size[0]) - kernel_size[0] // 2
        line = torch.exp(-((step / sigma[0]) ** 2) / 2)
        self.register_buffer("kernel", (line[:, None] * line / line.sum() ** 2)[None, None])

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Blur (n, 1, h, w)."""
        reach = self.kernel.shape[-1] // 2
        return functional.conv2d(functional.pad(picture, (reach,) * 4, mode="reflect"), self.kernel)


class Block(nn.Module):
    """Basic block of ResNet (He et al. 2015)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        stride = 1 if before == after else 2
        self.first = nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after))
        self.second = nn.Sequential(nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after))
        past = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        self.past = nn.Identity() if before == after else past

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, after, h', w') of (n, before, h, w)."""
        return functional.relu(self.second(functional.relu(self.first(x))) + self.past(x))


class ResNet18(nn.Module):
    """Stands for timm's ResNet-18, by its shapes and untrained; the last of its four layers is not computed."""

    def __init__(self, backbone: str, layers: Sequence[str], **_trained: object) -> None:
        super().__init__()
        assert backbone == "resnet18"
        stem = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        self.wanted, self.out_dims = tuple(layers), [WIDTHS[name] for name in layers]
        self.layer1 = nn.Sequential(*stem, Block(64, 64), Block(64, 64))
        self.layer2 = nn.Sequential(Block(64, 128), Block(128, 128))
        self.layer3 = nn.Sequential(Block(128, 256), Block(256, 256))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the features of some layers of (n, 3, h, w)."""
        found = {"layer1": self.layer1(x)}
        found["layer2"] = self.layer2(found["layer1"])
        found["layer3"] = self.layer3(found["layer2"])
        return {name: found[name] for name in self.wanted}


class Gaussians(nn.Module):
    """Stands for anomalib's Gaussian of each place: 16 x 16 of 100 features."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.randn(100, 256))
        self.register_buffer("inv_covariance", torch.eye(100).repeat(256, 1, 1))


def anomalib_from(folder: Path) -> Callable[[str], ModuleType]:
    """Return how to import one file of anomalib, without what the rest of it needs."""

    def module(name: str, **contents: Any) -> None:
        made = ModuleType(f"anomalib{name}")
        made.__path__ = [str(folder.joinpath("anomalib", *name.split(".")))]
        made.__dict__.update(contents)
        sys.modules[made.__name__] = made

    def kept(**_options: object) -> Callable[[Any], Any]:
        return lambda function: function

    def padded(batch: torch.Tensor) -> torch.Tensor:
        assert batch.shape[-2:] == (64, 64)  # a power of two needs no padding
        return batch

    kinds = ("ganomaly", "draem", "patchcore", "padim", "stfpm")
    for name in ("", ".models", ".models.image", *(f".models.image.{kind}" for kind in kinds)):
        module(name)
    module(".utils", deprecate=kept)
    module(".data", InferenceBatch=Scores)
    module(".data.utils")
    module(".data.utils.image", pad_nextpow2=padded)
    rest = {"DynamicBufferMixin": type("Mixin", (), {}), "KCenterGreedy": None, "MultiVariateGaussian": Gaussians}
    module(".models.components", TimmFeatureExtractor=ResNet18, GaussianBlur2d=Blur, **rest)
    module(".models.components.feature_extractors", dryrun_find_featuremap_dims=None)
    return lambda name: importlib.import_module(f"anomalib.models.image.{name}")


def peers(files: Callable[[str], ModuleType]) -> dict[str, nn.Module]:
    """Return untrained peers for images of 64 x 64, ready to judge."""
    patchcore = files("patchcore.torch_model").PatchcoreModel(["layer2", "layer3"], "resnet18")
    patchcore.memory_bank = torch.randn(BANK, 128 + 256)
    made = {
        "GANomaly": ganomaly(files),
        "PatchCore, ResNet-18": patchcore,
        "PaDiM, ResNet-18": files("padim.torch_model").PadimModel(),
        "STFPM, ResNet-18": files("stfpm.torch_model").STFPMModel(["layer1", "layer2", "layer3"]),
        DRAEM: files("draem.torch_model").DraemModel(),
    }
    return {name: model.eval().requires_grad_(requires_grad=False) for name, model in made.items()}


def ganomaly(files: Callable[[str], ModuleType]) -> Any:
    return files("ganomaly.torch_model").GanomalyModel((64, 64), 3, n_features=64, latent_vec_size=100)


@torch.inference_mode()
def look(model: Any, images: torch.Tensor) -> torch.Tensor:
    return torch.cat([model(some).pred_score.float() for some in images.split(BATCH)])


def to_pixels(crops: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1


def speed(asked: argparse.Namespace, detector: Detector) -> dict[str, Any]:
    """Images a second of each, side by side."""
    rng = np.random.default_rng(0)
    trays = [draw_tray(rng, width=1600, height=1200, beans=BEANS).photo for _ in range(TRAYS)]
    prepared = [detector.prepare(photo) for photo in trays]
    crops = np.stack([crop.image for photo in prepared for crop in photo.crops if crop is not None])
    networks = partial(detector.networks.score, method=detector.method, precision=detector.precision)
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "cafepick, verdicts and maps": (len(crops), lambda: detector.judge(prepared)),
        "cafepick, networks": (len(crops), lambda: networks(crops, detector.search)),
    }
    images, models = to_pixels(crops), peers(anomalib_from(asked.anomalib))
    halved = images.to(torch.bfloat16, memory_format=torch.channels_last)
    for name, model in models.items():
        count = BATCH if name == DRAEM else len(crops)
        half = copy.deepcopy(model).to(torch.bfloat16, memory_format=torch.channels_last)
        ways[name] = count, partial(look, model, images[:count])
        ways[f"{name}, bfloat16"] = count, partial(look, half, halved[:count])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _round in range(ROUNDS):
        for name, (_count, work) in ways.items():
            work()
            for _run in range(RUNS):
                began = time.perf_counter()
                work()
                seconds[name].append(time.perf_counter() - began)
    rates = {name: count / statistics.median(seconds[name]) for name, (count, _work) in ways.items()}
    theirs = {name: rate for name, rate in rates.items() if not name.startswith("cafepick")}
    quickest = {
        "ganomaly_patchcore_draem_in_float32": max(theirs[name] for name in models if name.startswith(NAMED)),
        "ganomaly_patchcore_draem": max(rate for name, rate in theirs.items() if name.startswith(NAMED)),
        "all_in_float32": max(theirs[name] for name in models),
        "all": max(theirs.values()),
    }
    return {
        "crops": len(crops),
        "images_a_second": {name: round(rate, 1) for name, rate in rates.items()},
        "times_the_quickest_of": {
            whom: {name: round(rate / best, 2) for name, rate in rates.items() if name not in theirs}
            for whom, best in quickest.items()
        },
    }


def train_ganomaly(
    files: Callable[[str], ModuleType], crops: NDArray[np.uint8], *, seed: int
) -> Iterator[tuple[int, float, Any]]:
    """Yield GANomaly after each of ``EPOCHS``, with its loss; trained as anomalib does: losses, order, Adam, batch."""
    torch.manual_seed(seed)
    model, losses = ganomaly(files).train(), files("ganomaly.loss")
    of_generator, of_discriminator = losses.GeneratorLoss(), losses.DiscriminatorLoss()
    adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
    generator, discriminator = adam(model.generator.parameters()), adam(model.discriminator.parameters())
    images = to_pixels(crops)
    for epoch in range(1, max(EPOCHS) + 1):
        sums = 0.0
        for rows in torch.randperm(len(images)).split(32):
            real, fake, latent_i, latent_o = model(images[rows])
            pred_real, _ = model.discriminator(real)
            pred_fake, _ = model.discriminator(fake)
            generator.zero_grad()
            loss = of_generator(latent_i, latent_o, real, fake, pred_real, pred_fake)
            loss.backward(retain_graph=True)
            generator.step()
            pred_fake, _ = model.discriminator(fake.detach())
            discriminator.zero_grad()
            of_discriminator(pred_real, pred_fake).backward()
            discriminator.step()
            sums += loss.item() * len(rows)
        print(f"GANomaly: epoch {epoch}, loss {sums / len(images):.3f}", file=sys.stderr)
        if epoch in EPOCHS:
            yield epoch, sums / len(images), model.eval()
            model.train()


def smaller(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n, 16, 16, 3) means of 4 x 4 pixels, 0..1."""
    return crops.reshape(len(crops), 16, 4, 16, 4, 3).mean(axis=(2, 4)) / 255


def pyod(name: str, good: NDArray[np.float64], judged: NDArray[np.float64], *, seed: int) -> NDArray[np.float64]:
    """Scores by one of PyOD's detectors with default options."""
    np.random.seed(seed)  # noqa: NPY002 - what scikit-learn draws from unless told otherwise
    detector = getattr(importlib.import_module(f"pyod.models.{name.lower()}"), name)()
    return detector.fit(good).decision_function(judged)


def auroc(asked: argparse.Namespace, detector: Detector) -> dict[str, Any]:
    """AUROC of each on the crops of ``usk/valid``."""
    good, *kinds = (
        gather_as(open_source(str(asked.data / "usk" / name)), detector.crop, progress=lambda *_: None)
        for name in ("train/good", "valid/good", "valid/defect")
    )
    defective = np.repeat([False, True], [len(kind.crops) for kind in kinds])

    def joined(column: Callable[[Subjects], NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([column(kind) for kind in kinds])

    def tells(scores: NDArray[np.float64]) -> float:
        return round(float(roc_auc_score(defective, scores)), 4)

    crops, descriptors = joined(lambda kind: kind.crops), joined(lambda kind: kind.descriptors)
    found: dict[str, Any] = {"cafepick": tells(detector.score(crops, descriptors).score)}
    measured, usual = descriptors[:, : len(NAMES)], good.descriptors[:, : len(NAMES)]
    middle, spread = usual.mean(axis=0), usual.std(axis=0)
    sides = {
        "descriptors": ((usual - middle) / spread, (measured - middle) / spread),
        "pixels": tuple(smaller(of).reshape(len(of), -1) for of in (good.crops, crops)),
    }
    for what, (known, judged) in sides.items():
        for name in PYOD + PYOD_OF_FEW * (what == "descriptors"):
            seeds = asked.seeds if name in DRAWING_LOTS else asked.seeds[:1]
            found[f"PyOD {name}, {what}"] = [tells(pyod(name, known, judged, seed=seed)) for seed in seeds]
            print(f"PyOD {name}, {what}: {found[f'PyOD {name}, {what}']}", file=sys.stderr)
    files, looked, began = anomalib_from(asked.anomalib), to_pixels(crops), time.monotonic()
    found["GANomaly"] = [
        {"epoch": epoch, "loss": round(loss, 3), "auroc": tells(look(model, looked).numpy())}
        for epoch, loss, model in train_ganomaly(files, good.crops, seed=asked.seeds[0])
    ]
    return {
        "good": len(good.crops),
        "judged": len(crops),
        "defective": int(defective.sum()),
        "seeds": asked.seeds,
        "auroc": found,
        "seconds_of_ganomaly": round(time.monotonic() - began),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("of", choices=("speed", "auroc"))
    parser.add_argument("model", type=Path)
    parser.add_argument("--anomalib", type=Path, required=True, help="folder that anomalib's wheel was unpacked into")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="GANomaly has the first")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    keep_freed_memory()
    load, detector = round(os.getloadavg()[0], 1), Detector.load(asked.model)
    training = detector.facts["training"]
    packages = ("cafepick", "torch", "numpy", "scikit-learn", *(("pyod",) if asked.of == "auroc" else ()))
    (anomalib,) = asked.anomalib.glob("anomalib-*.dist-info")
    found = {
        "model": {
            "checksum": detector.checksum,
            "method": detector.method,
            "precision": detector.precision,
            "networks": detector.networks.to_header()["model"],
            "learnt_from": "/".join(Path(training["source"]).parts[-3:]),
            **{key: training[key] for key in ("recipe", "subjects", "seed")},
        },
        **(speed if asked.of == "speed" else auroc)(asked, detector),
        "load_before": load,
        "versions": {"anomalib": anomalib.stem.partition("-")[2], **{name: version(name) for name in packages}},
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
    }
    print(json.dumps(found, indent=2))
    if asked.json:
        write_json(asked.json, found)


if __name__ == "__main__":
    main()
