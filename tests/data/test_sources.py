"""Where images come from, by name and by scheme, and their class names."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from node_transfer.data import sources
from node_transfer.data.loading import load_data
from node_transfer.errors import UserError
from tests.data import made


def check_flat_colours(data):
    assert data.sizes == {"train": 25, "validation": 2, "test": 3}
    assert (data.class_names, data.num_classes) == (made.COLOURS, 3)
    assert data.image_size == 32  # the least
    image, label = next(iter(data.splits["train"]))
    assert np.array_equal(image, made.flat(int(label), 32, 32))
    assert (image.dtype, label.dtype) == ("uint8", "int64")


def test_a_source_from_outside_is_a_row_for_its_name(monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "colours", made.load)
    data = load_data("colours", data_dir="here")
    check_flat_colours(data)
    assert (data.name, data.source["name"]) == ("colours", "colours")
    assert data.source["in"] == "here"


def test_a_source_from_outside_is_a_row_for_its_scheme(monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "paint:", "tests.data.made:load")
    data = load_data("paint:a/b:c")
    check_flat_colours(data)
    assert (data.name, data.source["name"]) == ("paint:a/b:c", "a/b:c")


def test_a_row_for_a_scheme_is_none_for_a_name(monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "paint:", made.load)
    with pytest.raises(
        UserError, match=r"'paint': pass digits, folder:\.\.\., paint:\.\.\. or the name"
    ):
        load_data("paint")


def test_a_version_of_tensorflow_datasets_is_no_scheme(monkeypatch):
    monkeypatch.setattr(sources, "EVERY_OTHER_NAME", made.load)
    assert load_data("cifar10:3.0.2").source["name"] == "cifar10:3.0.2"


def test_the_table_imports_no_tensorflow():
    code = (
        "import sys, node_transfer.data.sources; print([m for m in sys.modules if "
        "m in ('tensorflow', 'tensorflow_datasets', 'keras', 'sklearn')])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"


def test_class_names_of_digits_are_those_of_scikit_learn():
    names = map(str, sklearn.datasets.load_digits().target_names)
    assert load_data("digits").class_names == tuple(names)


def test_class_names_of_cifar10_are_those_in_its_folder(cifar10_dir):
    [file] = Path(cifar10_dir, "cifar10").glob("*/label.labels.txt")
    names = load_data("cifar10", data_dir=cifar10_dir).class_names
    assert names == tuple(file.read_text().split())


@pytest.mark.parametrize(
    ("label", "class_names"),
    [({"names": made.COLOURS}, made.COLOURS), ({"num_classes": 3}, ("0", "1", "2"))],
    ids=["named", "unnamed"],
)
def test_a_set_of_tensorflow_datasets_brings_its_names(label, class_names, tmp_path):
    name = made.define_tfds_set(label)
    data = load_data(name, data_dir=str(tmp_path), default_image_size=40)
    assert data.class_names == class_names
    assert data.sizes == {"train": 18, "validation": 2, "test": 6}
    assert data.image_size == 40  # its own are not square
    assert data.source["version"] == "tensorflow_datasets 1.2.3"
    assert data.source["description"] == "Oblong images."
    for image, label in data.splits["test"]:
        assert np.array_equal(image, made.flat(int(label), 40, 40))
