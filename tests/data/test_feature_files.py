"""Files of features: read as they were written, and made again where they are not."""

import os
import resource

import numpy as np
import pytest

from node_transfer.data import feature_files
from node_transfer.data.feature_data import FeatureData, example_dtype
from node_transfer.data.feature_files import MOST_FILES, RECORD, FeatureFiles
from node_transfer.errors import UserError

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


def test_a_large_set_has_no_more_files_than_a_process_may_open(tmp_path):
    dtype = example_dtype((7, 7, 1280))  # 250 kB an image
    sizes = {"train": 90_000, "validation": 10_001, "test": 25_003}
    files = FeatureFiles(tmp_path, dtype, sizes, multiple=64)
    assert MOST_FILES / 2 < len(files.parts) <= MOST_FILES + len(sizes)
    for split, size in sizes.items():
        parts = [part for part in files.parts if part.split == split]
        assert [part.start for part in parts] == [0, *(p.stop for p in parts[:-1])]
        assert parts[-1].stop == size
        assert all(part.start % 64 == 0 for part in parts)


def test_whole_files_that_cannot_be_opened_are_not_called_damaged(files, written, capsys):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as lowest:  # of the numbers that are free
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest.fileno() + 5, limits[1]))
        try:
            with pytest.raises(UserError, match="Too many open files.*ulimit -n"):
                reopened(files).read()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert capsys.readouterr().err == ""
    assert len(reopened(files).read()) == 12
