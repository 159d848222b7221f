"""Batches for training and for evaluation."""

import dataclasses

import tensorflow as tf

from node_transfer.data.augmentation import Augmentation
from node_transfer.data.feature_data import FeatureData
from node_transfer.data.image_data import SHUFFLE_BUFFER_BYTES, ImageData


@dataclasses.dataclass(frozen=True)
class Share:
    """The part of each batch that is computed here, of a training of several replicas.

    Attributes:
        local: The numbers of the replicas that are here.
        replicas: How many there are in all.
    """

    local: range
    replicas: int


def training_batches(
    data: ImageData | FeatureData,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    augment: bool | Augmentation = False,
    share: Share | None = None,
) -> tf.data.Dataset:
    """Returns the batches of the epochs from `first_epoch` on, one after the other.

    The order of an epoch, and its augmentation, depend on the seed and on the epoch's
    number alone, so that a training that was interrupted goes on as if it had not been.
    (Of a split too large for memory that cannot be read in any order, the order is drawn
    from a buffer, and starts anew after an interruption.) An epoch has `ceil(size /
    batch_size)` batches; its last one may be smaller.

    Args:
        data: Where the images come from, or their features.
        batch_size: Examples a batch.
        seed: Of order and augmentation.
        first_epoch, epochs: Epochs run from `first_epoch` to `epochs - 1`.
        augment: What images go through; `True`: `Augmentation(shift=True)`.
        share: Whose parts of a batch to return; `None`: whole batches.

    Returns:
        `(images, labels)`; with a share `(images, labels, size)` for each local replica,
        one after the other: its part, and the size of the whole batch.
    """
    if augment is True:
        augment = Augmentation(shift=True)
    change = augment.make() if augment else None
    size = data.sizes["train"]
    epoch_numbers = tf.data.Dataset.range(first_epoch, epochs)
    examples = data.by_index("train")
    if examples is not None:

        def one_epoch(epoch):
            order = tf.data.Dataset.from_tensor_slices((_order(size, seed, epoch),))
            batches = order.batch(batch_size)
            return _parts(batches, share).map(
                lambda size, i: (epoch, size, i, *examples(i)),
                num_parallel_calls=tf.data.AUTOTUNE,
            )

        batches = epoch_numbers.flat_map(one_epoch)
    elif "train" in data.example_of:

        def one_epoch(epoch):
            order = tf.data.Dataset.from_tensor_slices(_order(size, seed, epoch))
            examples = order.map(
                lambda i: (i, *data.example_of["train"](i)),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            return _parts(examples.batch(batch_size), share).map(
                lambda *part: (epoch, *part)
            )

        batches = epoch_numbers.flat_map(one_epoch)
    else:
        buffer = max(batch_size, SHUFFLE_BUFFER_BYTES // (3 * data.image_size**2))
        shuffled = data.splits["train"].shuffle(buffer, seed)
        shuffled = tf.data.Dataset.zip(tf.data.Dataset.range(size), shuffled)
        shuffled = shuffled.map(lambda i, example: (i, *example)).batch(batch_size)
        batches = epoch_numbers.flat_map(
            lambda epoch: _parts(shuffled, share).map(lambda *part: (epoch, *part))
        )

    def finish(epoch, size, indices, images, labels):
        if change:
            images = change(images, seed, epoch, indices)
        batch = tf.cast(images, tf.float32), labels
        return batch if share is None else (*batch, size)

    batches = batches.map(finish, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def evaluation_batches(
    data: ImageData | FeatureData,
    split: str,
    batch_size: int,
    share: Share | None = None,
) -> tf.data.Dataset:
    """Returns the batches of a split, in its fixed order.

    With a share: the part of each local replica, one after the other; where a batch has
    fewer examples than there are replicas, some have one image and no label.
    """
    batches = data.splits[split].batch(batch_size)
    if share is not None:
        batches = _parts(batches, share).map(lambda _, images, labels: (images, labels))
    batches = batches.map(_as_float, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def _order(size: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """The numbers of an epoch's examples, in its order."""
    return tf.random.experimental.stateless_shuffle(
        tf.range(size), tf.stack([tf.cast(seed, tf.int64), epoch])
    )


def _parts(batches: tf.data.Dataset, share: Share | None) -> tf.data.Dataset:
    """Returns `(size, *part)` of each batch; see `Share`.

    Parts differ by an example at most. The last component of a batch, its labels, is the
    one that may be cut to nothing: no network takes a batch of no images.
    """
    if share is None:
        return batches.map(lambda *batch: (tf.shape(batch[0], tf.int64)[0], *batch))

    def part(replica, batch):
        size = tf.shape(batch[0], tf.int64)[0]
        begin = replica * size // share.replicas
        end = (replica + 1) * size // share.replicas
        first = tf.minimum(begin, size - 1)
        *images, labels = batch
        images = [x[first : tf.maximum(end, first + 1)] for x in images]
        return (size, *images, labels[begin:end])

    def parts(*batch):
        numbers = tf.data.Dataset.range(share.local.start, share.local.stop)
        return numbers.map(lambda replica: part(replica, batch))

    return batches.flat_map(parts)


def _as_float(images, labels):
    return tf.cast(images, tf.float32), labels
