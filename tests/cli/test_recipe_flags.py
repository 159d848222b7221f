"""A recipe sets many flags at once; one that is given beside it wins."""

import dataclasses

import pytest
from absl import flags as absl_flags

from node_transfer.errors import UserError
from node_transfer.runs.config import BASELINE, NODE_ADJOINT
from node_transfer.runs.recipes import RECIPES, with_recipe
from tests.cli.test_fuzzed_flags import config_of


def test_without_a_recipe_an_experiment_is_the_papers():
    for defaults in (BASELINE, NODE_ADJOINT):
        assert config_of(defaults.experiment, {}, []) == defaults
        assert config_of(defaults.experiment, {"recipe": "paper"}, []) == defaults


def test_recipe_sets_its_fields_and_no_others():
    config = config_of("node_adjoint", {"recipe": "modern"}, [])
    for field in dataclasses.fields(config):
        expected = RECIPES["modern"].get(field.name, getattr(NODE_ADJOINT, field.name))
        if field.name != "recipe":
            assert getattr(config, field.name) == expected, field.name
    assert config == with_recipe(NODE_ADJOINT, "modern")


@pytest.mark.parametrize(
    ("changes", "head", "warmup"),
    [
        ({"epochs": 1}, 0, 0),
        ({"epochs": 2}, 1, 0),
        ({"epochs": 3}, 1, 1),
        ({"epochs": 4}, 2, 1),
        ({"epochs": 4, "head_epochs": 3}, 3, 0),
        ({"epochs": 4, "head_epochs": 0}, 0, 1),
        ({"epochs": 3, "warmup_epochs": 0}, 1, 0),
        ({}, 2, 1),
    ],
)
def test_few_epochs_have_fewer_of_the_head_and_of_warm_up(changes, head, warmup):
    config = with_recipe(BASELINE, "modern", **changes)
    assert (config.head_epochs, config.warmup_epochs) == (head, warmup)
    given = {name: str(value) for name, value in changes.items()}
    assert config_of("baseline", {"recipe": "modern", **given}, []) == config


def test_a_flag_beside_the_recipe_wins():
    values = {"recipe": "modern", "ema": "0", "epochs": "9", "weight_decay": "0.0"}
    config = config_of("baseline", values, ["--nohflip"])
    assert (config.ema, config.epochs, config.weight_decay, config.hflip) == (
        0, 9, 0, False,
    )  # fmt: skip
    assert config.label_smoothing == RECIPES["modern"]["label_smoothing"]


def test_same_fields_under_another_name_are_the_same_run():
    modern = with_recipe(BASELINE, "modern")
    by_hand = dataclasses.replace(modern, recipe="paper")
    assert by_hand.differing_field(modern) is None
    assert dataclasses.replace(modern, ema=0.0).differing_field(modern) == "ema"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"head_epochs": 5}, "head_epochs is 5 and epochs is 5: pass more epochs="),
        ({"head_epochs": -1}, "head_epochs is -1: pass a positive integer, or 0"),
        ({"warmup_epochs": 1}, "lr_schedule is 'constant', which has no warm-up"),
        (
            {"warmup_epochs": 3, "lr_schedule": "cosine", "head_epochs": 2},
            "warmup_epochs is 3 of 3 epochs of the whole network",
        ),
        ({"ema": 1.0}, "ema is 1.0: pass a number from 0 to below 1"),
        ({"label_smoothing": float("nan")}, "label_smoothing is nan"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1: pass a positive number"),
        ({"random_resized_crop": 1.5}, "random_resized_crop is 1.5: pass a number from"),
        ({"randaugment": -0.1}, "randaugment is -0.1"),
        ({"patience": -1}, "patience is -1"),
        ({"recipe": "secret"}, "recipe is 'secret': choose one of paper, modern"),
        ({"activation": "maxout"}, "activation is 'maxout': choose one of tanh, sin"),
        ({"augment_channels": 0}, "augment_channels is 0: pass a positive integer"),
    ],
)
def test_parts_that_cannot_be_are_one_sentence(changes, complaint):
    with pytest.raises(UserError, match=complaint) as error:
        dataclasses.replace(BASELINE, epochs=5, **changes)
    assert str(error.value).count(". ") == 0


def test_head_epochs_of_a_frozen_backbone_are_all():
    config = dataclasses.replace(BASELINE, epochs=2, head_epochs=2, freeze_backbone=True)
    assert config.head_epochs == 2


@pytest.mark.parametrize(
    ("flag", "value"), [("dynamics", "sine"), ("backbone", "MyNet"), ("recipe", "best")]
)
def test_name_that_no_table_has_is_told_by_the_flag(flag, value):
    with pytest.raises(absl_flags.IllegalFlagValueError, match="one of|should be"):
        config_of("node_rk", {flag: value}, [])
    if flag != "recipe":
        assert getattr(config_of("node_rk", {flag: "a.b:C"}, []), flag) == "a.b:C"
