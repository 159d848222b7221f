"""Blocks and dynamics are rows of a table, the library's own and another package's."""

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

from node_transfer import (
    DenseDynamics,
    ODELayer,
    ResidualLayer,
    TransferClassifier,
    load_model,
)
from node_transfer.analysis.model_diagram import draw_model
from node_transfer.errors import UserError
from node_transfer.models import blocks, saving
from node_transfer.models.blocks import BLOCKS, DYNAMICS, BlockSpec, DynamicsSpec
from node_transfer.registry import locate
from node_transfer.runs.config import BASELINE, NODE_ADJOINT, NODE_RK
from tests.models.test_transfer_classifier import IMAGES, small_backbone


@keras.saving.register_keras_serializable(package="tests")
class DecayDynamics(keras.layers.Layer):
    """Dynamics of another package: dh/dt = -h."""

    def __init__(self, width=None, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def build(self, t_shape, h_shape):
        """It has no weights."""

    def call(self, t, h):
        return -h


@keras.saving.register_keras_serializable(package="tests")
class ScaleLayer(keras.layers.Layer):
    """A block of another package."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return self.factor * inputs

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@pytest.fixture
def decay(monkeypatch):
    row = DynamicsSpec("decay", f"{__name__}:DecayDynamics", "feature_map", "f = -h")
    monkeypatch.setitem(DYNAMICS, "decay", row)


@pytest.fixture
def scale(monkeypatch):
    row = BlockSpec(
        "scale",
        f"{__name__}:ScaleLayer",
        lambda config: {"factor": float(config.hidden_units)},
        title="scaling",
        equation="a h",
        formula="a = 3",
    )
    monkeypatch.setitem(BLOCKS, "scale", row)


def classifier(config):
    block = blocks.make_block(config)
    block_input = blocks.block_input_of(config.block, config.dynamics)
    return TransferClassifier(small_backbone(), 5, block, block_input)


def texts(config):
    axes = Figure().add_subplot()
    draw_model(axes, {**dataclasses.asdict(config), "backbone": "B0"}, 32)
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    "spec", [*list(BLOCKS.values())[1:], *DYNAMICS.values()], ids=lambda x: x.name
)
def test_row_leads_to_a_layer_that_keras_can_save(spec):
    layer = locate(spec.layer)
    assert issubclass(layer, keras.layers.Layer)
    name = f"node_transfer>{layer.__name__}"
    assert keras.saving.get_registered_object(name) is layer


def test_ode_block_is_solved_as_the_config_says():
    block = blocks.make_block(NODE_ADJOINT)
    assert isinstance(block, ODELayer)
    assert isinstance(block.dynamics, DenseDynamics)
    assert (block.rtol, block.atol, block.method, block.gradient) == (
        1e-3, 1e-3, "dopri5", "adjoint",
    )  # fmt: skip
    assert block.options.given() == {}
    euler = dataclasses.replace(NODE_RK, method="euler", num_steps=1)
    assert blocks.make_block(euler).options.given() == {"num_steps": 1}


def test_each_dynamics_works_on_what_its_row_says():
    for dynamics in ("dense", "conv"):
        config = dataclasses.replace(NODE_RK, dynamics=dynamics, hidden_units=4)
        model = classifier(config)
        assert model.block_input == DYNAMICS[dynamics].block_input
        assert model.block.dynamics.built
    assert blocks.block_input_of("residual", "conv") == "pooled"
    assert classifier(BASELINE).block is None


def test_residual_block_is_one_euler_step_of_the_ode():
    h = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
    ode = ODELayer(DenseDynamics(4), method="euler", options={"num_steps": 1})
    expected = ode(h)
    residual = blocks.make_block(
        dataclasses.replace(NODE_RK, block="residual", hidden_units=4)
    )
    assert isinstance(residual, ResidualLayer)
    assert not np.allclose(residual(h), expected)
    for name in ("hidden_kernel", "hidden_bias", "output_kernel", "output_bias"):
        getattr(residual, name).assign(getattr(ode.dynamics, name))
    assert np.allclose(residual(h), expected, atol=1e-6)
    again = ResidualLayer.from_config(residual.get_config())
    again.build(h.shape)
    again.set_weights(residual.get_weights())
    assert np.array_equal(again(h), residual(h))


def test_kernels_of_a_residual_block_are_drawn_each_by_itself():
    drawn = ResidualLayer(4)
    drawn.build((None, 4))
    assert not np.array_equal(drawn.hidden_kernel, drawn.output_kernel)
    with pytest.raises(ValueError, match="hidden_units is 0"):
        ResidualLayer(0)


def test_row_is_all_that_dynamics_of_another_package_need(decay, tmp_path):
    config = dataclasses.replace(NODE_RK, dynamics="decay")
    model = classifier(config)
    assert model.block_input == "feature_map"
    features = model.backbone(IMAGES)
    assert np.allclose(model.block(features), features * np.exp(-1), rtol=1e-4, atol=1e-6)
    saving.save_model(model, tmp_path / "model.keras")
    assert isinstance(load_model(tmp_path / "model.keras").block.dynamics, DecayDynamics)
    assert {"f = -h", "dopri5, backprop, rtol = 1e-05"} <= set(texts(config))


def test_row_is_all_that_a_block_of_another_package_needs(scale, tmp_path):
    config = dataclasses.replace(NODE_RK, block="scale", hidden_units=3)
    model = classifier(config)
    plain = TransferClassifier(model.backbone, 5)
    plain.head.kernel.assign(3 * model.head.kernel)
    assert np.allclose(model(IMAGES), plain(IMAGES), atol=1e-5)
    saving.save_model(model, tmp_path / "model.keras")
    assert load_model(tmp_path / "model.keras").block.factor == 3
    drawn = texts(config)
    assert {"scaling", "a h", "a = 3"} <= set(drawn)
    assert not {"ODE block", "h(0) → h(1)"} & set(drawn)


ROWS_BECOME_FLAGS = """
from absl import flags as absl_flags
from node_transfer.models.backbones import BACKBONES, BackboneSpec
from node_transfer.models.blocks import BLOCKS, DYNAMICS, BlockSpec, DynamicsSpec
from node_transfer.cli import flags
from node_transfer.runs.config import NODE_RK

BACKBONES["Tiny"] = BackboneSpec("Tiny", "elsewhere:Tiny", "tiny", 32)
BLOCKS["scale"] = BlockSpec("scale", "elsewhere:Scale")
DYNAMICS["decay"] = DynamicsSpec("decay", "elsewhere:Decay", "pooled", "f = -h")
flags.define_experiment_flags(NODE_RK)
absl_flags.FLAGS(["script", "--backbone=Tiny", "--block=scale", "--dynamics=decay"])
config = flags.config_from_flags(NODE_RK)
print(config.backbone, config.block, config.dynamics)
"""


def test_rows_are_values_of_flags_and_of_a_config():
    command = [sys.executable, "-c", ROWS_BECOME_FLAGS]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.split() == ["Tiny", "scale", "decay"]


def test_name_that_no_table_has_is_one_sentence():
    for changes, complaint in [
        ({"block": "attention"}, "block is 'attention': choose one of none, ode, resid"),
        ({"dynamics": "decay"}, "dynamics is 'decay': choose one of dense, conv"),
    ]:
        with pytest.raises(UserError, match=complaint):
            dataclasses.replace(NODE_RK, **changes)
        experiment = {**dataclasses.asdict(NODE_RK), "backbone": "B0", **changes}
        with pytest.raises(UserError, match=complaint):
            draw_model(Figure().add_subplot(), experiment, 32)
