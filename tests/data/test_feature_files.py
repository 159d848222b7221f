"""Files of features: read as they were written, and made again where they are not."""

import numpy as np
import pytest

from node_transfer.data import feature_files
from node_transfer.data.feature_data import FeatureData, example_dtype
from node_transfer.data.feature_files import RECORD, FeatureFiles

SIZES = {"train": 50, "validation": 9, "test": 20}
SHAPE = (2, 3)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder whose files have eight examples each."""
    dtype = example_dtype(SHAPE)
    monkeypatch.setattr(feature_files, "PART_BYTES", 8 * dtype.itemsize)
    return FeatureFiles(tmp_path / "features", dtype, SIZES, multiple=4)


@pytest.fixture
def written(files):
    """The same with its files, and what they have, by split."""
    files.path.mkdir()
    rng = np.random.default_rng(0)
    whole = {}
    for split, size in SIZES.items():
        whole[split] = np.empty(size, files.dtype)
        whole[split]["features"] = rng.normal(size=(size, *SHAPE))
        whole[split]["label"] = rng.integers(0, 10, size)
    for part in files.parts:
        files.write(part, whole[part.split][part.start : part.stop])
    return whole


def reopened(files):
    """Another process's view of the folder."""
    return FeatureFiles(files.path, files.dtype, SIZES, multiple=4)


def test_examples_are_read_in_any_order_and_in_their_own(files, written):
    arrays = reopened(files).read()
    assert len(arrays) == 7 + 2 + 3
    data = FeatureData(
        SHAPE,
        {s: [arrays[p] for p in files.parts if p.split == s] for s in SIZES},
        {},
    )
    assert data.sizes == SIZES
    order = np.random.default_rng(1).permutation(50)
    features, labels = data.take("train", order)
    assert np.array_equal(features, written["train"]["features"][order])
    assert np.array_equal(labels, written["train"]["label"][order])
    features, labels = data.by_index("train")(order[:5])
    assert np.array_equal(features, written["train"]["features"][order[:5]])
    split = data.splits["test"]
    assert split.cardinality() == 20
    ((features, labels),) = split.batch(32).as_numpy_iterator()
    assert np.array_equal(features, written["test"]["features"])
    assert np.array_equal(labels, written["test"]["label"])


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_file_is_told_and_left_out(damage, files, written, capsys):
    part = files.parts[2]
    (path,) = files.path.glob("train-00002-*")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"flipped": content, "cut": content[:-9], "empty": b""}[damage])
    again = reopened(files)
    assert set(files.parts) - set(again.read()) == {part}
    assert f"{path}' is damaged: it is computed again." in capsys.readouterr().err
    rows = written["train"][part.start : part.stop]
    again.write(part, rows)
    assert np.array_equal(reopened(files).read()[part], rows)
    assert capsys.readouterr().err == ""


def test_seconds_that_are_no_number_are_left_out(files):
    files.path.mkdir()
    (files.path / RECORD).write_text('{"seconds": "x", "of": {}}')
    assert files.read_record() == {"of": {}}
