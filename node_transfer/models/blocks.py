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
from typing import TYPE_CHECKING, TypeVar, cast

from node_transfer.errors import UserError
from node_transfer.models.own_parts import is_own, make_layer
from node_transfer.ode.tableaus import TABLEAUS
from node_transfer.registry import locate

if TYPE_CHECKING:
    import keras


BLOCK_INPUTS = ("pooled", "feature_map")
# Smooth but for the last; the first three are bounded too.
ACTIVATIONS = ("tanh", "sin", "sigmoid", "softplus", "swish", "gelu", "elu", "relu")


@dataclasses.dataclass(frozen=True)
class DynamicsSpec:
    """The right-hand side f of dh/dt = f(h, t).

    Attributes:
        name: Its key in `DYNAMICS`.
        layer: `"module:Class"` of the Keras layer, see `ODELayer`; called with the
            width, `hidden_units`, and `name`, and with `activation` where one is given.
        block_input: What it works on, as in `TransferClassifier`: `"pooled"` features
            or the `"feature_map"`.
        formula: For the diagram of the model.
        activation: The word in the formula that another activation stands in for.
        evolving_layer: The same with weights that move in time, for the block `anodev2`;
            `None`: there is none.
    """

    name: str
    layer: str
    block_input: str
    formula: str
    activation: str | None = None
    evolving_layer: str | None = None


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
        activation: As in `DynamicsSpec`.
        evolving: Whether the weights of its dynamics move in time.
    """

    name: str
    layer: str | None = None
    arguments: Callable[[object], dict] = lambda config: {}
    block_input: str | None = "pooled"
    title: str = ""
    equation: str = ""
    formula: str | None = None
    activation: str | None = None
    evolving: bool = False

    @property
    def has_dynamics(self) -> bool:
        """Whether the block is an ODE."""
        return self.block_input is None


Spec = TypeVar("Spec", DynamicsSpec, BlockSpec)


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


def _augmented_arguments(config) -> dict:
    return {**_ode_arguments(config), "augment_channels": config.augment_channels}


def _activation(config) -> dict:
    return {} if config.activation is None else {"activation": config.activation}


def _residual_arguments(config) -> dict:
    return {"hidden_units": config.hidden_units, **_activation(config)}


DYNAMICS = {
    spec.name: spec
    for spec in (
        DynamicsSpec(
            "dense",
            "node_transfer.layers.dense_dynamics:DenseDynamics",
            block_input="pooled",
            formula="f = W2 tanh(W1 [h, t] + b1) + b2",
            activation="tanh",
            evolving_layer="node_transfer.layers.evolving_dynamics:EvolvingDenseDynamics",
        ),
        DynamicsSpec(
            "conv",
            "node_transfer.layers.conv_dynamics:ConvDynamics",
            block_input="feature_map",
            formula="f: GroupNorm, ReLU, 3x3 convolution, twice",
            activation="ReLU",
            evolving_layer="node_transfer.layers.evolving_dynamics:EvolvingConvDynamics",
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
            activation="tanh",
        ),
        BlockSpec(
            "anode",
            "node_transfer.layers.augmented_ode_layer:AugmentedODELayer",
            _augmented_arguments,
            block_input=None,
            title="augmented ODE block",
            equation="dh/dt = f, h(0) = [x, 0]",
        ),
        BlockSpec(
            "anodev2",
            "node_transfer.layers.ode_layer:ODELayer",
            _ode_arguments,
            block_input=None,
            title="coupled ODE block",
            equation="dh/dt = f(h, θ(t))",
            evolving=True,
        ),
        BlockSpec(
            "dense",
            "node_transfer.layers.same_width_dense:SameWidthDense",
            _activation,
            title="dense block",
            equation="tanh(W h + b)",
            activation="tanh",
        ),
    )
}


def find(table: dict[str, Spec], kind: str, name: str) -> Spec:
    """Returns a row; raises `UserError` where the table has none of the name.

    Dynamics of the user's own, `package.module:Name`, need no row.
    """
    if table is DYNAMICS and is_own(name):
        own = DynamicsSpec(name, name, "pooled", f"f: {name.split(':')[1]}")
        return cast(Spec, own)
    if name not in table:
        raise UserError(
            f"{kind} is {name!r}: choose one of {', '.join(table)}, or import the "
            "package that adds it."
        )
    return table[name]


def block_input_of(block: str, dynamics: str, given: str | None = None) -> str:
    """What a block works on: `"pooled"` features or the `"feature_map"`.

    Args:
        block, dynamics: Of a config.
        given: What dynamics of the user's own are said to work on.
    """
    spec = find(BLOCKS, "block", block)
    if spec.block_input is not None:
        return spec.block_input
    if is_own(dynamics) and given is not None:
        return given
    return find(DYNAMICS, "dynamics", dynamics).block_input


def in_words(text: str, spec: BlockSpec | DynamicsSpec, activation: str | None) -> str:
    """Returns an equation or formula of a row with the activation that was chosen."""
    if activation is None or spec.activation is None:
        return text
    return text.replace(spec.activation, activation)


def make_block(config) -> "keras.layers.Layer | None":
    """Makes the block that a config asks for.

    Args:
        config: With `block`, `dynamics`, `hidden_units`, `activation`, and whatever else
            the block's row reads of it, as `ExperimentConfig` has.

    Returns:
        A Keras layer; `None` without a block.

    Raises:
        UserError: No table has its block, or its dynamics; or dynamics of the user's own
            cannot be had, or do not fit.
    """
    spec = find(BLOCKS, "block", config.block)
    if spec.layer is None:
        return None
    arguments = spec.arguments(config)
    if spec.has_dynamics:
        arguments["dynamics"] = _make_dynamics(config, spec)
    return locate(spec.layer)(**arguments, name=spec.name)


def _make_dynamics(config, block: BlockSpec):
    spec = find(DYNAMICS, "dynamics", config.dynamics)
    layer = spec.evolving_layer if block.evolving else spec.layer
    if layer is None:
        able = [row.name for row in DYNAMICS.values() if row.evolving_layer]
        raise UserError(
            f"block is {block.name!r}, whose weights move in time, and dynamics is "
            f"{config.dynamics!r}, which has none that do: choose one of "
            f"{', '.join(able)}."
        )
    arguments = {"name": "dynamics", **_activation(config)}
    if is_own(spec.name):
        return make_layer("dynamics", layer, config.hidden_units, **arguments)
    return locate(layer)(config.hidden_units, **arguments)


def import_layers() -> None:
    """Imports every layer of the tables, so that Keras finds them in a saved model."""
    specs: list[BlockSpec | DynamicsSpec] = [*BLOCKS.values(), *DYNAMICS.values()]
    for spec in specs:
        if spec.layer is not None:
            locate(spec.layer)
