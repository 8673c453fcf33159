"""What can be set: frozen dataclasses, the named recipes, TOML in, JSON out.

Only builders and commands see these records; networks and losses take plain numbers.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
import types
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from cafepick.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SubjectKind = Literal["beans", "whole"]
ScaleKind = Literal["fixed", "relative"]
SheetKind = Literal["none", "a4", "letter"]
Method = Literal["fast", "refine", "exact"]
"""How the good image behind a subject is found: one pass, a few search steps more, or a whole search."""
Differences = Literal["plain", "standardised"]
"""What is made of the differences from that image, see ``SearchConfig.differences``."""

SMALLEST_SIZE: Final = 16
LARGEST_SIZE: Final = 256
MOST_CANDIDATES: Final = 65_536
"""All are drawn before a search begins; no model file may ask for more than fit into memory."""


def _in_words(kind: Any) -> str:
    return ", ".join(get_args(kind)) if get_origin(kind) is Literal else getattr(kind, "__name__", str(kind))


def _check_images(size: int, channels: int) -> None:
    _check(SMALLEST_SIZE <= size <= LARGEST_SIZE, f"--size must lie in {SMALLEST_SIZE}..{LARGEST_SIZE}, got {size}")
    _check(channels in (1, 3), f"channels must be 1 or 3, got {channels}")


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class CropConfig:
    """How a subject becomes a crop; kept in the artefact, so that detection crops as training did."""

    subject: SubjectKind = "beans"
    """Each bean found in a photo, or the photo itself."""
    size: int = 64
    """Side of a crop in pixels."""
    channels: int = 3
    """1 (grey) or 3 (RGB)."""
    scale: ScaleKind = "fixed"
    """``fixed``: one camera at one distance, or a sheet in view; absolute size is a signal. ``relative``: the median
    bean is the unit."""
    zoom: float = 1.0
    """``fixed``: crop pixels per photo pixel, or per millimetre of ``sheet``. ``relative``: crop pixels of the side of
    a square of median bean area."""
    sheet: SheetKind = "none"
    """``beans`` only. The paper that the beans lie on: only what lies on it is looked at, flat and in millimetres, and
    every photo must show it whole. ``none``: the photo itself is looked at, in its pixels."""
    centre: int | None = None
    """``whole`` only: side in pixels of the central square that is kept before resizing; None keeps all."""
    detail: int | None = None
    """``whole`` only: side in pixels of a closer look at the same, by which what is fine is told; None: there is none.
    Training chooses it by the size of the photos (``beans.closer``)."""

    def __post_init__(self) -> None:
        _check(self.subject in get_args(SubjectKind), f"subject must be beans or whole, got {self.subject!r}")
        _check(self.scale in get_args(ScaleKind), f"scale must be fixed or relative, got {self.scale!r}")
        _check_images(self.size, self.channels)
        _check(self.zoom > 0, f"zoom must be above 0, got {self.zoom}")
        _check(self.centre is None or self.centre > 0, f"the centre crop must be above 0 pixels, got {self.centre}")
        _check(self.centre is None or self.subject == "whole", "a centre crop goes with --subject whole only")
        _check(self.detail is None or 0 < self.detail <= LARGEST_SIZE, f"detail must lie in 1..256, got {self.detail}")
        _check(self.detail is None or self.subject == "whole", "a closer look is chosen for --subject whole only")
        _check(self.sheet in get_args(SheetKind), f"sheet must be none, a4 or letter, got {self.sheet!r}")
        _check(self.sheet == "none" or self.subject == "beans", "a sheet of paper goes with --subject beans only")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Shape of generator and discriminator."""

    size: int = 64
    """Side of the images in pixels."""
    channels: int = 3
    latent: int = 100
    """Length of z."""
    width: int = 64
    """Channels next to the image; doubles at each of the four scales."""
    kernel: int = 5
    """Side of the (transposed) convolutions."""
    batch_norm: bool = True
    """Batch norm in the discriminator, as in DCGAN; the generator always has it. R1/R2 need a discriminator without."""

    def __post_init__(self) -> None:
        _check_images(self.size, self.channels)
        _check(self.latent > 0 and self.width > 0, f"latent and width must be above 0, got {self.latent}, {self.width}")
        _check(self.kernel in (3, 4, 5), f"kernel must be 3, 4 or 5, got {self.kernel}")


