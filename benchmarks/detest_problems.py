"""DETEST: the 25 problems of Hull, Enright, Fellen & Sedgwick (1972), as data.

Comparing Numerical Methods for Ordinary Differential Equations, SIAM J. Numer. Anal. 9,
603-637. Each is solved from t = 0 to t = 20. The right-hand sides are written once, for
NumPy and for `tf.experimental.numpy`, which is their first argument.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

T_END = 20.0


@dataclasses.dataclass(frozen=True)
class Problem:
    """dy/dt = f(t, y), y(0) = y0.

    Attributes:
        f: `f(xp, t, y)`, with `xp` NumPy or `tf.experimental.numpy`; y has one axis.
        y0: Initial state.
    """

    f: Callable
    y0: np.ndarray


def _stacked(*components):
    """Makes a right-hand side of functions of `(xp, t, y)`, one a component."""

    def f(xp, t, y):
        return xp.stack([component(xp, t, y) for component in components])

    return f


def _spin(xp, t, y, sign, i, j):
    return sign * y[i] - y[j] * y[2] / xp.sqrt(y[0] ** 2 + y[1] ** 2)


def _chain(rates):
    """Radioactive decay from one to the next: y_i' = r_(i-1) y_(i-1) - r_i y_i."""
    rates = np.array(rates, float)
    size = len(rates) + 1
    matrix = np.zeros((size, size))
    for i, rate in enumerate(rates):
        matrix[i, i] -= rate
        matrix[i + 1, i] += rate
    return lambda xp, t, y: xp.sum(matrix * y, axis=-1)


def _diffusion(size):
    """The matrix with -2 on the diagonal and 1 beside it."""
    matrix = -2 * np.eye(size) + np.eye(size, k=1) + np.eye(size, k=-1)
    return lambda xp, t, y: xp.sum(matrix * y, axis=-1)


def _first(size):
    return np.eye(size)[0]


_SUN = 1.00000597682
_MASSES = np.array(
    [
        0.000954786104043,
        0.000285583733151,
        0.0000437273164546,
        0.0000517759138449,
        0.00000277777777778,
    ]
)
_GRAVITY = 2.95912208286
_PLANETS = np.array(
    [
        3.42947415189, 3.35386959711, 1.35494901715, 6.64145542550, 5.97156957878,
        2.18231499728, 11.2630437207, 14.6952576794, 6.27960525067, -30.1552268759,
        1.65699966404, 1.43785752721, -21.1238353380, 28.4465098142, 15.3882659679,
        -.557160570446, .505696783289, .230578543901, -.415570776342, .365682722812,
        .169143213293, -.325325669158, .189706021964, .0877265322780, -.0240476254170,
        -.287659532608, -.117219543175, -.176860753121, -.216393453025, -.0148647893090,
    ]
)  # fmt: skip


def _five_bodies(xp, t, y):
    """The outer planets around the sun."""
    place, velocity = xp.reshape(y[:15], (5, 3)), y[15:]
    apart = place[None] - place[:, None]  # from the first index to the second
    distance = xp.sum(apart**2, axis=-1) + np.eye(5)  # no planet pulls at itself
    pull = xp.sum(_MASSES[:, None] * apart / distance[..., None] ** 1.5, axis=1)
    towards_sun = place / xp.sum(place**2, axis=-1)[:, None] ** 1.5
    sun_moves = xp.sum(_MASSES[:, None] * towards_sun, axis=0)
    acceleration = _GRAVITY * (pull - _SUN * towards_sun - sun_moves)
    return xp.concatenate([velocity, xp.reshape(acceleration, (15,))], axis=0)


def _orbit(xp, t, y):
    cube = (y[0] ** 2 + y[1] ** 2) ** 1.5
    return xp.stack([y[2], y[3], -y[0] / cube, -y[1] / cube])


def _orbit_start(eccentricity):
    e = eccentricity
    return np.array([1 - e, 0, 0, np.sqrt((1 + e) / (1 - e))])


def _problem(f, *y0):
    return Problem(f, np.array(y0, float))


PROBLEMS = {
    "A1": _problem(lambda xp, t, y: -y, 1),
    "A2": _problem(lambda xp, t, y: -(y**3) / 2, 1),
    "A3": _problem(lambda xp, t, y: y * xp.cos(t), 1),
    "A4": _problem(lambda xp, t, y: y / 4 * (1 - y / 20), 1),
    "A5": _problem(lambda xp, t, y: (y - t) / (y + t), 4),
    "B1": _problem(
        _stacked(
            lambda xp, t, y: 2 * (y[0] - y[0] * y[1]), lambda xp, t, y: y[0] * y[1] - y[1]
        ),
        *(1, 3),
    ),
    "B2": _problem(
        _stacked(
            lambda xp, t, y: y[1] - y[0],
            lambda xp, t, y: y[0] - 2 * y[1] + y[2],
            lambda xp, t, y: y[1] - y[2],
        ),
        *(2, 0, 1),
    ),
    "B3": _problem(
        _stacked(
            lambda xp, t, y: -y[0],
            lambda xp, t, y: y[0] - y[1] ** 2,
            lambda xp, t, y: y[1] ** 2,
        ),
        *(1, 0, 0),
    ),
    "B4": _problem(
        _stacked(
            lambda xp, t, y: _spin(xp, t, y, -1, 1, 0),
            lambda xp, t, y: _spin(xp, t, y, 1, 0, 1),
            lambda xp, t, y: y[0] / xp.sqrt(y[0] ** 2 + y[1] ** 2),
        ),
        *(3, 0, 0),
    ),
    "B5": _problem(
        _stacked(
            lambda xp, t, y: y[1] * y[2],
            lambda xp, t, y: -y[0] * y[2],
            lambda xp, t, y: -0.51 * y[0] * y[1],
        ),
        *(0, 1, 1),
    ),
    "C1": Problem(_chain([1] * 9), _first(10)),
    "C2": Problem(_chain(range(1, 10)), _first(10)),
    "C3": Problem(_diffusion(10), _first(10)),
    "C4": Problem(_diffusion(51), _first(51)),
    "C5": Problem(_five_bodies, _PLANETS),
    **{
        f"D{i}": Problem(_orbit, _orbit_start(e))
        for i, e in enumerate((0.1, 0.3, 0.5, 0.7, 0.9), start=1)
    },
    "E1": _problem(
        _stacked(
            lambda xp, t, y: y[1],
            lambda xp, t, y: -(y[1] / (t + 1) + (1 - 0.25 / (t + 1) ** 2) * y[0]),
        ),
        *(0.6713967071418030, 0.09540051444747446),
    ),
    "E2": _problem(
        _stacked(lambda xp, t, y: y[1], lambda xp, t, y: (1 - y[0] ** 2) * y[1] - y[0]),
        *(2, 0),
    ),
    "E3": _problem(
        _stacked(
            lambda xp, t, y: y[1],
            lambda xp, t, y: y[0] ** 3 / 6 - y[0] + 2 * xp.sin(2.78535 * t),
        ),
        *(0, 0),
    ),
    "E4": _problem(
        _stacked(lambda xp, t, y: y[1], lambda xp, t, y: 0.032 - 0.4 * y[1] ** 2),
        *(30, 0),
    ),
    "E5": _problem(
        _stacked(
            lambda xp, t, y: y[1], lambda xp, t, y: xp.sqrt(1 + y[1] ** 2) / (25 - t)
        ),
        *(0, 0),
    ),
}
