"""A folder of pictures as a data set: its layouts, its splits, its damage."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from node_transfer.data import image_data
from node_transfer.data.damage import damage_told
from node_transfer.data.image_folder import UnreadableImagesError
from node_transfer.data.loading import load_data
from node_transfer.data.pipelines import evaluation_batches, training_batches
from node_transfer.errors import UserError
from node_transfer.serving.image_paths import image_paths
from tests.data.pictures import COLOURS, gallery, paint

COUNTS = {"blue": 20, "green": 10, "red": 30}


def load(root, **options):
    return load_data(f"folder:{root}", **{"image_size": 32, **options})


def labels_of(data, split):
    return np.array([label for _, label in data.splits[split].as_numpy_iterator()])


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    return gallery(tmp_path_factory.mktemp("flat") / "my pictures", COUNTS)


def test_a_folder_a_class_is_split_by_class(flat):
    data = load(flat)
    assert data.class_names == ("blue", "green", "red")
    assert data.sizes == {"train": 48, "validation": 6, "test": 6}
    for split, counts in {
        "train": [16, 8, 24], "validation": [2, 1, 3], "test": [2, 1, 3],
    }.items():  # fmt: skip
        assert np.bincount(labels_of(data, split)).tolist() == counts
        for (image, label), file in zip(
            data.splits[split], data.files[split], strict=True
        ):
            name = data.class_names[int(label)]
            assert (image.dtype, image.shape) == ("uint8", (32, 32, 3))
            level = max(COLOURS[name]) - int(file.split("/")[1].removesuffix(".png"))
            assert image[0, 0, (2, 1, 0)[int(label)]] == level
            assert file.startswith(f"{name}/")
    files = [file for split in data.files.values() for file in split]
    assert len(set(files)) == len(files) == 60


def test_the_split_is_of_the_seed(flat):
    first, again, other = (load(flat, seed=seed).files for seed in (1, 1, 2))
    assert first == again
    assert first["test"] != other["test"] and first["validation"] != other["validation"]


def test_train_examples_keeps_the_shares_of_classes(flat):
    data = load(flat, train_examples=12)
    assert np.bincount(labels_of(data, "train")).tolist() == [4, 2, 6]
    with pytest.raises(
        UserError, match="train_examples is 2: pass a number from 3 .* 48"
    ):
        load(flat, train_examples=2)


def test_small_classes_are_trained_on_first(tmp_path):
    root = gallery(tmp_path, {"blue": 30, "green": 2, "red": 1})
    data = load(root)
    counts = {
        s: np.bincount(labels_of(data, s), minlength=3).tolist() for s in data.sizes
    }
    assert counts == {"train": [24, 1, 1], "validation": [3, 0, 0], "test": [3, 1, 0]}
    assert np.bincount(labels_of(load(root, train_examples=5), "train")).min() == 1


@pytest.mark.parametrize(
    ("names", "sizes", "test"),
    [
        (("train", "validation", "test"), (4, 4, 4), "test"),
        (("Train", "val"), (2, 2, 2), "val"),  # its two classes are not in the other
        (("train", "test"), (2, 2, 4), "test"),
    ],
)
def test_folders_of_splits_are_these_splits(names, sizes, test, tmp_path):
    for name in names:
        gallery(tmp_path / name, {"blue": 2, "red": 0 if name == "val" else 2})
    (tmp_path / names[-1] / "empty").mkdir()
    data = load(tmp_path)
    assert tuple(data.sizes.values()) == sizes
    assert {file.split("/")[0] for file in data.files["test"]} == {test}
    if len(names) == 3:
        assert {f.split("/")[0] for f in data.files["validation"]} == {"validation"}
    assert data.class_names == ("blue", "red")


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train", "tram"):
        for i in range(4):
            paint(tmp_path / name / f"{i}.png", (i, 0, 0))
    assert load(tmp_path).class_names == ("train", "tram")


def test_what_is_found_below_a_class(tmp_path, capsys):
    root = gallery(tmp_path, {"red": 5})
    green = (0, 255, 0)
    for width, name in enumerate((
        "grün und blau/a b.PNG",
        "grün und blau/deep/deeper/ü.png",
        "grün und blau/same.jpg",
        "grün und blau/same.png",
        "grün und blau/.hidden.png",
        "grün und blau/.folder/a.png",
    )):  # fmt: skip
        paint(root / name, green, (20 + width, 9))
    (root / "grün und blau" / "README.txt").write_text("no picture")
    (root / "grün und blau" / "live.HEIC").write_text("no picture")
    (root / "Thumbs").mkdir()
    (root / "grün und blau" / "back").symlink_to(root / "grün und blau")
    (root / "red" / "linked.png").symlink_to(paint(tmp_path.parent / "far.png", green))
    for name in ("alone.png", "alone, too.png"):
        paint(root / name)
    (root / "notes.txt").write_text("no picture")
    data = load(root)
    assert data.class_names == ("grün und blau", "red")
    assert sum(data.sizes.values()) == 10
    assert data.source["files"] == {"train": {"grün und blau": 4, "red": 6}}
    assert data.source["other_files"] == {".heic": 1, ".txt": 2}
    told = capsys.readouterr().err
    assert (
        f"no images by their names, and so left out of {str(root)!r}: 1 .heic, 2 .txt"
        in told
    )
    assert "class, and so left out of" in told and "'alone, too.png' and 1 more" in told
    assert "'Thumbs'" in told


def split_and_more(root):
    gallery(root / "train", {"red": 2, "blue": 2})
    gallery(root, {"green": 2})


def only_test(root):
    gallery(root / "test", {"red": 2, "blue": 2})


def unknown_class(root):
    gallery(root / "train", {"red": 2, "blue": 2})
    gallery(root / "test", {"red": 2, "green": 2})


def all_damaged(root):
    gallery(root, {"red": 4})
    paint(root / "blue" / "a.png").write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda root: root.rmdir(), "There is no folder .*: pass dataset=folder:PATH"),
        (lambda root: None, "has no folder with images in it: put"),
        (lambda root: paint(root / "a.png"), r"\(1 images are in no folder of a class\)"),
        (lambda root: gallery(root, {"red": 3}), "has one class, 'red'"),
        (split_and_more, r"folders of splits \('train'\) and 'green' beside"),
        (only_test, "has test and no training images"),
        (unknown_class, "class 'green' of .* has images for test and none to train on"),
        (
            lambda root: paint(root / "blue\ngreen" / "a.png"),
            r"'blue\\ngreen' has a line break or the like in its name",
        ),
        (all_damaged, "None of the training images of the class 'blue'"),
        (
            lambda root: gallery(root, {"red": 1, "blue": 1}),
            "2 images to train on none can be held out",
        ),
    ],
)
def test_a_folder_laid_out_otherwise_is_one_sentence(make, complaint, tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    make(root)
    with pytest.raises(UserError, match=complaint) as raised:
        load(root)
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    gallery(tmp_path, {"red": 2, "blue": 2})
    paint(tmp_path / "red" / "more" / "a.png")
    scandir, refused = os.scandir, {tmp_path / "red" / "more"}

    def refuse(path):  # as the system does, but for root
        if Path(path) in refused:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"more' cannot be listed \(Permission denied\)"):
        load(tmp_path)
    found = [Path(path).name for path in image_paths([tmp_path])]
    assert found == ["000.png", "001.png", "000.png", "001.png", "more"]


def test_a_pipe_is_left_out_and_not_waited_for(tmp_path, capsys):
    gallery(tmp_path, {"red": 4, "blue": 4})
    os.mkfifo(tmp_path / "red" / "pipe.png")
    assert load(tmp_path).unreadable[0]["path"] == "red/pipe.png"
    assert "it is a pipe" in capsys.readouterr().err


def test_home_of_nobody_is_no_folder():
    with pytest.raises(UserError, match=r"no folder '~no such user/images'"):
        load("~no such user/images")


def test_a_few_damaged_files_are_left_out_and_named(tmp_path, capsys):
    root = gallery(tmp_path, {"blue": 10, "red": 10})
    (root / "blue" / "003.png").write_bytes(b"")
    data = load(root)
    assert data.unreadable == ({"path": "blue/003.png", "reason": "it is empty"},)
    assert sum(data.sizes.values()) == 19 and data.source["unreadable"] == 1
    assert data.source["files"] == {"train": {"blue": 9, "red": 10}}
    assert "20 images" in capsys.readouterr().err


def test_more_than_one_in_a_hundred_is_refused(tmp_path):
    root = gallery(tmp_path, {"blue": 100, "red": 101})
    damaged = [root / "blue" / f"{i:03}.png" for i in range(5)]
    for path in damaged[:2]:
        path.write_text("no picture")
    assert len(load(root).unreadable) == 2
    for path in damaged[2:]:
        path.write_text("no picture")
    with pytest.raises(UnreadableImagesError, match="201 .* 5 cannot") as raised:
        load(root)
    message = str(raised.value)
    assert "'blue/002.png' (it is no JPEG" in message and "and 2 more" in message
    assert "blue/003" not in message and len(raised.value.rows) == 5


def test_the_checksum_is_of_paths_and_bytes(flat, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(flat, copy)
    for path in copy.rglob("*.png"):
        os.utime(path, (1, 1))
    (copy / "notes.txt").write_text("not of the set")

    def checksum(root):
        return load(root).source["checksum"]["sha256"]

    first = checksum(flat)
    assert checksum(copy) == first
    paint(copy / "red" / "000.png", (1, 2, 3))
    changed = checksum(copy)
    (copy / "red" / "000.png").rename(copy / "red" / "a.png")
    assert len({first, changed, checksum(copy)}) == 3


def epoch_of(data, number):
    batches = training_batches(data, 10, 7, number, number + 1)
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def test_larger_than_memory_is_read_as_it_is_wanted(flat, tmp_path, monkeypatch):
    stored = epoch_of(load(flat), 3)
    root = tmp_path / "copy"
    shutil.copytree(flat, root)
    monkeypatch.setattr(image_data, "MEMORY_LIMIT_BYTES", 0)
    data = load(root)
    streamed, again, next_one = epoch_of(data, 3), epoch_of(data, 3), epoch_of(data, 4)
    for left, right, kept in zip(streamed, again, stored, strict=True):
        assert np.array_equal(left, right)  # whatever came before
        assert np.array_equal(left, kept)  # the order of the set in memory
    assert not np.array_equal(streamed[1], next_one[1])
    assert np.array_equal(np.bincount(streamed[1]), np.bincount(next_one[1]))

    (root / data.files["validation"][1]).write_bytes(b"GIF89a")
    complaint = pytest.raises(UserError, match="The image '.*' cannot be read .*mend")
    with complaint as raised, damage_told(data.name):
        list(evaluation_batches(data, "validation", 4))
    assert "\n" not in str(raised.value)


def test_batches_of_training_change_their_order_and_the_others_do_not(flat, monkeypatch):
    for limit in (image_data.MEMORY_LIMIT_BYTES, 0):
        monkeypatch.setattr(image_data, "MEMORY_LIMIT_BYTES", limit)
        data = load(flat)

        def labels(split):
            batches = data.batches(split, 10).as_numpy_iterator()  # noqa: B023
            return [label for _, labels in batches for label in labels]

        assert labels("train") != labels("train")
        assert sorted(labels("train")) == labels_of(data, "train").tolist()
        assert labels("test") == labels_of(data, "test").tolist()
