"""Batches for training and for evaluation."""

import tensorflow as tf

from node_transfer.data.image_data import ImageData

SHUFFLE_LIMIT_BYTES = 2**30
CROP_PADDING = 4  # pixels at 32x32, scaled with the image


def training_batches(
    data: ImageData,
    batch_size: int,
    seed: int,
    first_epoch: int,
    epochs: int,
    augment: bool = False,
) -> tf.data.Dataset:
    """Returns the batches of the epochs from `first_epoch` on, one after the other.

    The order of an epoch, and its augmentation, depend on the seed and on the epoch's
    number alone, so that a training that was interrupted goes on as if it had not been.
    Each epoch has `ceil(size / batch_size)` batches; its last one may be smaller.

    Args:
        data: Where the images come from.
        batch_size: Examples a batch.
        seed: Of order and augmentation.
        first_epoch, epochs: Epochs run from `first_epoch` to `epochs - 1`.
        augment: Whether to flip images at random and to crop them after padding.
    """
    examples, size = data.splits["train"], data.sizes["train"]
    image_bytes = 3 * data.image_size**2
    buffer = min(size, max(batch_size, SHUFFLE_LIMIT_BYTES // image_bytes))

    def one_epoch(epoch):
        # A fixed seed and no reshuffling inside: the epoch's number is the only source.
        epoch_seed = epoch * 1_000_003 + seed
        shuffled = examples.shuffle(buffer, epoch_seed, reshuffle_each_iteration=False)
        if augment:
            shuffled = shuffled.enumerate().map(
                lambda i, example: (
                    _augmented(example[0], epoch_seed, i),
                    example[1],
                ),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
        return shuffled.batch(batch_size)

    batches = tf.data.Dataset.range(first_epoch, epochs).flat_map(one_epoch)
    batches = batches.map(_as_float, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def evaluation_batches(data: ImageData, split: str, batch_size: int) -> tf.data.Dataset:
    """Returns the batches of a split, in its fixed order."""
    batches = data.splits[split].batch(batch_size)
    batches = batches.map(_as_float, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def _as_float(images, labels):
    return tf.cast(images, tf.float32), labels


def _augmented(image: tf.Tensor, epoch_seed: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
    """Flips at random, and crops at random after reflecting the border."""
    size = image.shape[0]
    padding = max(1, CROP_PADDING * size // 32)
    flip_seed, crop_seed = [epoch_seed, 2 * i], [epoch_seed, 2 * i + 1]
    image = tf.image.stateless_random_flip_left_right(image, flip_seed)
    image = tf.pad(image, [[padding, padding], [padding, padding], [0, 0]], "REFLECT")
    return tf.image.stateless_random_crop(image, (size, size, 3), crop_seed)
