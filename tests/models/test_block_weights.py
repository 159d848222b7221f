"""A trained block's weights, for a block of the same function and for no other."""

import keras
import numpy as np
import pytest

from node_transfer.models.block_weights import take_over
from node_transfer.models.saving import load_model, save_model
from tests.models.test_blocks_by_flag import CASES, classifier
from tests.models.test_transfer_classifier import IMAGES
from tests.slowly import slow_after


def trained(**changes):
    """A classifier whose block's weights are all changed."""
    model = classifier(**changes)
    rng = np.random.default_rng(0)
    for variable in getattr(model.block, "dynamics", model.block).trainable_variables:
        variable.assign(variable + 0.1 * rng.normal(size=variable.shape))
    return model


@pytest.mark.parametrize(
    ("block", "dynamics"), slow_after(4, [case[:2] for case in CASES])
)
def test_the_same_block_computes_the_same_afterwards(block, dynamics, tmp_path):
    save_model(trained(block=block, dynamics=dynamics), tmp_path / "model.keras")
    earlier = load_model(tmp_path / "model.keras")
    model = classifier(block=block, dynamics=dynamics)
    for part in ("backbone", "head"):
        getattr(model, part).set_weights(getattr(earlier, part).get_weights())
    expected = np.array(earlier(IMAGES))
    assert not np.allclose(model(IMAGES), expected, atol=1e-4)
    assert take_over(model.block, earlier.block)
    assert np.array_equal(model(IMAGES), expected)


def test_the_same_dynamics_may_be_solved_otherwise():
    earlier = trained()
    model = classifier(method="dopri5", gradient="adjoint", rtol=1e-3)
    assert take_over(model.block, earlier.block)
    pairs = zip(
        model.block.dynamics.get_weights(),
        earlier.block.dynamics.get_weights(),
        strict=True,
    )
    assert all(np.array_equal(ours, theirs) for ours, theirs in pairs)
    assert model.block.method == "dopri5"


class Mixed(keras.layers.Layer):
    """A block with dynamics in a list, and a weight beside them."""

    def __init__(self, units, parts=(), **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.parts = [keras.layers.Dense(n) for n in units]  # with names of their own

    def build(self, shape):
        for part in self.parts:
            part.build(shape)
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def get_config(self):
        parts = [keras.saving.serialize_keras_object(part) for part in self.parts]
        return {**super().get_config(), "units": self.units, "parts": parts}


def test_parts_in_lists_and_weights_beside_dynamics_are_taken_over_too():
    earlier, block, other = Mixed([3, 3]), Mixed([3, 3]), Mixed([3, 3])
    for layer in (earlier, block, other):
        layer.build((None, 3))
    earlier.scale.assign(2.0)
    other.parts[0].activation = keras.activations.relu
    assert take_over(block, earlier)
    assert block.scale == 2.0
    assert np.array_equal(block.parts[1].kernel, earlier.parts[1].kernel)
    assert not take_over(other, earlier)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_units": 5},  # the same config but for the width
        {"activation": "relu"},
        {"block": "residual"},
        {"block": "anode"},
        {"block": "dense"},
    ],
)
def test_another_function_keeps_its_own_weights(changes):
    earlier, model = trained(), classifier(**changes)
    before = model.block.get_weights()
    assert not take_over(model.block, earlier.block)
    pairs = zip(model.block.get_weights(), before, strict=True)
    assert all(np.array_equal(now, then) for now, then in pairs)
