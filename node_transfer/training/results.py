"""The numbers of a finished run: those of its model, as it reads back from its file."""

import statistics

import tensorflow as tf

from node_transfer import checksums
from node_transfer.data.feature_data import FeatureData
from node_transfer.data.image_data import SPLITS
from node_transfer.data.pipelines import evaluation_batches
from node_transfer.models.saving import load_model
from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.runs import files
from node_transfer.runs.directory import ILLUSTRATIONS
from node_transfer.training import evaluation, provenance, start
from node_transfer.training.best_epoch import best_of
from node_transfer.training.divergence import AFTER, check_finite
from node_transfer.training.fitting import Experiment
from node_transfer.training.illustrations import illustrations
from node_transfer.training.loop import Loop

AGREE = 0.01  # images and their features may differ so far in accuracy, by rounding


def final_metrics(experiment: Experiment, rows: list[dict], verbose: int) -> dict:
    """Evaluates the saved model, writes its predictions and what its report draws.

    Of a model that was trained on features, the test numbers are those of the whole
    model on the images, which so go through its backbone once; training and validation
    numbers and the predictions are those of its block and final layer on the features.

    Args:
        experiment: Whose model is saved.
        rows: The history.
        verbose: As in `keras.Model.evaluate`; 0 says nothing at all.

    Returns:
        What `metrics.json` says.

    Raises:
        DivergenceError: A loss is not finite.
    """
    run, data, features = experiment.run, experiment.data, experiment.features
    config = experiment.config
    if verbose:
        print(f"Saved {run.model_path}. Predicting the test images with it", flush=True)
    model = load_model(run.model_path)
    size = evaluation.batch_size_of(config)
    predictions = evaluation.predict(model, data, "test", size, features)
    run.write_predictions(predictions)
    if features is None:
        results = evaluation.evaluate_splits(model, data, SPLITS, size, verbose)
    else:
        results = evaluation.evaluate_splits(model, data, ("test",), size, verbose)
        results |= _on_features(model, features, ("train", "validation"), size)
        told = float((predictions["predicted"] == predictions["label"]).mean())
        _check_agreement(told, results["test"]["accuracy"], features)
    for split in SPLITS:
        check_finite(f"the {split} loss", results[split]["loss"], AFTER)
    if config.report:
        arrays = illustrations(model, data, features, predictions)
        files.write_arrays(run.path / ILLUSTRATIONS, arrays)
    last = rows[-1]
    return {
        split: {name: results[split][name] for name in ("accuracy", "loss")}
        for split in SPLITS
    } | {
        "classes": results["test"]["classes"],
        "epochs": len(rows),
        "kept_epoch": best_of(rows) if config.restore_best_weights else len(rows),
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
        "images_per_second": results["test"]["images_per_second"],
        "features": features and features.record,
    }


def _on_features(
    model: TransferClassifier, features: FeatureData, splits, size: int
) -> dict:
    """Returns the metrics of what comes after the features, for each of the splits.

    Args:
        size: Examples at a time.
    """
    loop = Loop(model, tf.distribute.get_strategy(), forward=model.classify)
    return {
        split: loop.evaluate(
            evaluation_batches(features, split, size), -(-features.sizes[split] // size)
        )
        for split in splits
    }


def _check_agreement(told: float, accuracy: float, features: FeatureData) -> None:
    """Warns where the features are not those of the images."""
    if abs(told - accuracy) > AGREE:
        start.warn(
            f"the model tells {accuracy:.2%} of the test images right, and {told:.2%} by "
            "the features that it was trained on, so those are of another network or of "
            f"other images: remove {features.record['key']} from the cache of features, "
            "and train again."
        )
