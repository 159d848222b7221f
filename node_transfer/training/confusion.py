"""Counts which class is taken for which, while a model is evaluated."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="node_transfer")
class ConfusionMatrix(keras.metrics.Metric):
    """The mean of the classes' accuracies, and what it comes from.

    Args:
        num_classes: Labels run from 0 to `num_classes - 1`.
        name, dtype: As for every Keras metric.

    Attributes:
        matrix: float32 variable, shape `(num_classes, num_classes)`: how many images of
            the class of a row were taken for that of a column.
    """

    def __init__(self, num_classes: int, name: str = "mean_class_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self.matrix = self.add_variable(
            (num_classes, num_classes), initializer="zeros", name="matrix"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        labels = tf.reshape(tf.cast(y_true, tf.int64), [-1])
        predicted = tf.argmax(y_pred, axis=-1)
        counts = tf.math.confusion_matrix(
            labels, predicted, self.num_classes, dtype=self.matrix.dtype
        )
        self.matrix.assign_add(counts)

    def result(self):
        images = tf.reduce_sum(self.matrix.value, axis=1)
        right = tf.linalg.diag_part(self.matrix.value)
        there = tf.cast(images > 0, images.dtype)
        accuracies = tf.math.divide_no_nan(right, images)
        return tf.math.divide_no_nan(tf.reduce_sum(accuracies), tf.reduce_sum(there))

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
