"""Files and folders that users name, and that must be there. Imports no TensorFlow."""

import os
from pathlib import Path

from node_transfer.errors import UserError


def image_root(path: str, data_dir: str | None = None) -> Path:
    """Returns the folder of a dataset `folder:PATH`.

    Args:
        path: The folder.
        data_dir: What a path that is not absolute begins at; `None`: where one is.

    Raises:
        UserError: There is none.
    """
    root = Path(os.path.expanduser(data_dir or ""), os.path.expanduser(path))
    if not path or not root.is_dir():
        raise UserError(
            f"There is no folder {str(root)!r}: pass dataset=folder:PATH with the path "
            "of a folder of images."
        )
    return root


def check_weights_file(path: str) -> None:
    """Raises `UserError` where there is no file of weights."""
    if not os.path.isfile(path):
        raise UserError(
            f"There is no weights file {path!r}: pass weights='imagenet', 'none', "
            "'auto' or the path of an existing file."
        )
