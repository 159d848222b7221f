"""Adam's step of a variable as one operation, on a CPU.

Keras 3 takes it by a dozen, each of which reads or writes as many numbers as the network
has weights. TensorFlow has one of the same arithmetic, in the same order. (It takes
1 - beta of a rounded beta: in float32 a step is 6e-6 longer at a beta_2 of 0.999, and
more the nearer that is to 1.)
"""

import keras
import tensorflow as tf


def fuse(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes Keras's own Adam or AdamW take its steps so, where there is no GPU.

    Others are left as they are, and so are config, state and saved files. To be used
    with one replica. It stays so: a later `fit` with the optimizer takes such steps too.
    """
    adam = type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW)
    own = "update_step" in vars(optimizer)  # a user's, or ours already
    gpu = tf.config.get_visible_devices("GPU")
    if adam and not optimizer.amsgrad and not own and not gpu:
        optimizer.update_step = _Step(optimizer)


class _Step:
    """In place of an optimizer's `update_step`."""

    def __init__(self, optimizer: keras.optimizers.Adam):
        self._optimizer = optimizer

    def __call__(self, gradient, variable, learning_rate):
        adam = self._optimizer
        kind = tf.as_dtype(variable.dtype)
        rows = isinstance(gradient, tf.IndexedSlices)  # a fraction of the variable's
        if rows or kind not in (tf.float32, tf.float64):
            type(adam).update_step(adam, gradient, variable, learning_rate)
            return
        index = adam._get_variable_index(variable)

        def number(value):
            return keras.ops.convert_to_tensor(value, kind.name)

        steps = number(adam.iterations) + 1
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=adam._momentums[index].value.handle,
            v=adam._velocities[index].value.handle,
            beta1_power=number(adam.beta_1) ** steps,
            beta2_power=number(adam.beta_2) ** steps,
            lr=number(learning_rate),
            beta1=number(adam.beta_1),
            beta2=number(adam.beta_2),
            epsilon=number(adam.epsilon),
            grad=tf.cast(gradient, kind),
        )
