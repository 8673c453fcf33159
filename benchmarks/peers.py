"""cafepick beside its peers, on the same crops in one run: speed of anomalib's networks, AUROC of PyOD and GANomaly.

    pip install pyod
    pip download --no-deps anomalib==2.7.0 && python -m zipfile -e anomalib-*.whl anomalib
    export OPENBLAS_NUM_THREADS=1  # as cafepick's own commands have it
    python benchmarks/peers.py speed beans.cafepick --anomalib anomalib [--json results/peers_speed.json]
    python benchmarks/peers.py auroc beans.cafepick --anomalib anomalib --data ../shared/data [--json FILE]

anomalib's models are taken from its files as they are, but not installed: they need torchvision, which not every
machine has. What their files import from elsewhere in anomalib is put in their place here, with the same shapes: the
ResNet-18 before PatchCore, the Gaussian blur of its map.

``speed``: 300 drawn beans in crops, 64 x 64, in memory, of which untrained peers see the first batch of 64; both cores.
All take turns, so that whatever else the machine does falls on all, and the median of ``ROUNDS`` counts. Peers run in
float32, as they come, and once more as ours do, in bfloat16 and channels-last.

``auroc``: all learn from the crops of ``usk/train/good`` and judge those of ``usk/valid``, which is development data:
some choices of cafepick were made on it, none of its peers'. They have their default options. GANomaly is trained as
anomalib trains it, in epochs named before; none is picked by what it gives. PyOD is given pixels, and
cafepick's descriptors of a bean, standardised. PatchCore and EfficientAD need weights of ImageNet, which are no part of
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
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from cafepick.jobs.gather import Subjects

BATCH = 64
TRAYS, BEANS = 5, 60
ROUNDS = 5
BANK = 10_000
"""Patches of good images that PatchCore compares with."""
PYOD = ("PCA", "KNN", "LOF", "IForest", "ECOD", "OCSVM", "GMM", "MCD")


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
    """Stands for timm's ResNet-18, by its shapes; the last of its four layers is not computed."""

    def __init__(self, backbone: str, layers: list[str], pre_trained: bool) -> None:
        super().__init__()
        assert (backbone, layers, pre_trained) == ("resnet18", ["layer2", "layer3"], False)
        stem = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(*stem, Block(64, 64), Block(64, 64))
        self.layer2 = nn.Sequential(Block(64, 128), Block(128, 128))
        self.layer3 = nn.Sequential(Block(128, 256), Block(256, 256))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the features of two layers of (n, 3, h, w)."""
        middle = self.layer2(self.layer1(x))
        return {"layer2": middle, "layer3": self.layer3(middle)}


def anomalib_from(folder: Path) -> Callable[[str], ModuleType]:
    """Return how to import one file of anomalib, without what the rest of it needs."""

    def module(name: str, **contents: Any) -> ModuleType:
        made = ModuleType(f"anomalib{name}")
        made.__path__ = [str(folder.joinpath("anomalib", *name.split(".")))]
        made.__dict__.update(contents)
        sys.modules[made.__name__] = made
        return made

    def kept(**_options: object) -> Callable[[Any], Any]:
        return lambda function: function

    def padded(batch: torch.Tensor) -> torch.Tensor:
        assert batch.shape[-2:] == (64, 64)  # a power of two needs no padding
        return batch

    for name in (
        "",
        ".models",
        ".models.image",
        *(f".models.image.{kind}" for kind in ("ganomaly", "draem", "patchcore")),
    ):
        module(name)
    module(".utils", deprecate=kept)
    module(".data", InferenceBatch=Scores)
    module(".data.utils")
    module(".data.utils.image", pad_nextpow2=padded)
    rest = {"DynamicBufferMixin": type("Mixin", (), {}), "KCenterGreedy": None}
    module(".models.components", TimmFeatureExtractor=ResNet18, GaussianBlur2d=Blur, **rest)
    return lambda name: importlib.import_module(f"anomalib.models.image.{name}")


def peers(files: Callable[[str], ModuleType]) -> dict[str, nn.Module]:
    """Return untrained peers for images of 64 x 64, ready to judge."""
    patchcore = files("patchcore.torch_model").PatchcoreModel(["layer2", "layer3"], "resnet18", pre_trained=False)
    patchcore.memory_bank = torch.randn(BANK, 128 + 256)
    made = {
        "GANomaly": ganomaly(files),
        "PatchCore, ResNet-18": patchcore,
        "DRAEM": files("draem.torch_model").DraemModel(),
    }
    return {name: model.eval().requires_grad_(requires_grad=False) for name, model in made.items()}


def ganomaly(files: Callable[[str], ModuleType]) -> Any:
    return files("ganomaly.torch_model").GanomalyModel((64, 64), 3, n_features=64, latent_vec_size=100)


@torch.inference_mode()
def look(model: Any, images: torch.Tensor, *, half: bool = False) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        return torch.cat([model(some).pred_score for some in images.split(BATCH)])


def speed(asked: argparse.Namespace) -> dict[str, Any]:
    """Images a second of each, side by side."""
    detector, rng = Detector.load(asked.model), np.random.default_rng(0)
    trays = [draw_tray(rng, width=1600, height=1200, beans=BEANS).photo for _ in range(TRAYS)]
    prepared = [detector.prepare(photo) for photo in trays]
    crops = np.stack([crop.image for photo in prepared for crop in photo.crops if crop is not None])
    networks = partial(detector.networks.score, method=detector.method, precision=detector.precision)
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "cafepick, verdicts and maps": (len(crops), lambda: detector.judge(prepared)),
        "cafepick, networks": (len(crops), lambda: networks(crops, detector.search)),
    }
    images, models = to_pixels(crops[:BATCH]), peers(anomalib_from(asked.anomalib))
    for name, model in models.items():
        lasting = copy.deepcopy(model).to(memory_format=torch.channels_last)
        ways[name] = BATCH, partial(look, model, images)
        laid_out = images.contiguous(memory_format=torch.channels_last)
        ways[f"{name}, bfloat16"] = BATCH, partial(look, lasting, laid_out, half=True)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _round in range(1 + ROUNDS):
        for name, (_count, work) in ways.items():
            began = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - began)
    rates = {name: count / statistics.median(seconds[name][1:]) for name, (count, _work) in ways.items()}
    best = max(rates[name] for name in models)
    best_narrow = max(rates[f"{name}, bfloat16"] for name in models)
    ours = {name: rate for name, rate in rates.items() if name.startswith("cafepick")}
    return {
        "model": {"method": detector.method, "precision": detector.precision, **detector.networks.to_header()["model"]},
        "crops": len(crops),
        "images_a_second": {name: round(rate, 1) for name, rate in rates.items()},
        "times_the_best_peer": {name: round(rate / best, 2) for name, rate in ours.items()},
        "times_the_best_peer_in_bfloat16": {
            name: round(rate / max(best, best_narrow), 2) for name, rate in ours.items()
        },
    }


def train_ganomaly(files: Callable[[str], ModuleType], crops: NDArray[np.uint8], *, epochs: int, seed: int) -> Any:
    """Train as ``anomalib.models.image.ganomaly.lightning_model`` does: losses, order, Adam, batches of 32."""
    torch.manual_seed(seed)
    model, losses = ganomaly(files).train(), files("ganomaly.loss")
    of_generator, of_discriminator = losses.GeneratorLoss(), losses.DiscriminatorLoss()
    adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
    generator, discriminator = adam(model.generator.parameters()), adam(model.discriminator.parameters())
    images = to_pixels(crops)
    for epoch in range(epochs):
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
        print(f"GANomaly: epoch {epoch + 1} of {epochs}, loss {loss.item():.3f}", file=sys.stderr)
    return model.eval()


def to_pixels(crops: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1


def pyod(good: NDArray[np.float64], judged: NDArray[np.float64]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Scores of PyOD's detectors with default options."""
    for name in PYOD:
        detector = getattr(importlib.import_module(f"pyod.models.{name.lower()}"), name)()
        yield name, detector.fit(good).decision_function(judged)


