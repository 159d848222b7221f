"""The epochs of a run, stage by stage, and the weights that it ends with."""

import dataclasses
import gc
import shlex

import keras
import tensorflow as tf

from node_transfer.data.augmentation import Augmentation
from node_transfer.data.feature_data import FeatureData
from node_transfer.data.image_data import ImageData
from node_transfer.data.pipelines import Share, evaluation_batches, training_batches
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.directory import RunDirectory
from node_transfer.training.averages import EvaluateAverage, use_average
from node_transfer.training.best_epoch import (
    KeepBest,
    StopEarly,
    best_of,
    restore_best,
    waited_enough,
)
from node_transfer.training.callbacks import RecordEpoch, SeedEpoch, board_failures_told
from node_transfer.training.divergence import StopAtDivergence, divergence_told
from node_transfer.training.loop import Loop
from node_transfer.training.own_callbacks import OwnCallbacks
from node_transfer.training.stages import Stage, compile_for, stages_of
from node_transfer.training.workers import Workers


@dataclasses.dataclass
class Experiment:
    """What the parts of a run share.

    Attributes:
        run, config, workers, data, model: What each says.
        share: The part of each batch that is computed here; `None`: all of it.
        own: What the user wants called beside.
        features: What is trained on in place of the images; `None`: these are.
        stage, loop: What is being trained; `None`: nothing yet.
    """

    run: RunDirectory
    config: ExperimentConfig
    workers: Workers
    data: ImageData
    model: keras.Model
    share: Share | None
    own: OwnCallbacks
    stage: Stage | None = None
    loop: Loop | None = None
    features: FeatureData | None = None

    @property
    def examples(self) -> ImageData | FeatureData:
        """What the loop is given."""
        return self.features or self.data

    def train_on(self, features: FeatureData) -> None:
        """Trains what comes after the features, and leaves the backbone out."""
        self.features = features
        self._make_loop()

    def enter(self, stage: Stage) -> None:
        """Makes model and loop ready for a stage; its weights are then those that the
        one before ends with."""
        if self.stage is not None:
            use_average(self.model)
            self.loop = None
            gc.collect()  # the images that it held: there would be one copy more
        strategy = self.workers.strategy
        with strategy.scope():
            compile_for(self.model, stage, self.config, self.steps("train"))
        self._make_loop()
        self.stage = stage

    def _make_loop(self) -> None:
        smoothing = self.config.label_smoothing
        forward = None if self.features is None else self.model.classify
        self.loop = Loop(self.model, self.workers.strategy, smoothing, forward)

    def steps(self, split: str) -> int:
        return -(-self.data.sizes[split] // self.config.batch_size)

    def validation(self) -> tuple[tf.data.Dataset, int]:
        split = "validation"
        return evaluation_batches(
            self.examples, split, self.config.batch_size, self.share
        ), self.steps(split)


def fit(
    experiment: Experiment,
    epochs_done: int,
    rows: list[dict],
    verbose: int,
    stopped: bool = False,
) -> None:
    """Trains the stages that are left, to their last epoch or until it is enough.

    Args:
        experiment: In the stage that its state is of.
        epochs_done: How many epochs there are of it.
        rows: Their history, at the chief, which grows.
        verbose: As in `keras.Model.fit`.
        stopped: Whether a callback has ended the training already.
    """
    workers, config = experiment.workers, experiment.config
    last = stages_of(config)[-1].epochs
    enough = stopped or waited_enough(rows, config.patience, last.start)
    enough = bool(workers.from_chief([int(enough)])[0])
    if workers.chief and epochs_done < config.epochs:
        board = shlex.quote(str(experiment.run.tensorboard_path))
        print(f"To watch: tensorboard --logdir={board}", flush=True)
    for stage in stages_of(config):
        if enough or epochs_done >= stage.epochs.stop:
            continue
        if stage != experiment.stage:
            experiment.enter(stage)
        epochs = range(max(epochs_done, stage.epochs.start), stage.epochs.stop)
        _train(experiment, epochs, rows, verbose)
        enough = bool(experiment.model.stop_training)
    experiment.own.end()


def _train(experiment: Experiment, epochs: range, rows: list[dict], verbose: int):
    """Trains the epochs of one stage."""
    run, config = experiment.run, experiment.config
    steps = experiment.steps("train")
    if verbose:
        images = experiment.data.sizes["train"]
        print(
            f"Compiling the step of training, which takes a while; then {steps:,} steps "
            f"of {config.batch_size} make an epoch of {images:,} images",
            flush=True,
        )
    watch = StopAtDivergence()
    batches = training_batches(
        experiment.examples, config.batch_size, config.seed, epochs.start, epochs.stop,
        augmentation(config), experiment.share,
    )  # fmt: skip
    told = divergence_told(run, experiment.workers, lambda: watch.place)
    with told, board_failures_told(run):
        experiment.loop.fit(
            batches,
            steps,
            *experiment.validation(),
            epochs,
            _callbacks(experiment, watch, rows),
            verbose,
            last_epoch=config.epochs,
        )


def _callbacks(
    experiment: Experiment, watch: StopAtDivergence, rows: list[dict]
) -> list[keras.callbacks.Callback]:
    """What happens beside the steps, in its order."""
    run, config, chief = experiment.run, experiment.config, experiment.workers.chief
    callbacks = [SeedEpoch(config.seed), watch]
    if chief and config.restore_best_weights:
        callbacks.append(KeepBest(run, rows))
    if config.ema:
        callbacks.append(EvaluateAverage())
    # Before the checkpoint, which has what they change, and whether they stop.
    callbacks.append(experiment.own)
    if chief:  # alone, so these may not read what is summed over the workers
        identity = run.read_start()["initial_sha256"]
        callbacks += [
            RecordEpoch(run, identity, rows),
            keras.callbacks.TensorBoard(run.tensorboard_path, write_graph=False),
        ]
    first = stages_of(config)[-1].epochs.start
    callbacks.append(
        StopEarly(lambda: waited_enough(rows, config.patience, first), experiment.workers)
    )
    return callbacks


def augmentation(config: ExperimentConfig) -> Augmentation:
    """Returns what training images go through."""
    return Augmentation(
        shift=config.augment,
        resized_crop=config.random_resized_crop,
        flip=config.hflip,
        randaugment=config.randaugment,
    )


def end(experiment: Experiment, rows: list[dict]) -> None:
    """Gives the model the weights that the run ends with."""
    use_average(experiment.model)
    if not experiment.config.restore_best_weights:
        return
    if experiment.workers.chief:
        restore_best(experiment.model, experiment.run, best_of(rows))
    experiment.workers.hand_out(experiment.model.weights)
