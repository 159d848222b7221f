"""The layer in a Keras model: saved, under each precision, counted, replicated."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import ConvDynamics, DenseDynamics, ODELayer, odeint
from tests.own_process import in_own_process
from tests.slowly import slow_after


def classifier(layer, input_shape=(12,)):
    model = keras.Sequential(
        [keras.Input(input_shape), layer, keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def batch(shape=(32, 12), seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape).astype("float32"), rng.integers(0, 3, shape[0])


def block_of(model):
    return next(layer for layer in model.layers if isinstance(layer, ODELayer))


@pytest.mark.parametrize(
    ("dynamics", "gradient"),
    slow_after(
        1,
        [
            ("dense", "adjoint"),
            ("conv", "backprop"),
            ("dense", "backprop"),
            ("conv", "adjoint"),
        ],
    ),
)
def test_model_trains_and_reloads_to_the_same_function(dynamics, gradient, tmp_path):
    if dynamics == "dense":
        layer, shape = ODELayer(DenseDynamics(8), gradient=gradient), (32, 12)
    else:
        layer, shape = ODELayer(ConvDynamics(4), gradient=gradient), (8, 5, 5, 6)
    model = classifier(layer, shape[1:])
    x, y = batch(shape)
    losses = model.fit(x, y, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))
    configs = [block_of(m).get_config() for m in (model, again)]
    for config in configs:
        config["dynamics"].pop("build_config", None)
        config["dynamics"]["config"].pop("kernel_initializer", None)  # has a random seed
    assert configs[0] == configs[1]


def test_output_is_the_solution_of_odeint():
    layer = ODELayer(DenseDynamics(8), t0=1.0, t1=-0.5, rtol=1e-6, atol=1e-6)
    x, _ = batch()
    expected = odeint(layer.dynamics, x, [1.0, -0.5], rtol=1e-6, atol=1e-6)[-1]
    assert np.allclose(layer(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    "policy", slow_after(1, ["mixed_float16", "mixed_bfloat16", "bfloat16"])
)
@pytest.mark.parametrize("gradient", slow_after(1, ["backprop", "adjoint"]))
def test_half_precision_policy_solves_in_float32(policy, gradient):
    keras.config.set_dtype_policy(policy)
    dtypes = []

    class Dynamics(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(12)

        def build(self, t_shape, inputs_shape):
            self.dense.build(inputs_shape)

        def call(self, t, inputs):
            output = self.dense(inputs)
            dtypes.append((inputs.dtype, output.dtype))
            return tf.tanh(output)

    layer = ODELayer(Dynamics(), gradient=gradient)
    x, y = batch()
    assert layer(x).dtype == layer.compute_dtype
    model = classifier(layer)
    model.fit(x, y, verbose=0)
    assert set(dtypes) == {(tf.float32, tf.float32)}


def test_layers_that_the_dynamics_make_when_built_are_widened_too():
    keras.config.set_dtype_policy("mixed_float16")
    dtypes = []

    class Dynamics(keras.layers.Layer):
        def build(self, t_shape, inputs_shape):
            self.dense = keras.layers.Dense(12)
            self.dense.build(inputs_shape)

        def call(self, t, inputs):
            output = self.dense(inputs)
            dtypes.append(output.dtype)
            return tf.tanh(output)

    ODELayer(Dynamics())(batch()[0])
    assert set(dtypes) == {tf.float32}


def test_float64_policy_solves_in_float64():
    layer = ODELayer(DenseDynamics(8, dtype="float64"), dtype="float64")
    assert layer(tf.ones([2, 12], tf.float64)).dtype == tf.float64
    assert layer.first_step.dtype == "float64"


@pytest.mark.parametrize(
    ("gradient", "options", "forward", "backward"),
    [("backprop", {"num_steps": 3}, 12, 12), ("adjoint", {"num_steps": 3}, 12, 12)],
)
def test_metrics_count_evaluations(gradient, options, forward, backward):
    layer = ODELayer(DenseDynamics(8), method="rk4", gradient=gradient, options=options)
    x, y = batch()
    history = classifier(layer).fit(x, y, batch_size=8, verbose=0).history
    assert history["nfe_forward"] == [forward]
    assert history["nfe_backward"] == [backward]


def test_evaluation_counts_forward_evaluations_only():
    layer = ODELayer(DenseDynamics(8), method="rk4", options={"num_steps": 3})
    x, y = batch()
    classifier(layer).evaluate(x, y, verbose=0)
    assert (layer.nfe.forward, layer.nfe.backward) == (12, 0)


@pytest.mark.parametrize("gradient", slow_after(1, ["adjoint", "backprop"]))
def test_steady_training_wastes_no_evaluation(gradient):
    layer = ODELayer(DenseDynamics(16), gradient=gradient)
    x, y = batch((64, 12))
    history = classifier(layer).fit(x, y, batch_size=16, epochs=3, verbose=0).history
    steps = (history["nfe_forward"][-1] - 1) / 6
    assert steps == int(steps)  # the same number in every batch, and none rejected
    assert history["nfe_forward"][-1] < history["nfe_forward"][0]


def test_step_memory_is_written_by_training_alone():
    layer = ODELayer(DenseDynamics(16))
    model = classifier(layer)
    x, y = batch()
    model.evaluate(x, y, verbose=0)
    assert float(layer.first_step[0]) == 0.0
    model.fit(x, y, verbose=0)
    remembered = layer.first_step.numpy()
    assert remembered[0] > 0.0
    model.predict(x, verbose=0)
    assert np.array_equal(layer.first_step, remembered)


def test_without_memory_an_output_does_not_depend_on_history():
    layer = ODELayer(DenseDynamics(16), remember_step=False)
    x, _ = batch()
    before = layer(x, training=True).numpy()
    layer(10 * x, training=True)
    assert np.array_equal(before, layer(x, training=True))


def test_failed_solve_stops_fit_with_its_sentence():
    class Explosive(keras.layers.Layer):
        def build(self, t_shape, inputs_shape):
            pass

        def call(self, t, inputs):
            return 1e3 * inputs**2

    x, y = batch()
    with pytest.raises(tf.errors.InvalidArgumentError, match="The ODE solve failed"):
        classifier(ODELayer(Explosive())).fit(abs(x), y, verbose=0)


@pytest.mark.parametrize(
    ("kwargs", "complaint"),
    [
        ({"t1": 0.0}, "interval is empty"),
        ({"method": "rk5"}, "Unknown method"),
        ({"rtol": -1.0}, "rtol is -1.0"),
        ({"gradient": "none"}, "Unknown gradient"),
        ({"options": {"on_backward": print}}, "no option on_backward"),
    ],
)
def test_wrong_argument_is_refused_when_the_layer_is_made(kwargs, complaint):
    with pytest.raises(ValueError, match=complaint):
        ODELayer(DenseDynamics(8), **kwargs)


def test_conv_dynamics_refuses_a_vector():
    with pytest.raises(ValueError, match="needs a feature map"):
        ODELayer(ConvDynamics())(tf.ones([2, 12]))


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_two_replicas_give_the_gradient_of_one_device(gradient):
    x, y = batch((16, 12))
    keras.config.set_dtype_policy("float64")

    def make():
        keras.utils.set_random_seed(3)
        dynamics = DenseDynamics(8)
        layer = ODELayer(dynamics, gradient=gradient, rtol=1e-11, atol=1e-11)
        return keras.Sequential([keras.Input([12]), layer, keras.layers.Dense(3)])

    def gradients(model, x, y):
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(y, logits, True)
            loss = tf.reduce_sum(losses) / 16
        return tape.gradient(loss, [v.value for v in model.trainable_variables])

    one = tf.function(gradients, autograph=False)(make(), x, y)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = make()
    halves = strategy.experimental_distribute_values_from_function(
        lambda context: (
            x[8 * context.replica_id_in_sync_group :][:8],
            y[8 * context.replica_id_in_sync_group :][:8],
        )
    )

    @tf.function(autograph=False)
    def both():
        parts = strategy.run(lambda part: gradients(model, *part), args=(halves,))
        return [strategy.reduce("SUM", part, axis=None) for part in parts]

    assert len(one) == 7
    for left, right in zip(one, both(), strict=True):
        assert np.linalg.norm(left) > 1e-6
        assert np.allclose(left, right, rtol=1e-8, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_fit_on_two_replicas_follows_one_device(gradient):
    in_own_process(check_fit_on_two_replicas, gradient)


def check_fit_on_two_replicas(gradient):
    x, y = batch((64, 12))

    def train():
        keras.utils.set_random_seed(5)
        model = classifier(ODELayer(DenseDynamics(8), gradient=gradient))
        return model, model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)

    one_model, one = train()
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        two_model, two = train()
    assert two.history["loss"] == pytest.approx(one.history["loss"], rel=1e-4)
    assert two.history["nfe_backward"][-1] > 0
    pairs = zip(one_model.trainable_variables, two_model.trainable_variables, strict=True)
    for left, right in pairs:
        assert np.allclose(left, right, atol=1e-4)


def test_one_euler_step_is_the_residual_block_with_the_same_parameters():
    x, _ = batch((16, 12))
    residual = ODELayer(DenseDynamics(8), method="euler", options={"num_steps": 1})
    y = residual(x).numpy()
    w = {v.name: v.numpy() for v in residual.trainable_variables}
    hidden = np.tanh(x @ w["hidden_kernel"] + w["hidden_bias"])
    expected = x + hidden @ w["output_kernel"] + w["output_bias"]
    assert np.allclose(y, expected, rtol=1e-6, atol=1e-6)
    solved = ODELayer(DenseDynamics(8))
    solved(x)
    shapes = [v.shape for v in solved.trainable_variables]
    assert [v.shape for v in residual.trainable_variables] == shapes
