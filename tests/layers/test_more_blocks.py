"""The blocks beside the ODE block: equations, against SciPy, and gradients."""

import keras
import numpy as np
import pytest
import scipy.integrate
import tensorflow as tf

from node_transfer import (
    AugmentedODELayer,
    DenseDynamics,
    EvolvingConvDynamics,
    EvolvingDenseDynamics,
    ODELayer,
    SameWidthDense,
)
from node_transfer.layers import activations
from tests.slowly import slow_after

RNG = np.random.default_rng(0)
TIGHT = {"rtol": 1e-9, "atol": 1e-9, "method": "dop853", "dtype": "float64"}
RATES = np.array([[0.4, -1.3, 0.2], [0.7, 0.5, -0.6]])  # of two evolutions


def solved(f, *parts):
    """The parts of a coupled state at 1, by SciPy, from the parts at 0."""
    sizes = np.cumsum([np.size(part) for part in parts])[:-1]

    def apart(y):
        pieces = np.split(y, sizes)
        return [y.reshape(np.shape(x)) for y, x in zip(pieces, parts, strict=True)]

    def flat(t, y):
        return np.concatenate([np.ravel(dy) for dy in f(t, *apart(y))])

    start = np.concatenate([np.ravel(part) for part in parts])
    result = scipy.integrate.solve_ivp(
        flat, (0, 1), start, method="DOP853", rtol=1e-12, atol=1e-12
    )
    return apart(result.y[:, -1])


def randomized(layer):
    """Gives every trained weight random values; those of the evolutions are `RATES`."""
    rates = iter(RATES)
    for variable in layer.trainable_variables:
        values = RNG.normal(size=variable.shape) / np.sqrt(variable.shape[0])
        variable.assign(next(rates) if variable.name == "rates" else values)
    return layer


def moved(w, rates, axis):
    """The right-hand side of the weights' equation, along an axis that is a ring."""
    after, before = np.roll(w, -1, axis), np.roll(w, 1, axis)
    diffusion, advection, reaction = rates
    return (
        diffusion * (after - 2 * w + before)
        + advection * (after - before) / 2
        + (reaction * w)
    )


@pytest.mark.parametrize("units", slow_after(1, [5, 8]))
def test_weights_of_dense_dynamics_follow_their_own_equation(units):
    h0 = RNG.normal(size=(4, 3))
    layer = ODELayer(EvolvingDenseDynamics(units, dtype="float64"), **TIGHT)
    layer.build(h0.shape)
    dynamics = randomized(layer).dynamics
    w1, b1, w2, b2 = (
        getattr(dynamics, name).numpy()
        for name in ("hidden_kernel", "hidden_bias", "output_kernel", "output_bias")
    )

    def coupled(t, h, w1, b1, w2):
        dh = np.tanh(h @ w1 + b1) @ w2 + b2
        first, second = RATES
        return dh, moved(w1, first, 1), moved(b1, first, 0), moved(w2, second, 0)

    expected, *weights = solved(coupled, h0, w1, b1, w2)
    assert np.allclose(layer(h0), expected, rtol=1e-8, atol=1e-9)
    forward, back = (
        e(tf.constant(1.0, tf.float64)).numpy()
        for e in (dynamics.hidden_evolution, dynamics.output_evolution)
    )
    for ours, theirs in zip(
        (w1 @ np.transpose(forward), forward @ b1, back @ w2), weights, strict=True
    ):
        assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def group_norm(x, norm):
    """Group normalisation of a feature map, of NumPy."""
    groups = np.reshape(x, (*x.shape[:3], norm.groups, -1))
    mean, var = (m(groups, axis=(1, 2, 4), keepdims=True) for m in (np.mean, np.var))
    x = np.reshape((groups - mean) / np.sqrt(var + norm.epsilon), x.shape)
    return x * norm.gamma.numpy() + norm.beta.numpy()


def test_filters_of_conv_dynamics_follow_their_own_equation():
    h0 = RNG.normal(size=(2, 3, 4, 4))
    dynamics = EvolvingConvDynamics(6, groups=2, activation="softplus", dtype="float64")
    layer = ODELayer(dynamics, **TIGHT)
    layer.build(h0.shape)
    randomized(layer)
    first, second = dynamics.convolutions
    last_bias = second.bias.numpy()

    def coupled(t, h, k1, b1, k2):
        for norm, kernel, bias in zip(
            dynamics.norms[:2], (k1, k2), (b1, last_bias), strict=True
        ):
            h = np.log1p(np.exp(group_norm(h, norm)))
            h = tf.nn.conv2d(h, kernel, 1, "SAME").numpy() + bias
        return (
            group_norm(h, dynamics.norms[2]),
            moved(k1, RATES[0], 3), moved(b1, RATES[0], 0), moved(k2, RATES[1], 2),
        )  # fmt: skip

    start = (first.kernel.numpy(), first.bias.numpy(), second.kernel.numpy())
    expected, *_ = solved(coupled, h0, *start)
    assert np.allclose(layer(h0), expected, rtol=1e-7, atol=1e-8)


