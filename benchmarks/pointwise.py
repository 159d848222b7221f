"""What do 1x1 convolutions gain as products of matrices, in a whole training step?

    python -m benchmarks.pointwise [--quick]

EfficientNetV2-B0 with a final layer, no block, at several image sizes: a step of a
`TransferClassifier`, and the same step with TensorFlow's convolutions, interleaved.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contextlib
from unittest import mock

import numpy as np
from absl import app, flags

from benchmarks import tables, timing

flags.DEFINE_bool("quick", False, "The smallest images alone.")
flags.DEFINE_integer("rounds", 15, "Timed rounds of each case.", lower_bound=1)
FLAGS = flags.FLAGS

BACKBONE, CLASSES = "EfficientNetV2B0", 10
CASES = ((32, 128), (64, 64), (96, 32), (224, 8))  # pixels, images a batch


def stepping(size: int, images: np.ndarray, labels: np.ndarray):
    """A function that takes a training step of a new model."""
    import keras

    import node_transfer

    keras.utils.set_random_seed(0)
    backbone = node_transfer.build_backbone(BACKBONE, weights=None, image_size=size)
    model = node_transfer.TransferClassifier(backbone, CLASSES)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    return lambda: model.train_on_batch(images, labels)


def measured(size: int, batch: int) -> dict:
    """Both steps at one image size."""
    from node_transfer.models import pointwise

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, size, size, 3)).astype("float32")
    labels = rng.integers(0, CLASSES, batch)
    ours, theirs = (stepping(size, images, labels) for _ in range(2))
    ours()
    with mock.patch.object(pointwise, "multiplied", contextlib.nullcontext):
        theirs()  # traced here
    times = timing.interleaved({"ours": ours, "theirs": theirs}, FLAGS.rounds)
    ours_ms, theirs_ms = (timing.summary(t)["median_ms"] for t in times.values())
    return {
        "pixels": size,
        "batch": batch,
        "products_ms": round(ours_ms, 1),
        "convolutions_ms": round(theirs_ms, 1),
        "ratio": round(ours_ms / theirs_ms, 3),
    }


def main(_):
    rows = [measured(*case) for case in CASES[: 1 if FLAGS.quick else None]]
    path = timing.write("pointwise", rows, FLAGS.quick)
    print(tables.pointwise(rows))
    print(f"\nWritten to {path}")


if __name__ == "__main__":
    app.run(main)
