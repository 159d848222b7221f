"""The runs of a comparison: every backbone with every block. Imports no TensorFlow."""

import dataclasses
from collections.abc import Mapping, Sequence

from node_transfer.errors import UserError
from node_transfer.models.blocks import BLOCKS, find
from node_transfer.reproduction.plan import PlannedRun
from node_transfer.runs.config import BASELINE, NODE_RK, ExperimentConfig
from node_transfer.runs.sweep_folder import SweepFolder


def plan_comparison(
    base: ExperimentConfig,
    backbones: Sequence[str],
    blocks: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int],
    output_dir: str,
    weights: Mapping[str, str] | None = None,
) -> list[PlannedRun]:
    """Returns the runs of a comparison in the order in which they are made.

    A block without an ODE has one run of each backbone, whatever the methods.

    Args:
        base: All that the runs share.
        backbones, blocks, methods: Which to combine.
        seeds: A run of every model for each.
        output_dir: A run goes to `OUTPUT_DIR/seed-SEED/BACKBONE-BLOCK[-METHOD]`.
        weights: What single backbones start from, by their names, where that is not what
            `base` says.

    Raises:
        UserError: One of them is empty or given twice, is unknown, or weights are given
            for a backbone that is not among them.
    """
    for name, values in (
        ("backbones", backbones),
        ("blocks", blocks),
        ("methods", methods),
        ("seeds", seeds),
    ):
        if not values or len(set(values)) < len(values):
            raise UserError(
                f"{name} is {','.join(map(str, values))!r}: pass at least one, and none "
                "of them twice."
            )
    for name in weights or {}:
        if name not in backbones:
            raise UserError(
                f"weights says what {name!r} starts from, which is none of backbones: "
                f"choose from {', '.join(backbones)}."
            )
    return [
        _planned(base, backbone, block, method, seed, output_dir, weights or {})
        for seed in seeds
        for backbone in backbones
        for block in blocks
        for method in (methods if find(BLOCKS, "block", block).has_dynamics else (None,))
    ]


def _planned(base, backbone, block, method, seed, output_dir, weights) -> PlannedRun:
    name = "-".join(filter(None, (backbone, block, method)))
    defaults = BASELINE if block == "none" else NODE_RK
    config = dataclasses.replace(
        base,
        experiment=defaults.experiment,
        backbone=backbone,
        weights=weights.get(backbone, base.weights),
        block=block,
        method=method or base.method,
        seed=seed,
        output_dir=SweepFolder(output_dir).run(seed, name).path.as_posix(),
    )
    return PlannedRun(name, config, defaults)
