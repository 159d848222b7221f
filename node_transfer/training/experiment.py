"""The one function that every experiment is: a config becomes a run directory."""

import contextlib
import dataclasses
import os
import sys
import tempfile
from collections.abc import Sequence

import keras

from node_transfer import checksums
from node_transfer.data.damage import damage_told
from node_transfer.data.pipelines import Share
from node_transfer.models.pretrained import WeightsSource
from node_transfer.models.saving import save_model
from node_transfer.runs.admission import check_free, check_space
from node_transfer.runs.checkpoints import State
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.directory import RunDirectory
from node_transfer.runs.unreadable import write_unreadable
from node_transfer.training import provenance, start
from node_transfer.training.averages import adapt_batchnorm
from node_transfer.training.build import build_model, resolve_backbone
from node_transfer.training.divergence import (
    AFTER,
    BEFORE,
    check_finite,
    divergence_told,
)
from node_transfer.training.features import are_cached, features_of
from node_transfer.training.fitting import Experiment, end, fit
from node_transfer.training.own_callbacks import OwnCallbacks, checked, names_of
from node_transfer.training.results import final_metrics
from node_transfer.training.stages import stage_after, stages_of
from node_transfer.training.state import (
    bytes_on_disk,
    restore,
    state_to_go_on_from,
    variables_of,
)
from node_transfer.training.strategy import make_strategy
from node_transfer.training.workers import Workers


def run_experiment(
    config: ExperimentConfig,
    verbose: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> RunDirectory:
    """Trains a model, saves it, and evaluates it as it was saved.

    A run that was stopped goes on after its last whole epoch, with the same numbers as
    if it had not been.

    Args:
        config: The experiment.
        verbose: As in `keras.Model.fit`; `None`: a progress bar on a terminal, a line an
            epoch elsewhere.
        callbacks: Keras callbacks of one's own, called in each epoch before it is
            recorded, at each of several workers. They see one training, whatever its
            stages; epochs are numbered on where a run goes on, and what they remember
            themselves is not brought back then. One that sets
            `self.model.stop_training` ends the training, and the run is finished. One
            that raises stops the run, which goes on after its last whole epoch.

    Returns:
        The finished run's directory; of several workers the chief alone writes it.

    Raises:
        UserError: The experiment cannot be run as asked, or an ODE cannot be solved.

    Example:

    >>> config = dataclasses.replace(NODE_RK, dataset="digits", output_dir="runs/one")
    >>> run = run_experiment(config, verbose=0)
    To watch: tensorboard --logdir=runs/one/tensorboard
    >>> run.finished, len(run.read_history()) == config.epochs
    (True, True)
    """
    if verbose is None:
        verbose = 1 if sys.stdout.isatty() else 2
    callbacks = checked(callbacks)
    run = RunDirectory(config.run_directory)
    with contextlib.ExitStack() as within:
        within.callback(keras.config.set_dtype_policy, keras.config.dtype_policy())
        workers = Workers(make_strategy(config.strategy))
        within.enter_context(workers.losses_told())
        if workers.chief:
            check_free(run, config)
            within.enter_context(run.locked())
            within.enter_context(start.unreadable_recorded(run))
        within.enter_context(damage_told(config.dataset))
        _run(run, config, workers, verbose if workers.chief else 0, callbacks)
    return run


def _run(
    run: RunDirectory,
    config: ExperimentConfig,
    workers: Workers,
    verbose: int,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    config = resolve_backbone(config)
    cached = are_cached(config, workers)
    data = start.images(config, workers.replicas, in_memory=not cached)
    config = dataclasses.replace(config, image_size=data.image_size)
    workers.check_same(config, data.sizes["train"])

    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.dtype_policy)
    with workers.strategy.scope():
        model, weights = build_model(
            start.as_begun(run, config) if workers.chief else config,
            data.image_size, data.num_classes, data.class_names,
        )  # fmt: skip
    share = Share(workers.local_replicas, workers.replicas)
    experiment = Experiment(
        run, config, workers, data, model,
        share=share if workers.replicas > 1 else None, own=OwnCallbacks(callbacks),
    )  # fmt: skip
    if config.adapt_batchnorm:
        adapt_batchnorm(model, experiment.steps("train"))
    if weights.warning and workers.chief:
        start.warn(weights.warning)
    state, evaluated = None, 0
    if workers.chief:
        state, evaluated = _record(experiment, weights, names_of(callbacks))
    epochs_done = state.epochs_done if state else 0
    epochs_done, evaluated = workers.from_chief([epochs_done, evaluated])
    experiment.enter(stage_after(config, epochs_done))
    rows = _take_up(experiment, state) if workers.chief else []
    workers.hand_out(variables_of(model))
    if cached:
        experiment.train_on(features_of(config, model, data))
    if not evaluated:
        _evaluate_start(experiment, verbose)
    fit(experiment, epochs_done, rows, verbose, bool(state and state.stopped))
    end(experiment, rows)
    _save(experiment)
    if workers.chief:
        _finish(experiment, rows, verbose)
    workers.wait()  # for the chief: all of them end well, or none does


def _record(
    experiment: Experiment, weights: WeightsSource, callbacks: list[str]
) -> tuple[State | None, int]:
    """Records the run, or finds what there is of it.

    Returns:
        The state that it goes on from, if any, and 1 where its numbers before the first
        epoch are known, or 0.
    """
    run, config, data = experiment.run, experiment.config, experiment.data
    environment = provenance.environment(experiment.workers.strategy)
    if callbacks:
        environment["callbacks"] = callbacks
    begun_with = {
        "kind": weights.kind,
        "detail": weights.detail,
        "file_sha256": start.checksum_of_start(config),
        "initial_sha256": checksums.of_arrays(experiment.model.get_weights()),
    }
    start.warn_of_seen_images(config, data)
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
            "weights": begun_with,
        },
    )
    start.check_data(run, data.source)
    write_unreadable(run.path, data.unreadable)
    state = state_to_go_on_from(run, config.epochs)
    start.check_start(run, begun_with, state is not None)
    recorded = run.read_config()
    if state is None:
        return None, int("start" in recorded)
    continued = {"after_epoch": state.epochs_done, **environment}
    earlier = recorded.get("continued")
    earlier = earlier if isinstance(earlier, list) else []
    run.add_to_config(continued=[*earlier, continued])
    return state, 1


