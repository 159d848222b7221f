"""Recipes of training: fields of a config that are chosen together."""

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from node_transfer.runs.config import ExperimentConfig

# The paper's is what each experiment has of itself. What the other adds is, each for
# itself, in docs/recipes.md.
RECIPES: dict[str, dict[str, Any]] = {
    "paper": {},
    "modern": {
        "epochs": 30,
        "head_epochs": 2,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "lr_schedule": "cosine",
        "warmup_epochs": 1,
        "weight_decay": 0.05,
        "clip_norm": 1.0,
        "label_smoothing": 0.1,
        "ema": 0.999,
        "adapt_batchnorm": True,
        "random_resized_crop": 0.35,
        "hflip": True,
        "randaugment": 0.3,
        "patience": 10,
        "restore_best_weights": True,
    },
}


def with_recipe(
    config: "ExperimentConfig", recipe: str, **changes: Any
) -> "ExperimentConfig":
    """Returns an experiment with a recipe's fields, and then those given.

    In a training of few epochs a recipe has fewer of the head and of warm-up than it has
    else, so that there is always an epoch of the whole network at its full rate.

    Args:
        config: What gives the fields that neither has.
        recipe: A key of `RECIPES`.
        **changes: Fields.

    Raises:
        UserError: A value that no experiment can have.
    """
    fields = dict(RECIPES.get(recipe, {}))
    left = changes.get("epochs", fields.get("epochs"))
    for name in ("head_epochs", "warmup_epochs"):
        if name in fields and isinstance(left, int):
            fields[name] = max(0, min(fields[name], left // 2))
            left -= changes.get(name, fields[name])
    return dataclasses.replace(config, recipe=recipe, **{**fields, **changes})
