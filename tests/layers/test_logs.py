"""What Keras shows of the layers' evaluations, and what it leaves out."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer
from tests.own_process import in_own_process
from tests.slowly import slow_after

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 4)).astype("float32")
Y = RNG.integers(0, 3, 16)
FIT = {"batch_size": 8, "verbose": 0}


def steps(number, **kwargs):
    return ODELayer(
        DenseDynamics(3), method="rk4", options={"num_steps": number}, **kwargs
    )


def model_of(*layers, **kwargs):
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], **kwargs)
    return model


@pytest.mark.parametrize(
    "kwargs", slow_after(1, [{}, {"run_eagerly": True}, {"steps_per_execution": 2}])
)
def test_logs_of_training_have_the_counts_and_those_of_evaluation_do_not(kwargs):
    layer = steps(2)
    model = model_of(layer, **kwargs)
    loss, accuracy = model.evaluate(X, Y, verbose=0)
    assert loss > 0
    assert layer.nfe.forward == 8
    history = model.fit(X, Y, epochs=3, validation_data=(X, Y), **FIT).history
    assert {k: v for k, v in history.items() if "nfe" in k} == {
        "nfe_forward": [8.0] * 3, "nfe_backward": [8.0] * 3,
    }  # fmt: skip
    assert set(history) == {
        "loss", "accuracy", "val_loss", "val_accuracy", "nfe_forward", "nfe_backward",
    }  # fmt: skip
    loss, accuracy = model.evaluate(X, Y, verbose=0)
    assert set(model.test_on_batch(X, Y, return_dict=True)) == {"loss", "accuracy"}
    logs = model.train_on_batch(X, Y, return_dict=True)
    assert (logs["nfe_forward"], logs["nfe_backward"]) == (8.0, 8.0)


@pytest.mark.slow
def test_solver_without_steps_of_its_own_is_counted_too():
    model = model_of(ODELayer(DenseDynamics(3), method="dopri5_tfp"))
    history = model.fit(X, Y, epochs=2, validation_data=(X, Y), **FIT).history
    assert history["nfe_forward"][1] > 1


@pytest.mark.slow
def test_each_layer_of_a_model_has_its_own_names():
    layers = [steps(1), steps(2), steps(3, nfe_prefix="last_")]
    model = model_of(*layers)
    first = {"nfe_forward": 4, "nfe_forward_1": 8, "last_nfe_forward_2": 12}
    history = model.fit(X, Y, epochs=2, validation_data=(X, Y), **FIT).history
    assert {k: v[-1] for k, v in history.items() if "nfe_forward" in k} == first
    again = model_of(layers[1])
    assert again.fit(X, Y, **FIT).history["nfe_forward"] == [8.0]


def test_layer_called_twice_is_one_layer():
    layer = steps(2)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(layer(inputs)))
    model.compile("sgd", "mse")
    history = model.fit(X, X, **FIT).history
    assert (history["nfe_forward"], set(history)) == (
        [8.0], {"loss", "nfe_forward", "nfe_backward"},
    )  # fmt: skip


@pytest.mark.slow
def test_logs_on_two_replicas_are_of_all_replicas_after_a_validation():
    in_own_process(check_logs_on_two_replicas)


def check_logs_on_two_replicas():
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = model_of(steps(2))
        model.optimizer.learning_rate = 0.0
    x = np.concatenate([X[:8], 3 * X[:8]])  # a replica each, with a loss of its own
    y = np.concatenate([Y[:8], Y[:8]])
    history = model.fit(
        x, y, batch_size=16, epochs=2, validation_data=(x, y), shuffle=False, verbose=0
    ).history
    assert history["nfe_forward"] == [8.0, 8.0]
    assert history["loss"] == pytest.approx(history["val_loss"], rel=1e-5)
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(
        history["loss"][0], rel=1e-5
    )


def test_config_makes_two_layers_and_stays_as_it_was():
    dynamics = keras.Sequential([keras.layers.Dense(3, "tanh"), keras.layers.Dense(4)])
    layer = ODELayer(dynamics, options={"max_num_steps": 50}, times=[0.5, 1.0])
    layer.build(X.shape)
    config = layer.get_config()
    before = copy.deepcopy(config)
    again = [ODELayer.from_config(config) for _ in range(2)]
    assert config == before
    assert again[0].dynamics is not again[1].dynamics
    for each in again:
        each.build(X.shape)
        each.set_weights(layer.get_weights())
        assert np.array_equal(each(X), layer(X))