def auroc(asked: argparse.Namespace) -> dict[str, Any]:
    """AUROC of each on the crops of ``usk/valid``."""
    detector = Detector.load(asked.model)
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
        "pixels": tuple(of.reshape(len(of), -1) / 255 for of in (good.crops, crops)),
    }
    for what, (known, judged) in sides.items():
        for name, scores in pyod(known, judged):
            found[f"PyOD {name}, {what}"] = tells(scores)
            print(f"PyOD {name}, {what}: {found[f'PyOD {name}, {what}']}", file=sys.stderr)
    files, looked = anomalib_from(asked.anomalib), to_pixels(crops)
    for seed in asked.seeds:
        began = time.monotonic()
        model = train_ganomaly(files, good.crops, epochs=asked.epochs, seed=seed)
        found[f"GANomaly, seed {seed}"] = tells(look(model, looked).numpy())
        found[f"GANomaly, seed {seed}, seconds of training"] = round(time.monotonic() - began)
    return {
        "epochs": asked.epochs,
        "good": len(good.crops),
        "judged": len(crops),
        "defective": int(defective.sum()),
        "auroc": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("of", choices=("speed", "auroc"))
    parser.add_argument("model", type=Path)
    parser.add_argument("--anomalib", type=Path, required=True, help="folder that anomalib's wheel was unpacked into")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--epochs", type=int, default=20, help="of GANomaly")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of GANomaly")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    keep_freed_memory()
    found = {
        **(speed(asked) if asked.of == "speed" else auroc(asked)),
        "load": round(os.getloadavg()[0], 1),
        "versions": {name: version(name) for name in ("torch", "scikit-learn")},
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
    }
    print(json.dumps(found, indent=2))
    if asked.json:
        write_json(asked.json, found)


if __name__ == "__main__":
    main()
