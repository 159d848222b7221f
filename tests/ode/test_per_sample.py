"""A step size a sample: no sample's solution depends on the others."""

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import ODESolveError, odeint
from tests.slowly import slow_after

RNG = np.random.default_rng(3)
ALONE = {"options": {"per_sample": True}, "rtol": 1e-3, "atol": 1e-3}


def turn(t, y):
    """Rotation at a rate that is the third component, which stays as it is."""
    a, b, rate = tf.unstack(y, axis=-1)
    return tf.stack([-rate * b, rate * a, tf.zeros_like(rate)], axis=-1)


def states_of(rates):
    return tf.constant([[1.0, 0.0, rate] for rate in rates], tf.float64)


def error(y, rate):
    return np.abs(y[:2] - np.array([np.cos(rate), np.sin(rate)])).max()


def test_a_hard_sample_is_as_exact_among_many_easy_ones_as_alone():
    easy = np.zeros(255)
    joint = odeint(turn, states_of([20, *easy]), [0, 1], rtol=1e-3, atol=1e-3)
    alone = odeint(turn, states_of([20, *easy]), [0, 1], **ALONE)
    single = odeint(turn, states_of([20]), [0, 1], **ALONE)
    assert error(joint[-1, 0], 20) > 5 * error(alone[-1, 0], 20)
    assert np.allclose(alone[-1, 0], single[-1, 0], rtol=0, atol=1e-14)
    joint_of_one = odeint(turn, states_of([20]), [0, 1], rtol=1e-3, atol=1e-3)
    assert np.allclose(single, joint_of_one, rtol=0, atol=1e-14)


@pytest.mark.parametrize("times", slow_after(1, [[1, 0.4, 0.3, -0.5], [0, 1]]))
def test_solution_and_counts_do_not_depend_on_the_batch(times):
    rates = [0.1, 3, 8]

    def solve(rates):
        return tf.function(lambda: odeint(turn, states_of(rates), times, full_output=True,
                           **ALONE))()  # fmt: skip

    together, info = solve(rates)
    for i, rate in enumerate(rates):
        alone, own = solve([rate])
        assert np.allclose(together[:, i], alone[:, 0], rtol=0, atol=1e-13)
        assert int(info.accepted[i]) == int(own.accepted[0])
        assert int(info.rejected[i]) == int(own.rejected[0])


@pytest.mark.parametrize("method", slow_after(1, ["dopri5", "dop853", "bosh3"]))
def test_function_is_given_a_time_for_each_sample(method):
    y0 = tf.constant(RNG.normal(size=(4, 2, 3)))
    seen = []

    def f(t, y):
        seen.append(t.shape)
        return tf.cos(t) * y

    y = odeint(f, y0, [0.0, 0.7, 2.0], method=method, rtol=1e-8, atol=1e-8,
               options={"per_sample": True})  # fmt: skip
    assert set(map(tuple, seen)) == {(4, 1, 1)}
    for i, time in enumerate([0.0, 0.7, 2.0]):
        assert np.allclose(y[i], y0 * np.exp(np.sin(time)), rtol=1e-6)


@pytest.mark.parametrize("graph", slow_after(1, [True, False]))
@pytest.mark.parametrize("times", slow_after(1, [[0, 0.3, 0.35, 1], [0, 1]]))
def test_gradients_agree_with_those_of_a_tight_joint_solve(times, graph):
    y0 = {"a": tf.constant(RNG.normal(size=(3, 2))), "b": tf.zeros([3], tf.float64)}
    kernel = tf.Variable(RNG.normal(size=(2, 2)))
    weights = RNG.normal(size=(len(times), 3, 2))

    def f(t, y):
        t = tf.reshape(t, [-1, 1])
        return {"a": tf.tanh(y["a"] @ kernel + t), "b": tf.reduce_sum(y["a"] ** 2, -1)}

    def compute(options):
        with tf.GradientTape() as tape:
            tape.watch(y0)
            y = odeint(f, y0, times, rtol=1e-9, atol=1e-9, options=options)
            loss = tf.reduce_sum(weights * y["a"]) + tf.reduce_sum(y["b"][-1] ** 2)
        return tape.gradient(loss, [y0["a"], y0["b"], kernel])

    both = [
        (tf.function(compute) if graph else compute)(options)
        for options in ({"per_sample": True}, {"interpolate": False})
    ]
    for a, b in zip(*both, strict=True):
        assert np.allclose(a, b, rtol=1e-6, atol=1e-7)


