"""What Keras does with layers and models of its users, done with this one."""

import copy
import os
import pickle
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer
from tests.slowly import slow_after

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = np.arange(16) % 3


def classifier(layer=None):
    layer = layer or ODELayer(DenseDynamics(5), rtol=1e-3, atol=1e-3)
    model = keras.Sequential([keras.Input([4]), layer, keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def sharing():
    """Two layers after each other, with one set of dynamics."""
    inputs, dynamics = keras.Input([4]), DenseDynamics(5)
    return keras.Model(inputs, ODELayer(dynamics)(ODELayer(dynamics)(inputs)))


def by_config(model):
    return type(model).from_config(model.get_config())


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize(
    "copied", slow_after(1, [keras.models.clone_model, pickled, by_config, copy.deepcopy])
)
def test_a_copy_is_the_same_function_with_weights_of_its_own(copied):
    model = classifier()
    model.fit(X, Y, verbose=0)
    again = copied(model)
    again.set_weights(model.get_weights())
    before = model.predict(X, verbose=0)
    assert np.array_equal(again.predict(X, verbose=0), before)
    again.layers[0].set_solver(rtol=1e-6)
    again.set_weights([0 * weights for weights in model.get_weights()])
    assert model.layers[0].rtol == 1e-3
    assert np.array_equal(model.predict(X, verbose=0), before)


def test_a_deep_copy_keeps_what_layers_share_and_a_clone_says_that_it_does_not():
    model = sharing()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        again = copy.deepcopy(model)
    assert again.layers[1].dynamics is again.layers[2].dynamics
    assert again.count_params() == model.count_params()
    name = model.layers[1].name
    with pytest.warns(UserWarning, match=f"'{name}' shares its dynamics .*deepcopy"):
        clone = keras.models.clone_model(model)
    assert clone.layers[1].dynamics is not clone.layers[2].dynamics


def test_a_layer_alone_is_copied_before_and_after_it_is_built():
    layer = ODELayer(DenseDynamics(5))
    unbuilt = copy.deepcopy(layer)
    assert not unbuilt.built and unbuilt(X).shape == X.shape
    result = layer(X)
    assert np.array_equal(copy.deepcopy(layer)(X), result)


@pytest.mark.slow
def test_models_are_built_again_and_again_as_a_tuner_does():
    for _ in range(2):
        keras.backend.clear_session()
        model = classifier()
        history = model.fit(X, Y, verbose=0).history
        assert set(history) == {"loss", "accuracy", "nfe_forward", "nfe_backward"}
        assert model.weights[0].path == "sequential/ode_layer/first_step"


@pytest.mark.slow
def test_batches_one_by_one_return_loss_and_metrics_first():
    model = classifier()
    named = model.train_on_batch(X, Y, return_dict=True)
    assert named["nfe_forward"] >= 7 and named["nfe_backward"] >= 6
    loss, accuracy, *counts = model.train_on_batch(X, Y)
    assert loss < named["loss"] and 0 <= accuracy <= 1 and len(counts) == 2
    assert set(model.test_on_batch(X, Y, return_dict=True)) == {"loss", "accuracy"}
    assert len(model.evaluate(X, Y, verbose=0)) == 2


@pytest.mark.parametrize("passes_it_on", slow_after(1, [False, True]))
def test_a_model_of_your_own_class_trains_it_where_its_call_takes_training(passes_it_on):
    """Keras calls a model without the argument as in inference; so do its dropouts."""

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.block, self.head = ODELayer(DenseDynamics(5)), keras.layers.Dense(3)

        def call(self, inputs, training=False):
            return self.head(self.block(inputs, training=training))

    class Without(Own):
        def call(self, inputs):
            return self.head(self.block(inputs))

    model = (Own if passes_it_on else Without)()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    assert ("nfe_forward" in model.fit(X, Y, verbose=0).history) == passes_it_on


@pytest.mark.slow
def test_it_is_distributed_over_time():
    inputs = keras.Input([3, 4])
    layer = ODELayer(DenseDynamics(5))
    model = keras.Model(inputs, keras.layers.TimeDistributed(layer)(inputs))
    model.compile("sgd", "mse")
    series = np.stack([X, X + 1, -X], axis=1)
    assert model.fit(series, series, verbose=0).history["nfe_forward"][0] >= 7
    alone = np.stack([layer(series[:, i]) for i in range(3)], axis=1)
    assert model.predict(series, verbose=0) == pytest.approx(alone, abs=1e-4)


class ODECell(keras.layers.Layer):
    """The cell of an ODE-RNN: the state flows between inputs, and jumps at them."""

    def __init__(self):
        super().__init__()
        self.state_size = 4
        self.flow = ODELayer(DenseDynamics(5), remember_step=False)
        self.jump = keras.layers.SimpleRNNCell(4)

    def build(self, inputs_shape):
        self.flow.build((None, 4))
        self.jump.build(inputs_shape)

    def call(self, inputs, states, training=False):
        return self.jump(inputs, [self.flow(states[0], training=training)])


@pytest.mark.slow
def test_a_recurrent_network_of_it_is_the_same_in_tensorflows_loop_as_unrolled():
    trained, x = [], X.reshape(16, 2, 2)
    for unroll in (False, True):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.RNN(ODECell(), unroll=unroll), keras.layers.Dense(3)]
        model = keras.Sequential([keras.Input([2, 2]), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(1.0), loss)
        history = model.fit(x, Y, epochs=2, verbose=0).history
        assert history["nfe_backward"][0] > 0
        trained.append([history["loss"], model.predict(x, verbose=0)])
    for looped, unrolled in zip(*trained, strict=True):
        np.testing.assert_allclose(looped, unrolled, rtol=1e-5, atol=1e-6)


def test_a_model_of_two_inputs_predicts_a_data_set():
    left, right = keras.Input([4], name="left"), keras.Input([2], name="right")
    joined = keras.layers.Concatenate()([left, right])
    model = keras.Model([left, right], ODELayer(DenseDynamics(5))(joined))
    data = tf.data.Dataset.from_tensor_slices(({"left": X, "right": X[:, :2]},))
    predicted = model.predict(data.batch(5), verbose=0)
    assert np.array_equal(predicted.shape, (16, 6))
    assert predicted == pytest.approx(model.predict([X, X[:, :2]], verbose=0), abs=1e-4)
    with pytest.raises(ValueError, match="pass one tensor, the state, and others as con"):
        ODELayer(DenseDynamics(5))([left, right])


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        (tf.ragged.constant([[1.0, 2.0], [1.0]]), "got a RaggedTensor: .*x.to_tensor()"),
        (tf.sparse.from_dense(X), "got a SparseTensor: .*tf.sparse.to_dense"),
    ],
    ids=["ragged", "sparse"],
)
def test_what_is_not_dense_is_refused(inputs, complaint):
    with pytest.raises(ValueError, match=complaint):
        ODELayer(DenseDynamics(5))(inputs)


