"""What the dynamics keep beside their weights moves on once a call, and is told of."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer
from tests.own_process import in_own_process
from tests.slowly import slow_after

X = np.random.default_rng(1).normal(size=(8, 5)).astype("float32")
RK4 = {"method": "rk4", "options": {"num_steps": 3}}

pytestmark = pytest.mark.filterwarnings("ignore:The dynamics .* have a state")


def dropped(rate=0.5, **kwargs):
    """dh/dt = mask / (1 - rate): each element grows by 1 / (1 - rate), or not at all."""
    ones = keras.layers.Dense(5, kernel_initializer="zeros", bias_initializer="ones")
    dynamics = keras.Sequential([ones, keras.layers.Dropout(rate, seed=3)])
    return ODELayer(dynamics, **{**RK4, **kwargs})


def normed():
    norm = keras.layers.BatchNormalization(momentum=0.9)
    return ODELayer(keras.Sequential([norm, keras.layers.Dense(5)]), **RK4), norm


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_dropout_has_one_mask_a_solve_and_another_the_next(graph, gradient):
    layer = dropped(gradient=gradient)

    def call(h):
        with tf.GradientTape() as tape:
            tape.watch(h)
            h1 = layer(h, training=True)
        bias = layer.dynamics.layers[0].bias
        return h1 - h, tape.gradient(h1, bias.value)

    layer(X)
    call = tf.function(call) if graph else call
    masks = []
    for _ in range(3):
        change, bias_gradient = call(tf.constant(X))
        mask = np.round(change / 2)
        assert np.allclose(change, 2 * mask, atol=1e-5)
        assert set(np.unique(mask)) == {0, 1}
        assert np.allclose(bias_gradient, 2 * mask.sum(axis=0), atol=1e-4)
        masks.append(mask)
    assert not np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[1], masks[2])
    assert np.allclose(layer(X), X + 1, atol=1e-5)


def test_masks_in_fit_differ_from_batch_to_batch():
    layer = dropped()
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layer(inputs))
    seen = []
    model.compile(keras.optimizers.SGD(0.0), lambda y, h1: tf.reduce_sum(h1 - y))
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(logs["loss"])
    )
    data = tf.data.Dataset.from_tensors((X, X)).repeat(5)
    model.fit(data, epochs=1, callbacks=[watch], verbose=0)
    losses = np.diff(np.arange(1, 6) * seen, prepend=0)  # the logs are running means
    kept = losses / 2
    assert np.allclose(kept, np.round(kept), atol=1e-2)  # one mask a solve
    assert len(set(np.round(kept))) > 1


@pytest.mark.parametrize("graph", slow_after(1, [False, True]))
def test_moving_statistics_move_once_at_the_end_of_a_training_solve(graph):
    layer, norm = normed()
    call = tf.function(layer.__call__) if graph else layer
    h0 = tf.constant(X)
    h1 = call(h0, training=True).numpy()
    assert np.allclose(norm.moving_mean, 0.1 * h1.mean(axis=0), atol=1e-6)
    variance = 0.9 + 0.1 * h1.var(axis=0)
    assert np.allclose(norm.moving_variance, variance, atol=1e-6)
    call(h0, training=False)
    assert np.allclose(norm.moving_mean, 0.1 * h1.mean(axis=0), atol=1e-6)


def test_evaluation_that_moves_the_state_on_is_counted():
    layer, _ = normed()
    for training, evaluations in [(False, 12), (True, 13)]:
        layer.nfe.reset_state()
        layer(X, training=training)
        assert layer.nfe.forward == evaluations
    plain = ODELayer(DenseDynamics(3), **RK4)
    plain(X, training=True)
    assert plain.nfe.forward == 12


def test_frozen_normalisation_keeps_its_statistics_and_costs_nothing():
    layer, norm = normed()
    layer.build(X.shape)
    norm.trainable = False
    layer(X, training=True)
    assert np.array_equal(norm.moving_mean, np.zeros(5))
    assert layer.nfe.forward == 12


@pytest.mark.slow
def test_normalised_model_reloads_to_the_same_function(tmp_path):
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.layers.Dense(1)(normed()[0](inputs)))
    model.compile("adam", "mse")
    model.fit(X, X[:, :1], epochs=3, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    left, right = (m.predict(X, verbose=0) for m in (model, again))
    assert np.array_equal(left, right)
    assert np.any(again.layers[1].dynamics.layers[0].moving_mean != 0)


@pytest.mark.slow
@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_state_moves_on_in_fit_on_two_replicas(gradient):
    in_own_process(check_fit_on_two_replicas, gradient)


def check_fit_on_two_replicas(gradient):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        inputs = keras.Input((5,))
        norm = keras.layers.BatchNormalization(momentum=0.5)
        dynamics = keras.Sequential(
            [norm, keras.layers.Dense(5), keras.layers.Dropout(0.5, seed=3)]
        )
        layer = ODELayer(dynamics, gradient=gradient, **RK4)
        model = keras.Model(inputs, layer(inputs))
        model.compile(keras.optimizers.SGD(0.01), "mse")
    seed = dynamics.layers[2].seed_generator.state
    before = seed.numpy().copy()
    x = np.concatenate([X, X + 1])
    history = model.fit(x, x, batch_size=16, epochs=2, verbose=0).history
    assert history["nfe_forward"] == [13.0, 13.0]
    assert history["nfe_backward"] == [12.0, 12.0]
    assert np.all(np.isfinite(history["loss"]))
    assert np.array_equal(seed.numpy() - before, [0, 2])
    assert np.all(norm.moving_mean.numpy() != 0)


@keras.saving.register_keras_serializable(package="tests")
class Scaled(keras.layers.Layer):
    """Multiplies by an argument of Keras's call context."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._register_call_context_args("scale")

    def call(self, h, scale=None):
        return h if scale is None else scale * h


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_call_context_holds_in_the_gradient(gradient):
    inputs = keras.Input((5,))
    model = keras.Model(inputs, ODELayer(Scaled(), gradient=gradient)(inputs))
    model._register_call_context_args("scale")
    h = tf.constant(X)
    for scale in (None, 2.0):
        with tf.GradientTape() as tape:
            tape.watch(h)
            h1 = model(h, scale=scale)
        growth = np.exp(scale or 1)
        assert np.allclose(h1, growth * X, rtol=1e-4)
        assert np.allclose(tape.gradient(h1, h), growth, rtol=1e-4)


