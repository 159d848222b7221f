"""The flags of the block. Imports no TensorFlow."""

from collections.abc import Mapping
from typing import Any

from absl import flags

from node_transfer.models.blocks import ACTIVATIONS, BLOCK_INPUTS, BLOCKS, DYNAMICS
from node_transfer.models.own_parts import is_own
from node_transfer.runs.config import ExperimentConfig


def define_row(
    name: str, default: str | None, table: Mapping[str, Any], help: str
) -> None:
    """A flag for a row of a table, or for a part of the user's own."""
    flags.DEFINE_string(name, default, f"<{'|'.join(table)}>: {help}")
    flags.register_validator(
        name,
        lambda value: value is None or value in table or is_own(value),
        message=f"choose one of {', '.join(table)}, or package.module:Name",
    )


def define_block_flags(defaults: ExperimentConfig) -> None:
    """Flags that say what stands between backbone and final layer."""
    flags.DEFINE_enum(
        "block",
        defaults.block,
        list(BLOCKS),
        "What stands before the final layer: none; ode, dh/dt = f(h, t) solved from 0 to "
        "1; residual, h + f(h) on the pooled features; anode, an ODE with channels added "
        "to its state; anodev2, an ODE whose weights move in time; or dense, a fully "
        "connected layer on the pooled features. See docs/blocks.md.",
    )
    define_row(
        "dynamics",
        defaults.dynamics,
        DYNAMICS,
        "The f of dh/dt = f(h, t): dense, on the pooled features; conv, on the feature "
        "map; or package.module:ClassName, a Keras layer of your own.",
    )
    flags.DEFINE_enum(
        "block_input",
        defaults.block_input,
        list(BLOCK_INPUTS),
        "What dynamics of your own work on. Default: the pooled features.",
    )
    flags.DEFINE_integer(
        "hidden_units",
        defaults.hidden_units,
        "Width inside f: hidden units (dense) or filters (conv).",
        lower_bound=1,
    )
    flags.DEFINE_enum(
        "activation",
        defaults.activation,
        list(ACTIVATIONS),
        "The activation inside f, or of the dense block. Default: tanh; of conv relu.",
    )
    flags.DEFINE_integer(
        "augment_channels",
        defaults.augment_channels,
        "Channels that the block anode adds to the state, zero at first.",
        lower_bound=1,
    )
