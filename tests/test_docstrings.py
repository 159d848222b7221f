"""The examples in the docstrings of the public names run, and each of them has one."""

import dataclasses
import doctest
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import node_transfer
from node_transfer.runs.config import NODE_RK
from node_transfer.training.experiment import run_experiment
from tests.conftest import PROJECT
from tests.data.pictures import gallery
from tests.training.made import quick

# What a reader has imported, and `import *` brings.
IMPORTED = {"keras": keras, "np": np, "tf": tf} | {
    name: getattr(node_transfer, name) for name in node_transfer.__all__
}


def failures(name: str, found, **more) -> str:
    """Runs the example of an object; returns what went wrong in it."""
    text = found.__doc__ or ""
    example = doctest.DocTestParser().get_doctest(
        text, IMPORTED | {name: found} | more, name, None, None
    )
    assert example.examples, f"{name} has no example"
    told = []
    doctest.DocTestRunner(verbose=False).run(example, out=told.append)
    return "".join(told)


@pytest.mark.filterwarnings("ignore:The dynamics")
@pytest.mark.parametrize("name", node_transfer.__all__)
def test_the_example_of_a_public_name_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert failures(name, IMPORTED[name]) == ""


@pytest.mark.parametrize(
    "name", ["predict", pytest.param("export", marks=pytest.mark.slow)]
)
def test_the_example_of_a_name_for_trained_models_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PROJECT / "tests" / "fixtures" / "node_rk", "results/runs/mine")
    gallery("photos", {"red": 1})
    assert failures(name, getattr(node_transfer, name)) == ""


@pytest.mark.slow
def test_the_example_of_run_experiment_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = quick(
        NODE_RK, "", epochs=1, train_examples=64, backbone=f"{__name__}:tiny",
        weights="auto",
    )  # fmt: skip
    more = {"dataclasses": dataclasses, "NODE_RK": short}
    assert failures("run_experiment", run_experiment, **more) == ""


def tiny(input_shape):
    images = keras.Input(input_shape)
    return keras.Model(images, keras.layers.Conv2D(4, 3, strides=8)(images), name="tiny")
