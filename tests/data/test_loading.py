"""Splits, subsets and sizes, on real images."""

import socket
import time

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import network
from node_transfer.data import image_data
from node_transfer.data.loading import load_data
from node_transfer.data.pipelines import evaluation_batches, training_batches
from node_transfer.errors import UserError
from tests.data.pictures import gallery, paint
from tests.slowly import slow_after


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture(scope="module")
def some_digits():
    """250 of them to train on: two batches of 100, and one of 50."""
    return load_data("digits", train_examples=250)


def images_of(data, split):
    return np.stack([image for image, _ in data.splits[split].as_numpy_iterator()])


def labels_of(data, split):
    return np.array([label for _, label in data.splits[split].as_numpy_iterator()])


def test_digits_are_three_disjoint_splits_of_rgb_images(digits):
    assert digits.sizes == {"train": 1294, "validation": 143, "test": 360}
    assert (digits.num_classes, digits.image_size) == (10, 32)
    seen = set()
    for split, size in digits.sizes.items():
        images = images_of(digits, split)
        assert images.shape == (size, 32, 32, 3)
        assert images.dtype == np.uint8
        seen |= {image.tobytes() for image in images}
    assert len(seen) >= 1790  # of 1797; scikit-learn's digits hold a few duplicates


def test_digits_use_the_whole_range_of_grey(digits):
    images = images_of(digits, "train")
    assert images.min() == 0
    assert images.max() > 240
    assert np.array_equal(images[..., 0], images[..., 2])


def test_cifar10_has_the_last_tenth_of_train_for_validation(cifar10_dir):
    import tensorflow_datasets as tfds

    data = load_data("cifar10", data_dir=cifar10_dir)
    assert data.sizes == {"train": 45000, "validation": 5000, "test": 10000}
    assert data.image_size == 32
    tail = tfds.load(
        "cifar10", split="train[90%:]", data_dir=cifar10_dir, as_supervised=True
    )
    ours = next(iter(data.splits["validation"].batch(50)))
    theirs = next(iter(tail.batch(50)))
    assert np.array_equal(ours[0], theirs[0])
    assert np.array_equal(ours[1], theirs[1])


def test_train_examples_keeps_the_share_of_each_class():
    data = load_data("digits", train_examples=200, seed=3)
    assert data.sizes["train"] == 200
    counts = np.bincount(labels_of(data, "train"))
    assert counts.min() >= 18
    assert counts.max() <= 22
    other = load_data("digits", train_examples=200, seed=4)
    again = load_data("digits", train_examples=200, seed=3)
    images = [images_of(d, "train") for d in (data, again, other)]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_train_examples_may_be_all_but_a_few():
    assert load_data("digits", train_examples=1290).sizes["train"] == 1290
    assert len(labels_of(load_data("digits", train_examples=1294), "train")) == 1294


def test_images_are_scaled_to_the_size_asked_for():
    data = load_data("digits", image_size=40)
    assert next(iter(data.splits["test"]))[0].shape == (40, 40, 3)


@pytest.mark.parametrize(
    ("kwargs", "complaint"),
    [
        ({"dataset": "cifar11"}, "Unknown dataset 'cifar11'"),
        ({"dataset": "no such/thing:1.2"}, "Unknown dataset"),
        (
            {"data_dir": "/no/such/folder", "dataset": "cifar10"},
            "no folder '/no/such/folder': pass data_dir=",
        ),
        ({"validation_fraction": 0.0}, "validation_fraction is 0.0"),
        ({"validation_fraction": 0.0001}, "is 0 examples: pass a validation_fraction="),
        ({"image_size": 0}, "image_size is 0: pass a whole number, 1 or more"),
        ({"image_size": 32.0}, "image_size is 32.0: pass a whole number"),
        ({"seed": -1}, "seed is -1: pass a whole number, 0 or more"),
        ({"train_examples": 5}, "train_examples is 5: pass a number from 10"),
        ({"train_examples": 5000}, r"train_examples is 5000.* to 1294"),
        ({"dataset": "ag_news_subset"}, "not an image classification set"),
    ],
)
def test_wrong_request_is_one_sentence(kwargs, complaint):
    with pytest.raises(UserError, match=complaint) as raised:
        load_data(**{"dataset": "digits", **kwargs})
    assert "\n" not in str(raised.value)


