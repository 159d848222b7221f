"""The whole of an experiment in one frozen object. Imports no TensorFlow."""

import dataclasses

from node_transfer.errors import UserError
from node_transfer.models.blocks import BLOCKS, DYNAMICS
from node_transfer.ode.tableaus import TABLEAUS

DEFAULT_BACKBONE = "EfficientNetB0"
DEFAULT_WEIGHTS = "auto"

OPTIMIZERS = ("adam", "sgd")
LR_SCHEDULES = ("constant", "odenet_mnist", "cosine")
STRATEGIES = ("auto", "one_device", "mirrored")
MIXED_PRECISION = ("none", "mixed_float16", "mixed_bfloat16")
# TensorFlow Probability's bdf is left out: its Jacobian is of the whole batch at once.
METHODS = (*TABLEAUS, "dopri5_tfp")
FIXED_GRID_METHODS = tuple(n for n, tableau in TABLEAUS.items() if not tableau.adaptive)
GRADIENTS = ("backprop", "adjoint")


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """What to train, on what, and how. Fields are the flags of the scripts.

    Attributes whose meaning needs more than their flag's help text:
        experiment: Name of the run, and of its default output directory.
        block, dynamics: Keys of `BLOCKS` and of `DYNAMICS`.
        backbone, weights, image_size: `None` stands for the default, and with
            `init_from` for what the earlier run has.
    """

    experiment: str
    block: str
    dataset: str = "cifar10"
    data_dir: str | None = None
    backbone: str | None = None
    weights: str | None = None
    image_size: int | None = None
    epochs: int = 200
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    lr_schedule: str = "constant"
    seed: int = 0
    train_examples: int | None = None
    validation_fraction: float = 0.1
    augment: bool = False
    freeze_backbone: bool = False
    dynamics: str = "dense"
    hidden_units: int = 128
    method: str = "dopri5"
    gradient: str = "backprop"
    num_steps: int = 4
    rtol: float = 1e-5
    atol: float = 1e-5
    init_from: str | None = None
    strategy: str = "auto"
    mixed_precision: str = "none"
    output_dir: str | None = None
    overwrite: bool = False

    def __post_init__(self):
        self._check_choices()
        self._check_numbers()

    def _check_choices(self):
        for name, choices in (
            ("block", BLOCKS),
            ("dynamics", DYNAMICS),
            ("optimizer", OPTIMIZERS),
            ("lr_schedule", LR_SCHEDULES),
            ("method", METHODS),
            ("gradient", GRADIENTS),
            ("strategy", STRATEGIES),
            ("mixed_precision", MIXED_PRECISION),
        ):
            value = getattr(self, name)
            if value not in choices:
                raise UserError(
                    f"{name} is {value!r}: choose one of {', '.join(choices)}."
                )

    def _check_numbers(self):
        for name in ("epochs", "batch_size", "hidden_units", "num_steps"):
            value = getattr(self, name)
            if value < 1:
                raise UserError(f"{name} is {value}: pass a positive integer.")
        for name in ("image_size", "train_examples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}: pass a positive integer.")
        for name in ("learning_rate", "rtol", "atol"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise UserError(f"{name} is {value}: pass a positive number.")
        if not 0 < self.validation_fraction < 1:
            raise UserError(
                f"validation_fraction is {self.validation_fraction}: pass a number "
                "between 0 and 1, such as 0.1."
            )

    @property
    def run_directory(self) -> str:
        """Where the run goes: `output_dir`, or a place of its own under results/runs."""
        return self.output_dir or f"results/runs/{self.dataset}/{self.experiment}"

    @property
    def dtype_policy(self) -> str:
        """The name of Keras's policy for `mixed_precision`."""
        return "float32" if self.mixed_precision == "none" else self.mixed_precision

    def with_default_network(self) -> "ExperimentConfig":
        """Fills in backbone and weights of a cold start where they are not given."""
        return dataclasses.replace(
            self,
            backbone=self.backbone or DEFAULT_BACKBONE,
            weights=self.weights or DEFAULT_WEIGHTS,
        )

    def what_matters(self) -> dict:
        """The fields that decide what is computed, for comparing two configs."""
        fields = dataclasses.asdict(self)
        for name in ("data_dir", "output_dir", "overwrite"):
            del fields[name]
        return fields


# The paper's settings (section III, tables II and III), and for the adjoint run the
# published defaults of odenet_mnist, which "the default parameters of Chen et al." are.
BASELINE = ExperimentConfig(experiment="baseline", block="none", epochs=200)
NODE_RK = ExperimentConfig(
    experiment="node_rk", block="ode", epochs=100, gradient="backprop"
)
NODE_ADJOINT = ExperimentConfig(
    experiment="node_adjoint",
    block="ode",
    epochs=160,
    gradient="adjoint",
    rtol=1e-3,
    atol=1e-3,
    optimizer="sgd",
    learning_rate=0.1,
    lr_schedule="odenet_mnist",
)
