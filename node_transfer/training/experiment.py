"""The one function that every experiment is: a config becomes a run directory."""

import dataclasses
import os
import statistics
import sys

import keras

from node_transfer import checksums
from node_transfer.data.damage import damage_told
from node_transfer.data.image_data import SPLITS, ImageData
from node_transfer.data.loading import load_data
from node_transfer.data.pipelines import evaluation_batches, training_batches
from node_transfer.errors import UserError
from node_transfer.models.backbones import BACKBONES, MIN_IMAGE_SIZE
from node_transfer.models.saving import load_model, save_model
from node_transfer.runs.admission import check_free, check_space
from node_transfer.runs.config import WEIGHTS_WORDS, ExperimentConfig
from node_transfer.runs.directory import RunDirectory
from node_transfer.training import evaluation, provenance
from node_transfer.training.build import build_model, resolve_backbone
from node_transfer.training.callbacks import RecordEpoch, SeedEpoch, board_failures_told
from node_transfer.training.divergence import (
    AFTER,
    BEFORE,
    StopAtDivergence,
    check_finite,
    divergence_told,
)
from node_transfer.training.optimizers import make_optimizer
from node_transfer.training.state import bytes_on_disk, restore, state_to_go_on_from
from node_transfer.training.strategy import make_strategy


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
    check_free(run, config)
    with run.locked(), damage_told(config.dataset):
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
    environment = provenance.environment(strategy)
    start = {
        **dataclasses.asdict(weights),
        "file_sha256": _checksum_of_start(config),
        "initial_sha256": checksums.of_arrays(model.get_weights()),
    }
    run.prepare(
        config,
        {
            **environment,
            "seed": config.seed,
            "data": {
                **data.source,
                "note": config.data_note,
                "class_names": data.class_names,
                "sizes": data.sizes,
                "image_size": data.image_size,
            },
            "weights": start,
        },
    )
    state = state_to_go_on_from(run, config.epochs)
    _check_start(run, start, state is not None)
    check_space(run, bytes_on_disk(model))
    _record_start(run, config, model, data, environment, state)
    _train(run, config, model, data, steps_per_epoch, state, verbose)


def _load_data(config: ExperimentConfig) -> ImageData:
    backbone = BACKBONES.get(config.backbone)
    data = load_data(
        config.dataset,
        data_dir=config.data_dir,
        image_size=config.image_size,
        default_image_size=backbone.image_size if backbone else 224,
        min_image_size=backbone.min_image_size if backbone else MIN_IMAGE_SIZE,
        validation_fraction=config.validation_fraction,
        train_examples=config.train_examples,
        seed=config.seed,
    )
    if config.batch_size > data.sizes["train"]:
        raise UserError(
            f"batch_size is {config.batch_size} and there are {data.sizes['train']} "
            f"training examples: pass batch_size={data.sizes['train']} or less."
        )
    return data


def _checksum_of_start(config: ExperimentConfig) -> str | None:
    """Returns the SHA-256 of the file that the weights are from, if they are from one."""
    if config.init_from is not None:
        path = config.init_from
        if os.path.isdir(path):
            path = RunDirectory(path).model_path
    elif config.weights in WEIGHTS_WORDS:
        return None
    else:
        path = config.weights
    return checksums.of_file(path)


def _check_start(run: RunDirectory, start: dict, goes_on: bool) -> None:
    """Raises `UserError` where a run that has begun would start from other weights now.

    Args:
        run: The run, recorded.
        start: What the record of its weights would say now.
        goes_on: Whether it has a checkpoint, whose weights it goes on with.
    """
    recorded = run.read_start()
    for name in ("kind", "file_sha256", "initial_sha256"):
        if recorded.get(name) == start[name]:
            continue
        if name == "initial_sha256" and goes_on:
            _warn(
                "the initial weights of this seed are others here than where the run "
                "began (another processor or another version): it goes on, with numbers "
                "that an uninterrupted run would have to some digits only"
            )
            return
        raise UserError(
            f"{str(run.path)!r} holds an unfinished run from other weights ({name} was "
            f"{recorded.get(name)!r} and is {start[name]!r}): give it back the start "
            "that it had, or pass overwrite=True to replace it."
        )


def _record_start(run, config, model, data, environment, state):
    """Adds the numbers before the first epoch to the record, or that the run goes on."""
    recorded = run.read_config()
    if state is not None:
        continued = {"after_epoch": state.epochs_done, **environment}
        earlier = recorded.get("continued")
        earlier = earlier if isinstance(earlier, list) else []
        run.add_to_config(continued=[*earlier, continued])
    elif "start" not in recorded:
        batches = evaluation_batches(data, "validation", config.batch_size)
        with divergence_told(run):
            results = model.evaluate(batches, verbose=0, return_dict=True)
            check_finite("the validation loss", results["loss"], BEFORE)
        run.add_to_config(
            start={f"val_{name}": float(results[name]) for name in ("accuracy", "loss")}
        )


def _train(run, config, model, data, steps_per_epoch, state, verbose):
    rows = []
    if state is not None:
        restore(model, state.arrays, run)
        rows = state.history
        wrong = run.restore_history(rows)
        if wrong:
            _warn(wrong)
        print(f"Going on after epoch {len(rows)} of {run.path}", flush=True)
    if len(rows) < config.epochs:
        _fit(run, config, model, data, steps_per_epoch, rows, verbose)
    save_model(model, run.model_path)
    with divergence_told(run, lambda: AFTER):
        metrics = _final_metrics(run, data, rows)
    run.write_metrics(metrics)
    run.checkpoints.remove()


def _fit(run, config, model, data, steps_per_epoch, rows, verbose):
    epochs_done = len(rows)
    batches = training_batches(
        data, config.batch_size, config.seed, epochs_done, config.epochs, config.augment
    )
    identity = run.read_start()["initial_sha256"]
    watch = StopAtDivergence()
    with divergence_told(run, lambda: watch.place), board_failures_told(run):
        model.fit(
            batches,
            initial_epoch=epochs_done,
            epochs=config.epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=evaluation_batches(data, "validation", config.batch_size),
            shuffle=False,  # the batches are shuffled already
            callbacks=[
                SeedEpoch(config.seed),
                watch,
                RecordEpoch(run, identity, rows),
                keras.callbacks.TensorBoard(run.tensorboard_path, write_graph=False),
            ],
            verbose=verbose,
        )


def _final_metrics(run: RunDirectory, data: ImageData, rows: list[dict]) -> dict:
    """Numbers of the saved model, as it reads back from its file."""
    model = load_model(run.model_path)
    run.write_predictions(evaluation.predict(model, data, "test"))
    results = evaluation.evaluate_splits(model, data, SPLITS)
    for split in SPLITS:
        check_finite(f"the {split} loss", results[split]["loss"], AFTER)
    last = rows[-1]
    return {
        split: {name: results[split][name] for name in ("accuracy", "loss")}
        for split in SPLITS
    } | {
        "epochs": len(rows),
        "finished": provenance.now(),
        "parameters": int(model.count_params()),
        "model_sha256": checksums.of_file(run.model_path),
        "nfe": {
            "forward": results["test"]["nfe"],
            "training_forward": last.get("nfe_forward"),
            "training_backward": last.get("nfe_backward"),
        },
        "seconds": {
            "training": round(sum(row["seconds"] for row in rows), 3),
            "epoch": round(statistics.median(row["seconds"] for row in rows), 3),
            "test": results["test"]["seconds"],
        },
    }


def _warn(message: str):
    print(f"WARNING: {message}", file=sys.stderr, flush=True)