@keras.saving.register_keras_serializable(package="tests")
class Masked(keras.layers.Layer):
    """dh/dt = h where the mask says so."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, h, mask=None):
        return h if mask is None else h * tf.cast(mask, h.dtype)[..., None]


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_mask_of_the_inputs_holds_in_every_evaluation(gradient):
    inputs = keras.Input((3, 5))
    masked = keras.layers.Masking(-1.0)(inputs)
    layer = ODELayer(Masked(), gradient=gradient)
    output = layer(masked)
    model = keras.Model(inputs, output)
    x = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    x[:, 1] = -1.0
    growth = np.exp([1.0, 0.0, 1.0])[:, None]
    h = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(h)
        h1 = model(h)
    kept = x * np.array([1, 0, 1])[:, None]  # Masking's own output
    assert np.allclose(h1, growth * kept, rtol=1e-4, atol=1e-5)
    expected = growth * np.array([1, 0, 1])[:, None] * np.ones_like(x)
    assert np.allclose(tape.gradient(h1, h), expected, rtol=1e-4, atol=1e-5)
    assert np.array_equal(h1._keras_mask, np.any(x != -1, axis=-1))


def test_layers_with_a_state_are_named_once_when_the_dynamics_are_built():
    layer, norm = normed()
    with pytest.warns(UserWarning, match="have a state") as told:
        layer.build(X.shape)
    (message,) = [str(w.message) for w in told]
    assert f"in '{norm.name}' (BatchNormalization): it stands still" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(X, training=True)
        ODELayer(DenseDynamics(3))(X, training=True)
        ODELayer(keras.Sequential([keras.layers.GroupNormalization(5)]))(X)


@keras.saving.register_keras_serializable(package="tests")
class TrainsItself(keras.layers.Layer):
    """Calls an inner layer as in training, whatever the call is for."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dropout = keras.layers.Dropout(0.5, seed=0)

    def call(self, h):
        return self.dropout(tf.ones_like(h), training=True)


def test_call_for_inference_stays_one_for_the_layers_after():
    class Late(keras.Model):
        """Builds its layers in its first call."""

        def __init__(self):
            super().__init__()
            self.ode = ODELayer(TrainsItself())
            self.late = keras.layers.Dropout(0.5)

        def call(self, h):
            return self.late(self.ode(h))

    model = Late()
    for _ in range(2):
        assert np.all(model(X) != 0)
        assert np.any(model(X, training=True) == 0)


def test_stateless_call_solves_with_the_values_that_it_is_given():
    layer = ODELayer(keras.layers.Dense(5, use_bias=False), **RK4)
    layer.build(X.shape)
    kernel = np.eye(5, dtype="float32")
    state = [v.value for v in layer.non_trainable_variables]
    h1, _ = layer.stateless_call([kernel], state, tf.constant(X))
    growth = (1 + 1 / 3 + 1 / 18 + 1 / 162 + 1 / 1944) ** 3
    assert np.allclose(h1, growth * X, rtol=1e-5)
    probe = Scaled()
    assert probe._get_call_context().entry_layer is probe  # no call is left open
    probe._maybe_reset_call_context()
