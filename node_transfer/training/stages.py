"""The stages of a training: epochs with one optimizer, of the final layers or of all."""

import dataclasses
import weakref

import keras

from node_transfer.runs.config import ExperimentConfig
from node_transfer.training import evaluation
from node_transfer.training.optimizers import make_optimizer

# A backbone to the layers that its maker froze, and no stage trains.
_FROZEN = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True)
class Stage:
    """Epochs that share an optimizer.

    Attributes:
        epochs: Their numbers, from 0.
        whole: Whether the backbone is trained too, beside block and final layer.
    """

    epochs: range
    whole: bool


def stages_of(config: ExperimentConfig) -> list[Stage]:
    """Returns the stages of an experiment: one, or with `head_epochs` two."""
    whole = not config.freeze_backbone
    head = config.head_epochs if whole else 0
    stages = [Stage(range(head), False), Stage(range(head, config.epochs), whole)]
    return [stage for stage in stages if stage.epochs]


def stage_after(config: ExperimentConfig, epochs_done: int) -> Stage:
    """Returns the stage whose optimizer a checkpoint after so many epochs has."""
    last = max(epochs_done - 1, 0)
    return next(stage for stage in stages_of(config) if last in stage.epochs)


def compile_for(
    model: keras.Model, stage: Stage, config: ExperimentConfig, steps_per_epoch: int
) -> None:
    """Makes a model ready for a stage, with an optimizer that has not taken a step.

    Args:
        model: A `TransferClassifier`; within the scope of the strategy.
        stage, config: The stage, of the experiment.
        steps_per_epoch: Batches of the training split.
    """
    _train_backbone(model.backbone, stage.whole)
    optimizer = make_optimizer(config, steps_per_epoch, stage.epochs)
    if config.weight_decay:  # of matrices and kernels: not of biases and norms
        optimizer.exclude_from_weight_decay(
            [v for v in model.trainable_variables if len(v.shape) < 2]
        )
    model.compile(optimizer=optimizer, loss=evaluation.loss(), metrics=["accuracy"])
    # Now, since Keras would do it while it traces the first step, and trace it twice.
    model.optimizer.build(model.trainable_variables)


def _train_backbone(backbone: keras.Model, whole: bool) -> None:
    """Trains a backbone or freezes it; Keras thaws every layer with the whole."""
    if backbone not in _FROZEN:
        layers = backbone._flatten_layers(include_self=False)
        frozen = [layer for layer in layers if not layer.trainable]
        _FROZEN[backbone] = frozen if backbone.trainable else []
    backbone.trainable = whole
    if whole:
        for layer in _FROZEN[backbone]:
            layer.trainable = False
