"""Regularisation of an ODE by integrals along its solution."""

import dataclasses

import keras
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A loss that makes the solution of an ODE straight and slow, and f smooth.

    With `z` an example's solution, f its derivative, and means over the examples of a
    batch:

        kinetic_energy * mean of the integral of |f(t, z)|^2 dt
        + jacobian_norm * mean of the integral of |df/dz|^2 dt

    in the Euclidean norm and in Frobenius's. That of the Jacobian is estimated, without
    bias, by `|e df/dz|^2` with one standard normal e a solve (Hutchinson). The interval
    counts as positive whichever way it is gone.

    Attributes:
        kinetic_energy, jacobian_norm: The weights; 0 leaves the term out.

    Reference: Finlay, Jacobsen, Nurbekyan & Oberman (2020), How to train your neural
    ODE, arXiv:2002.02798.
    """

    kinetic_energy: float = 0.0
    jacobian_norm: float = 0.0

    def __post_init__(self):
        for name, weight in dataclasses.asdict(self).items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"{name} is {weight}: pass a number, 0 or positive.")

    def __bool__(self) -> bool:
        return self.kinetic_energy > 0 or self.jacobian_norm > 0

    def start(self, h0: tf.Tensor) -> list[tf.Tensor]:
        """The state to solve for from `h0`: it, and the loss so far."""
        return [h0, tf.zeros([], h0.dtype)]

    def with_loss(self, f, direction: float, noise: tf.Tensor | None):
        """The right-hand side for such a state.

        Args:
            f: `f(t, h, **constants)`, the dynamics.
            direction: 1, or -1 where the time goes back.
            noise: Shaped like the state, for the Jacobian's norm.
        """

        def derivative(t, state, **constants):
            h, _ = state
            if noise is None:
                dh = f(t, h, **constants)
            else:
                dh, product = _with_vector_jacobian_product(f, t, h, noise, constants)
            loss = tf.zeros([], h.dtype)
            if self.kinetic_energy:
                loss += self.kinetic_energy * _mean_square(dh, h.dtype)
            if noise is not None:
                loss += self.jacobian_norm * _mean_square(product, h.dtype)
            return [dh, direction * loss]

        return derivative

    def noise(self, h0: tf.Tensor, seed: keras.random.SeedGenerator | None):
        """The standard normal e for a solve from `h0`; `None` where none is needed."""
        if not self.jacobian_norm:
            return None
        return keras.random.normal(tf.shape(h0), dtype=h0.dtype.name, seed=seed)


def _with_vector_jacobian_product(f, t, h, vector, constants):
    """Returns `f(t, h)` and the vector times its Jacobian in h."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(h)
        dh = tf.cast(f(t, h, **constants), h.dtype)
    product = tape.gradient(
        dh,
        h,
        output_gradients=vector,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    return dh, product


def _mean_square(x: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Sum of squares over an example's elements, mean over the examples."""
    examples = tf.cast(tf.maximum(tf.shape(x)[0], 1), dtype)
    return tf.reduce_sum(tf.square(tf.cast(x, dtype))) / examples
