"""Lets Keras find the library's classes in a saved model, and imports neither.

Keras looks a class up by its registered name among the classes that are imported already.
Those of this library are not, as long as nobody has used them, and importing them with
the package would make every table and report wait for TensorFlow. So Keras is given a
stand-in for each, as soon as Keras itself is imported.
"""

import importlib.abc
import importlib.util
import sys

from node_transfer.registry import locate

SERIALIZABLE = (
    "node_transfer.layers.augmented_ode_layer:AugmentedODELayer",
    "node_transfer.layers.conv_dynamics:ConvDynamics",
    "node_transfer.layers.dense_dynamics:DenseDynamics",
    "node_transfer.layers.evolving_dynamics:EvolvingConvDynamics",
    "node_transfer.layers.evolving_dynamics:EvolvingDenseDynamics",
    "node_transfer.layers.function_dynamics:FunctionDynamics",
    "node_transfer.layers.ode_layer:ODELayer",
    "node_transfer.layers.residual_layer:ResidualLayer",
    "node_transfer.layers.resizing_layer:ResizingLayer",
    "node_transfer.layers.same_width_dense:SameWidthDense",
    "node_transfer.layers.weight_evolution:WeightEvolution",
    "node_transfer.models.transfer_classifier:TransferClassifier",
)


class _StandIn:
    """What Keras asks of a class that it looked up; the class is imported for it."""

    def __init__(self, path: str):
        self._path = path

    def from_config(self, config):
        return locate(self._path).from_config(config)


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Waits for the import of Keras, which it leaves to the other finders."""

    _looking = False

    def find_spec(self, name, path=None, target=None):
        if name != "keras" or self._looking:
            return None
        self._looking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looking = False
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            sys.meta_path.remove(self)
            _offer(module)

        spec.loader.exec_module = exec_module
        return spec


def _offer(keras) -> None:
    """Puts a stand-in under each name that Keras has no class for."""
    known = keras.saving.get_custom_objects()
    for path in SERIALIZABLE:
        name = path.split(":")[1]
        known.setdefault(f"node_transfer>{name}", _StandIn(path))


def install() -> None:
    """Offers the classes to Keras, now or when it is imported."""
    keras = sys.modules.get("keras")
    if keras is None:
        sys.meta_path.insert(0, _AfterKeras())
    else:
        _offer(keras)