def test_a_broken_sample_leaves_the_others_as_they_are():
    y0 = states_of([1, 2, np.nan, 3])
    with pytest.raises(ODESolveError, match="non-finite"):
        odeint(turn, y0, [0, 0.5, 1], **ALONE)
    options = {"per_sample": True, "on_failure": "nan"}
    kwargs = {**ALONE, "options": options}
    y, info = odeint(turn, y0, [0, 0.5, 1], full_output=True, **kwargs)
    whole = tf.gather(y0, [0, 1, 3])
    expected = odeint(turn, whole, [0, 0.5, 1], **kwargs)
    assert np.array_equal(info.status.numpy() > 0, [False, False, True, False])
    assert np.allclose(tf.gather(y, [0, 1, 3], axis=1), expected, rtol=0, atol=1e-14)
    assert np.all(np.isnan(y[1:, 2]))


@pytest.mark.parametrize("bad", [np.nan, pytest.param(5.0, marks=pytest.mark.slow)])
def test_gradient_of_a_loss_without_the_broken_samples_is_finite(bad):
    rate = tf.Variable(1.0, dtype=tf.float64)
    y0 = tf.constant([[0.2], [bad], [0.5]], tf.float64)  # 5 blows up at t = 0.2

    def bars(y0, samples):
        with tf.GradientTape() as tape:
            tape.watch(y0)
            y = odeint(lambda t, y: rate * y**2, y0, [0, 0.1, 0.5], rtol=1e-9, atol=1e-9,
                       options={"per_sample": True, "on_failure": "nan"})  # fmt: skip
            loss = tf.reduce_sum(tf.gather(y[1:], samples, axis=1))
        return tape.gradient(loss, [y0, rate])

    y0_bar, rate_bar = bars(y0, [0, 2])
    expected, expected_rate = bars(tf.gather(y0, [0, 2]), [0, 1])
    assert np.allclose(tf.gather(y0_bar, [0, 2]), expected, rtol=1e-12)
    assert float(y0_bar[1, 0]) == 0  # so that what is before the solve has one, too
    assert float(rate_bar) == pytest.approx(float(expected_rate), rel=1e-12)
    y0_bar, rate_bar = bars(y0, [0, 1])
    assert np.isnan(rate_bar) and np.isnan(y0_bar[1, 0]) and np.isfinite(y0_bar[0, 0])


@pytest.mark.parametrize("y0", [[0.5, 3.0], [3.0, 0.5]])
def test_gradient_without_the_broken_samples_where_f_is_infinite_at_zero(y0):
    rate, y0 = tf.Variable(1.0, dtype=tf.float64), tf.constant(y0, tf.float64)[:, None]
    options = {"per_sample": True, "on_failure": "nan", "max_num_steps": 20}
    with tf.GradientTape() as tape:
        y = odeint(lambda t, y: -rate / y, y0, [0.0, 1.0], options=options)[-1, :, 0]
        good = int(np.argmax(y0))  # the other one comes to 0 at t = 1 / 8
        loss = y[good]
    assert np.isnan(y[1 - good])
    # y = sqrt(9 - 2 rate)
    assert float(tape.gradient(loss, rate)) == pytest.approx(-(7**-0.5), rel=1e-4)


@pytest.mark.slow
def test_gradient_without_the_broken_samples_goes_through_jumps():
    rate = tf.Variable(1.0, dtype=tf.float64)
    y0 = tf.constant([[0.2], [5.0], [0.5]], tf.float64)  # 5 blows up at t = 0.2
    options = {"per_sample": True, "on_failure": "nan", "jump_times": [0.1, 0.3],
               "max_num_steps": 50}  # fmt: skip
    with tf.GradientTape() as tape:
        tape.watch(y0)
        y = odeint(lambda t, y: rate * y**2, y0, [0, 0.5], rtol=1e-6, atol=1e-6,
                   options=options)[-1]  # fmt: skip
        loss = y[0, 0] + y[2, 0]
    y0_bar, rate_bar = tape.gradient(loss, [y0, rate])
    assert np.isnan(y[1, 0])
    start = np.array([0.2, 0.5])
    end = start / (1 - 0.5 * start)
    assert np.allclose(
        y0_bar[:, 0], [(end[0] / 0.2) ** 2, 0, (end[1] / 0.5) ** 2], rtol=1e-4
    )
    assert float(rate_bar) == pytest.approx(np.sum(0.5 * end**2), rel=1e-4)


