"""One training loop for every strategy: `keras.Model.fit` fails on several machines."""

from collections.abc import Callable

import keras
import tensorflow as tf

from node_transfer.training import fused_adam
from node_transfer.training.evaluation import evaluations_forward
from node_transfer.training.progress import Progress

LOSS = "loss"  # Keras's name for the mean of the loss


class Loop:
    """Trains and evaluates a compiled model, on one device, several, or several machines.

    In place of `fit` and `evaluate`, which in Keras 3 fail under
    `MultiWorkerMirroredStrategy` (keras issue 20585), weight the examples of an uneven
    batch unevenly, and clip the gradient of each replica instead of their sum. What a
    step computes is what one device computes on the whole batch: the loss of each replica
    is divided by the number of examples in all of them, the gradients are summed, then
    clipped and applied. Metrics are of all replicas, at each step. (Batch normalization
    alone sees the examples of one replica; its moving averages become the mean over the
    replicas at the end of each epoch.)

    Args:
        model: Built and compiled within the strategy's scope, its optimizer built.
        strategy: The strategy.
        label_smoothing: The part of each label that is shared out among all classes, in
            the loss that the gradient is of. The losses that are told are without it, so
            that they compare.
        forward: From a batch and `training` to logits; `None`: the model. Where features
            were computed before, the part of the model that comes after them.
    """

    def __init__(
        self,
        model: keras.Model,
        strategy: tf.distribute.Strategy,
        label_smoothing: float = 0.0,
        forward: Callable | None = None,
    ):
        self._model = model
        self._forward = forward or model
        self._label_smoothing = label_smoothing
        self._strategy = strategy
        self._replicas = strategy.num_replicas_in_sync
        self._loss = next(m for m in model.metrics if m.name == LOSS)
        self._train = self._compiled(self._train_step)
        self._test = self._compiled(self._test_step)
        self._average = tf.function(
            lambda: strategy.run(self._average_step), autograph=False
        )
        if self._replicas > 1:
            _leave_sums_to_us(model.optimizer)
        else:
            fused_adam.fuse(model.optimizer)

    def fit(
        self,
        batches: tf.data.Dataset,
        steps: int,
        validation: tf.data.Dataset,
        validation_steps: int,
        epochs: range,
        callbacks: list[keras.callbacks.Callback],
        verbose: int,
        last_epoch: int | None = None,
    ) -> None:
        """Trains; see `keras.Model.fit` for what callbacks are told, and when.

        Args:
            batches: For each step of all epochs and each local replica, one after the
                other, see `pipelines.training_batches`.
            steps: Steps an epoch.
            validation, validation_steps: As `evaluate` takes them.
            epochs: The numbers of the epochs, from 0.
            callbacks, verbose: As in `keras.Model.fit`.
            last_epoch: What a progress bar counts to; `None`: these epochs' last.
        """
        shown = [Progress()] if verbose else []
        callbacks = keras.callbacks.CallbackList(
            [*callbacks, *shown],
            add_history=True,
            model=self._model,
            verbose=verbose,
            epochs=last_epoch or epochs.stop,
            steps=steps,
        )
        iterator = self._iterator(batches)
        logs = {}
        self._model.stop_training = False
        callbacks.on_train_begin()
        for epoch in epochs:
            self._model.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            for step in range(steps):
                callbacks.on_train_batch_begin(step)
                logs = self._train(iterator)
                callbacks.on_train_batch_end(step, logs)
            if self._replicas > 1:
                self._average()
            results = self.evaluate(validation, validation_steps, callbacks)
            logs = {**logs, **{f"val_{name}": v for name, v in results.items()}}
            callbacks.on_epoch_end(epoch, logs)
            if self._model.stop_training:
                break
        callbacks.on_train_end(logs)

    def evaluate(
        self,
        batches: tf.data.Dataset,
        steps: int,
        callbacks: keras.callbacks.CallbackList | None = None,
    ) -> dict[str, float]:
        """Returns the metrics on a split.

        Args:
            batches: For each step and each local replica, one after the other, see
                `pipelines.evaluation_batches`.
            steps: Batches of all replicas together.
            callbacks: Those of the training that it is part of.
        """
        callbacks = callbacks or keras.callbacks.CallbackList(model=self._model)
        iterator = self._iterator(batches)
        logs = {}
        self._model.reset_metrics()
        callbacks.on_test_begin()
        for step in range(steps):
            callbacks.on_test_batch_begin(step)
            logs = self._test(iterator)
            callbacks.on_test_batch_end(step, logs)
        logs = {name: float(value) for name, value in logs.items()}
        evaluations = evaluations_forward(self._model)
        if evaluations is not None:  # which Keras's own logs leave out
            logs["nfe_forward"] = evaluations
        callbacks.on_test_end(logs)
        return logs

    def _iterator(self, batches):
        """Each element of the data set goes to one of the local replicas, in turn."""
        # Variables of the metrics, which a step of several replicas cannot make. The
        # function is Keras's own for it; it makes nothing twice.
        with self._strategy.scope():
            images = tf.TensorSpec(self._model.input_shape, tf.float32)
            self._model._symbolic_build(data_batch=(images, batches.element_spec[1]))
        if self._replicas == 1:
            return iter(batches)
        # There are as many everywhere, so that workers need not ask each other for more.
        self._strategy.extended.experimental_enable_get_next_as_optional = False
        return iter(self._strategy.distribute_datasets_from_function(lambda _: batches))

    def _compiled(self, step):
        if self._model.jit_compile:
            step = tf.function(step, jit_compile=True, autograph=False)

        @tf.function(autograph=False, reduce_retracing=True)
        def run(iterator):
            logs = self._strategy.run(step, args=next(iterator))
            return self._strategy.experimental_local_results(logs)[0]  # as all of them

        return run

    def _train_step(self, images, labels, size=None):
        model, optimizer = self._model, self._model.optimizer
        with tf.GradientTape() as tape:
            logits = self._forward(images, training=True)
            loss = model.compute_loss(x=images, y=labels, y_pred=logits, training=True)
            self._record(images, labels, logits, loss)
            if self._label_smoothing:
                # As Keras does with its loss, see `_record`.
                strength = self._label_smoothing / self._replicas
                loss += strength * _smoothing(labels, logits)
            if self._replicas > 1:  # of a mean over its share, one part of the sum
                share = tf.shape(labels, tf.int64)[0] * self._replicas / size
                loss *= tf.cast(share, loss.dtype)
            loss = optimizer.scale_loss(loss)
        variables = model.trainable_variables
        gradients, counts = tape.gradient(loss, variables), self._counts()
        if self._replicas > 1:
            gradients, counts = _summed(gradients, counts)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self._results(counts)

    def _test_step(self, images, labels):
        logits = self._forward(images, training=False)[: tf.shape(labels)[0]]
        loss = self._model.compute_loss(x=images, y=labels, y_pred=logits, training=False)
        self._record(images, labels, logits, loss)
        counts = self._counts()
        if self._replicas > 1:
            counts = _reduced("SUM", counts)
        return self._results(counts)

    def _average_step(self):
        """Gives each replica the mean of the moving averages that they have.

        No training step reads them, and they are linear in what the steps put in, so the
        mean at an epoch's end is that of a training that takes it at each step, which
        costs more than the gradients. In float64: what is equal stays as it is.
        """
        kept = [
            variable
            for variable in self._model.non_trainable_weights
            if variable.synchronization != "on_read"  # meant to be each replica's own
            and tf.as_dtype(variable.dtype).is_floating
        ]
        means = _reduced("MEAN", [tf.cast(v.value, tf.float64) for v in kept])
        for variable, mean in zip(kept, means, strict=True):
            variable.assign(mean)

    def _counts(self):
        """Returns what this replica's metrics have counted."""
        # A variable's own value would name no device of the replica to TensorFlow.
        return [tf.identity(count.value) for count in self._model.metrics_variables]

    def _results(self, counts):
        """Returns the metrics of what all replicas have counted together."""
        of_all = zip(self._model.metrics_variables, counts, strict=True)
        with keras.StatelessScope(state_mapping=of_all):
            return self._model.get_metrics_result()

    def _record(self, images, labels, logits, loss):
        """Adds a step to the metrics; Keras divides a loss by the number of replicas."""
        count = tf.shape(labels)[0]
        loss = tf.where(count > 0, loss * self._replicas, 0.0)  # the mean of none is NaN
        self._loss.update_state(loss, sample_weight=count)
        self._model.compute_metrics(images, labels, logits)


