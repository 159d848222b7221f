"""The models of the reproduction: what each is called, and what it is compared with."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Model:
    """One model of the line-up.

    Attributes:
        name: The folder of its run, below that of the seed.
        label: Its name in tables and figures.
        meaning: What it is, in a few words.
    """

    name: str
    label: str
    meaning: str


LINEUP = (
    Model("baseline", "Baseline", "the network and a final layer, no block"),
    Model(
        "node_rk",
        "NODE-RK",
        "the trained baseline with the ODE block added, gradient through the steps, Adam",
    ),
    Model(
        "node_adjoint",
        "NODE-adjoint",
        "the trained baseline with the ODE block added, adjoint gradient, SGD",
    ),
    Model("node_rk_cold", "NODE-RK, cold", "as NODE-RK, without the warm start"),
    Model(
        "node_adjoint_cold",
        "NODE-adjoint, cold",
        "as NODE-adjoint, without the warm start",
    ),
    Model(
        "more_adam",
        "More of the same (Adam)",
        "the trained baseline, trained on as NODE-RK is, without the block",
    ),
    Model(
        "more_sgd",
        "More of the same (SGD)",
        "the trained baseline, trained on as NODE-adjoint is, without the block",
    ),
    Model(
        "residual",
        "Residual block",
        "as NODE-RK, the ODE replaced by h + W2 tanh(W1 h + b1) + b2: one "
        "Euler step with the same parameters",
    ),
    Model(
        "baseline_sgd",
        "Baseline, SGD",
        "as the baseline, trained as NODE-adjoint is",
    ),
    Model(
        "more_adam_falling",
        "More of the same (Adam, falling rate)",
        "the trained baseline, trained on by Adam with the schedule of NODE-adjoint, "
        "without the block",
    ),
    Model(
        "node_adjoint_adam",
        "NODE-adjoint, Adam",
        "as NODE-adjoint, by Adam with a constant rate",
    ),
    Model(
        "baseline_random",
        "Baseline, random weights",
        "as the baseline, from random weights in place of ImageNet's",
    ),
)
MODELS = {model.name: model for model in LINEUP}

PAPER_MODELS = ("baseline", "node_rk", "node_adjoint")
NODE_MODELS = ("node_rk", "node_adjoint")

# What the block adds: a model with the block and the same training without it.
CONTROLS = {
    "node_rk_cold": "baseline",
    "node_adjoint_cold": "baseline_sgd",
    "node_rk": "more_adam",
    "node_adjoint": "more_sgd",
}

# Left minus right; both share the seed.
COMPARISONS = (
    ("node_rk", "baseline"),
    ("node_adjoint", "baseline"),
    ("node_rk", "more_adam"),
    ("node_adjoint", "more_sgd"),
    ("node_rk", "residual"),
    ("residual", "more_adam"),
    ("node_rk_cold", "baseline"),
    ("node_adjoint_cold", "baseline"),
    ("more_adam", "baseline"),
    ("more_sgd", "baseline"),
    ("node_adjoint_cold", "baseline_sgd"),
    ("baseline_sgd", "baseline"),
    ("node_adjoint", "node_adjoint_adam"),
    ("more_adam_falling", "more_sgd"),
    ("baseline", "baseline_random"),
)
