"""Initial value problems with known solutions, in float64."""

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.integrate
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Problem:
    """dy/dt = f(t, y) from `y(t0) = y0` to `t1`.

    Attributes:
        f: For TensorFlow.
        f_numpy: The same for NumPy, for SciPy's DOP853.
        exact: The solution at a time, where it is known in closed form.
    """

    name: str
    f: Callable
    f_numpy: Callable
    y0: tuple
    t0: float
    t1: float
    exact: Callable | None = None

    def solution(self, t0=None, t1=None, y0=None) -> np.ndarray:
        """The state at t1, exact, or by DOP853 at 1e-13."""
        t0 = self.t0 if t0 is None else t0
        t1 = self.t1 if t1 is None else t1
        if y0 is None and self.exact is not None and t0 == self.t0:
            return np.asarray(self.exact(t1))
        y0 = np.asarray(self.y0 if y0 is None else y0, np.float64)
        shape = y0.shape
        result = scipy.integrate.solve_ivp(
            lambda t, y: np.ravel(self.f_numpy(t, y.reshape(shape))),
            (t0, t1),
            y0.ravel(),
            method="DOP853",
            rtol=1e-13,
            atol=1e-13,
        )
        return result.y[:, -1].reshape(shape)


_MATRIX = np.array([[-0.5, 2.0], [-2.0, -0.3]])
_STIFF = np.array([[-50.0, 49.0], [0.0, -1.0]])


def _linear(matrix):
    return (
        lambda t, y: tf.linalg.matvec(tf.constant(matrix, y.dtype), y),
        lambda t, y: matrix @ y,
    )


def _lotka_volterra(stack):
    def f(t, y):
        return stack([1.5 * y[0] - y[0] * y[1], y[0] * y[1] - 3.0 * y[1]])

    return f


def _van_der_pol(stack):
    def f(t, y):
        return stack([y[1], 2.0 * (1.0 - y[0] ** 2) * y[1] - y[0]])

    return f


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem(
            "constant",
            lambda t, y: 0.2 * tf.ones_like(y),
            lambda t, y: 0.2 * np.ones_like(y),
            (1.0, -2.0),
            0.0,
            3.0,
            lambda t: np.array([1.0, -2.0]) + 0.2 * t,
        ),
        Problem("linear", *_linear(_MATRIX), (1.0, 0.5), 0.0, 2.0),
        Problem(
            "sine",
            lambda t, y: 2 * y / t + t**4 * tf.sin(2 * t) - t**2 + 4 * t**3,
            lambda t, y: 2 * y / t + t**4 * np.sin(2 * t) - t**2 + 4 * t**3,
            (-0.5 - 0.5 * np.cos(2.0) + 0.25 * np.sin(2.0) + 2.0,),
            1.0,
            3.0,
        ),
        Problem(
            "exponential",
            lambda t, y: -1.3 * y,
            lambda t, y: -1.3 * y,
            (2.0, -1.0),
            0.0,
            2.0,
            lambda t: np.array([2.0, -1.0]) * np.exp(-1.3 * t),
        ),
        Problem("stiffish", *_linear(_STIFF), (2.0, 1.0), 0.0, 1.0),
        Problem(
            "lotka_volterra",
            _lotka_volterra(tf.stack),
            _lotka_volterra(np.stack),
            (10.0, 5.0),
            0.0,
            2.0,
        ),
        Problem(
            "van_der_pol",
            _van_der_pol(tf.stack),
            _van_der_pol(np.stack),
            (2.0, 0.0),
            0.0,
            4.0,
        ),
    )
}


def dense_block(batch=4, units=6, hidden=5, dtype=np.float64, seed=3):
    """The block W2 tanh(W1 [h, t] + b1) + b2 with random weights, as arrays."""
    rng = np.random.default_rng(seed)
    shapes = {"w1": (units, hidden), "wt": (1, hidden), "b1": (hidden,)}
    shapes |= {"w2": (hidden, units), "b2": (units,)}
    weights = {k: rng.normal(size=s).astype(dtype) * 0.7 for k, s in shapes.items()}
    y0 = rng.normal(size=(batch, units)).astype(dtype)

    def f_numpy(t, y):
        w = weights
        return np.tanh(y @ w["w1"] + t * w["wt"] + w["b1"]) @ w["w2"] + w["b2"]

    return weights, y0, f_numpy
