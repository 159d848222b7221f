"""What a source of images hands over."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # TensorFlow takes seconds to import, and the table of sources none
    import tensorflow as tf

    from node_transfer.data.listed import ListedImages


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """Labelled images as their source has them, before `load_data` cuts and scales them.

    Attributes:
        splits: The splits that the source has, `"train"` at least, and `"validation"` and
            `"test"` where it has them. Each a `tf.data.Dataset` of `(image, label)`:
            uint8, shape `(height, width, channels)` with one or three channels, and an
            integer; unbatched, in a fixed order, of known cardinality. Or `ListedImages`,
            of which parts are cut by class, and none read that is not wanted.
        native_size: Height and width of the images, in pixels; `None` where images
            differ in size or are not square.
        class_names: Label `i` is the class `class_names[i]`.
        provenance: What the data are and where they came from, for the run's record:
            `name`, `version`, `description`, and what else is known. Goes into JSON.
        unreadable: `path` and `reason` of each file that was left out, being damaged.
        notes: What a user should be told of the data, a sentence each without full stop.
    """

    splits: dict[str, tf.data.Dataset | ListedImages]
    native_size: int | None
    class_names: tuple[str, ...]
    provenance: dict
    unreadable: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()
