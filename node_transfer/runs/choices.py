"""What the fields of a config may be. Imports no TensorFlow."""

from node_transfer.errors import UserError
from node_transfer.models.backbones import BACKBONES
from node_transfer.models.blocks import ACTIVATIONS, BLOCK_INPUTS, BLOCKS, DYNAMICS
from node_transfer.models.own_parts import check_name, is_own
from node_transfer.ode import methods
from node_transfer.runs.recipes import RECIPES

DEFAULT_BACKBONE = "EfficientNetB0"
DEFAULT_WEIGHTS = "auto"
WEIGHTS_WORDS = ("imagenet", "none", "auto")  # anything else is a path

OPTIMIZERS = ("adam", "sgd")
LR_SCHEDULES = ("constant", "odenet_mnist", "cosine")
CACHE_FEATURES = ("auto", "off")
RESIZES = ("stretch", "crop", "pad")
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker")
MIXED_PRECISION = ("none", "mixed_float16", "mixed_bfloat16")
OWN = ("dynamics", "backbone")  # fields that may name a part of the user's own


def method_names() -> tuple[str, ...]:
    """Returns the solver's methods that an experiment may have.

    TensorFlow Probability's bdf is left out: its Jacobian is of the whole batch at once.
    """
    return tuple(name for name in methods.METHODS if name != "bdf")


def check_names(config) -> None:
    """Raises `UserError` for a name that no table and no list has."""
    for name, choices, grows in (
        ("block", BLOCKS, True),
        ("dynamics", DYNAMICS, True),
        ("backbone", BACKBONES, True),
        ("activation", ACTIVATIONS, False),
        ("block_input", BLOCK_INPUTS, False),
        ("recipe", RECIPES, False),
        ("optimizer", OPTIMIZERS, False),
        ("lr_schedule", LR_SCHEDULES, False),
        ("method", method_names(), True),
        ("gradient", methods.GRADIENTS, True),
        ("cache_features", CACHE_FEATURES, False),
        ("strategy", STRATEGIES, False),
        ("resize", RESIZES, False),
        ("mixed_precision", MIXED_PRECISION, False),
    ):
        value = getattr(config, name)
        if name in OWN and is_own(value):
            check_name(name, value)
        elif value is not None and value not in choices:
            more = ", or import the package that adds it" if grows else ""
            raise UserError(
                f"{name} is {value!r}: choose one of {', '.join(choices)}{more}."
            )
    if config.block_input is not None and not is_own(config.dynamics):
        raise UserError(
            f"block_input is {config.block_input!r} and dynamics is {config.dynamics!r}, "
            "which says itself what it works on: leave block_input= out."
        )


def check_numbers(config) -> None:
    """Raises `UserError` for a number that a field cannot be."""
    for name in (
        "epochs", "batch_size", "hidden_units", "num_steps", "augment_channels"
    ):  # fmt: skip
        value = getattr(config, name)
        if value < 1:
            raise UserError(f"{name} is {value}: pass a positive integer.")
    for name in ("image_size", "train_examples"):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise UserError(f"{name} is {value}: pass a positive integer.")
    for name in ("learning_rate", "rtol", "atol"):
        value = getattr(config, name)
        if not 0 < value < float("inf"):
            raise UserError(f"{name} is {value}: pass a positive number.")
    if config.clip_norm is not None and not 0 < config.clip_norm < float("inf"):
        raise UserError(
            f"clip_norm is {config.clip_norm}: pass a positive number, such as 1.0, or "
            "leave it out."
        )
    if not 0 <= config.seed < 2**32:
        raise UserError(f"seed is {config.seed}: pass a whole number from 0 to 2^32 - 1.")
    if not 0 < config.validation_fraction < 1:
        raise UserError(
            f"validation_fraction is {config.validation_fraction}: pass a number "
            "between 0 and 1, such as 0.1."
        )


def check_recipe(config) -> None:
    """Raises `UserError` for parts of a recipe that cannot be, or not together."""
    for name in ("head_epochs", "warmup_epochs", "patience"):
        value = getattr(config, name)
        if value < 0:
            raise UserError(f"{name} is {value}: pass a positive integer, or 0.")
    for name in ("label_smoothing", "ema"):
        value = getattr(config, name)
        if not 0 <= value < 1:
            raise UserError(f"{name} is {value}: pass a number from 0 to below 1.")
    for name in ("random_resized_crop", "randaugment"):
        value = getattr(config, name)
        if not 0 <= value <= 1:
            raise UserError(f"{name} is {value}: pass a number from 0 to 1.")
    if not 0 <= config.weight_decay < float("inf"):
        raise UserError(
            f"weight_decay is {config.weight_decay}: pass a positive number, such as "
            "0.05, or 0."
        )
    _check_lengths(config)


def _check_lengths(config) -> None:
    """The stages and the warm-up have to fit into the epochs."""
    whole = config.epochs
    if config.head_epochs and not config.freeze_backbone:
        whole -= config.head_epochs
        if whole < 1:
            raise UserError(
                f"head_epochs is {config.head_epochs} and epochs is {config.epochs}: "
                "pass more epochs=, to train the backbone in, or freeze_backbone=True."
            )
    if config.warmup_epochs and config.lr_schedule != "cosine":
        raise UserError(
            f"warmup_epochs is {config.warmup_epochs} and lr_schedule is "
            f"{config.lr_schedule!r}, which has no warm-up: pass lr_schedule=cosine, or "
            "warmup_epochs=0."
        )
    if config.warmup_epochs >= whole:
        raise UserError(
            f"warmup_epochs is {config.warmup_epochs} of {whole} epochs of the whole "
            "network: pass fewer, or more epochs=."
        )
