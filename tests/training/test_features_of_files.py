"""Features of images in files: what decides them, and what is read for them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from node_transfer.data import feature_files, image_files, listed
from node_transfer.data.loading import load_data
from node_transfer.runs.config import BASELINE
from node_transfer.training.feature_key import description, key_of
from node_transfer.training.features import features_of
from node_transfer.training.illustrations import illustrations
from tests.data.pictures import gallery, paint
from tests.training.made import quick
from tests.training.test_features import classifier


@pytest.fixture
def pictures(tmp_path):
    return gallery(tmp_path / "pictures", {"blue": 150, "red": 150})


@pytest.fixture
def config(tmp_path, pictures):
    return quick(
        BASELINE, tmp_path / "run", backbone=None, freeze_backbone=True,
        dataset=f"folder:{pictures}", cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip


@pytest.fixture
def read(monkeypatch):
    """The files that are read as examples, one after the other."""
    found = []

    def counted(path):
        found.append(path.rsplit("pictures/", 1)[1])
        return image_files.read_image(path)

    monkeypatch.setattr(listed, "read_image", counted)
    return found


def load(config):
    return load_data(config.dataset, image_size=32, in_memory=False)


def test_what_is_no_image_has_no_part_in_the_key(config, pictures):
    def key():
        return key_of(description(config, classifier(), load(config)))

    before = key()
    (pictures / "blue" / "notes.txt").write_text("blue ones")
    assert key() == before
    paint(pictures / "blue" / "another.png")
    assert key() != before


@pytest.mark.parametrize(("batch_size", "most"), [(32, 32), (100, 64), (3, 16)])
def test_no_more_images_are_computed_at_a_time_than_are_trained_on(
    batch_size, most, config, monkeypatch
):
    model, sizes = classifier(), set()
    compute = model.features

    def counted(images):
        sizes.add(len(images))
        return images

    def features(images):
        shape = images.shape
        images = tf.numpy_function(counted, [images], tf.float32)
        return compute(tf.ensure_shape(images, shape))

    monkeypatch.setattr(model, "features", features)
    config = dataclasses.replace(config, batch_size=batch_size)
    data = load(config)
    found = features_of(config, model, data)
    rows, labels = found.take("train", np.arange(data.sizes["train"]))
    assert max(sizes) == most
    images, expected = next(data.splits["train"].batch(999).as_numpy_iterator())
    assert np.array_equal(labels, expected)
    assert np.allclose(rows, compute(images.astype("float32")), atol=1e-5)


def test_what_is_there_is_not_read_again(config, read, monkeypatch):
    monkeypatch.setattr(feature_files, "PART_BYTES", 64 * 32)
    data, model = load(config), classifier()
    features = features_of(config, model, data)
    assert len(read) == len(set(read)) == 300
    files = sorted(feature_files.Path(config.cache_dir).glob("*/train-*.npy"))
    assert len(files) == 4
    for file in (files[1], files[3]):
        file.unlink()
    read.clear()
    again = features_of(config, model, data)
    train = data.files["train"]
    assert sorted(read) == sorted([*train[64:128], *train[192:]])
    for split, size in data.sizes.items():
        left, right = (it.take(split, np.arange(size)) for it in (features, again))
        assert np.allclose(left[0], right[0], atol=1e-6)
        assert np.array_equal(left[1], right[1])


def test_a_report_reads_the_images_that_it_shows_and_no_others(config, read):
    data, model = load(config), classifier()
    labels = np.array([0] * 15 + [1] * 15)
    predicted = labels.copy()
    predicted[[4, 20]] ^= 1
    probability = np.linspace(0.5, 0.9, 30, dtype=np.float16)
    arrays = illustrations(
        model, data, None,
        {"label": labels, "predicted": predicted, "probability": probability},
    )  # fmt: skip
    assert arrays["wrong_index"].tolist() == [20, 4]
    assert sorted(read) == sorted(data.files["test"][i] for i in (4, 20))
    red, blue = arrays["wrong_image"]
    assert red[0, 0].argmax() == 0 and blue[0, 0].argmax() == 2


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("files", [False, True])
def test_some_examples_are_those_of_these_numbers(in_memory, files, config):
    dataset = config.dataset if files else "digits"
    data = load_data(dataset, image_size=32, in_memory=in_memory)
    images, labels = next(data.splits["test"].batch(999).as_numpy_iterator())
    for numbers in ([3, 17, 18, 29], [29], [], range(30)):
        found = list(data.some("test", numbers).as_numpy_iterator())
        assert len(found) == data.some("test", numbers).cardinality() == len(numbers)
        for number, (image, label) in zip(numbers, found, strict=True):
            assert np.array_equal(image, images[number]) and label == labels[number]
