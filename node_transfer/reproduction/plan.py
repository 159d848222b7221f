"""Which experiments the reproduction is made of. Imports no TensorFlow."""

import dataclasses

from node_transfer.errors import UserError
from node_transfer.runs.config import (
    BASELINE,
    NODE_ADJOINT,
    NODE_RK,
    ExperimentConfig,
)
from node_transfer.runs.directory import RunDirectory
from node_transfer.runs.fields import meaning
from node_transfer.runs.recipes import RECIPES
from node_transfer.runs.sweep_folder import SweepFolder


@dataclasses.dataclass(frozen=True)
class Preset:
    """How long to train, and what.

    Attributes:
        epochs: Of the baseline, of the runs that train as NODE-RK does, and of those
            that train as NODE-adjoint does.
        models: Names of the line-up, each after the one that it starts from.
        changes: Fields of every `ExperimentConfig`.
        adjoint_changes: More of them, for the runs that train as NODE-adjoint does.
    """

    epochs: tuple[int, int, int]
    models: tuple[str, ...]
    changes: dict = dataclasses.field(default_factory=dict)
    adjoint_changes: dict = dataclasses.field(default_factory=dict)


_PAPER_AND_CONTROLS = (
    "baseline",
    "node_rk",
    "node_adjoint",
    "node_rk_cold",
    "node_adjoint_cold",
    "more_adam",
    "more_sgd",
    "residual",
)
PRESETS = {
    "paper": Preset(
        (200, 100, 160), _PAPER_AND_CONTROLS, changes={"weights": "imagenet"}
    ),
    # A twentieth of the paper's epochs: 3 seeds of it take about as long as 1 of a tenth.
    "cpu": Preset((10, 5, 8), _PAPER_AND_CONTROLS),
    # The short runs of docs/protocol.md, which are compared over seeds.
    "short": Preset(
        (10, 10, 8),
        models=(
            "baseline",
            "node_rk_cold",
            "node_adjoint_cold",
            "baseline_sgd",
            "node_adjoint",
            "more_sgd",
            "more_adam_falling",
            "node_adjoint_adam",
            "baseline_random",
        ),
    ),
    # So few steps end well only with a rate that falls to 0, and statistics of batch
    # normalization that keep up; odenet_mnist's rate of 0.1 blows them apart.
    "quickstart": Preset(
        (6, 2, 2),
        models=("baseline", "node_rk", "node_adjoint"),
        changes={
            "dataset": "digits",
            "batch_size": 32,
            "lr_schedule": "cosine",
            "adapt_batchnorm": True,
        },
        adjoint_changes={"learning_rate": 0.01},
    ),
}

