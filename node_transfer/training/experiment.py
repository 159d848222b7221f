"""The one function that every experiment is: a config becomes a run directory."""

import dataclasses
import sys

import keras
import tensorflow as tf

from node_transfer.data.image_data import SPLITS, ImageData
from node_transfer.data.loading import load_data
from node_transfer.data.pipelines import evaluation_batches, training_batches
from node_transfer.errors import UserError
from node_transfer.models.backbones import BACKBONES, MIN_IMAGE_SIZE
from node_transfer.models.saving import load_model, save_model
from node_transfer.ode import failure
from node_transfer.training import evaluation
from node_transfer.training.build import build_model, resolve_backbone
from node_transfer.training.callbacks import RecordEpoch, SeedEpoch
from node_transfer.training.config import ExperimentConfig
from node_transfer.training.optimizers import make_optimizer
from node_transfer.training.run_directory import RunDirectory
from node_transfer.training.strategy import environment, make_strategy


def run_experiment(config: ExperimentConfig, verbose: int | None = None) -> RunDirectory:
    """Trains a model, saves it, and evaluates it as it was saved.

    A run that was stopped goes on after its last whole epoch, with the same numbers as
    if it had not been.

    Args:
        config: The experiment.
        verbose: As in `keras.Model.fit`; `None`: a progress bar on a terminal, a line an
            epoch elsewhere.

    Returns:
        The finished run's directory.

    Raises:
        UserError: The experiment cannot be run as asked, or an ODE cannot be solved.
    """
    if verbose is None:
        verbose = 1 if sys.stdout.isatty() else 2
    run = RunDirectory(config.run_directory)
    run.check_free(config)
    with run.locked():
        _run(run, config, verbose)
    return run


def _run(run: RunDirectory, config: ExperimentConfig, verbose: int) -> None:
    config = resolve_backbone(config)
    data = _load_data(config)
    config = dataclasses.replace(config, image_size=data.image_size)

    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.dtype_policy)
    strategy = make_strategy(config.strategy)
    steps_per_epoch = -(-data.sizes["train"] // config.batch_size)
    with strategy.scope():
        model, weights = build_model(config, data.image_size, data.num_classes)
        model.compile(
            optimizer=make_optimizer(config, steps_per_epoch),
            loss=evaluation.loss(),
            metrics=["accuracy"],
        )
        # Now, since Keras would do it while it traces the first step, and trace it twice.
        model.optimizer.build(model.trainable_variables)
    if weights.kind == "random":
        _warn(f"the backbone starts from {weights.detail}")
    run.prepare(
        config,
        {
            **environment(config, strategy),
            "data": {
                **data.source,
                "class_names": data.class_names,
                "sizes": data.sizes,
                "image_size": data.image_size,
            },
            "weights": dataclasses.asdict(weights),
        },
    )
    _train(run, config, model, data, steps_per_epoch, verbose)


def _load_data(config: ExperimentConfig) -> ImageData:
    backbone = BACKBONES.get(config.backbone)
    data = load_data(
        config.dataset,
        data_dir=config.data_dir,
        image_size=config.image_size,
        default_image_size=backbone.image_size if backbone else 224,
        min_image_size=MIN_IMAGE_SIZE,
        validation_fraction=config.validation_fraction,
        train_examples=config.train_examples,
        seed=config.seed,
    )
    if config.batch_size > data.sizes["train"]:
        raise UserError(
            f"batch_size is {config.batch_size} and there are {data.sizes['train']} "
            f"training examples: pass --batch_size={data.sizes['train']} or less."
        )
    return data


def _train(run, config, model, data, steps_per_epoch, verbose):
    epochs_done, checkpoint = run.last_checkpoint()
    rows = run.read_history()[:epochs_done]
    if checkpoint is not None:
        model.load_weights(checkpoint)
        print(f"Going on after epoch {epochs_done} of {run.path}", flush=True)
    if epochs_done < config.epochs:
        _fit(run, config, model, data, steps_per_epoch, epochs_done, rows, verbose)
    save_model(model, run.model_path)
    run.write_metrics(_final_metrics(run, data, rows))
    run.remove_checkpoints()


def _fit(run, config, model, data, steps_per_epoch, epochs_done, rows, verbose):
    batches = training_batches(
        data, config.batch_size, config.seed, epochs_done, config.epochs, config.augment
    )
    try:
        model.fit(
            batches,
            initial_epoch=epochs_done,
            epochs=config.epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=evaluation_batches(data, "validation", config.batch_size),
            shuffle=False,  # the batches are shuffled already
            callbacks=[
                SeedEpoch(config.seed),
                RecordEpoch(run, rows),
                keras.callbacks.TensorBoard(run.path / "tensorboard", write_graph=False),
            ],
            verbose=verbose,
        )
    except tf.errors.InvalidArgumentError as error:
        sentence = failure.sentence_of(error)
        if sentence is None:
            raise
        epochs, _ = run.last_checkpoint()
        raise UserError(
            f"{sentence} ({epochs} whole epochs are kept in {run.path}; --overwrite "
            "starts anew.)"
        ) from None


def _final_metrics(run: RunDirectory, data: ImageData, rows: list[dict]) -> dict:
    """Numbers of the saved model, as it reads back from its file."""
    model = load_model(run.model_path)
    results = evaluation.evaluate_splits(model, data, SPLITS)
    last = rows[-1]
    return {
        split: {name: results[split][name] for name in ("accuracy", "loss")}
        for split in SPLITS
    } | {
        "epochs": len(rows),
        "parameters": int(model.count_params()),
        "nfe": {
            "forward": results["test"]["nfe"],
            "training_forward": last.get("nfe_forward"),
            "training_backward": last.get("nfe_backward"),
        },
        "seconds": {
            "training": round(sum(row["seconds"] for row in rows), 3),
            "epoch": round(sorted(row["seconds"] for row in rows)[len(rows) // 2], 3),
            "test": results["test"]["seconds"],
        },
    }


def _warn(message: str):
    print(f"WARNING: {message}", file=sys.stderr, flush=True)
