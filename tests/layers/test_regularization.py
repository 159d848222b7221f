"""The penalty of Finlay et al. (2020): its value, its gradient, and when it is added."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer
from tests.slowly import slow_after

X = np.random.default_rng(0).normal(size=(3, 2))
EXACT = {"rtol": 1e-9, "atol": 1e-9}
RK4 = {"method": "rk4", "options": {"num_steps": 4}}


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_dtype_policy("float64")


def penalty_of(layer, x=X):
    layer(x, training=True)
    (loss,) = layer.losses
    return float(loss)


@pytest.mark.parametrize("t1", [1.0, -1.0])
def test_kinetic_energy_is_the_integral_of_the_square_of_f(t1):
    layer = ODELayer(lambda h: 0.5 * h, t1=t1, kinetic_energy=3.0, **EXACT)
    # h = x exp(t / 2): the integral of |h / 2|^2 is |x|^2 (exp(t1) - 1) / 4.
    integral = np.sum(X**2, axis=1) * (np.exp(t1) - 1) / 4
    assert penalty_of(layer) == pytest.approx(3 * np.abs(integral).mean(), rel=1e-7)


def test_jacobian_norm_is_hutchinsons_estimate_of_frobenius():
    matrix = np.array([[1.0, 2.0], [0.0, -3.0]])
    layer = ODELayer(lambda h: h @ matrix, jacobian_norm=0.5, **RK4)
    x = np.repeat(X, 20_000, axis=0)  # each example has a noise of its own
    frobenius = np.sum(matrix**2)
    assert penalty_of(layer, x) == pytest.approx(0.5 * frobenius, rel=0.02)
    first, second = penalty_of(layer), penalty_of(layer)
    assert first != second


def test_jacobian_of_dynamics_that_do_not_depend_on_the_state_is_zero():
    layer = ODELayer(lambda t, h: t * tf.ones_like(X), jacobian_norm=1.0, **RK4)
    assert penalty_of(layer) == 0.0


def central_differences(function, arrays, eps=1e-6):
    """Gradients of a function of arrays, one entry at a time."""
    gradients = []
    for array in arrays:
        gradient = np.zeros_like(array)
        for i in np.ndindex(array.shape):
            kept = array[i]
            array[i] = kept + eps
            above = function(arrays)
            array[i] = kept - eps
            gradient[i] = (above - function(arrays)) / (2 * eps)
            array[i] = kept
        gradients.append(gradient)
    return gradients


@pytest.mark.parametrize("graph", slow_after(1, [True, False]), ids=["graph", "eager"])
@pytest.mark.parametrize(
    ("gradient", "solver"),
    slow_after(1, [("adjoint", EXACT), ("backprop", RK4), ("backprop", EXACT)]),
    ids=["adjoint dopri5", "backprop rk4", "backprop dopri5"],
)
def test_gradient_of_the_penalty_is_exact(gradient, solver, graph):
    keras.utils.set_random_seed(2)
    layer = ODELayer(
        DenseDynamics(3), gradient=gradient, remember_step=False,
        kinetic_energy=0.3, jacobian_norm=0.7, **solver,
    )  # fmt: skip
    layer.build(X.shape)
    variables = layer.dynamics.trainable_variables
    seed = next(v for v in layer.variables if "seed" in v.path)
    start = seed.numpy()

    def loss(x):
        y = layer(x, training=True)
        return tf.add_n(layer.losses) + tf.reduce_sum(tf.sin(y))

    traced_loss = tf.function(loss)

    def value(arrays):
        seed.assign(start)  # the same noise each time
        for variable, array in zip(variables, arrays[1:], strict=True):
            variable.assign(array)
        return float(traced_loss(tf.constant(arrays[0])))

    def compute(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = loss(x)
        return tape.gradient(total, [x, *(v.value for v in variables)])

    arrays = [X.copy(), *(v.numpy() for v in variables)]
    expected = central_differences(value, arrays)
    value(arrays)
    seed.assign(start)
    ours = (tf.function(compute) if graph else compute)(tf.constant(X))
    for left, right in zip(ours, expected, strict=True):
        assert np.linalg.norm(right) > 1e-3
        assert np.allclose(left, right, rtol=1e-5, atol=1e-8)


def test_penalty_is_added_in_training_alone_and_lowers_itself(tmp_path):
    keras.config.set_dtype_policy("float32")
    inputs = keras.Input((2,))
    layer = ODELayer(DenseDynamics(4), kinetic_energy=1.0, jacobian_norm=0.1, **RK4)
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.Adam(0.05), "mse")
    x = X.astype("float32")
    distance = np.mean((layer(x) - x) ** 2)
    assert model.evaluate(x, x, verbose=0) == pytest.approx(distance, rel=1e-4)
    losses = model.fit(x, x, epochs=20, verbose=0).history["loss"]
    assert losses[0] > 1.5 * distance
    assert losses[-1] < 0.2 * losses[0]
    assert np.mean((layer(x) - x) ** 2) < 0.2 * distance
    config = ODELayer.from_config(layer.get_config()).get_config()
    assert (config["kinetic_energy"], config["jacobian_norm"]) == (1.0, 0.1)


def test_penalty_of_samples_with_steps_of_their_own():
    x = np.concatenate([X, 5 * X])
    layers = [
        ODELayer(lambda h: tf.sin(h), kinetic_energy=1.0, options=options, **EXACT)
        for options in (None, {"per_sample": True})
    ]
    whole, each = (penalty_of(layer, x) for layer in layers)
    assert each == pytest.approx(whole, rel=1e-7)


def test_norm_of_the_layer_is_of_the_state_alone_with_a_penalty_too():
    seen = []

    def norm(ratios):
        seen.append(ratios.shape)
        return tf.reduce_max(tf.abs(ratios))

    options = {"norm": norm}
    layer = ODELayer(lambda h: -h, kinetic_energy=1.0, options=options, **EXACT)
    assert penalty_of(layer) > 0
    assert set(seen) == {(3, 2)}


def test_penalty_leaves_the_solution_as_it_is():
    layers = [ODELayer(DenseDynamics(3), **RK4, **kwargs) for kwargs in (
        {}, {"kinetic_energy": 1.0, "jacobian_norm": 1.0},
    )]  # fmt: skip
    for layer in layers:
        layer.build(X.shape)
    layers[1].dynamics.set_weights(layers[0].dynamics.get_weights())
    plain, penalised = (layer(X, training=True) for layer in layers)
    assert np.allclose(plain, penalised, rtol=1e-13)


@pytest.mark.parametrize("name", ["kinetic_energy", "jacobian_norm"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_weight_that_is_no_positive_number_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}: pass a number"):
        ODELayer(DenseDynamics(3), **{name: value})
