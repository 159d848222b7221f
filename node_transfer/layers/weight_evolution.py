"""Weights that move in time, by an equation of their own."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="node_transfer")
class WeightEvolution(keras.layers.Layer):
    """The matrix that takes weights at time 0 to the weights at time t.

    The weights of hidden unit j, w_j, follow a reaction-diffusion-advection equation on
    the ring of the hidden units:

        dw_j/dt = τ (w_{j+1} - 2 w_j + w_{j-1}) + υ (w_{j+1} - w_{j-1}) / 2 + ρ w_j

    It is linear and does not depend on the state, so that its solution is known at any
    time, w(t) = C(t) w(0), a convolution over j whose kernel is a sum of waves: nothing
    but the three numbers is added to the model, nothing to the state, and no step has to
    be remembered. The numbers start at 0, where C(t) is the identity and the ODE block
    that of `ODELayer`.

    Args:
        units: Hidden units on the ring.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        t: Scalar, the time.

    Returns:
        C(t), shape `(units, units)`.

    Raises:
        ValueError: The time is not one scalar.

    Reference: Zhang, Yao, Gholami, Keutzer, Gonzalez, Biros & Mahoney (2019), ANODEV2: A
    Coupled Neural ODE Framework, arXiv:1906.04596, section 3. Theirs may have an
    activation around the right-hand side, which leaves no solution in closed form; what
    the weights' neighbours are, and the differences between them, are choices of ours.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        wave = 2 * np.pi * np.arange(units // 2 + 1) / units
        phase = np.outer(np.arange(units), wave)
        self._wave, self._cosine, self._sine = wave, np.cos(phase), np.sin(phase)
        # A wave and the one that goes the other way are one term, but for those that are
        # their own opposites: the constant, and the shortest of an even number.
        self._weight = np.where(np.sin(wave) ** 2 > 1e-9, 2.0, 1.0) / units

    def build(self, t_shape):
        self.rates = self.add_weight(name="rates", shape=(3,), initializer="zeros")

    def call(self, t):
        if len(t.shape):
            raise ValueError(
                "Weights that move in time are the same for all samples: leave the "
                "option per_sample out."
            )
        cosine, sine, wave, weight = (
            ops.convert_to_tensor(x, self.compute_dtype)
            for x in (self._cosine, self._sine, self._wave, self._weight)
        )
        t = ops.cast(t, self.compute_dtype)
        diffusion, advection, reaction = ops.unstack(self.rates)
        growth = diffusion * (2 * ops.cos(wave) - 2) + reaction
        size, angle = weight * ops.exp(growth * t), advection * ops.sin(wave) * t
        a, b = size * ops.cos(angle), size * ops.sin(angle)
        return ops.matmul(cosine * a - sine * b, ops.transpose(cosine)) + ops.matmul(
            sine * a + cosine * b, ops.transpose(sine)
        )

    def get_config(self):
        return {**super().get_config(), "units": self.units}