def test_weights_that_have_not_learned_to_move_stand_still():
    """The rates start at 0, where the block is the ODE block without a time."""
    h0 = RNG.normal(size=(4, 3))
    evolving = ODELayer(EvolvingDenseDynamics(5, dtype="float64"), **TIGHT)
    fixed = ODELayer(DenseDynamics(5, dtype="float64"), **TIGHT)
    for layer in (evolving, fixed):
        layer.build(h0.shape)
    for name in ("hidden_kernel", "hidden_bias", "output_kernel", "output_bias"):
        getattr(fixed.dynamics, name).assign(getattr(evolving.dynamics, name))
    fixed.dynamics.time_kernel.assign(tf.zeros([1, 5]))
    assert np.allclose(evolving(h0), fixed(h0), rtol=1e-9, atol=1e-10)


def test_weights_that_move_are_the_same_for_all_samples():
    layer = ODELayer(EvolvingDenseDynamics(5), options={"per_sample": True})
    with pytest.raises(ValueError, match="leave the option per_sample out"):
        layer(np.ones((2, 3), "float32"))


def test_augmented_state_is_the_input_and_channels_from_zero():
    x = RNG.normal(size=(4, 3))
    layer = AugmentedODELayer(DenseDynamics(5, dtype="float64"), 2, **TIGHT)
    layer.build(x.shape)
    w1, t1, b1, w2, b2 = (v.numpy() for v in randomized(layer).trainable_variables)
    assert (w1.shape, w2.shape) == ((5, 5), (5, 5))

    def f(t, h):
        return [np.tanh(h @ w1 + t * t1 + b1) @ w2 + b2]

    (expected,) = solved(f, np.concatenate([x, np.zeros((4, 2))], axis=1))
    output = layer(x)
    assert output.shape == layer.compute_output_shape(x.shape) == (4, 5)
    assert np.allclose(output, expected, rtol=1e-8, atol=1e-9)
    with pytest.raises(ValueError, match="augment_channels is 0"):
        AugmentedODELayer(DenseDynamics(5), 0)


def test_augmented_ode_is_not_bound_to_keep_the_order_on_a_line():
    """x to -x is no solution of an ODE on the line: h = (x, 0) turned by pi gives it."""

    @keras.saving.register_keras_serializable(package="tests")
    class Turn(keras.layers.Layer):
        def call(self, h):
            return np.pi * keras.ops.stack([-h[:, 1], h[:, 0]], axis=-1)

    x = np.array([[-2.0], [0.5], [3.0]])
    layer = AugmentedODELayer(Turn(dtype="float64"), 1, **TIGHT)
    assert np.allclose(layer(x)[:, :1], -x, atol=1e-7)


def test_augmented_states_at_several_times():
    layer = AugmentedODELayer(DenseDynamics(4), 2, times=[0.0, 0.5, 1.0])
    x = RNG.normal(size=(4, 3)).astype("float32")
    states = layer(x)
    assert states.shape == layer.compute_output_shape(x.shape) == (4, 3, 5)
    assert np.array_equal(states[:, 0], np.pad(x, [[0, 0], [0, 2]]))


def test_dense_block_is_a_dense_layer_as_wide_as_its_input():
    x = RNG.normal(size=(4, 3)).astype("float32")
    block, dense = SameWidthDense("swish"), keras.layers.Dense(3, "swish")
    block.build(x.shape)
    dense.build(x.shape)
    dense.set_weights([*randomized(block).get_weights()])
    assert np.allclose(block(x), dense(x), atol=1e-6)


def anode(**options):
    return AugmentedODELayer(DenseDynamics(3), 2, **options)


def anodev2(**options):
    return ODELayer(EvolvingDenseDynamics(3), **options)


def anodev2_conv(**options):
    return ODELayer(EvolvingConvDynamics(2, activation="tanh"), **options)


GRID = {"method": "rk4", "options": {"num_steps": 3}, "gradient": "backprop"}
ADJOINT = {"method": "dopri5", "rtol": 1e-7, "atol": 1e-7, "gradient": "adjoint"}


@pytest.mark.parametrize(
    ("make", "solver"),
    slow_after(
        1, [(anode, GRID), (anodev2, ADJOINT), (anodev2, GRID), (anodev2_conv, GRID)]
    ),
)
def test_gradients_are_those_of_finite_differences(make, solver):
    shape = (2, 2, 3, 2) if make is anodev2_conv else (3, 2)
    x = tf.constant(RNG.normal(size=shape))
    layer = make(dtype="float64", **solver)
    layer.build(shape)
    variables = randomized(layer).trainable_variables
    weights = RNG.normal(size=layer.compute_output_shape(shape))

    @tf.function
    def loss():
        return tf.reduce_sum(weights * layer(x))

    with tf.GradientTape() as tape:
        value = loss()
    for variable, exact in zip(variables, tape.gradient(value, variables), strict=True):
        place = np.unravel_index(np.argmax(np.abs(exact)), variable.shape)
        values = variable.numpy()
        sides = []
        for step in (1e-4, -1e-4):
            changed = values.copy()
            changed[place] += step
            variable.assign(changed)
            sides.append(float(loss()))
        variable.assign(values)
        difference = (sides[0] - sides[1]) / 2e-4
        assert exact.numpy()[place] == pytest.approx(difference, rel=1e-4, abs=1e-6)


def test_sine_is_an_activation_that_a_config_names():
    layer = DenseDynamics(4, activation="sin")
    assert layer.get_config()["activation"] == "sin"
    assert np.allclose(
        DenseDynamics.from_config(layer.get_config()).activation(2.0), np.sin(2)
    )
    assert activations.get("tanh") is keras.activations.tanh
    assert activations.serialize(keras.activations.relu) == "relu"