def test_norm_of_ones_own_is_that_of_each_sample():
    def largest(ratios):
        return tf.reduce_max(tf.abs(ratios), axis=-1)

    def solve(rates, **options):
        _, info = odeint(turn, states_of(rates), [0, 1], full_output=True,
                         options={"per_sample": True, **options})  # fmt: skip
        return int(info.accepted[0])

    assert solve([9, 1], norm=largest) == solve([9], norm=largest) >= solve([9, 1])


def test_empty_batch_and_batches_of_unknown_size():
    empty = odeint(turn, tf.zeros([0, 3], tf.float64), [0, 0.5, 1], **ALONE)
    assert empty.shape == (3, 0, 3)
    spec = tf.TensorSpec([None, 3], tf.float64)
    solve = tf.function(lambda y: odeint(turn, y, [0, 0.5, 1], **ALONE), [spec])
    for rates in ([1], [1, 2, 3]):
        assert error(solve(states_of(rates))[-1, -1], rates[-1]) < 1e-2


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"gradient": "adjoint"}, "per_sample.*gradient='backprop'"),
        ({"method": "rk4", "num_steps": 4}, "no option 'per_sample'"),
        ({"interpolate": True}, "per_sample.*leave interpolate out"),
    ],
)
def test_what_per_sample_cannot_do_is_refused(kwargs, sentence):
    options = {"per_sample": True}
    options |= {k: kwargs.pop(k) for k in ("num_steps", "interpolate") if k in kwargs}
    with pytest.raises(ValueError, match=sentence):
        odeint(turn, states_of([1]), [0, 1], options=options, **kwargs)
    with pytest.raises(ValueError, match="t is a tensor"):
        odeint(turn, states_of([1]), tf.constant([0.0, 1.0]), **ALONE)
    with pytest.raises(ValueError, match="first axis"):
        odeint(lambda t, y: -y, tf.constant(1.0), [0, 1], **ALONE)


@pytest.mark.parametrize("graph", [False, True])
def test_function_that_joins_time_and_state_has_its_gradient(graph):
    kernel = tf.Variable([[0.5], [-1.0]], dtype=tf.float64)  # of state and time

    def rhs(t, y):
        return tf.concat([y, t], axis=1) @ kernel

    def bars(y0):
        with tf.GradientTape() as tape:
            tape.watch(y0)
            y = odeint(rhs, y0, [0.0, 1.0], **ALONE)[-1]
        return tape.gradient(y, [y0, kernel])

    y0 = tf.constant([[1.0], [2.0]], tf.float64)
    y0_bar, kernel_bar = (tf.function(bars) if graph else bars)(y0)
    assert np.allclose(y0_bar, np.exp(0.5), rtol=1e-3)

    def end(a, b):  # of y' = a y + b t
        at = np.array([1.0, 2.0])
        return np.sum(at * np.exp(a) + b * (np.exp(a) - a - 1) / a**2)

    step = 1e-6
    expected = [
        (end(0.5 + step, -1) - end(0.5 - step, -1)) / (2 * step),
        (end(0.5, -1 + step) - end(0.5, -1 - step)) / (2 * step),
    ]
    assert np.allclose(kernel_bar[:, 0], expected, rtol=2e-3)


def test_xla_solves_and_says_that_it_cannot_train():
    y0 = states_of([1.0, 2.0])

    @tf.function(jit_compile=True)
    def with_record():
        return odeint(turn, y0, [0.0, 1.0], **ALONE)[-1]

    with pytest.raises(ValueError, match="per_sample is True, and XLA .*cannot hold"):
        with_record()
