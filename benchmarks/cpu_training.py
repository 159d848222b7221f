"""What does a whole training step gain from quicker operations on a CPU?

    python -m benchmarks.cpu_training [--quick]

EfficientNetV2-B0 with a final layer, no block, at several image sizes: a step of a
`TransferClassifier` with Adam, the same step with Keras's own operations, and those
between with a part of ours, interleaved.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from unittest import mock

import numpy as np
from absl import app, flags

from benchmarks import tables, timing

flags.DEFINE_bool("quick", False, "The smallest images alone.")
flags.DEFINE_integer("rounds", 15, "Timed rounds of each case.", lower_bound=1)
FLAGS = flags.FLAGS

BACKBONE, CLASSES = "EfficientNetV2B0", 10
CASES = ((32, 128), (64, 64), (96, 32), (224, 8))  # pixels, images a batch
PARTS = ("pointwise", "depthwise", "batch_normalization")  # each with those before it


def stepping(size: int, images: np.ndarray, labels: np.ndarray, parts=PARTS, adam=True):
    """A function that takes a training step of a new model.

    Args:
        size: Pixels.
        images, labels: A batch.
        parts: Of a network, what is computed by quicker operations.
        adam: Whether its step of a variable is one operation too.
    """
    import keras

    import node_transfer
    from node_transfer.models import cpu_training
    from node_transfer.training import fused_adam

    def prepare(network):
        for layer in network._flatten_layers():
            for part in parts:
                getattr(cpu_training, part).prepare(layer)

    keras.utils.set_random_seed(0)
    backbone = node_transfer.build_backbone(BACKBONE, weights=None, image_size=size)
    with mock.patch.object(cpu_training, "prepare", prepare):
        model = node_transfer.TransferClassifier(backbone, CLASSES)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    if adam:
        fused_adam.fuse(model.optimizer)
    return lambda: model.train_on_batch(images, labels)


def measured(size: int, batch: int) -> dict:
    """Steps at one image size."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, size, size, 3)).astype("float32")
    labels = rng.integers(0, CLASSES, batch)
    functions = {
        "keras": stepping(size, images, labels, (), adam=False),
        **{
            part: stepping(size, images, labels, PARTS[: index + 1], adam=False)
            for index, part in enumerate(PARTS)
        },
        "ours": stepping(size, images, labels),
    }
    times = timing.interleaved(functions, FLAGS.rounds)
    medians = {k: round(timing.summary(t)["median_ms"], 1) for k, t in times.items()}
    ratio = round(medians["ours"] / medians["keras"], 3)
    return {"pixels": size, "batch": batch, **medians, "ratio": ratio}


def main(_):
    rows = [measured(*case) for case in CASES[: 1 if FLAGS.quick else None]]
    path = timing.write("cpu_training", rows, FLAGS.quick)
    print(tables.cpu_training(rows))
    print(f"\nWritten to {path}")


if __name__ == "__main__":
    app.run(main)
