"""Other solver settings for a model that is trained already."""

import dataclasses

import keras
import pytest

from node_transfer import DenseDynamics, ODELayer, TransferClassifier
from node_transfer.data.loading import load_data
from node_transfer.errors import UserError
from node_transfer.runs.config import BASELINE, ExperimentConfig
from node_transfer.training import saved_model
from node_transfer.training.evaluation import (
    batch_size_of,
    change_solver,
    evaluate_splits,
)

ADAPTIVE = {"method": "dopri5", "options": {"max_num_steps": 50}}
GRID = {"method": "rk4", "options": {"num_steps": 8, "max_num_steps": 50}}


def model_with(solver):
    images = keras.Input((8, 8, 3))
    backbone = keras.Model(images, keras.layers.Conv2D(2, 3)(images))
    return TransferClassifier(backbone, 3, ODELayer(DenseDynamics(2), **solver))


@pytest.mark.parametrize(
    ("solver", "changes", "num_steps"),
    [
        (GRID, {"method": "rk4"}, 8),
        (GRID, {"method": "euler"}, 8),
        (GRID, {"num_steps": 2}, 2),
        (GRID, {"method": "dopri5"}, None),
        (ADAPTIVE, {"method": "rk4"}, ExperimentConfig.num_steps),
        (ADAPTIVE, {"method": "rk4", "num_steps": 3}, 3),
        (ADAPTIVE, {"rtol": 1e-5}, None),
    ],
)
def test_steps_of_the_grid_stay_unless_they_are_given(solver, changes, num_steps):
    model = model_with(solver)
    change_solver(model, **changes)
    options = model.block.options
    assert (options.num_steps, options.max_num_steps) == (num_steps, 50)
    assert model.block.method == changes.get("method", solver["method"])


def test_steps_of_a_method_that_chooses_its_own_are_refused():
    with pytest.raises(ValueError, match="chooses its own steps"):
        change_solver(model_with(ADAPTIVE), num_steps=8)


def test_what_cannot_be_changed_is_told_and_no_change_is_none():
    plain = TransferClassifier(model_with(ADAPTIVE).backbone, 3)
    saved_model.change_solver(plain)
    with pytest.raises(UserError, match="no ODE block .* and num_steps= out"):
        saved_model.change_solver(plain, num_steps=2)


def test_evaluation_says_what_it_is_on_unless_it_is_to_be_silent(capsys):
    data = load_data("digits", image_size=8, min_image_size=8)
    images = keras.Input((8, 8, 3))
    model = TransferClassifier(keras.Model(images, keras.layers.Conv2D(2, 3)(images)), 10)
    evaluate_splits(model, data, ["test"], verbose=0)
    assert capsys.readouterr().out == ""
    evaluate_splits(model, data, ["validation", "test"], verbose=2)
    said = [x for x in capsys.readouterr().out.splitlines() if x.startswith("Eval")]
    assert said == [
        f"Evaluating on the {data.sizes[split]} {split} images"
        for split in ("validation", "test")
    ]


@pytest.mark.parametrize(("trained", "evaluated"), [(4, 4), (128, 128), (512, 128)])
def test_no_more_images_are_evaluated_at_a_time_than_were_trained_on(trained, evaluated):
    config = dataclasses.replace(BASELINE, batch_size=trained)
    assert batch_size_of(config) == evaluated
    assert batch_size_of(None) == 128