@dataclass(frozen=True, kw_only=True)
class GanConfig:
    """How the GAN is trained."""

    steps: int = 4000
    """Generator updates divided by ``generator_steps``: one step updates the discriminator once."""
    batch: int = 64
    loss: Literal["bce", "relativistic"] = "bce"
    """``bce``: DCGAN. ``relativistic``: softplus(D(fake) - D(real)), R3GAN (arXiv 2501.05441)."""
    generator_steps: int = 1
    """Generator updates per discriminator update (2 in the seed)."""
    learning_rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    gradient_penalty: float = 0.0
    """Weight gamma of R1 + R2 (arXiv 1801.04406); 0 leaves them out."""
    penalty_every: int = 16
    """R1 + R2 are taken every so many steps, with their weight multiplied accordingly (lazy regularisation)."""
    ema: float = 0.0
    """Decay of the averaged generator that detection uses; 0 uses the last weights."""
    augment: bool = False
    """Differentiable translation and cutout of real and drawn images alike (arXiv 2006.10738), colours untouched."""
    flips: bool = False
    """Mirror real images left-right at random: a bean has no side. Recipes do so for ``beans`` only."""
    corrupted: float = 0.0
    """Weight of good images with made-up defects, which the discriminator learns to tell from good ones; 0: none."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        _check(self.steps > 0, f"--steps must be above 0, got {self.steps}")
        _check(self.batch > 1, f"the batch must hold at least 2 images, got {self.batch}")
        _check(self.loss in ("bce", "relativistic"), f"loss must be bce or relativistic, got {self.loss!r}")
        _check(self.learning_rate > 0, f"the learning rate must be above 0, got {self.learning_rate}")
        _check(0 <= self.beta1 < 1 and 0 <= self.beta2 < 1, f"betas must lie in [0, 1), got {self.beta1}, {self.beta2}")
        _check(0 <= self.ema < 1, f"ema must lie in [0, 1), got {self.ema}")
        _check(self.gradient_penalty >= 0, f"the gradient penalty must be 0 or more, got {self.gradient_penalty}")
        _check(self.corrupted >= 0, f"the weight of corrupted images must be 0 or more, got {self.corrupted}")
        _check(min(self.generator_steps, self.penalty_every, self.checkpoint_every) > 0, "counts must be above 0")


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How the closest good image is searched (Schlegl et al. 2017, section 2.2)."""

    steps: int = 300
    """Most Adam steps on z."""
    learning_rate: float = 0.05
    weight: float = 0.1
    """Lambda: share of the discrimination loss in the anomaly score."""
    restarts: int = 1
    """Searches from different z; the best counts."""
    tolerance: float = 1e-3
    """An image stops when its loss fell by less than this share over ``patience`` steps; 0 never stops early."""
    patience: int = 50
    candidates: int = 64
    """Fixed z from the prior of which each image starts from the best; 1 starts all from one z, as in the paper."""
    clamp: bool = True
    """Keep z in [-1, 1], where the generator was trained; the paper leaves it free."""
    refine_steps: int = 20
    """Adam steps of the method ``refine``, from where the encoder points."""
    differences: Differences = "plain"
    """What ``fast`` and ``refine`` make of the differences from the closest good image. ``plain``: their sums, as in
    the paper. ``standardised``: sums per pixel of the subject, those of features in units of what is usual for good
    subjects (``scoring.usual``). ``exact`` stays as in the paper. What is usual is learnt in training."""

    def __post_init__(self) -> None:
        most = MOST_CANDIDATES
        _check(0 < self.candidates <= most, f"search candidates must lie in 1..{most}, got {self.candidates}")
        least = min(self.steps, self.refine_steps)
        _check(least > 0, f"search steps and refine_steps must be above 0, got {self.steps} and {self.refine_steps}")
        _check(self.learning_rate > 0, f"the search's learning rate must be above 0, got {self.learning_rate}")
        _check(0 <= self.weight <= 1, f"lambda must lie in [0, 1], got {self.weight}")
        _check(self.restarts > 0, f"restarts must be above 0, got {self.restarts}")
        _check(self.tolerance >= 0 and self.patience > 0, "tolerance must be 0 or more and patience above 0")
        known = get_args(Differences)
        _check(self.differences in known, f"differences must be {' or '.join(known)}, got {self.differences!r}")


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """How encoder and comparison are trained after the GAN, for the methods ``fast`` and ``refine``."""

    steps: int = 0
    """0: no encoder; the model knows the method ``exact`` only."""
    batch: int = 64
    learning_rate: float = 1e-3
    """At the start; falls to 0 along half a cosine."""
    kappa: float = 1.0
    """Weight of the distance of discriminator features (f-AnoGAN, izi_f)."""
    ssim: float = 0.5
    """Weight of the structural dissimilarity beside the mean absolute error."""
    consistency: float = 0.1
    """Weight of the distance between z and E(G(z))."""
    spoiled: float = 0.6
    """Share of the images that are shown with made-up defects, which the encoder must undo."""
    decoder: bool = True
    """Let a copy of the generator learn along; ``exact`` keeps the GAN's."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        _check(self.steps >= 0, f"encoder steps must be 0 or more, got {self.steps}")
        _check(self.batch > 1, f"the encoder's batch must hold at least 2 images, got {self.batch}")
        _check(self.learning_rate > 0, f"the encoder's learning rate must be above 0, got {self.learning_rate}")
        _check(min(self.kappa, self.ssim, self.consistency) >= 0, "weights of the encoder's losses must be 0 or more")
        _check(0 <= self.spoiled <= 1, f"the share of spoiled images must lie in [0, 1], got {self.spoiled}")
        _check(self.checkpoint_every > 0, "counts must be above 0")


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """The learned comparison of a subject with its reconstruction."""

    width: int = 16
    """Channels of its first map; doubles at the next two scales."""

    def __post_init__(self) -> None:
        _check(self.width > 0, f"the comparison's width must be above 0, got {self.width}")


@dataclass(frozen=True, kw_only=True)
class FusionConfig:
    """What each part counts in the score; it belongs to the recipe, and no defect among a user's photos changes it."""

    reconstruction: float = 1.0
    """The anomaly score of AnoGAN. With this part alone it is the score, as in the paper."""
    comparison: float = 0.0
    """The learned comparison, of the methods that have one."""
    appearance: float = 0.0
    """Size, shape, symmetry, colour and texture of beans; of other subjects edges and colours, by a closer look too."""

    def __post_init__(self) -> None:
        least = min(self.reconstruction, self.comparison, self.appearance)
        _check(least >= 0, "the weights of the score's parts must be 0 or more")
        _check(self.reconstruction > 0, "every subject has a reconstruction: fusion.reconstruction must be above 0")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole way to train: networks, training, search, and what counts in the score."""

    model: ModelConfig = ModelConfig()
    gan: GanConfig = GanConfig()
    encoder: EncoderConfig = EncoderConfig()
    comparison: ComparisonConfig = ComparisonConfig()
    search: SearchConfig = SearchConfig()
    fusion: FusionConfig = FusionConfig()

    def __post_init__(self) -> None:
        _check(
            self.gan.gradient_penalty == 0 or not self.model.batch_norm,
            "a gradient penalty is one per image, and batch norm mixes images: set gan.gradient_penalty to 0 "
            "or model.batch_norm to false",
        )

    def lasting(self, steps: int) -> Recipe:
        """Return the recipe with a GAN of so many steps, and an encoder that keeps its proportion to it."""
        encoder = -(-self.encoder.steps * steps // self.gan.steps)  # rounded up: 0 stays 0
        return replace(self, gan=replace(self.gan, steps=steps), encoder=replace(self.encoder, steps=encoder))


_FUSED: Final = FusionConfig(reconstruction=0.05, comparison=0.5, appearance=1.0)
"""Round numbers, by how much each part told on the development split by itself."""
_BETTER: Final = GanConfig(loss="relativistic", gradient_penalty=0.1, learning_rate=8e-4, flips=True, corrupted=1.0)
_NARROW: Final = ComparisonConfig(width=8)
_CLOSER: Final = SearchConfig(learning_rate=0.1, weight=0.9, candidates=256, differences="standardised")

RECIPES: Final[dict[str, Recipe]] = {
    # Schlegl et al. 2017 on the DCGAN of the seed: nothing here is to be improved.
    "anogan": Recipe(
        model=ModelConfig(width=64, kernel=5, batch_norm=True),
        gan=GanConfig(loss="bce", generator_steps=2, steps=4000),
        search=SearchConfig(steps=500, tolerance=0.0, candidates=1, clamp=False),
    ),
    # What is measured of them, and what is not, stands in benchmarks/README.md.
    "standard": Recipe(
        model=ModelConfig(width=8, kernel=4, batch_norm=False),
        gan=replace(_BETTER, steps=3000, ema=0.995),
        encoder=EncoderConfig(steps=3000),
        comparison=_NARROW,
        search=replace(_CLOSER, steps=100),
        fusion=_FUSED,
    ),
    "quick": Recipe(
        model=ModelConfig(width=8, kernel=4, batch_norm=False),
        gan=replace(_BETTER, steps=300, ema=0.98),
        encoder=EncoderConfig(steps=300),
        comparison=_NARROW,
        search=replace(_CLOSER, steps=40),
        fusion=replace(_FUSED, comparison=0.2),  # so short a training's comparison tells less
    ),
}
"""For beans."""
WIDTH_OF_OTHERS: Final = 16
"""Of networks and comparison of subjects that are no beans, at least: beans are told as well by half of it, quicker."""
STEPS_OF_OTHERS: Final = {"standard": 1500}
"""Steps of GAN and encoder for other subjects, where they differ from those for beans: what was measured of them."""

T = TypeVar("T")


def named_recipe(name: str, *, size: int, channels: int, subject: SubjectKind = "beans") -> Recipe:
    """Return the recipe called ``name`` for images of (size, size, channels).

    Only beans are mirrored: a mirrored digit, face or label is another thing. Only their differences are standardised:
    that brought nothing where the whole photo is the subject. What is told by narrower networks was tried on beans only
    (``WIDTH_OF_OTHERS``, ``STEPS_OF_OTHERS``).

    Raises:
        ConfigError: no recipe has that name.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe {name!r}: choose one of {', '.join(RECIPES)}")
    recipe = replace(RECIPES[name], model=replace(RECIPES[name].model, size=size, channels=channels))
    if subject == "beans":
        return recipe
    recipe = recipe.lasting(STEPS_OF_OTHERS.get(name, recipe.gan.steps))
    return replace(
        recipe,
        model=replace(recipe.model, width=max(recipe.model.width, WIDTH_OF_OTHERS)),
        gan=replace(recipe.gan, flips=False),
        comparison=replace(recipe.comparison, width=max(recipe.comparison.width, WIDTH_OF_OTHERS)),
        search=replace(recipe.search, differences="plain"),
    )


