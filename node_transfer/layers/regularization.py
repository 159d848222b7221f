"""Regularisation of an ODE by integrals along its solution."""

import dataclasses

import keras
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A loss that makes the solution of an ODE straight and slow, and f smooth.

    The mean over a batch's examples, with z an example's solution and f its derivative,
    of the integrals

        kinetic_energy * |f(t, z)|^2 + jacobian_norm * |df/dz|^2    dt

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
        """The state to solve for from `h0`: it, and the loss of each example so far."""
        return [h0, tf.zeros_like(_squares(h0))]

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
            dh = tf.cast(dh, h.dtype)
            rates = []
            if self.kinetic_energy:
                rates.append(self.kinetic_energy * _squares(dh))
            if noise is not None:
                rates.append(self.jacobian_norm * _squares(product))
            return [dh, direction * tf.add_n(rates)]

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


def mean_over(examples: tf.Tensor) -> tf.Tensor:
    """The mean of a vector; 0 where it is empty."""
    count = tf.cast(tf.maximum(tf.size(examples), 1), examples.dtype)
    return tf.reduce_sum(examples) / count


def _squares(x: tf.Tensor) -> tf.Tensor:
    """The sum of squares over the elements of each example."""
    return tf.reduce_sum(tf.square(x), axis=list(range(1, x.shape.rank)))
