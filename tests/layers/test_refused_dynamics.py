"""What cannot be dynamics, or be saved, is told in one sentence before training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")


def model_of(layer):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    model.compile(keras.optimizers.SGD(0.05), "mse")
    return model


def closed_over():
    dense = keras.layers.Dense(3)
    return lambda t, h: dense(h)


def with_built_layer():
    dense = keras.layers.Dense(3)
    dense.build((None, 3))
    return lambda t, h: dense(h)


def functional_of_a_dictionary():
    t, h = keras.Input((1,), name="t"), keras.Input((3,), name="h")
    return keras.Model({"t": t, "h": h}, keras.ops.multiply(t, h))


def functional_of_the_state_first():
    t, h = keras.Input((1,)), keras.Input((3,))
    return keras.Model([h, t], keras.ops.multiply(t, h))


@tf.function
def noise(h):
    return tf.random.normal([3])


def noisy_at_times(t, h):
    return tf.cond(t > 0.5, lambda: tf.random.normal([3]) * h, lambda: h)


class CountsInAVariable(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.calls = tf.Variable(0.0, trainable=False)

    def call(self, t, h):
        self.calls.assign_add(1.0)
        return h


class AddsLoss(keras.layers.Layer):
    def call(self, t, h):
        self.add_loss(tf.reduce_sum(h))
        return h


def regularised():
    dense = keras.layers.Dense(3, activity_regularizer="l2", name="noisy")
    return keras.Sequential([keras.layers.Dense(4), dense])


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: DenseDynamics, "pass a Keras layer, a model, or a function of .t, h."),
        (lambda: 3.0, "dynamics is 3.0: pass a Keras layer"),
        (lambda: lambda h, t: h, r"take \(h, t\): write call\(self, t, h\)"),
        (lambda: lambda t: t, r"take \(t\): write call\(self, t, h\)"),
        (lambda: lambda: 0.0, r"take \(\): write call\(self, t, h\)"),
        (lambda: lambda a, b, c, d: a, r"take \(a, b, c, d\): write"),
        (lambda: lambda t, h, z: h, "need a context: call the layer as layer.h, context"),
        (closed_over, "reads the weights .*kernel.*neither trained nor saved: write"),
        (with_built_layer, "reads the weights .*kernel.*neither trained nor saved"),
        (functional_of_a_dictionary, "make the model of h, of .t, h., or of .t, h, cont"),
        (functional_of_the_state_first, r"a first input of shape \(None, 3\): make it"),
        (lambda: keras.layers.Dense(4), r"return shape \(None, 4\) for a state of shape"),
        (lambda: lambda h: [h, h], "return list: return one tensor"),
        (lambda: lambda h: None, "return NoneType: return one tensor"),
        (lambda: lambda h: h[:, 5], "cannot be called with .h., the state h of shape"),
        (lambda: lambda t, h: h if t > 0 else -h, "cannot be called with .t, h."),
        (lambda: keras.layers.Conv2D(3, 3), "Kernel shape must have the same length"),
        (AddsLoss, "'adds_loss.*' add a loss when they are called .*in adds_loss"),
        (regularised, "add a loss .*in noisy.*use ODELayer's kinetic_energy"),
        (CountsInAVariable, r"assign to a tf.Variable .*by add_weight"),
        (lambda: lambda h: tf.random.normal([3]) * h, "RandomStandardNormal.*SeedGen"),
        (lambda: lambda h: noise(h) * h, "RandomStandardNormal.*SeedGen"),
        (lambda: noisy_at_times, "RandomStandardNormal.*SeedGen"),
        (lambda: lambda h: keras.random.normal([3]) * h, "a state that is not theirs"),
    ],
)
@pytest.mark.filterwarnings("ignore:A file of a model with")
def test_what_cannot_be_dynamics_is_refused_before_training(make, complaint):
    with pytest.raises(ValueError, match=complaint) as raised:
        model_of(ODELayer(make()))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("function", [lambda h: -h, keras.ops.sin, tf.negative])
def test_function_without_a_registered_name_trains_and_is_not_saved(function, tmp_path):
    model = model_of(ODELayer(function))
    model.fit(X, X[:, :1], verbose=0)
    with pytest.raises(ValueError, match="cannot be saved: make it a named function"):
        model.save(tmp_path / "model.keras")


def test_class_that_is_not_registered_is_told_of_before_training():
    class Mine(keras.layers.Layer):
        def call(self, t, h):
            return -h

    with pytest.warns(UserWarning, match="with 'mine.*Mine. can be saved and not be lo"):
        model_of(ODELayer(Mine()))


def test_state_of_several_tensors_is_refused():
    with pytest.raises(ValueError, match="pass one tensor, the state"):
        ODELayer(DenseDynamics(3))([X, X])
