"""What images and labels must be, and a sentence for files that are damaged."""

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

from node_transfer.errors import UserError, first_line

_LABEL = "A label of the dataset"  # how the message of `with_checked_label` begins
# That of an `UnreadableImageError`, as TensorFlow quotes it.
_IMAGE = re.compile(r"The image .* cannot be read \(.*\): mend it, or leave it out\.")


def with_checked_label(image: tf.Tensor, label: tf.Tensor, num_classes: int):
    """Returns an example as it is; reading it fails where the label is of no class.

    Args:
        image: Of any kind.
        label: Scalar integer.
        num_classes: Labels run from 0 to `num_classes - 1`.
    """
    label = tf.cast(label, tf.int64)
    message = tf.strings.format(
        f"{_LABEL} is {{}}, which is none of its {num_classes} classes.", label
    )
    check = tf.debugging.Assert((label >= 0) & (label < num_classes), [message])
    with tf.control_dependencies([check]):
        return image, tf.identity(label)


@contextlib.contextmanager
def damage_told(dataset: str) -> Iterator[None]:
    """Turns TensorFlow's report of damaged or contradictory data into a `UserError`.

    Args:
        dataset: The name that the data were asked for by.
    """
    try:
        yield
    except tf.errors.OpError as error:
        image = _IMAGE.search(str(error))
        if image:
            raise UserError(image[0]) from error
        told = _told(str(error), error)
        if told is None:
            raise
        raise UserError(
            f"The files of the dataset {dataset!r} are damaged ({told}): have the set "
            "prepared anew, or pass data_dir= with a folder that holds it whole."
        ) from error


def _told(text: str, error: tf.errors.OpError) -> str | None:
    """Returns what is wrong with the data, in a few words; `None`: nothing is."""
    if _LABEL in text:
        return text[text.index(_LABEL) :].split(".")[0]
    reading = "IteratorGetNext" in text or "Iterator" in text
    damaged = isinstance(error, tf.errors.DataLossError | tf.errors.NotFoundError)
    if reading and (damaged or "was expected to contain" in text):
        return first_line(error).split("}} ")[-1].split(" [Op:")[0].rstrip(".")
    return None