def test_no_data_and_no_network_answers_within_ten_seconds(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    start = time.monotonic()
    with pytest.raises(UserError, match="does not answer.* data_dir=.* dataset=digits"):
        load_data("cifar10", data_dir=str(tmp_path))
    assert time.monotonic() - start < 10
    assert list(tmp_path.iterdir()) == []


def test_silent_network_answers_within_ten_seconds(tmp_path, monkeypatch):
    def silence(*args, **kwargs):
        time.sleep(30)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", silence)
    saved = network.TIMEOUT_SECONDS - 0.1
    monkeypatch.setattr(network, "TIMEOUT_SECONDS", 0.1)
    start = time.monotonic()
    with pytest.raises(UserError, match="does not answer"):
        load_data("cifar10", data_dir=str(tmp_path))
    assert time.monotonic() - start + saved < 10


def batches(data, first_epoch, epochs, **kwargs):
    pipeline = training_batches(data, 100, 7, first_epoch, epochs, **kwargs)
    return [(x.numpy(), y.numpy()) for x, y in pipeline]


@pytest.mark.parametrize("augment", [False, True])
def test_an_epoch_depends_on_seed_and_number_alone(augment, some_digits):
    whole = batches(some_digits, 0, 3, augment=augment)
    tf.random.set_seed(99)
    rest = batches(some_digits, 2, 3, augment=augment)
    assert [len(y) for _, y in whole] == [100, 100, 50] * 3
    for (x, y), (x_again, y_again) in zip(whole[6:], rest, strict=True):
        assert np.array_equal(x, x_again)
        assert np.array_equal(y, y_again)
    assert not np.array_equal(whole[0][1], whole[3][1])


def test_an_epoch_has_every_example_once(some_digits):
    images = np.concatenate([x for x, _ in batches(some_digits, 0, 1)])
    stored = images_of(some_digits, "train")
    key = lambda array: sorted(x.astype(np.uint8).tobytes() for x in array)  # noqa: E731
    assert key(images) == key(stored)


@pytest.mark.parametrize("augment", slow_after(1, [False, True]))
def test_split_too_large_for_memory_is_shuffled_from_a_buffer(
    augment, some_digits, monkeypatch
):
    monkeypatch.setattr(image_data, "MEMORY_LIMIT_BYTES", 0)
    epochs = batches(some_digits, 0, 2, augment=augment)
    assert [len(y) for _, y in epochs] == [100, 100, 50] * 2
    first, second = (np.concatenate([y for _, y in e]) for e in (epochs[:3], epochs[3:]))
    assert np.array_equal(np.bincount(first), np.bincount(second))
    assert not np.array_equal(first, second)


def test_augmentation_changes_images_and_keeps_labels(some_digits):
    plain, augmented = (batches(some_digits, 0, 1, augment=a) for a in (False, True))
    for (x, y), (x_augmented, y_augmented) in zip(plain, augmented, strict=True):
        assert np.array_equal(y, y_augmented)
        assert x.shape == x_augmented.shape
        assert np.mean(np.any(x != x_augmented, axis=(1, 2, 3))) > 0.9


def test_evaluation_keeps_the_order_of_the_split(digits):
    labels = np.concatenate([y for _, y in evaluation_batches(digits, "test", 128)])
    assert np.array_equal(labels, labels_of(digits, "test"))


def test_a_split_that_fits_into_memory_is_shuffled_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(image_data, "SHUFFLE_BUFFER_BYTES", 10 * 3 * 32**2)
    data = load_data(
        f"folder:{gallery(tmp_path, {'blue': 60, 'red': 60})}", image_size=32
    )
    _, labels = next(iter(data.batches("train", 24)))
    assert set(labels.numpy().tolist()) == {0, 1}  # which lie one after the other


def test_splits_without_folders_of_classes_are_no_two_classes(tmp_path):
    for name in ("train", "test"):
        paint(tmp_path / name / "cat.0.png")
    with pytest.raises(UserError, match=r"directly in test and train, so .*/cat/\.\.\."):
        load_data(f"folder:{tmp_path}")
    gallery(tmp_path, {"red": 30})  # where a class has the name of a split
    assert "test" in load_data(f"folder:{gallery(tmp_path, {'blue': 30})}").class_names
