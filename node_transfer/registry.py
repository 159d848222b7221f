"""What the tables of names share."""

import importlib


def locate(path: str):
    """Returns what `"module:name"` stands for, importing the module."""
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)
