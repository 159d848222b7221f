"""What a classifier says of the images that it is given."""

import keras

from node_transfer.errors import UserError


def size_taken(backbone: keras.Model) -> tuple[int, int] | None:
    """Height and width that a network takes; `None`: every size, or no images."""
    size = backbone.input_shape[1:3]
    if len(backbone.input_shape) != 4 or None in size:
        return None
    return size


def check_images(inputs, expected: tuple[int | None, ...]) -> None:
    """Checks the shape of what a classifier is called with, as far as it is known.

    Args:
        inputs: A tensor or an array, or a structure of one, as Keras takes it.
        expected: `(batch, height, width, channels)`.

    Raises:
        UserError: It is no batch of images, or one of other channels.
    """
    for images in keras.tree.flatten(inputs) if len(expected) == 4 else ():
        shape = getattr(images, "shape", None)
        if shape is None or getattr(shape, "rank", 0) is None:
            continue
        shape, channels = tuple(shape), expected[-1]
        if len(shape) == 4 and shape[-1] in (channels, None):
            continue
        hint = ""
        if len(shape) == 3 and shape[-1] == channels:
            hint = "; of a single image make a batch, image[None]"
        elif len(shape) == 4 and shape[-1] == 1:
            hint = f"; of grey images make colour, np.repeat(images, {channels}, -1)"
        raise UserError(
            f"The images have the shape {shape}, which is not that of a batch of images "
            f"of {channels} channels, (batch, height, width, {channels}): pass one{hint}."
        )
