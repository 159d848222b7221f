"""What images go through: of their own, the same again, and nothing but what is meant."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer.data.augmentation import ASPECT_RATIOS, Augmentation
from node_transfer.data.loading import load_data
from node_transfer.data.pipelines import training_batches
from node_transfer.data.rand_augment import operations

ALL = Augmentation(shift=True, resized_crop=0.35, flip=True, randaugment=0.5)
SIZE = 32


def ramp(count):
    """Images whose red is x, green is y, and blue the number 100."""
    y, x = np.mgrid[:SIZE, :SIZE]
    image = np.stack([x, y, np.full_like(x, 100)], axis=-1).astype("uint8")
    return tf.constant(np.stack([image] * count))


def changed(augmentation, images, seed=3, epoch=2, first=0):
    indices = tf.range(first, first + len(images))
    change = augmentation.make()
    return change(images, seed, tf.constant(epoch, tf.int64), indices).numpy()


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", train_examples=40)


@pytest.mark.slow
def test_an_epoch_is_the_same_however_the_training_came_to_it(digits):
    """And each has its own images: order, crops, mirrors and operations."""
    whole = list(training_batches(digits, 16, 7, 0, 3, ALL).as_numpy_iterator())
    resumed = list(training_batches(digits, 16, 7, 2, 3, ALL).as_numpy_iterator())
    for (images, labels), (images_again, labels_again) in zip(
        whole[6:], resumed, strict=True
    ):
        assert np.array_equal(images, images_again)
        assert np.array_equal(labels, labels_again)
    assert not np.array_equal(whole[0][0], whole[3][0])
    images = np.concatenate([images for images, _ in whole])
    assert images.dtype == np.float32
    assert np.all(np.isfinite(images)) and images.min() >= 0 and images.max() <= 255


def test_an_image_does_not_depend_on_those_beside_it():
    images = ramp(6)
    together = changed(ALL, images)
    apart = [changed(ALL, images[i : i + 1], first=i)[0] for i in range(6)]
    assert np.allclose(together, apart, atol=1e-4)
    for other in (changed(ALL, images, seed=4), changed(ALL, images, epoch=3)):
        assert not np.array_equal(together, other)
    assert len({image.tobytes() for image in together}) == 6


def test_crops_have_the_area_and_shape_that_are_asked_for():
    """Of a ramp the crop's sides are the differences of its corners."""
    crops = changed(Augmentation(resized_crop=0.35), ramp(400))
    width = (crops[:, 0, -1, 0] - crops[:, 0, 0, 0]) / (SIZE - 1)
    height = (crops[:, -1, 0, 1] - crops[:, 0, 0, 1]) / (SIZE - 1)
    assert np.allclose(crops[..., 2], 100)
    assert np.all((width > 0) & (width <= 1)) and np.all((height > 0) & (height <= 1))
    area, ratio = width * height, width / height
    assert 0.35 * 0.95 < area.min() < 0.42 and 0.93 < area.max() <= 1
    assert ASPECT_RATIOS[0] - 1e-4 <= ratio.min() < 0.8
    assert 1.25 < ratio.max() <= ASPECT_RATIOS[1] + 1e-4
    left = crops[:, 0, 0, 0]
    assert left.min() < 1 and left.max() > 8


def test_half_of_the_images_are_mirrored_and_nothing_else():
    images = ramp(400)
    flipped = changed(Augmentation(flip=True), images)
    mirrored = np.array([np.array_equal(x, images[0, :, ::-1]) for x in flipped])
    same = np.array([np.array_equal(x, images[0]) for x in flipped])
    assert np.all(mirrored ^ same) and 150 < mirrored.sum() < 250


def test_nothing_is_nothing():
    assert not Augmentation()
    assert all(
        Augmentation(**one)
        for one in (
            {"shift": True}, {"resized_crop": 0.5}, {"flip": True}, {"randaugment": 0.1}
        )
    )  # fmt: skip


def test_each_operation_of_rand_augment_changes_images_and_is_drawn():
    images = tf.constant(
        np.random.default_rng(0).uniform(20, 200, (1, 8, 8, 3)), "float32"
    )
    images = tf.image.resize(images, (SIZE, SIZE))
    identity, *others = operations(1.0)
    assert np.array_equal(identity(images), images)
    for layer in others:
        assert np.abs(layer(images[0], training=True) - images[0]).mean() > 1, layer.name
    few = changed(Augmentation(randaugment=0.3), tf.repeat(images, 64, axis=0))
    assert len({image.tobytes() for image in few}) > 40
    unchanged = np.mean([np.array_equal(image, images[0]) for image in few])
    assert unchanged < 0.1  # twice the identity, one in 169


def test_a_layers_own_random_state_is_not_touched():
    """It is a variable, and threads would read it in any order."""
    made = []

    class Spy(keras.layers.RandomContrast):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.layers, "RandomContrast", Spy)
        changed(Augmentation(randaugment=0.5), ramp(30))
    (layer,) = made
    assert np.array_equal(layer.generator.state, [0, 0])
