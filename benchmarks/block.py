"""The work that every library does: the paper's ODE block.

State (batch, 1280), f = W2 tanh(W1 [h, t] + b1) + b2 with H hidden units, t from 0 to 1,
loss = mean square of h(1). The truth is SciPy's DOP853 in float64 at 1e-12, for h(1), and
for the gradient the adjoint system solved by DOP853 at 1e-12 too.
"""

import dataclasses

import numpy as np
import scipy.integrate

UNITS = 1280


@dataclasses.dataclass(frozen=True)
class Block:
    """Weights and initial state, float32 arrays."""

    w1: np.ndarray
    wt: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray
    h0: np.ndarray

    @property
    def parameters(self):
        return [self.w1, self.wt, self.b1, self.w2, self.b2]


def make_block(hidden: int, batch: int, units: int = UNITS, seed: int = 0) -> Block:
    """Glorot-uniform weights and a standard normal state."""
    rng = np.random.default_rng(seed)

    def glorot(rows, columns):
        limit = np.sqrt(6 / (rows + columns))
        return rng.uniform(-limit, limit, (rows, columns)).astype("float32")

    return Block(
        w1=glorot(units, hidden),
        wt=glorot(1, hidden),
        b1=np.zeros(hidden, "float32"),
        w2=glorot(hidden, units),
        b2=np.zeros(units, "float32"),
        h0=rng.normal(size=(batch, units)).astype("float32"),
    )


@dataclasses.dataclass(frozen=True)
class Truth:
    """h(1), and the loss's gradients for h(0) and the five parameters, float64."""

    h1: np.ndarray
    gradients: list


def truth(block: Block, tolerance: float = 1e-12) -> Truth:
    """Solves the block and its adjoint system by DOP853 in float64."""
    w1, wt, b1, w2, b2 = (p.astype("float64") for p in block.parameters)
    h0 = block.h0.astype("float64")
    shape, size = h0.shape, h0.size

    def f(t, flat):
        h = flat.reshape(shape)
        return (np.tanh(h @ w1 + t * wt + b1) @ w2 + b2).ravel()

    options = {"method": "DOP853", "rtol": tolerance, "atol": tolerance}
    h1 = scipy.integrate.solve_ivp(f, (0, 1), h0.ravel(), **options).y[:, -1]

    def adjoint(t, flat):
        h, a = flat[:size].reshape(shape), flat[size : 2 * size].reshape(shape)
        z = np.tanh(h @ w1 + t * wt + b1)
        dz = (a @ w2.T) * (1 - z**2)
        parts = [
            z @ w2 + b2,
            -dz @ w1.T,
            -h.T @ dz,
            -t * dz.sum(0, keepdims=True),
            -dz.sum(0),
            -z.T @ a,
            -a.sum(0),
        ]
        return np.concatenate([part.ravel() for part in parts])

    # The gradient is small: it is solved for size times itself, so that a tolerance of
    # 1e-12 means as much for it as for the state.
    start = [h1, 2 * h1, *(np.zeros(p.size) for p in block.parameters)]
    end = scipy.integrate.solve_ivp(adjoint, (1, 0), np.concatenate(start), **options).y
    parts, offset, gradients = end[size:, -1] / size, 0, []
    for like in (h0, w1, wt, b1, w2, b2):
        gradients.append(parts[offset : offset + like.size].reshape(like.shape))
        offset += like.size
    return Truth(h1.reshape(shape), gradients)


def relative_error(value, expected) -> float:
    """Norm of the difference over the norm of what is expected, over all arrays."""
    values = value if isinstance(value, list) else [value]
    expecteds = expected if isinstance(expected, list) else [expected]
    difference = sum(
        np.sum((np.asarray(v, "float64") - e) ** 2)
        for v, e in zip(values, expecteds, strict=True)
    )
    return float(np.sqrt(difference / sum(np.sum(e**2) for e in expecteds)))
