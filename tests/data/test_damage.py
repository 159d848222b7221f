"""Damaged and contradictory data are told in one sentence, whenever they are read."""

import numpy as np
import pytest
import tensorflow as tf

from node_transfer.data import image_data, sources
from node_transfer.data.damage import damage_told
from node_transfer.data.image_source import ImageSource
from node_transfer.data.loading import load_data
from node_transfer.data.pipelines import evaluation_batches, training_batches
from node_transfer.errors import UserError
from tests.data import made
from tests.slowly import slow_after


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A set of TensorFlow Datasets: its name, its folder, and its training records."""
    folder = tmp_path_factory.mktemp("tfds")
    name = made.define_tfds_set({"names": made.COLOURS})
    load_data(name, data_dir=str(folder))
    (records,) = folder.rglob("*-train.tfrecord*")
    return name, str(folder), records


def read_all(name, folder):
    data = load_data(name, data_dir=folder)
    list(training_batches(data, 4, 0, 0, 1))
    list(evaluation_batches(data, "validation", 4))


def read_some(name, folder):
    data = load_data(name, data_dir=folder, train_examples=10)
    list(evaluation_batches(data, "validation", 4))


DAMAGE = {
    "cut in a record": lambda whole: whole[:-7],
    "cut in half": lambda whole: whole[: len(whole) // 2],
    "empty": lambda whole: b"",
    "a bit flipped": lambda whole: whole[:200] + bytes([whole[200] ^ 4]) + whole[201:],
    "zeros": lambda whole: bytes(len(whole)),
    "text": lambda whole: b"version https://git-lfs.github.com/spec/v1\n",
    "gone": lambda whole: None,
}


@pytest.mark.parametrize("read", slow_after(1, [read_all, read_some]))
@pytest.mark.parametrize("damage", slow_after(4, DAMAGE.values()), ids=DAMAGE)
def test_a_damaged_record_file_is_one_sentence(damage, read, prepared):
    name, folder, records = prepared
    whole = records.read_bytes()
    content = damage(whole)
    try:
        records.unlink()
        if content is not None:
            records.write_bytes(content)
        damaged = pytest.raises(UserError, match=r"are damaged \(.*\): .* data_dir=")
        with damaged as told, damage_told(name):
            read(name, folder)
        assert "\n" not in str(told.value) and name in str(told.value)
    finally:
        records.write_bytes(whole)
    with damage_told(name):
        read(name, folder)


@pytest.mark.parametrize("limit", [2**31, 0], ids=["in memory", "streamed"])
@pytest.mark.parametrize(("label", "where"), [(3, 0), (9, 29), (-1, 12)])
def test_a_label_of_no_class_is_one_sentence(label, where, limit, monkeypatch):
    """The set says that it has three classes."""
    labels = np.arange(30) % 3
    labels[where] = label
    images = np.zeros((30, 12, 12, 3), np.uint8)

    def load(name, data_dir):
        train = tf.data.Dataset.from_tensor_slices((images, labels))
        return ImageSource({"train": train}, 12, made.COLOURS, {"name": name})

    monkeypatch.setattr(image_data, "MEMORY_LIMIT_BYTES", limit)
    monkeypatch.setitem(sources.SOURCES, "wrong", load)
    data = load_data("wrong")
    sentence = f"'wrong' are damaged .A label of the dataset is {label}, which is none of"
    with pytest.raises(UserError, match=sentence), damage_told("wrong"):
        for split in ("validation", "test"):
            list(evaluation_batches(data, split, 8))
        list(training_batches(data, 8, 0, 0, 1))


def test_other_errors_of_tensorflow_pass():
    with pytest.raises(tf.errors.InvalidArgumentError), damage_told("digits"):
        tf.debugging.Assert(False, ["something else"])
    with pytest.raises(tf.errors.NotFoundError), damage_told("digits"):
        tf.io.read_file("/no/such/file")
