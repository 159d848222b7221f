"""The whole of an experiment in one frozen object. Imports no TensorFlow."""

import dataclasses
import os

from node_transfer.errors import UserError
from node_transfer.runs import choices
from node_transfer.runs.fields import (
    THE_DEFAULT,
    check_on_this_machine,
    check_path,
    check_types,
    declared,
    meaning,
)
from node_transfer.runs.places import place_of, short_name


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """What to train, on what, and how. Fields are the flags of the command line.

    A field whose `Meaning` is not the usual one says so where it is declared.

    Attributes whose meaning needs more than their flag's help text:
        experiment: Name of the run, and of its default output directory.
        block: A key of `BLOCKS`.
        dynamics: A key of `DYNAMICS`, or `package.module:ClassName` of one's own.
        block_input: What dynamics of one's own work on; `None` is `"pooled"`.
        activation: `None` stands for the layer's own.
        recipe: Where the fields below it are from, a key of `recipes.RECIPES`; what is
            computed is in those fields alone.
        backbone, weights, image_size: `None` stands for the default, and with
            `init_from` for what the earlier run has.
    """

    experiment: str
    block: str
    dataset: str = "cifar10"
    data_dir: str | None = declared(None, matters=False)
    data_note: str | None = declared(None, matters=False)
    backbone: str | None = declared(
        None, resolved=True, cold_start=choices.DEFAULT_BACKBONE
    )
    weights: str | None = declared(
        None, resolved=True, cold_start=choices.DEFAULT_WEIGHTS
    )
    image_size: int | None = declared(None, resolved=True)
    resize: str = "stretch"
    epochs: int = 200
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    lr_schedule: str = "constant"
    clip_norm: float | None = None
    seed: int = declared(0, varies=True)
    train_examples: int | None = None
    validation_fraction: float = 0.1
    augment: bool = False
    freeze_backbone: bool = False
    cache_features: str = declared("auto", matters=False)
    cache_dir: str | None = declared(None, matters=False)
    recipe: str = declared("paper", matters=False)
    head_epochs: int = 0
    warmup_epochs: int = 0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    ema: float = 0.0
    adapt_batchnorm: bool = False
    random_resized_crop: float = 0.0
    hflip: bool = False
    randaugment: float = 0.0
    patience: int = 0
    restore_best_weights: bool = False
    dynamics: str = "dense"
    hidden_units: int = 128
    activation: str | None = None
    augment_channels: int = 10
    block_input: str | None = None
    method: str = "dopri5"
    gradient: str = "backprop"
    num_steps: int = 4
    rtol: float = 1e-5
    atol: float = 1e-5
    init_from: str | None = declared(None, varies=True)
    strategy: str = declared("auto", varies=True)
    mixed_precision: str = "none"
    output_dir: str | None = declared(None, matters=False)
    overwrite: bool = declared(False, matters=False)
    report: bool = declared(True, matters=False)

    def __post_init__(self):
        check_types(self)
        choices.check_names(self)
        choices.check_numbers(self)
        choices.check_recipe(self)
        self._check_paths()

    def _check_paths(self):
        check_path("cache_dir", self.cache_dir)
        for name in ("output_dir", "cache_dir"):
            check_on_this_machine(name, getattr(self, name))
        for name in ("output_dir", "data_dir", "init_from", "weights", "dataset"):
            check_path(name, getattr(self, name))

    @property
    def run_directory(self) -> str:
        """Where the run goes: `output_dir`, or a place of its own under results/runs."""
        here = f"results/runs/{short_name(self.dataset)}/{self.experiment}"
        return self.output_dir or here

    @property
    def dtype_policy(self) -> str:
        """The name of Keras's policy for `mixed_precision`."""
        return "float32" if self.mixed_precision == "none" else self.mixed_precision

    @classmethod
    def from_record(cls, record: dict) -> "ExperimentConfig":
        """Returns the config of a run that was recorded by this version or an earlier.

        Args:
            record: The entry `experiment` of `config.json`. A field that it lacks gets
                what that run had in effect.

        Raises:
            UserError: A field that is not known here or cannot be left out, or a value
                that no experiment can have.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        for name in record:
            if name not in fields:
                raise UserError(
                    f"the experiment has a field {name!r}, which this version of "
                    "node-transfer does not know: use the version that made the run, or "
                    "a newer one."
                )
        values = {}
        for name, field in fields.items():
            before = meaning(field).before
            if name in record:
                values[name] = record[name]
            elif before is not THE_DEFAULT:
                values[name] = before
            elif field.default is dataclasses.MISSING:
                raise UserError(
                    f"the experiment has no field {name!r}: the file was changed, so run "
                    "the experiment again."
                )
        return cls(**values)

    def with_default_network(self) -> "ExperimentConfig":
        """Fills in what a cold start has where it is not given: backbone and weights."""
        defaults = {
            field.name: meaning(field).cold_start
            for field in dataclasses.fields(self)
            if meaning(field).resolved and getattr(self, field.name) is None
        }
        return dataclasses.replace(self, **defaults)

    def with_network_of(self, earlier: "ExperimentConfig") -> "ExperimentConfig":
        """Fills in backbone and image size from the run that this one starts from.

        The weights stay `None`: they are those of the run.

        Raises:
            UserError: One of them is given, and differs.
        """
        found = {}
        for field in dataclasses.fields(self):
            name, wanted = field.name, getattr(self, field.name)
            if not meaning(field).resolved or name == "weights":
                continue
            found[name] = getattr(earlier, name)
            if wanted is not None and wanted != found[name]:
                raise UserError(
                    f"{name} is {wanted!r}, but the run {self.init_from!r} has "
                    f"{found[name]!r}: leave {name}= out."
                )
        return dataclasses.replace(self, **found)

    def differing_field(self, earlier: "ExperimentConfig") -> str | None:
        """Returns the first field in which another experiment would be computed.

        What is not resolved yet agrees with all that it may become, and a path with
        every way of writing it in this folder.

        Args:
            earlier: The experiment of a run that has begun.

        Returns:
            The name, or `None` where the run is one of this experiment.
        """
        for field in dataclasses.fields(self):
            wanted, other = getattr(self, field.name), getattr(earlier, field.name)
            if field.name in ("init_from", "weights"):
                wanted, other = _whole_path(wanted), _whole_path(other)
            if field.name == "dataset":
                wanted = place_of(wanted, self.data_dir)
                other = place_of(other, earlier.data_dir)
            unresolved = meaning(field).resolved and wanted is None
            if meaning(field).matters and not unresolved and wanted != other:
                return field.name
        return None

    def fields_unlike(self, other: "ExperimentConfig") -> list[str]:
        """Returns the fields in which two runs are not runs of one model.

        Returns:
            Their names; none where the runs may be averaged.
        """
        return [
            field.name
            for field in dataclasses.fields(self)
            if meaning(field).matters and not meaning(field).varies
            if getattr(self, field.name) != getattr(other, field.name)
        ]


def _whole_path(start: str | None) -> str | None:
    """The one path of all that lead to a start; a word of the weights as it is."""
    known = start is None or start in choices.WEIGHTS_WORDS
    return start if known else os.path.realpath(start)


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


@dataclasses.dataclass(frozen=True)
class NamedExperiment:
    """An experiment that the command line offers by its name.

    Attributes:
        config: Its fields are the defaults of the flags.
        summary: What it trains, in a few words.
    """

    config: ExperimentConfig
    summary: str


EXPERIMENTS = {
    named.config.experiment: named
    for named in (
        NamedExperiment(
            BASELINE, "the paper's baseline, EfficientNetB0 and a final layer"
        ),
        NamedExperiment(
            NODE_RK, "the paper's NODE-RK, with a gradient through the solver's steps"
        ),
        NamedExperiment(
            NODE_ADJOINT, "the paper's NODE-adjoint, with the adjoint sensitivity method"
        ),
    )
}
