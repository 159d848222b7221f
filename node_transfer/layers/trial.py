"""Builds dynamics by a trial call, and says before training what cannot work."""

import dataclasses
import re
import warnings

import keras
import tensorflow as tf

from node_transfer.errors import first_line
from node_transfer.layers import call_context
from node_transfer.layers.calling import HOW_TO_WRITE, Convention
from node_transfer.layers.function_dynamics import FunctionDynamics

# Operations that draw random numbers from a state that Keras does not know.
_DRAWS = re.compile(
    r"Random|Stateful(?!Partitioned)|TruncatedNormal|Multinomial|RngReadAndSkip"
)
_ASSIGNS = re.compile(r"Assign\w*VariableOp|ResourceScatter\w+")


@dataclasses.dataclass(frozen=True)
class Trial:
    """What a call of the dynamics in training, with symbols for its inputs, has shown.

    Attributes:
        assigned: Ids of the variables that it assigned to.
    """

    assigned: frozenset[int]

    @classmethod
    def of(cls, dynamics, convention: Convention, t, h, context=None) -> "Trial":
        """Calls dynamics once, which builds what is not built in them.

        Args:
            dynamics: The dynamics, a Keras layer.
            convention: How they are called.
            t, h, context: A `tf.TensorSpec` of the time, of the state, and of each
                tensor of the context.

        Raises:
            ValueError: The dynamics cannot be those of an ODE layer.
        """
        # What a function calls may be built by the first trial, and is then seen.
        for _ in range(2 if isinstance(dynamics, FunctionDynamics) else 1):
            traced, scope, dh = _trace(dynamics, convention, t, h, context)
        _check_derivative(dynamics, dh, h)
        _check_losses(dynamics, scope)
        _check_operations(dynamics, traced)
        known = [*dynamics.variables, *dynamics.metrics_variables]
        unknown = scope.state_mapping.keys() - {id(v) for v in known}
        if unknown:
            raise ValueError(
                f"The dynamics {dynamics.name!r} change a state that is not theirs, such "
                "as Keras's common random seed: give each random function a seed=keras."
                "random.SeedGenerator() that the dynamics keep as an attribute."
            )
        return cls(frozenset(scope.state_mapping))

    def warn(self, dynamics: keras.layers.Layer) -> None:
        """Warns of layers with a state, and of those that a file does not bring back."""
        stateful = _owners(dynamics, self.assigned)
        if stateful:
            warnings.warn(
                f"The dynamics {dynamics.name!r} have a state that calls change, in "
                f"{', '.join(map(_titled, stateful))}: it stands still within a solve "
                "and its gradient (one seed, one mask of dropout), and one more "
                "evaluation at the end of the solve moves it on.",
                stacklevel=2,
            )
        unregistered = [x for x in dynamics._flatten_layers() if not _is_registered(x)]
        if unregistered:
            warnings.warn(
                f"A file of a model with {', '.join(map(_titled, unregistered))} can be "
                "saved and not be loaded: decorate the class with "
                "keras.saving.register_keras_serializable.",
                stacklevel=2,
            )


def widen(dynamics: keras.layers.Layer, dtype: str) -> None:
    """Gives a layer and those inside it a policy at least as wide as the dtype.

    Raises:
        ValueError: One has narrower weights already.
    """
    size = tf.as_dtype(dtype).size
    for part in dynamics._flatten_layers():
        if tf.as_dtype(part.compute_dtype).size < size:
            if part.built and part.weights and part.variable_dtype != dtype:
                raise ValueError(
                    f"The layer {part.name!r} of the dynamics has {part.variable_dtype} "
                    f"weights: build it with dtype={dtype!r}, in which the ODE is solved."
                )
            part.dtype_policy = keras.DTypePolicy(dtype)


