"""Configs are strict: what cannot work is refused by name, with what to do; the anogan recipe is that of the seed."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict, replace
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.config import (
    RECIPES,
    CropConfig,
    GanConfig,
    ModelConfig,
    Recipe,
    SearchConfig,
    SubjectKind,
    from_dict,
    merge_settings,
    merge_toml,
    named_recipe,
    to_json,
)
from cafepick.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

models = st.builds(
    ModelConfig,
    size=st.integers(16, 256),
    channels=st.sampled_from([1, 3]),
    latent=st.integers(1, 512),
    width=st.integers(1, 128),
    kernel=st.sampled_from([3, 4, 5]),
    batch_norm=st.just(False),
)
gans = st.builds(
    GanConfig,
    steps=st.integers(1, 10**6),
    loss=st.sampled_from(["bce", "relativistic"]),
    learning_rate=st.floats(1e-6, 1),
    ema=st.floats(0, 0.9999),
    gradient_penalty=st.floats(0, 100),
)


@given(st.builds(Recipe, model=models, gan=gans))
def test_a_config_survives_json(recipe: Recipe) -> None:
    assert from_dict(Recipe, json.loads(to_json(recipe))) == recipe


@pytest.mark.parametrize("name", RECIPES)
def test_equal_configs_give_equal_text(name: str) -> None:
    assert to_json(RECIPES[name]) == to_json(from_dict(Recipe, asdict(RECIPES[name])))


def test_configs_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'width'"):
        ModelConfig().width = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (CropConfig, {"size": 15}, r"--size must lie in 16..256, got 15"),
        (CropConfig, {"channels": 2}, "channels must be 1 or 3, got 2"),
        (CropConfig, {"subject": "cups"}, "subject must be beans or whole, got 'cups'"),
        (CropConfig, {"zoom": 0.0}, "zoom must be above 0"),
        (CropConfig, {"centre": 108}, "a centre crop goes with --subject whole only"),
        (ModelConfig, {"kernel": 7}, "kernel must be 3, 4 or 5, got 7"),
        (ModelConfig, {"latent": 0}, "latent and width must be above 0, got 0, 64"),
        (GanConfig, {"steps": 0}, "--steps must be above 0, got 0"),
        (GanConfig, {"batch": 1}, "the batch must hold at least 2 images, got 1"),
        (GanConfig, {"loss": "wasserstein"}, "loss must be bce or relativistic, got 'wasserstein'"),
        (GanConfig, {"ema": 1.0}, r"ema must lie in \[0, 1\), got 1.0"),
        (GanConfig, {"gradient_penalty": -1.0}, "the gradient penalty must be 0 or more, got -1.0"),
        (GanConfig, {"corrupted": -0.5}, "the weight of corrupted images must be 0 or more, got -0.5"),
        (GanConfig, {"penalty_every": 0}, "counts must be above 0"),
        (SearchConfig, {"weight": 1.5}, r"lambda must lie in \[0, 1\], got 1.5"),
        (SearchConfig, {"steps": 0}, "search steps and refine_steps must be above 0, got 0 and 20"),
        (SearchConfig, {"refine_steps": 0}, "search steps and refine_steps must be above 0, got 300 and 0"),
    ],
)
def test_what_cannot_work_is_refused(kind: type, values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**values)


def test_a_penalty_with_batch_norm_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"set gan.gradient_penalty to 0 or model.batch_norm to false"):
        Recipe(model=ModelConfig(batch_norm=True), gan=GanConfig(gradient_penalty=1.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gan": {"stepz": 3}}, r"unknown setting gan.stepz: did you mean 'steps'\?"),
        ({"gann": {}}, r"unknown setting gann: did you mean 'gan'\?"),
        ({"gan": {"steps": "many"}}, "setting gan.steps must be .*, got 'many'"),
        ({"gan": {"steps": True}}, "setting gan.steps must be .*, got True"),
        ({"gan": {"steps": 10.5}}, "setting gan.steps must be .*, got 10.5"),
        ({"gan": {"augment": 1}}, "setting gan.augment must be .*, got 1"),
        ({"model": 3}, "setting model must be .*, got 3"),
    ],
)
def test_unknown_names_and_wrong_types_are_named(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_dict(Recipe, values)


def test_whole_numbers_serve_as_floats() -> None:
    assert from_dict(GanConfig, {"gradient_penalty": 2}).gradient_penalty == 2.0


def test_a_toml_file_changes_only_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[gan]\nsteps = 12\n[search]\nweight = 0.5\n", encoding="utf-8")
    base = RECIPES["standard"]
    expected = replace(base, gan=replace(base.gan, steps=12), search=replace(base.search, weight=0.5))
    assert merge_toml(base, path) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [("[gan]\nsteps = ", "is not TOML"), ("steps = 3", "expected settings of model, .*, got 'steps'")],
)
def test_a_useless_toml_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        merge_toml(RECIPES["quick"], path)


def test_a_missing_toml_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the config file .*none.toml: No such file"):
        merge_toml(RECIPES["quick"], tmp_path / "none.toml")


def test_single_settings_are_laid_over_a_recipe() -> None:
    recipe = merge_settings(RECIPES["anogan"], ["gan.steps=7", "search.weight=0.2", "gan.loss=bce", "gan.augment=true"])
    assert (recipe.gan.steps, recipe.search.weight, recipe.gan.loss, recipe.gan.augment) == (7, 0.2, "bce", True)


@pytest.mark.parametrize("setting", ["steps=3", "gan.steps", "gan.steps=", "gan.steps=x"])
def test_useless_settings_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"TABLE.NAME=VALUE|must be"):
        merge_settings(RECIPES["anogan"], [setting])


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_size_and_channels_and_keeps_the_rest(name: str) -> None:
    recipe = named_recipe(name, size=28, channels=1)
    assert (recipe.model.size, recipe.model.channels) == (28, 1)
    assert replace(recipe, model=RECIPES[name].model) == RECIPES[name]


@pytest.mark.parametrize("name", RECIPES)
def test_beans_alone_are_mirrored_and_have_standardised_differences_and_narrow_networks(name: str) -> None:
    whole = named_recipe(name, size=28, channels=1, subject="whole")
    assert (whole.model.width, whole.comparison.width) == (max(RECIPES[name].model.width, 16), 16)
    assert not whole.gan.flips
    assert replace(whole.gan, flips=RECIPES[name].gan.flips, steps=RECIPES[name].gan.steps) == RECIPES[name].gan
    assert whole.search.differences == "plain"
    assert replace(whole.search, differences=RECIPES[name].search.differences) == RECIPES[name].search
    assert (RECIPES[name].search.differences == "plain") is (name == "anogan")


def test_networks_that_are_wider_for_other_subjects_learn_in_fewer_steps() -> None:
    steps = {
        (name, subject): (recipe.gan.steps, recipe.encoder.steps)
        for name in RECIPES
        for subject in get_args(SubjectKind)
        for recipe in [named_recipe(name, size=64, channels=3, subject=subject)]
    }
    assert steps.pop(("standard", "beans")) == (3000, 3000)
    assert steps.pop(("standard", "whole")) == (1500, 1500)
    assert steps == dict.fromkeys([("quick", "beans"), ("quick", "whole")], (300, 300)) | dict.fromkeys(
        [("anogan", "beans"), ("anogan", "whole")], (4000, 0)
    )


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no recipe 'fast': choose one of anogan, standard, quick"):
        named_recipe("fast", size=64, channels=3)


def test_the_anogan_recipe_is_that_of_the_seed() -> None:
    recipe = RECIPES["anogan"]
    assert recipe.model == ModelConfig(width=64, latent=100, kernel=5, batch_norm=True)
    assert recipe.gan == GanConfig(
        steps=recipe.gan.steps, batch=64, loss="bce", generator_steps=2, learning_rate=2e-4, beta1=0.5, beta2=0.999
    )
    assert (recipe.search.steps, recipe.search.weight, recipe.search.restarts) == (500, 0.1, 1)
    assert (recipe.search.candidates, recipe.search.clamp, recipe.search.tolerance) == (1, False, 0.0)


@pytest.mark.parametrize("candidates", [0, 65_537, 10**12])
def test_candidates_that_no_memory_holds_are_refused(candidates: int) -> None:
    with pytest.raises(ConfigError, match=r"search candidates must lie in 1\.\.65536"):
        SearchConfig(candidates=candidates)
