"""One shared set of flags for the experiments. Imports no TensorFlow."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from absl import flags

from node_transfer.cli.block_flags import define_block_flags, define_row
from node_transfer.cli.output_flags import define_output_flags
from node_transfer.cli.recipe_flags import define_recipe_flags, typed
from node_transfer.models.backbones import BACKBONES
from node_transfer.ode import methods
from node_transfer.runs import choices
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.recipes import with_recipe

FLAGS = flags.FLAGS


def define_data_flags(dataset: str | None):
    """Flags that say where the images come from."""
    flags.DEFINE_string(
        "dataset",
        dataset,
        "The images: digits (8x8 handwritten digits that come with scikit-learn), the "
        "name of an image classification set of TensorFlow Datasets, such as cifar10, or "
        "folder:PATH, a folder of your own with one folder a class "
        "(docs/your-images.md).",
    )
    define_data_dir_flag()


def define_data_dir_flag():
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of TensorFlow Datasets. Default: $TFDS_DATA_DIR, else "
        "~/tensorflow_datasets; a set that is not there yet is downloaded to it.",
    )


def define_data_note_flag():
    flags.DEFINE_string(
        "data_note",
        None,
        "A sentence for the run's record on images that are not quite what their name "
        "says, such as a copy that was compressed anew.",
    )


def define_experiment_flags(defaults: ExperimentConfig):
    """Defines every flag of an experiment, with its defaults."""
    define_data_flags(defaults.dataset)
    define_data_note_flag()
    _define_model_flags(defaults)
    _define_training_flags(defaults)
    define_recipe_flags(defaults)
    _define_ode_flags(defaults)
    define_output_flags(defaults)


def define_network_flags(backbone_note: str = "", weights_note: str = ""):
    """Flags of the backbone and what it starts from; a note follows the default."""
    define_row(
        "backbone",
        None,
        BACKBONES,
        "The network whose features the final layer sees; or package.module:function "
        "of your own, see docs/blocks.md. Default: "
        f"{choices.DEFAULT_BACKBONE}{backbone_note}.",
    )
    flags.DEFINE_string(
        "weights",
        None,
        "What the backbone starts from: imagenet (Keras downloads the weights once), "
        "none (random), auto (imagenet if it can be had, else random, and says so), or "
        f"the path of a weights file. Default: {choices.DEFAULT_WEIGHTS}{weights_note}.",
    )


def _define_model_flags(defaults: ExperimentConfig):
    define_network_flags(backbone_note=", or that of --init_from")
    flags.DEFINE_integer(
        "image_size",
        None,
        "Height and width in pixels that images are scaled to. Default: their own (32 "
        "for cifar10), or the backbone's where they differ in size.",
        lower_bound=32,
    )
    flags.DEFINE_enum(
        "resize",
        defaults.resize,
        choices.RESIZES,
        "How images of another size become that: stretch; crop, to the largest square in "
        "the middle; or pad, to a square, with black. The saved model does the same.",
    )
    flags.DEFINE_bool(
        "freeze_backbone",
        defaults.freeze_backbone,
        "Train the block and the final layer only, not the backbone.",
    )
    flags.DEFINE_string(
        "init_from",
        defaults.init_from,
        "Start from the network of an earlier run (its run directory or .keras file): "
        "its backbone and final layer, as the paper adds the block to the trained model, "
        "and its block where this run has the same one.",
    )
    define_device_flags(defaults)


def define_device_flags(defaults: ExperimentConfig):
    """Flags that say on what, and how exactly, a network is computed."""
    flags.DEFINE_enum(
        "strategy",
        defaults.strategy,
        choices.STRATEGIES,
        "one_device, mirrored (one replica of the model on each GPU, the batch shared "
        "out), multi_worker (the same on the machines that TF_CONFIG names, see "
        "docs/distributed.md), or auto: mirrored where there are several GPUs.",
    )
    flags.DEFINE_enum(
        "mixed_precision",
        defaults.mixed_precision,
        choices.MIXED_PRECISION,
        "Compute the backbone in half precision. The ODE stays in float32.",
    )


def _define_training_flags(defaults: ExperimentConfig):
    flags.DEFINE_integer(
        "epochs", defaults.epochs, "Times to go through the data.", lower_bound=1
    )
    flags.DEFINE_integer(
        "batch_size", defaults.batch_size, "Images a step of training.", lower_bound=1
    )
    flags.DEFINE_enum(
        "optimizer", defaults.optimizer, choices.OPTIMIZERS, "sgd has momentum 0.9."
    )
    flags.DEFINE_float(
        "learning_rate", defaults.learning_rate, "The rate that training starts with."
    )
    flags.DEFINE_enum(
        "lr_schedule",
        defaults.lr_schedule,
        choices.LR_SCHEDULES,
        "How the rate changes: constant; odenet_mnist, in proportion to the batch (as "
        "given at 128), and divided by 10 after 60, 100 and 140 of every 160 epochs; "
        "cosine, down to 0.",
    )
    flags.DEFINE_float(
        "clip_norm",
        defaults.clip_norm,
        "Scale the gradients of a step down to this norm, over all weights together, "
        "where they exceed it. Default: never.",
    )
    flags.DEFINE_integer(
        "seed",
        defaults.seed,
        "Of every random number.",
        lower_bound=0,
        upper_bound=2**32 - 1,
    )
    flags.DEFINE_integer(
        "train_examples",
        defaults.train_examples,
        "Train on so many images only, the same share of each class. Default: all.",
        lower_bound=1,
    )
    flags.DEFINE_float(
        "validation_fraction",
        defaults.validation_fraction,
        "The last part of the training images, or of a folder that of each class, drawn "
        "by seed, to hold out for validation, where the set has no validation images of "
        "its own.",
    )
    flags.DEFINE_bool(
        "augment", defaults.augment, "Flip and shift the training images at random."
    )


def _define_ode_flags(defaults: ExperimentConfig):
    define_block_flags(defaults)
    define_solver_flags(defaults)
    flags.DEFINE_enum(
        "gradient",
        defaults.gradient,
        list(methods.GRADIENTS),
        "backprop (the exact gradient of the solver's steps), adjoint (the adjoint "
        "sensitivity method, in constant memory), or autodiff (as backprop, by "
        "TensorFlow's own differentiation).",
    )


def define_batch_size_of_evaluation() -> None:
    """Defines `--batch_size` for a command that evaluates a trained model."""
    flags.DEFINE_integer(
        "batch_size",
        None,
        "Images at a time; one solve serves a batch. Default: as in its training, or 128 "
        "where that is less or not known.",
        lower_bound=1,
    )


def define_solver_flags(defaults: ExperimentConfig | None):
    """Flags that can also be changed for a model that is trained already."""

    def default(name):
        return getattr(defaults, name) if defaults else None

    note = "" if defaults else " Default: what the model was trained with."
    flags.DEFINE_enum(
        "method",
        default("method"),
        list(choices.method_names()),
        "The ODE solver; dopri5 is Dormand-Prince, the paper's Runge-Kutta." + note,
    )
    for name, word in (("rtol", "relative"), ("atol", "absolute")):
        flags.DEFINE_float(
            name,
            default(name),
            f"The solver's {word} tolerance: smaller is more exact and slower." + note,
        )
        flags.register_validator(
            name,
            lambda value: value is None or 0 < value < float("inf"),
            message="pass a positive number, such as 1e-5",
        )
    flags.DEFINE_integer(
        "num_steps",
        default("num_steps"),
        "Steps of the methods on a fixed grid: "
        f"{', '.join(methods.fixed_grid_methods())}." + note,
        lower_bound=1,
    )


def config_from_flags(defaults: ExperimentConfig) -> ExperimentConfig:
    """Returns the experiment that the command line asks for.

    Raises:
        UserError: A value that no experiment can have.
    """
    names = {field.name for field in dataclasses.fields(ExperimentConfig)}
    values = {name: FLAGS[name].value for name in names if name in FLAGS}
    if FLAGS["recipe"].present:
        given = {name: value for name, value in values.items() if FLAGS[name].present}
        return with_recipe(defaults, **given)
    return dataclasses.replace(defaults, **values)


def arguments(changes: Mapping[str, Any]) -> list[str]:
    """Returns flags as they are typed, from the fields that they set."""
    return [typed(name, value) for name, value in changes.items()]