def _trace(dynamics, convention, t, h, context):
    """Returns the traced call, its scope, and what it returned."""
    returned = []

    def call(t, h, context):
        with call_context.holding(dynamics, training=True):
            dh = convention.call(dynamics, t, h, context)
        returned.append(dh)
        return tf.nest.map_structure(lambda x: x if tf.is_tensor(x) else (), dh)

    try:
        with keras.StatelessScope(collect_losses=True) as scope:
            function = tf.function(call, autograph=False)
            traced = function.get_concrete_function(t, h, context)
    except Exception as error:  # anything that the dynamics' own code raises
        arguments = "t, h" if convention.takes_time else "h"
        raise ValueError(
            f"The dynamics {dynamics.name!r} cannot be called with ({arguments}), the "
            f"state h of shape {h.shape} ({_complaint(error)}): {HOW_TO_WRITE}."
        ) from error
    return traced, scope, returned[-1]


def _complaint(error: Exception) -> str:
    """The first line of an error, without what Keras puts around it."""
    inside = re.search(r"\x1b\[1m(.+?)\x1b\[0m", str(error), re.DOTALL)
    return inside[1].strip().split("\n")[0] if inside else first_line(error)


def _check_derivative(dynamics, dh, h: tf.TensorSpec) -> None:
    if not tf.is_tensor(dh):
        raise ValueError(
            f"The dynamics {dynamics.name!r} return {type(dh).__name__}: return one "
            "tensor, shaped like the state."
        )
    if not dh.shape.is_compatible_with(h.shape):
        raise ValueError(
            f"The dynamics {dynamics.name!r} return shape {dh.shape} for a state of "
            f"shape {h.shape}: the derivative must be shaped like the state."
        )


def _check_losses(dynamics, scope) -> None:
    if not scope.losses:
        return
    names = [x.name for x in dynamics._flatten_layers() if x.activity_regularizer]
    raise ValueError(
        f"The dynamics {dynamics.name!r} add a loss when they are called (add_loss or "
        f"activity_regularizer, in {', '.join(names or [dynamics.name])}), and a solve "
        "calls them at many states: regularise kernels, or use ODELayer's kinetic_energy "
        "and jacobian_norm."
    )


def _check_operations(dynamics, traced) -> None:
    """Refuses what no scope of Keras's can hold still, or hand a gradient to."""
    graph = traced.graph.as_graph_def()
    functions = [function.node_def for function in graph.library.function]
    kinds = [node.op for nodes in (graph.node, *functions) for node in nodes]
    drawn = next((kind for kind in kinds if _DRAWS.match(kind)), None)
    if drawn:
        raise ValueError(
            f"The dynamics {dynamics.name!r} draw random numbers by {drawn}, anew in "
            "each evaluation: draw them by keras.random, with a seed=keras.random."
            "SeedGenerator() that the dynamics keep as an attribute."
        )
    assigns = next((kind for kind in kinds if _ASSIGNS.match(kind)), None)
    if assigns:
        raise ValueError(
            f"The dynamics {dynamics.name!r} assign to a tf.Variable ({assigns}) in each "
            "evaluation: make it a weight of the layer, by add_weight."
        )
    if isinstance(dynamics, FunctionDynamics) and traced.trainable_variables:
        names = sorted({variable.name for variable in traced.trainable_variables})
        raise ValueError(
            f"The dynamics {dynamics.name!r} are a function that reads the weights "
            f"{', '.join(names)}, which would be neither trained nor saved: write a "
            "keras.layers.Layer with call(self, t, h) that has them."
        )


def _owners(dynamics, ids: frozenset[int]) -> list[keras.layers.Layer]:
    """The layers that have variables of these ids themselves, and not in a part."""

    def has(layer):
        return {id(v) for v in [*layer.variables, *layer.metrics_variables]} & ids

    owners = []
    for layer in dynamics._flatten_layers():
        parts = layer._flatten_layers(include_self=False)
        if has(layer) - set().union(*map(has, parts)):
            owners.append(layer)
    return owners


def _titled(layer: keras.layers.Layer) -> str:
    return f"{layer.name!r} ({type(layer).__name__})"


def _is_registered(layer: keras.layers.Layer) -> bool:
    kind = type(layer)
    known = keras.saving.get_registered_name(kind) != kind.__name__
    return known or kind.__module__.split(".")[0] == "keras"
