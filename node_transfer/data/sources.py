"""The table of sources of images. Imports no TensorFlow before a source is opened."""

from collections.abc import Callable

from node_transfer.data.image_source import ImageSource
from node_transfer.registry import locate

Loader = Callable[[str, str | None], ImageSource]

# A row is a name, or a scheme with its colon, as "scheme:" for all of "scheme:anything".
# It leads to a `Loader`, or to "module:function", which is imported when it is needed.
# The loader is called with the name, or with what follows the scheme, and with
# `data_dir`; it raises `UserError` for what cannot be had.
SOURCES: dict[str, str | Loader] = {
    "digits": "node_transfer.data.digits:load",
    "folder:": "node_transfer.data.image_folder:load",
}
EVERY_OTHER_NAME: str | Loader = "node_transfer.data.tfds_source:load"


def open_source(dataset: str, data_dir: str | None = None) -> ImageSource:
    """Looks a dataset up by name or scheme, and opens it.

    Args:
        dataset: A row of `SOURCES`, or the name of a set of TensorFlow Datasets.
        data_dir: Folder of the source's files, where it has any; `None`: its own.

    Raises:
        UserError: Unknown set, or one that cannot be had.
    """
    scheme, colon, rest = dataset.partition(":")
    if dataset in SOURCES:
        loader, argument = SOURCES[dataset], dataset
    elif colon and scheme + colon in SOURCES:
        loader, argument = SOURCES[scheme + colon], rest
    else:
        loader, argument = EVERY_OTHER_NAME, dataset
    if isinstance(loader, str):
        loader = locate(loader)
    return loader(argument, data_dir)


def rows() -> str:
    """Returns the names and schemes of the table, for a sentence."""
    return ", ".join(f"{row}..." if row.endswith(":") else row for row in SOURCES)