_SGD = {
    name: getattr(NODE_ADJOINT, name)
    for name in ("optimizer", "learning_rate", "lr_schedule")
}
# A model to its experiment, what it changes in it, whether it starts from the baseline,
# and whose epochs and optimizer it has.
_RECIPES = {
    "baseline": (BASELINE, {}, False, "baseline"),
    "baseline_random": (BASELINE, {"weights": "none"}, False, "baseline"),
    "node_rk": (NODE_RK, {}, True, "rk"),
    "node_adjoint": (NODE_ADJOINT, {}, True, "adjoint"),
    "node_rk_cold": (NODE_RK, {}, False, "rk"),
    "node_adjoint_cold": (NODE_ADJOINT, {}, False, "adjoint"),
    "more_adam": (BASELINE, {}, True, "rk"),
    "more_sgd": (BASELINE, _SGD, True, "adjoint"),
    # One Euler step of f(h, 0) from 0 to 1 is h + W2 tanh(W1 h + b1) + b2.
    "residual": (NODE_RK, {"method": "euler", "num_steps": 1}, True, "rk"),
    "baseline_sgd": (BASELINE, _SGD, False, "adjoint"),
    "more_adam_falling": (
        BASELINE,
        {"lr_schedule": NODE_ADJOINT.lr_schedule},
        True,
        "adjoint",
    ),
    "node_adjoint_adam": (
        NODE_ADJOINT,
        {
            name: getattr(BASELINE, name)
            for name in ("optimizer", "learning_rate", "lr_schedule")
        },
        True,
        "adjoint",
    ),
}


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One experiment of the sweep.

    Attributes:
        model: Its name in the line-up.
        config: What to run.
        defaults: The experiment that the command line calls it by.
        start: The run that it starts from, or `None`.
    """

    model: str
    config: ExperimentConfig
    defaults: ExperimentConfig
    start: "PlannedRun | None" = None

    @property
    def seed(self) -> int:
        return self.config.seed

    @property
    def directory(self) -> RunDirectory:
        return RunDirectory(self.config.output_dir)

    @property
    def title(self) -> str:
        return f"{self.model}, seed {self.seed}"

    @property
    def changes(self) -> dict:
        """The fields that the command line has to set, by name.

        Those in which the config is not `defaults`, and all of its recipe's, which a flag
        that is left out would have of the recipe.
        """
        of_recipe = RECIPES.get(self.config.recipe, {})
        pairs = {
            field.name: (
                getattr(self.config, field.name),
                getattr(self.defaults, field.name),
            )
            for field in dataclasses.fields(ExperimentConfig)
        }
        return {
            name: own
            for name, (own, default) in pairs.items()
            if own != default or (name in of_recipe and own is not None)
        }


def plan(
    preset: str,
    seeds: list[int],
    output_dir: str,
    changes: dict,
    models: list[str] | None = None,
) -> list[PlannedRun]:
    """Returns the runs of a sweep in the order in which they are made.

    All runs of a seed share the order of the training data and, where they start alike,
    the final layer's initial weights.

    Args:
        preset: A key of `PRESETS`.
        seeds: One of every model each.
        output_dir: A run goes to `OUTPUT_DIR/seed-SEED/MODEL`.
        changes: Fields of `ExperimentConfig` for every run, before the preset's own
            differences between models; what is
            resolved later (backbone, weights, image size) is left out where a run starts
            from another.
        models: Which models; `None`: all of the preset's.

    Raises:
        UserError: An unknown preset or model, or no seed or one given twice.
    """
    if preset not in PRESETS:
        raise UserError(f"preset is {preset!r}: choose one of {', '.join(PRESETS)}.")
    chosen = PRESETS[preset]
    for model in models or ():
        if model not in chosen.models:
            raise UserError(
                f"{model!r} is no model of the preset {preset}: choose from "
                f"{', '.join(chosen.models)}."
            )
    if len(set(seeds)) != len(seeds) or not seeds:
        raise UserError(
            f"seeds is {seeds}: pass at least one seed, and none of them twice."
        )
    return [
        _planned(model, seed, chosen, output_dir, changes)
        for seed in seeds
        for model in chosen.models
        if not models or model in models
    ]


def _planned(
    model: str, seed: int, preset: Preset, output_dir: str, changes: dict
) -> PlannedRun:
    defaults, own, warm, trains_as = _RECIPES[model]
    start = _planned("baseline", seed, preset, output_dir, changes) if warm else None
    fields = {**preset.changes, **changes, **own}
    if trains_as == "adjoint":
        fields |= preset.adjoint_changes
    if warm:
        for field in dataclasses.fields(ExperimentConfig):
            if meaning(field).resolved:
                fields.pop(field.name, None)  # the run that it starts from has it
    epochs = dict(zip(("baseline", "rk", "adjoint"), preset.epochs, strict=True))
    config = dataclasses.replace(
        defaults,
        **fields,
        epochs=epochs[trains_as],
        seed=seed,
        init_from=start.config.output_dir if start else None,
        output_dir=SweepFolder(output_dir).run(seed, model).path.as_posix(),
    )
    return PlannedRun(model, config, defaults, start)
