"""What an experiment is, and what its record is read as."""

import dataclasses
import json

import pytest

from node_transfer.errors import UserError
from node_transfer.runs import choices
from node_transfer.runs.config import (
    BASELINE,
    NODE_ADJOINT,
    NODE_RK,
    ExperimentConfig,
)
from node_transfer.runs.fields import declared
from tests.conftest import PROJECT

REQUIRED = ("experiment", "block")  # no run was ever without


def test_defaults_are_the_papers():
    assert (BASELINE.epochs, NODE_RK.epochs, NODE_ADJOINT.epochs) == (200, 100, 160)
    assert (BASELINE.block, NODE_RK.block, NODE_ADJOINT.block) == ("none", "ode", "ode")
    assert (BASELINE.optimizer, NODE_RK.optimizer) == ("adam", "adam")
    assert NODE_ADJOINT.optimizer == "sgd"
    assert (NODE_RK.rtol, NODE_RK.atol, NODE_RK.gradient) == (1e-5, 1e-5, "backprop")
    assert (NODE_ADJOINT.rtol, NODE_ADJOINT.gradient) == (1e-3, "adjoint")
    assert (NODE_ADJOINT.learning_rate, NODE_ADJOINT.batch_size) == (0.1, 128)
    assert {c.dataset for c in (BASELINE, NODE_RK, NODE_ADJOINT)} == {"cifar10"}


def test_choices_are_those_of_the_solver():
    from node_transfer.ode import methods

    assert set(choices.method_names()) == set(methods.METHODS) - {"bdf"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"epochs": 0}, "epochs is 0: pass a positive integer"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"rtol": -1e-5}, "rtol is -1e-05: pass a positive number"),
        ({"atol": float("nan")}, "atol is nan"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"method": "rk5"}, "method is 'rk5': choose one of dopri5"),
        ({"optimizer": "lion"}, "optimizer is 'lion': choose one of adam, sgd"),
        ({"train_examples": 0}, "train_examples is 0"),
        ({"seed": -1}, "seed is -1: pass a whole number from 0"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"block": "maze"}, "choose one of none, .* or import the package that adds it"),
        ({"dynamics": "sine"}, "dynamics is 'sine': .*, or import the package"),
        ({"backbone": "MyNet"}, "backbone is 'MyNet': .*, or import the package"),
        ({"hidden_units": 2.5}, "hidden_units is 2.5: pass an integer"),
        ({"epochs": "5"}, "epochs is '5': pass an integer"),
        ({"batch_size": True}, "batch_size is True: pass an integer"),
        ({"seed": "x"}, "seed is 'x': pass an integer"),
        ({"dataset": 5}, "dataset is 5: pass a string"),
        ({"augment": "yes"}, "augment is 'yes': pass True or False"),
        ({"freeze_backbone": 1}, "freeze_backbone is 1: pass True or False"),
        ({"backbone": 5}, "backbone is 5: pass a string or None"),
        ({"weights": 7}, "weights is 7: pass a string or None"),
        ({"experiment": None}, "experiment is None: pass a string"),
        ({"block": []}, r"block is \[\]: pass a string"),
        ({"rtol": "1e-5"}, "rtol is '1e-5': pass a number"),
        ({"atol": True}, "atol is True: pass a number"),
        ({"output_dir": "~/run"}, "output_dir is '~/run', whose ~ no shell has replaced"),
        ({"image_size": 32.0}, "image_size is 32.0: pass an integer or None"),
    ],
)
def test_impossible_config_is_refused(change, complaint):
    record = dataclasses.asdict(BASELINE) | change
    for make in (
        lambda: ExperimentConfig(**record),
        lambda: BASELINE.from_record(record),
    ):
        with pytest.raises(UserError, match=complaint) as error:
            make()
        assert str(error.value).count(". ") == 0


def test_a_whole_number_is_a_number():
    assert dataclasses.replace(BASELINE, learning_rate=1, rtol=1).learning_rate == 1


def test_a_config_is_read_back_as_it_was_recorded():
    for config in (BASELINE, NODE_RK, NODE_ADJOINT):
        record = json.loads(json.dumps(dataclasses.asdict(config)))
        assert ExperimentConfig.from_record(record) == config


def test_every_committed_run_is_read():
    paths = sorted((PROJECT / "results").glob("**/config.json"))
    assert len(paths) >= 21
    for path in paths:
        record = json.loads(path.read_text())["experiment"]
        config = dataclasses.asdict(ExperimentConfig.from_record(record))
        assert {name: config[name] for name in record} == record


@pytest.mark.parametrize(
    "name",
    [f.name for f in dataclasses.fields(ExperimentConfig) if f.name not in REQUIRED],
)
def test_a_run_older_than_a_field_is_the_same_experiment(name):
    record = dataclasses.asdict(BASELINE)
    del record[name]
    assert ExperimentConfig.from_record(record).differing_field(BASELINE) is None


def test_a_field_says_what_runs_had_before_it():
    @dataclasses.dataclass(frozen=True)
    class Later(ExperimentConfig):
        crop: str = declared("center", before="none")
        blur: float = 0.0

    old = Later.from_record(dataclasses.asdict(BASELINE))
    assert (old.crop, old.blur) == ("none", 0.0)
    new = Later(**{**dataclasses.asdict(BASELINE), "crop": "center"})
    assert new.differing_field(old) == "crop"
    with pytest.raises(UserError, match="'crop', which this version"):
        ExperimentConfig.from_record(dataclasses.asdict(new))


@pytest.mark.parametrize(
    ("change", "computed_alike", "one_model"),
    [
        ({"output_dir": "elsewhere"}, True, True),
        ({"data_dir": "elsewhere"}, True, True),
        ({"overwrite": True}, True, True),
        ({"seed": 1}, False, True),
        ({"init_from": "elsewhere"}, False, True),
        ({"strategy": "mirrored"}, False, True),
        ({"rtol": 1e-4}, False, False),
        ({"dataset": "digits"}, False, False),
        ({"backbone": "EfficientNetB3"}, False, False),
    ],
)
def test_a_field_matters_to_the_run_and_to_the_mean(change, computed_alike, one_model):
    config = dataclasses.replace(NODE_RK, backbone="EfficientNetB0")
    other = dataclasses.replace(config, **change)
    (name,) = change
    assert other.differing_field(config) == (None if computed_alike else name)
    assert other.fields_unlike(config) == ([] if one_model else [name])


def test_what_is_resolved_later_agrees_with_what_it_became():
    run = dataclasses.replace(
        BASELINE, backbone="EfficientNetB3", weights="auto", image_size=32
    )
    assert BASELINE.differing_field(run) is None
    assert run.differing_field(BASELINE) == "backbone"
    assert BASELINE.with_default_network().differing_field(run) == "backbone"
    assert BASELINE.fields_unlike(run) == ["backbone", "weights", "image_size"]


def test_a_run_has_the_network_of_the_run_that_it_starts_from():
    start = dataclasses.replace(
        BASELINE, backbone="EfficientNetB3", weights="imagenet", image_size=48
    )
    warm = dataclasses.replace(NODE_RK, init_from="runs/b").with_network_of(start)
    assert (warm.backbone, warm.image_size, warm.weights) == ("EfficientNetB3", 48, None)
    other = dataclasses.replace(NODE_RK, init_from="runs/b", image_size=32)
    with pytest.raises(UserError, match="the run 'runs/b' has 48: leave image_size= out"):
        other.with_network_of(start)
