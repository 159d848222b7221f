"""Neural ODE blocks for Keras, and the paper that this library reproduces.

The public names are imported when first used, so that what needs no TensorFlow, such as
`node_transfer.analysis`, does not wait for it. A model with the library's layers can be
loaded by Keras from here on.
"""

import importlib
from typing import TYPE_CHECKING

from node_transfer import keras_backend, keras_lookup

if TYPE_CHECKING:  # for editors and type checkers: the names of the tables below
    from node_transfer.data.loading import load_data as load_data
    from node_transfer.layers.augmented_ode_layer import (
        AugmentedODELayer as AugmentedODELayer,
    )
    from node_transfer.layers.conv_dynamics import ConvDynamics as ConvDynamics
    from node_transfer.layers.dense_dynamics import DenseDynamics as DenseDynamics
    from node_transfer.layers.evolving_dynamics import (
        EvolvingConvDynamics as EvolvingConvDynamics,
    )
    from node_transfer.layers.evolving_dynamics import (
        EvolvingDenseDynamics as EvolvingDenseDynamics,
    )
    from node_transfer.layers.ode_layer import ODELayer as ODELayer
    from node_transfer.layers.residual_layer import ResidualLayer as ResidualLayer
    from node_transfer.layers.same_width_dense import SameWidthDense as SameWidthDense
    from node_transfer.models.pretrained import build_backbone as build_backbone
    from node_transfer.models.saving import load_model as load_model
    from node_transfer.models.transfer_classifier import (
        TransferClassifier as TransferClassifier,
    )
    from node_transfer.ode.butcher_tableau import ButcherTableau as ButcherTableau
    from node_transfer.ode.dormand_prince import DormandPrince as DormandPrince
    from node_transfer.ode.failure import ODESolveError as ODESolveError
    from node_transfer.ode.odeint import odeint as odeint
    from node_transfer.ode.solver import SolverOptions as SolverOptions
    from node_transfer.serving.exporting import export as export
    from node_transfer.serving.predicting import predict as predict

_HOMES = {
    "odeint": "node_transfer.ode.odeint",
    "SolverOptions": "node_transfer.ode.solver",
    "ButcherTableau": "node_transfer.ode.butcher_tableau",
    "DormandPrince": "node_transfer.ode.dormand_prince",
    "ODESolveError": "node_transfer.ode.failure",
    "ODELayer": "node_transfer.layers.ode_layer",
    "AugmentedODELayer": "node_transfer.layers.augmented_ode_layer",
    "DenseDynamics": "node_transfer.layers.dense_dynamics",
    "ConvDynamics": "node_transfer.layers.conv_dynamics",
    "EvolvingDenseDynamics": "node_transfer.layers.evolving_dynamics",
    "EvolvingConvDynamics": "node_transfer.layers.evolving_dynamics",
    "SameWidthDense": "node_transfer.layers.same_width_dense",
    "ResidualLayer": "node_transfer.layers.residual_layer",
    "TransferClassifier": "node_transfer.models.transfer_classifier",
    "build_backbone": "node_transfer.models.pretrained",
    "load_model": "node_transfer.models.saving",
    "load_data": "node_transfer.data.loading",
}
# These need the extra train, which `from node_transfer import *` does not ask for.
_HOMES_OF_TRAINED = {
    "predict": "node_transfer.serving.predicting",
    "export": "node_transfer.serving.exporting",
}

__all__ = list(_HOMES)
__version__ = "0.1.0"

keras_backend.check()
keras_lookup.install()


def __getattr__(name):
    home = _HOMES.get(name) or _HOMES_OF_TRAINED.get(name)
    if home is None:
        raise AttributeError(f"module 'node_transfer' has no attribute {name!r}")
    keras_backend.check(settings_file=True)
    return getattr(importlib.import_module(home), name)


def __dir__():
    return sorted([*globals(), *_HOMES, *_HOMES_OF_TRAINED])
