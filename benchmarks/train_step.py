"""What does the block add to a whole training step of EfficientNetB0?

    python -m benchmarks.train_step [--quick] [--trained="NAME=RUN/model.keras,..."]

32x32 images, batch 128: plain Keras, the baseline, NODE-RK (1e-5), NODE-adjoint (1e-3),
each by `train_on_batch`, interleaved. With `--trained`, models of runs in their place, on
images of CIFAR-10 and at a rate that leaves them as they are: the first is the one that
the others are compared with.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import dataclasses

import numpy as np
from absl import app, flags
from tabulate import tabulate

from benchmarks import timing

flags.DEFINE_bool("quick", False, "Few rounds.")
flags.DEFINE_integer("rounds", 25, "Timed rounds of each case.", lower_bound=1)
flags.DEFINE_integer("warmup", 10, "Steps of each case before timing.", lower_bound=1)
flags.DEFINE_list(
    "trained", [], "NAME=MODEL of trained runs; MODEL:CHECKPOINT for an earlier epoch."
)
FLAGS = flags.FLAGS

BATCH, SIZE, CLASSES = 128, 32, 10


def plain_keras():
    """The same backbone in Keras's own words."""
    import keras

    backbone = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), pooling="avg"
    )
    model = keras.Sequential([backbone, keras.layers.Dense(CLASSES)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


def experiment(defaults):
    """The model of an experiment, compiled as its script compiles it."""
    from node_transfer.training import evaluation
    from node_transfer.training.build import build_model, resolve_backbone
    from node_transfer.training.optimizers import make_optimizer

    config = resolve_backbone(dataclasses.replace(defaults, weights="none"))
    model, _ = build_model(config, SIZE, CLASSES)
    model.compile(
        make_optimizer(config, 352, range(config.epochs)),
        evaluation.loss(),
        metrics=["accuracy"],
    )
    return model


def trained(name: str):
    """A run's model, after its last epoch or as a checkpoint has it."""
    import keras

    from benchmarks.blocks_of_models import load_model
    from node_transfer.training import evaluation

    model = load_model(name)
    optimizer = keras.optimizers.Adam(1e-9)
    model.compile(optimizer, evaluation.loss(), metrics=["accuracy"])
    return model


def from_the_start():
    """Models with random weights, and images to match."""
    from node_transfer.runs.config import BASELINE, NODE_ADJOINT, NODE_RK

    # A small rate keeps the adjoint run's network from blowing up on random weights.
    adjoint = dataclasses.replace(NODE_ADJOINT, learning_rate=1e-3)
    models = {
        "plain Keras": plain_keras(),
        "baseline": experiment(BASELINE),
        "NODE-RK": experiment(NODE_RK),
        "NODE-adjoint": experiment(adjoint),
    }
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, SIZE, SIZE, 3)).astype("float32")
    return models, images, rng.integers(0, CLASSES, BATCH)


def after_training(named: list[str]):
    """Models of runs, and the first images of the test set."""
    from node_transfer.data.loading import load_data

    models = {name: trained(path) for name, _, path in (n.partition("=") for n in named)}
    test = load_data("cifar10", image_size=SIZE).splits["test"]
    images, labels = next(test.batch(BATCH).as_numpy_iterator())
    return models, images.astype("float32"), labels


def main(_):
    if FLAGS.trained:
        models, images, labels = after_training(FLAGS.trained)
    else:
        models, images, labels = from_the_start()
    functions = {
        name: lambda model=model: model.train_on_batch(images, labels, return_dict=True)
        for name, model in models.items()
    }
    rounds = 5 if FLAGS.quick else FLAGS.rounds
    times = timing.interleaved(functions, rounds, warmup=FLAGS.warmup)
    rows = [{"model": name, **timing.summary(times[name])} for name in models]
    base = rows[0 if FLAGS.trained else 1]["median_ms"]
    for row in rows:
        row["over_baseline"] = round(row["median_ms"] / base, 3)
        logs = functions[row["model"]]()
        row["nfe_forward"] = logs.get("nfe_forward")
        row["nfe_backward"] = logs.get("nfe_backward")
        for name in ("nfe_forward", "nfe_backward"):
            row[name] = None if row[name] is None else round(float(row[name]), 2)
    name = "train_step_trained" if FLAGS.trained else "train_step"
    path = timing.write(name, rows, FLAGS.quick)
    print(tabulate(rows, headers="keys"))
    print(f"\nWritten to {path}")


if __name__ == "__main__":
    app.run(main)
