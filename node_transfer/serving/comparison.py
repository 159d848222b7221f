"""What an export says, in a process without this package, beside what Keras says."""

import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.special
import tensorflow as tf

from node_transfer.errors import UserError
from node_transfer.layers.ode_layer import ODELayer
from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.ode.solver import tableau_of
from node_transfer.training.evaluation import failures_told

OUTSIDE = Path(__file__).with_name("outside.py")
BATCHES = (1, 5, 33)


class UnwritableError(UserError):
    """A format cannot hold a model as it is solved."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of one batch.

    Attributes:
        shape: Of the images.
        largest: The largest difference of two probabilities.
        other_classes: Images whose most probable class is another.
    """

    shape: tuple[int, ...]
    largest: float
    other_classes: int


def made_images(spec: tf.TensorSpec, image_size: int) -> list[np.ndarray]:
    """Batches of images to compare on: of smooth colours with noise, from one seed.

    Args:
        spec: What the export takes.
        image_size: Height and width where the spec leaves them open; of the last batch
            they are half as much again, and not those of a square.

    Returns:
        One for each of `BATCHES`, of whole numbers from 0 to 255.
    """
    rng = np.random.default_rng(0)
    batches = []
    for count in BATCHES:
        height, width = (n or image_size for n in spec.shape[1:3])
        if count == BATCHES[-1]:
            height, width = (
                spec.shape[1] or 3 * image_size // 2,
                spec.shape[2] or 3 * image_size // 2 + 7,
            )
        coarse = rng.uniform(0, 255, (count, 4, 4, 3))
        smooth = tf.image.resize(coarse, (height, width), "bicubic").numpy()
        noisy = smooth + rng.normal(0, 12, smooth.shape)
        batches.append(np.clip(np.round(noisy), 0, 255).astype(spec.dtype.name))
    return batches


def answers(
    model: TransferClassifier, spec: tf.TensorSpec, batches: list[np.ndarray]
) -> list[np.ndarray]:
    """The probabilities that Keras predicts for each batch, `(images, classes)`.

    Args:
        model: The model; it is traced once for all batches.
        spec: What they are.
        batches: Images.

    Raises:
        UserError: An ODE could not be solved.
    """

    def call(images):
        return model(images, training=False)

    block = model.block
    # TensorFlow Probability's methods may want to know the number of images.
    if not isinstance(block, ODELayer) or tableau_of(block.method) is not None:
        call = tf.function(call, input_signature=[spec], autograph=False)
    with failures_told():
        logits = [call(tf.constant(images)).numpy() for images in batches]
    return [scipy.special.softmax(x.astype(np.float64), axis=-1) for x in logits]


def largest_change(before: list[np.ndarray], after: list[np.ndarray]) -> float:
    """The largest change of a probability."""
    pairs = zip(before, after, strict=True)
    return max(float(np.max(np.abs(x - y))) for x, y in pairs)


def differences(
    format_name: str,
    path: Path,
    batches: list[np.ndarray],
    expected: list[np.ndarray],
) -> list[Difference]:
    """Compares an export with what Keras predicts.

    Args:
        format_name: A key of `formats.FORMATS`.
        path: The export.
        batches: Images.
        expected: Keras's probabilities of each.

    Raises:
        UnwritableError: The export does not run.
    """
    told = asked_outside(format_name, path, batches)
    return [
        Difference(
            images.shape,
            float(np.max(np.abs(ours - theirs))),
            int(np.sum(np.argmax(ours, -1) != np.argmax(theirs, -1))),
        )
        for images, ours, theirs in zip(batches, told, expected, strict=True)
    ]


def asked_outside(format_name: str, path: Path, batches) -> list[np.ndarray]:
    """The probabilities that an export gives in a process without this package.

    Raises:
        UnwritableError: It does not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, output = Path(folder, "batches.npz"), Path(folder, "output.npz")
        np.savez(given, **{f"batch{i}": images for i, images in enumerate(batches)})
        words = [format_name, path.resolve(), given, output]
        done = subprocess.run(
            [sys.executable, "-c", OUTSIDE.read_text(), *map(str, words)],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            last = done.stderr.strip().split("\n")[-1][:300]
            raise UnwritableError(
                f"The export as format={format_name!r} was written and does not run "
                f"({last or f'exit code {done.returncode}'}): pass another format=."
            )
        with np.load(output) as file:
            return [file[f"batch{i}"] for i in range(len(batches))]
