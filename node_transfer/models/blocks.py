"""The tables of blocks and of dynamics. Reading them imports no TensorFlow.

One row is all that a block or a dynamics of another package needs, before the flags are
defined or a config is made:

    DYNAMICS["sine"] = DynamicsSpec(
        "sine", "my_package.layers:SineDynamics", block_input="pooled",
        formula="f = sin(W [h, t])",
    )
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from node_transfer.errors import UserError
from node_transfer.ode.tableaus import TABLEAUS
from node_transfer.registry import locate

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class DynamicsSpec:
    """The right-hand side f of dh/dt = f(h, t).

    Attributes:
        name: Its key in `DYNAMICS`.
        layer: `"module:Class"` of the Keras layer, see `ODELayer`; called with the
            width, `hidden_units`, and `name`.
        block_input: What it works on, as in `TransferClassifier`: `"pooled"` features
            or the `"feature_map"`.
        formula: For the diagram of the model.
    """

    name: str
    layer: str
    block_input: str
    formula: str


@dataclasses.dataclass(frozen=True)
class BlockSpec:
    """What may stand between the backbone and the final layer.

    Attributes:
        name: Its key in `BLOCKS`, and the name of the layer.
        layer: `"module:Class"` of the Keras layer; `None`: no block.
        arguments: From a config to the layer's keyword arguments, beside `name`.
        block_input: What it works on; `None`: what its dynamics work on, which are then
            the layer's argument `dynamics`, and it is solved by `config.method`.
        title, equation: For the diagram of the model, in the block's box.
        formula: Below the box; `None`: that of the dynamics.
    """

    name: str
    layer: str | None = None
    arguments: Callable[[object], dict] = lambda config: {}
    block_input: str | None = "pooled"
    title: str = ""
    equation: str = ""
    formula: str | None = None

    @property
    def has_dynamics(self) -> bool:
        """Whether the block is an ODE."""
        return self.block_input is None


def solver_options(method: str, num_steps: int) -> dict | None:
    """The options of `ODELayer` that a method needs: steps, for one of a fixed grid."""
    fixed_grid = method in TABLEAUS and not TABLEAUS[method].adaptive
    return {"num_steps": num_steps} if fixed_grid else None


def _ode_arguments(config) -> dict:
    return {
        "rtol": config.rtol,
        "atol": config.atol,
        "method": config.method,
        "gradient": config.gradient,
        "options": solver_options(config.method, config.num_steps),
    }


def _residual_arguments(config) -> dict:
    return {"hidden_units": config.hidden_units}


DYNAMICS = {
    spec.name: spec
    for spec in (
        DynamicsSpec(
            "dense",
            "node_transfer.layers.dense_dynamics:DenseDynamics",
            block_input="pooled",
            formula="f = W2 tanh(W1 [h, t] + b1) + b2",
        ),
        DynamicsSpec(
            "conv",
            "node_transfer.layers.conv_dynamics:ConvDynamics",
            block_input="feature_map",
            formula="f: GroupNorm, ReLU, 3x3 convolution, twice",
        ),
    )
}

BLOCKS = {
    spec.name: spec
    for spec in (
        BlockSpec("none"),
        BlockSpec(
            "ode",
            "node_transfer.layers.ode_layer:ODELayer",
            _ode_arguments,
            block_input=None,
            title="ODE block",
            equation="dh/dt = f(h, t, θ)",
        ),
        BlockSpec(
            "residual",
            "node_transfer.layers.residual_layer:ResidualLayer",
            _residual_arguments,
            title="residual block",
            equation="h + f(h, θ)",
            formula="f = W2 tanh(W1 h + b1) + b2",
        ),
    )
}


def find(table: dict, kind: str, name: str) -> BlockSpec | DynamicsSpec:
    """Returns a row; raises `UserError` where the table has none of the name."""
    if name not in table:
        raise UserError(
            f"{kind} is {name!r}: choose one of {', '.join(table)}, or import the "
            "package that adds it."
        )
    return table[name]


def block_input_of(block: str, dynamics: str) -> str:
    """What a block works on: `"pooled"` features or the `"feature_map"`."""
    spec = find(BLOCKS, "block", block)
    if spec.has_dynamics:
        return find(DYNAMICS, "dynamics", dynamics).block_input
    return spec.block_input


def make_block(config) -> "keras.layers.Layer | None":
    """Makes the block that a config asks for.

    Args:
        config: With `block`, `dynamics`, `hidden_units`, and whatever else the block's
            row reads of it, as `ExperimentConfig` has.

    Returns:
        A Keras layer; `None` without a block.

    Raises:
        UserError: No table has its block, or its dynamics.
    """
    spec = find(BLOCKS, "block", config.block)
    if spec.layer is None:
        return None
    arguments = spec.arguments(config)
    if spec.has_dynamics:
        dynamics = find(DYNAMICS, "dynamics", config.dynamics)
        arguments["dynamics"] = locate(dynamics.layer)(
            config.hidden_units, name="dynamics"
        )
    return locate(spec.layer)(**arguments, name=spec.name)


def import_layers() -> None:
    """Imports every layer of the tables, so that Keras finds them in a saved model."""
    for spec in (*BLOCKS.values(), *DYNAMICS.values()):
        if spec.layer is not None:
            locate(spec.layer)
