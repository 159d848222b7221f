"""Adam's step of a variable as one operation, on a CPU.

Keras 3 takes it by a dozen, each of which reads or writes as many numbers as the network
has weights. TensorFlow has one of the same arithmetic, in the same order. (It takes
1 - beta of a rounded beta: in float32 a step is 6e-6 longer, at a beta_2 of 0.999.)
"""

import keras
import tensorflow as tf


def fuse(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes Keras's own Adam or AdamW take its steps so, where there is no GPU.

    Others are left as they are, and so are config, state and saved files. To be used
    with one replica.
    """
    adam = type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW)
    if adam and not optimizer.amsgrad and not tf.config.get_visible_devices("GPU"):
        optimizer.update_step = _Step(optimizer)


class _Step:
    """In place of an optimizer's `update_step`."""

    def __init__(self, optimizer: keras.optimizers.Adam):
        self._optimizer = optimizer

    def __call__(self, gradient, variable, learning_rate):
        adam = self._optimizer
        if isinstance(gradient, tf.IndexedSlices):  # a fraction of the variable's rows
            type(adam).update_step(adam, gradient, variable, learning_rate)
            return
        kind = variable.dtype
        index = adam._get_variable_index(variable)
        steps = tf.cast(adam.iterations.value + 1, kind)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=adam._momentums[index].value.handle,
            v=adam._velocities[index].value.handle,
            beta1_power=tf.constant(adam.beta_1, kind) ** steps,
            beta2_power=tf.constant(adam.beta_2, kind) ** steps,
            lr=tf.cast(learning_rate, kind),
            beta1=tf.constant(adam.beta_1, kind),
            beta2=tf.constant(adam.beta_2, kind),
            epsilon=tf.constant(adam.epsilon, kind),
            grad=tf.cast(gradient, kind),
        )
