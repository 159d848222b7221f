"""A block whose weights are frozen."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer
from tests.slowly import slow_after


@pytest.mark.parametrize("gradient", slow_after(1, ["adjoint", "backprop"]))
@pytest.mark.parametrize("part", slow_after(1, ["layer", "dynamics"]))
def test_training_goes_on_past_a_frozen_block(part, gradient):
    keras.utils.set_random_seed(0)
    block = ODELayer(DenseDynamics(8), gradient=gradient)
    model = keras.Sequential(
        [keras.Input([4]), keras.layers.Dense(4), block, keras.layers.Dense(2)]
    )
    (block if part == "layer" else block.dynamics).trainable = False
    before = [w.numpy() for w in block.dynamics.weights]
    first = model.layers[0].kernel.numpy()
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    model.fit(x, x[:, :2], verbose=0)
    for a, b in zip(before, block.dynamics.weights, strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(first, model.layers[0].kernel)


def test_gradient_past_a_frozen_block_is_that_of_the_block():
    layer, x = ODELayer(DenseDynamics(8)), tf.ones([4, 4])
    layer(x)
    bars = []
    for trainable in (True, False):
        layer.trainable = trainable
        layer.forget_step()
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) ** 2)
        bars.append(tape.gradient(loss, x))
    assert np.allclose(*bars, rtol=1e-6)
