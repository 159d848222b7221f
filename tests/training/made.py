"""Configs that train in seconds."""

import dataclasses

QUICK = {"dataset": "digits", "weights": "none", "batch_size": 32}


def quick(config, path, **changes):
    return dataclasses.replace(config, **{**QUICK, "output_dir": str(path), **changes})