def test_dynamics_that_another_width_has_built_are_told():
    dynamics = DenseDynamics(5)
    wide = ODELayer(dynamics, name="wide")
    wide(X)
    with pytest.raises(ValueError, match=r"built by the layer 'wide' .*\(16, 4\), and"):
        ODELayer(dynamics)(X[:, :2])


def test_summary_and_drawing_show_the_layer(tmp_path, monkeypatch):
    lines = []
    classifier().summary(expand_nested=True, print_fn=lines.append)
    assert "ODELayer" in lines[0] and "(None, 4)" in lines[0]
    pytest.importorskip("pydot")
    # In place of Graphviz: prints the file that it is to draw, the last argument.
    (tmp_path / "dot").write_text(
        '#!/bin/sh\nfor f; do :; done; test ! -f "$f" || cat "$f"'
    )
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    keras.utils.plot_model(classifier(), tmp_path / "model.pdf", show_shapes=True)
    assert "ODELayer" in (tmp_path / "model.pdf").read_text()


class Damped(keras.layers.Layer):
    """Dynamics that nobody has registered."""

    def call(self, h):
        return -h


@pytest.mark.filterwarnings("ignore:A file of a model with")
def test_dynamics_within_a_scope_of_custom_objects_are_saved_and_loaded(tmp_path):
    model = classifier(ODELayer(Damped()))
    model.save(tmp_path / "model.keras")
    with keras.saving.custom_object_scope({"Damped": Damped}):
        again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    with pytest.raises(TypeError, match="Could not locate class 'Damped'"):
        keras.saving.load_model(tmp_path / "model.keras")


@keras.saving.register_keras_serializable(package="tests")
class Difference(keras.layers.Layer):
    """dh/dt = 1e6 (w - 1.0003), of a weight that is not trained: 0, or far from it."""

    def build(self, inputs_shape):
        self.w = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(1.0003), trainable=False
        )

    def call(self, h):
        return tf.ones_like(h) * (self.w - 1.0003) * 1e6


@pytest.mark.parametrize("policy", slow_after(1, ["mixed_float16", "mixed_bfloat16"]))
def test_a_layer_alone_with_a_mixed_policy_solves_in_float32_too(policy):
    assert np.array_equal(ODELayer(Difference(), dtype=policy)(X), tf.cast(X, policy[6:]))
    layer = ODELayer(DenseDynamics(5), dtype=policy)
    assert layer(X, training=True).dtype == policy[6:]
    assert layer.first_step.dtype == "float32" and layer.first_step.numpy()[0] > 0
    classifier(layer).fit(X, Y, verbose=0)  # of the policy float32
