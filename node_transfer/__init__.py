"""Neural ODE blocks for Keras, and the paper that this library reproduces.

The public names are imported when first used, so that what needs no TensorFlow, such as
`node_transfer.analysis`, does not wait for it. A model with the library's layers can be
loaded by Keras from here on.
"""

import importlib

from node_transfer import keras_backend, keras_lookup

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
}

__all__ = list(_HOMES)
__version__ = "0.1.0"

keras_backend.check()
keras_lookup.install()


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'node_transfer' has no attribute {name!r}")
    keras_backend.check(settings_file=True)
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__():
    return sorted([*globals(), *_HOMES])