def _smoothing(labels, logits):
    """What labels that are shared out among all classes add to the cross-entropy.

    With y the class and z the logits, the cross-entropy with (1 - ε) of the label at y
    and ε spread over all classes is log sum exp z - (1 - ε) z_y - ε mean z, which is the
    usual one plus ε (z_y - mean z).

    Reference: Szegedy et al. (2016), Rethinking the Inception Architecture for Computer
    Vision, arXiv:1512.00567, section 7.
    """
    of_class = tf.gather(logits, labels, axis=1, batch_dims=1)
    return tf.reduce_mean(of_class - tf.reduce_mean(logits, axis=1))


def _summed(gradients, counts):
    """Sums over the replicas; what has no gradient has none in any of them.

    In one operation: a second one beside it, however small, took three times as long as
    all gradients (see docs/distributed.md).
    """
    there = [gradient for gradient in gradients if gradient is not None]
    summed = _reduced("SUM", there + counts)
    counts, summed = summed[len(there) :], iter(summed)
    return [None if gradient is None else next(summed) for gradient in gradients], counts


def _reduced(how, tensors):
    """Reduces tensors over the replicas, by one operation for each of their types."""
    reduced = {}
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        of_type = {i: t for i, t in enumerate(tensors) if t.dtype == dtype}
        sums = tf.distribute.get_replica_context().all_reduce(how, list(of_type.values()))
        reduced.update(zip(of_type, sums, strict=True))
    return [reduced[i] for i in range(len(tensors))]


def _leave_sums_to_us(optimizer: keras.optimizers.Optimizer) -> None:
    """Keeps Keras from summing gradients, which it would do after it has clipped them.

    Nor could the check for finite gradients in mixed precision be left to each replica:
    one that takes the step while another does not waits for it forever.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    optimizer._all_reduce_sum_gradients = lambda gradients_and_variables: (
        gradients_and_variables
    )
