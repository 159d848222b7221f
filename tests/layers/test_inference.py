"""Inference leaves no trace, and can be exported; it is counted where counts are read."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer
from tests.slowly import slow_after

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 4)).astype("float32")
WRITES = ("Assign", "Scatter")


def model_with(layer):
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return model


def values_of(model):
    variables = [*model.variables, *(v for m in model.metrics for v in m.variables)]
    return [v.numpy().copy() for v in variables]


def operations(graph):
    """The kinds of all operations of a graph and of the functions in it."""
    definition = graph.as_graph_def()
    nodes = [*definition.node]
    nodes += [node for f in definition.library.function for node in f.node_def]
    return {node.op for node in nodes}


@pytest.mark.parametrize("gradient", slow_after(1, ["adjoint", "backprop"]))
def test_inference_writes_no_variable(gradient):
    model = model_with(ODELayer(DenseDynamics(3), gradient=gradient))
    model.fit(X, np.zeros(16), verbose=0)
    before = values_of(model)
    model.predict(X, verbose=0)
    model(X)
    call = tf.function(lambda x: model(x, training=False), autograph=False)
    traced = call.get_concrete_function(tf.TensorSpec([None, 4]))
    traced(tf.constant(X))
    for left, right in zip(before, values_of(model), strict=True):
        assert np.array_equal(left, right)
    assert "While" in operations(traced.graph)
    assert not [kind for kind in operations(traced.graph) if kind.startswith(WRITES)]


@pytest.mark.parametrize("eagerly", [False, True])
def test_evaluation_is_counted_and_prediction_is_not(eagerly):
    layer = ODELayer(DenseDynamics(3), method="rk4", options={"num_steps": 2})
    model = model_with(layer)
    model.run_eagerly = eagerly
    model.predict(X, verbose=0)
    model.evaluate(X, np.zeros(16), batch_size=5, verbose=0)
    assert (float(layer.nfe.solves), layer.nfe.forward) == (4, 8)


def test_calls_are_counted_when_it_is_asked_what_they_took():
    layer = ODELayer(DenseDynamics(3), method="rk4", options={"num_steps": 2})
    layer(X)
    layer(X)
    assert float(layer.nfe.solves) == 0
    assert layer.nfe.forward == 8
    assert float(layer.nfe.solves) == 2


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_tape_around_inference_has_the_gradient_asked_for(gradient):
    layer = ODELayer(
        DenseDynamics(3), gradient=gradient, method="rk4", options={"num_steps": 2}
    )
    with tf.GradientTape() as tape:
        h = layer(X)
    tape.gradient(h, layer.trainable_variables)
    assert layer.nfe.backward == 8  # the adjoint takes as many steps


def test_tape_around_inference_leaves_the_remembered_steps():
    layer = ODELayer(DenseDynamics(3), gradient="adjoint")
    with tf.GradientTape() as tape:
        h = layer(X)
    tape.gradient(h, layer.trainable_variables)
    assert not np.any(layer.adjoint_first_step) and not np.any(layer.first_step)


def test_gradient_from_outside_a_function_of_inference_is_that_of_the_steps():
    layer = ODELayer(DenseDynamics(3), method="rk4", options={"num_steps": 2})
    inside = tf.function(lambda h: layer(h), autograph=False)
    h0, gradients = tf.constant(X), []
    inside(h0)  # traced while no tape is there
    for call in (inside, layer):
        with tf.GradientTape() as tape:
            tape.watch(h0)
            loss = tf.reduce_sum(call(h0) ** 2)
        gradients.append(tape.gradient(loss, h0))
    assert np.allclose(*gradients, atol=1e-5)


@pytest.mark.parametrize("save", slow_after(1, ["export", "tf.saved_model.save"]))
def test_model_that_was_never_called_is_saved_for_serving(save, tmp_path):
    model = model_with(ODELayer(DenseDynamics(3)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    if save == "export":
        loaded.export(tmp_path / "served", verbose=False)
    else:
        tf.saved_model.save(loaded, tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served").signatures["serving_default"]
    (name,) = served.structured_input_signature[1]
    for count in (1, 5):
        (logits,) = served(**{name: tf.constant(X[:count])}).values()
        assert np.allclose(logits, model.predict(X[:count], verbose=0), atol=1e-6)