def _take_up(experiment: Experiment, state: State | None) -> list[dict]:
    """Gives the model, compiled, the state that the run goes on from.

    Returns:
        The history so far.
    """
    run, config, model = experiment.run, experiment.config, experiment.model
    more = experiment.stage != stages_of(config)[-1]
    check_space(run, bytes_on_disk(model, more, config.restore_best_weights))
    if state is None:
        return []
    restore(model, state.arrays, run)
    rows = state.history
    wrong = run.restore_history(rows)
    if wrong:
        start.warn(wrong)
    print(f"Going on after epoch {len(rows)} of {run.path}", flush=True)
    return rows


def _evaluate_start(experiment: Experiment, verbose: int) -> None:
    """Adds the numbers before the first epoch to the record."""
    run, workers = experiment.run, experiment.workers
    if verbose:
        count = experiment.data.sizes["validation"]
        print(f"Evaluating the {count:,} validation images before epoch 1", flush=True)
    with divergence_told(run, workers):
        results = experiment.loop.evaluate(*experiment.validation())
        check_finite("the validation loss", results["loss"], BEFORE)
    if workers.chief:
        run.add_to_config(
            start={f"val_{name}": results[name] for name in ("accuracy", "loss")}
        )


def _save(experiment: Experiment) -> None:
    """Saves the model, at each worker, since Keras reads metrics on its way, which are
    summed over all of them; that of the chief is kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = experiment.run.model_path
        if not experiment.workers.chief:
            path = os.path.join(folder, path.name)
        save_model(experiment.model, path)


def _finish(experiment: Experiment, rows: list[dict], verbose: int) -> None:
    run = experiment.run
    with divergence_told(run, experiment.workers, lambda: AFTER):
        metrics = final_metrics(experiment, rows, verbose)
    run.write_metrics(metrics)
    run.checkpoints.remove()
