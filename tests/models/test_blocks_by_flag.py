"""Every block that a flag gives: it fits, trains, has as many weights, is saved."""

import dataclasses
import math

import numpy as np
import pytest

from node_transfer import TransferClassifier, load_model
from node_transfer.models import blocks, saving
from node_transfer.runs.config import NODE_RK
from tests.models.test_transfer_classifier import IMAGES, small_backbone

# Block, dynamics, and the block's weights for 8 channels, 4 hidden units and p = 2.
CASES = [
    ("residual", "dense", 8 * 4 + 4 + 4 * 8 + 8),
    ("ode", "dense", 8 * 4 + 4 + 4 + 4 * 8 + 8),
    ("ode", "conv", 2 * (8 + 4 + 8) + (9 * 9 * 4 + 4) + (9 * 5 * 8 + 8)),
    ("anode", "dense", 10 * 4 + 4 + 4 + 4 * 10 + 10),
    ("anode", "conv", 2 * (10 + 4 + 10) + (9 * 11 * 4 + 4) + (9 * 5 * 10 + 10)),
    ("anodev2", "dense", 8 * 4 + 4 + 4 * 8 + 8 + 2 * 3),
    ("anodev2", "conv", 2 * (8 + 4 + 8) + (9 * 8 * 4 + 4) + (9 * 4 * 8 + 8) + 2 * 3),
    ("dense", "dense", 8 * 8 + 8),
]
QUICK = {"hidden_units": 4, "augment_channels": 2, "method": "midpoint", "num_steps": 2}


def weights_of(layer) -> int:
    return sum(math.prod(v.shape) for v in layer.trainable_variables)


def classifier(**changes):
    config = dataclasses.replace(NODE_RK, **{**QUICK, **changes})
    return TransferClassifier(
        small_backbone(),
        5,
        blocks.make_block(config),
        blocks.block_input_of(config.block, config.dynamics),
    )


@pytest.mark.parametrize(
    ("block", "dynamics", "weights"),
    [
        pytest.param(*c, marks=[] if c[:2] == ("anode", "dense") else [pytest.mark.slow])
        for c in CASES
    ],
)
def test_block_fits_trains_and_is_saved(block, dynamics, weights, tmp_path):
    model = classifier(block=block, dynamics=dynamics, activation="swish")
    assert weights_of(model.block) == weights
    width = 10 if block == "anode" else 8
    assert model.head.kernel.shape == (width, 5)
    assert model.block_input == ("feature_map" if dynamics == "conv" else "pooled")
    model.compile("adam", "mse")
    before = model.block.get_weights()
    history = model.fit(IMAGES, np.ones((6, 5)), epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    moved = [
        not np.array_equal(new, old)
        for new, old in zip(model.block.get_weights(), before, strict=True)
    ]
    assert np.mean(moved) > 0.5
    saving.save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    assert type(again.block) is type(model.block)
    left, right = (m.predict(IMAGES, verbose=0) for m in (model, again))
    assert np.array_equal(left, right)


def test_an_ode_block_has_a_fifth_of_the_weights_of_a_dense_layer():
    """At the width of EfficientNetB0, as the paper has it."""
    counts = {}
    for block in ("ode", "anodev2", "dense"):
        layer = blocks.make_block(dataclasses.replace(NODE_RK, block=block))
        layer.build((None, 1280))
        counts[block] = weights_of(layer)
    assert counts == {"ode": 329_216, "anodev2": 329_094, "dense": 1_639_680}
    assert 4.9 < counts["dense"] / counts["ode"] < 5


def test_activation_is_that_of_the_flag_or_the_layers_own():
    names = {}
    for activation in (None, "softplus"):
        for block, dynamics in (("ode", "dense"), ("ode", "conv"), ("residual", "dense")):
            config = dataclasses.replace(
                NODE_RK, block=block, dynamics=dynamics, activation=activation
            )
            layer = blocks.make_block(config)
            layer = getattr(layer, "dynamics", layer)
            names[activation, block, dynamics] = layer.activation.__name__
    assert list(names.values()) == ["tanh", "relu", "tanh", *["softplus"] * 3]