def to_json(config: object) -> str:
    """Return the config as canonical JSON (sorted keys): equal configs give equal text."""
    return json.dumps(asdict(config), sort_keys=True)  # type: ignore[call-overload]


def from_dict(kind: type[T], values: dict[str, Any], *, where: str = "") -> T:
    """Build a config record from plain values, strictly.

    Raises:
        ConfigError: a key is unknown, a value has the wrong type or is out of range.
    """
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known settings: {', '.join(sorted(known))}"
            raise ConfigError(f"unknown setting {where}{key}: {hint}")
    return kind(**{key: _convert(value, hints[key], where=f"{where}{key}") for key, value in values.items()})


def merge_toml(recipe: Recipe, path: Path) -> Recipe:
    """Return ``recipe`` with the settings of a TOML file laid over it: tables ``[model]``, ``[gan]``, ...

    Raises:
        ConfigError: the file is missing, is no TOML, or holds an unknown or unusable setting.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the config file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return _merge(recipe, text, where=str(path))


def merge_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Return ``recipe`` with single settings laid over it, each like ``search.steps=500``.

    Raises:
        ConfigError: a setting is not of that form, unknown or out of range.
    """
    for setting in settings:
        if not re.fullmatch(r"\w+\.\w+=.+", setting):
            raise ConfigError(f"--set takes TABLE.NAME=VALUE, as in search.steps=500; got {setting!r}")
        name, _, value = setting.partition("=")
        plain = re.fullmatch(r"true|false|[-+.\d][-+.\deE_]*", value)
        recipe = _merge(recipe, f"{name} = {value if plain else json.dumps(value)}", where=f"--set {setting}")
    return recipe


def _merge(recipe: Recipe, text: str, *, where: str) -> Recipe:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not TOML: {error}") from error
    plain = asdict(recipe)
    for table, settings in values.items():
        if not isinstance(settings, dict) or table not in plain:
            raise ConfigError(f"{where}: expected settings of {', '.join(plain)}, got {table!r}")
        plain[table] |= settings
    return from_dict(Recipe, plain)


def _convert(value: Any, hint: Any, *, where: str) -> Any:
    if is_dataclass(hint) and isinstance(value, dict):
        return from_dict(hint, value, where=f"{where}.")  # type: ignore[arg-type]
    allowed = get_args(hint) if get_origin(hint) is types.UnionType else (hint,)
    for kind in allowed:
        if get_origin(kind) is Literal and value in get_args(kind):
            return value
        if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
    expected = " or ".join(_in_words(kind) for kind in allowed)
    raise ConfigError(f"setting {where} must be {expected}, got {value!r}")
