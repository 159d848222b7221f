"""The flags of a training's recipe. Imports no TensorFlow."""

from absl import flags

from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.recipes import RECIPES


def define_recipe_flags(defaults: ExperimentConfig) -> None:
    """Flags that a recipe sets together, each of which can be set by itself too."""
    modern = " ".join(typed(name, value) for name, value in RECIPES["modern"].items())
    flags.DEFINE_enum(
        "recipe",
        defaults.recipe,
        list(RECIPES),
        "paper: what the experiment has of itself. modern: what an expert would do now, "
        f"which stands for {modern}; a flag that is given beside it wins. See "
        "docs/recipes.md.",
    )
    _define_stages(defaults)
    _define_regularization(defaults)
    _define_images(defaults)


def _define_stages(defaults: ExperimentConfig) -> None:
    flags.DEFINE_integer(
        "head_epochs",
        defaults.head_epochs,
        "Of the epochs, so many at first with the backbone frozen, at a constant rate; "
        "then the whole network, with an optimizer of its own.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "warmup_epochs",
        defaults.warmup_epochs,
        "With --lr_schedule=cosine: the first epochs of the whole network, in which the "
        "rate rises from 0.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "patience",
        defaults.patience,
        "End the training after so many epochs of the whole network without a better "
        "validation accuracy. 0: never.",
        lower_bound=0,
    )
    flags.DEFINE_bool(
        "restore_best_weights",
        defaults.restore_best_weights,
        "End with the weights of the epoch of the best validation accuracy, in place of "
        "the last.",
    )


def _define_regularization(defaults: ExperimentConfig) -> None:
    flags.DEFINE_float(
        "weight_decay",
        defaults.weight_decay,
        "Decoupled weight decay, times the learning rate, of kernels and not of biases "
        "and norms; adam with it is AdamW.",
    )
    flags.DEFINE_float(
        "label_smoothing",
        defaults.label_smoothing,
        "Part of each label that is shared out among all classes, in training.",
    )
    flags.DEFINE_float(
        "ema",
        defaults.ema,
        "Evaluate, and keep in the end, a moving average of the weights with this "
        "momentum a step, lowered where an epoch has few steps. 0: the weights.",
    )
    flags.DEFINE_bool(
        "adapt_batchnorm",
        defaults.adapt_batchnorm,
        "Lower the momentum of batch normalization's statistics where an epoch has few "
        "steps, so that validation is not at chance in the first epochs.",
    )


def _define_images(defaults: ExperimentConfig) -> None:
    flags.DEFINE_float(
        "random_resized_crop",
        defaults.random_resized_crop,
        "Train on random crops, resized to the image's size, of at least this part of "
        "its area. 0: no crops.",
    )
    flags.DEFINE_bool(
        "hflip", defaults.hflip, "Mirror half of the training images, left to right."
    )
    flags.DEFINE_float(
        "randaugment",
        defaults.randaugment,
        "Change each training image by two random operations of at most this strength; "
        "0.3 is the usual 9 of 30. 0: none.",
    )


def typed(name: str, value) -> str:
    """Returns a flag as it is typed."""
    if isinstance(value, bool):
        return f"--{'' if value else 'no'}{name}"
    return f"--{name}={value}"
