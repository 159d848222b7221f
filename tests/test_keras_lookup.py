"""Keras alone loads a model with the library's layers, once the package is imported."""

import subprocess
import sys

import keras
import pytest

from node_transfer import keras_lookup
from node_transfer.models.blocks import BLOCKS, DYNAMICS
from node_transfer.registry import locate
from tests.conftest import PROJECT
from tests.slowly import slow_after

MODEL = PROJECT / "tests" / "fixtures" / "node_rk" / "model.keras"


def printed(code):
    command = [sys.executable, "-W", "error::UserWarning", "-c", code]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout.split()


@pytest.mark.parametrize(
    ("imports", "load_model"),
    slow_after(
        1,
        [
            ("import node_transfer, tensorflow as tf", "tf.keras.models.load_model"),
            ("import node_transfer, keras", "keras.saving.load_model"),
            ("import keras, node_transfer", "keras.saving.load_model"),
        ],
    ),
)
def test_keras_loads_a_saved_classifier(imports, load_model):
    code = f"{imports}; print(type({load_model}({str(MODEL)!r})).__name__); "
    code += "from node_transfer import ODELayer; from keras import saving; "
    code += "print(saving.get_registered_object('node_transfer>ODELayer') is ODELayer)"
    assert printed(code) == ["TransferClassifier", "True"]


@pytest.mark.parametrize(
    "module", ["analysis.report", "models.blocks", "models.backbones"]
)
def test_import_waits_for_no_tensorflow(module):
    code = f"import sys, node_transfer.{module}; print(*sys.modules)"
    assert not {"tensorflow", "keras"} & set(printed(code))


def test_every_class_that_can_be_in_a_saved_model_is_offered():
    for spec in (*BLOCKS.values(), *DYNAMICS.values()):
        assert spec.layer is None or spec.layer in keras_lookup.SERIALIZABLE
    for path in keras_lookup.SERIALIZABLE:
        name = f"node_transfer>{locate(path).__name__}"
        assert keras.saving.get_registered_name(locate(path)) == name
