"""Copies of a picture are held out together, and told; so is what became unreadable."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageFile

from node_transfer.data import listed
from node_transfer.data.listed import ListedImages
from node_transfer.data.loading import load_data
from node_transfer.errors import UserError
from tests.data.pictures import gallery, noise, paint


def load(root):
    return load_data(f"folder:{root}", image_size=32)


def sides(data):
    """From each file to the split that it is in."""
    return {file: split for split, files in data.files.items() for file in files}


@pytest.fixture
def pictures(tmp_path):
    return gallery(tmp_path / "pictures", {"blue": 20, "red": 20})


def test_copies_are_on_one_side_and_no_other_file_moves(pictures, capsys):
    first = load(pictures)
    before = sides(first)
    assert "copies" not in capsys.readouterr().err
    for file in list(before)[::3]:
        name = file.removesuffix(".png")
        shutil.copy(pictures / file, pictures / f"{name} (1).png")
    data = load(pictures)
    now = sides(data)
    originals = {file for file in before if now.get(file.replace(".", " (1).")) is None}
    for file, split in now.items():
        copied = file.replace(".png", " (1).png")
        if split == "train":
            assert before[file.replace(" (1)", "")] == "train"
            assert (pictures / copied).exists() <= (now.get(copied) == "train")
        else:  # once, under either name
            assert before[file.replace(" (1)", "")] == split
    assert len(originals) > 20
    counts = {split: len(files) for split, files in first.files.items()}
    assert data.sizes["test"] == counts["test"]
    assert data.sizes["validation"] == counts["validation"]
    assert data.source["copies"] == 14
    told = capsys.readouterr().err
    assert f"among the 54 images in '{pictures}': 14, " in told
    assert "; of those of one class, of which some are drawn to be held out, one " in told
    assert "more than one class" not in told and "training images" not in told


def test_a_class_of_one_picture_many_times_is_trained_on(tmp_path):
    root = gallery(tmp_path / "pictures", {"blue": 20, "red": 1})
    for i in range(5):
        shutil.copy(root / "red/000.png", root / f"red/{i + 1}.png")
    assert {s for file, s in sides(load(root)).items() if "red" in file} == {"train"}


def test_one_picture_in_two_classes_is_told(pictures, capsys):
    shutil.copy(pictures / "blue/003.png", pictures / "red/999.png")
    load(pictures)
    told = capsys.readouterr().err
    assert "more than one class: 1, 'blue/003.png' and 'red/999.png' first" in told


def test_test_images_that_are_copies_of_training_images_are_told(tmp_path, capsys):
    root = tmp_path / "pictures"
    gallery(root / "train", {"blue": 4, "red": 4})
    for i in range(2):
        for name, colour in (("blue", (9, 9, 255 - i)), ("red", (255 - i, 9, 9))):
            paint(root / "test" / name / f"{i}.png", colour)
    load(root)
    assert "copies" not in capsys.readouterr().err
    shutil.copy(root / "train/red/001.png", root / "test/red/other.png")
    load(root)
    told = capsys.readouterr().err
    assert "'test/red/other.png' of 'train/red/001.png' first\n" in told
    assert "drawn to be held out" not in told
    assert (
        "copies of training images among those to be held out: 1, "
        "'test/red/other.png' of 'train/red/001.png' first"
    ) in told


def test_a_picture_that_can_be_read_by_now_makes_other_data(pictures, monkeypatch):
    """It moves the split of its class, so that a run must not go on with it."""
    path = pictures / "red" / "000.jpg"
    Image.fromarray(noise((90, 90))).save(path)
    path.write_bytes(path.read_bytes()[:-400])
    data = load(pictures)
    assert [row["path"] for row in data.unreadable] == ["red/000.jpg"]
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    again = load(pictures)
    assert again.unreadable == ()
    first, second = (it.source["checksum"]["sha256"] for it in (data, again))
    assert first != second


@pytest.mark.parametrize("copies", [1, 2, 7])
def test_the_fraction_is_of_unlike_pictures(copies):
    digests = tuple(f"{i // copies}" for i in range(40 * copies))
    labels = np.repeat([0, 1], 20 * copies)
    part = ListedImages("/", digests, labels, digests)
    kept, out = listed.cut(part, 0.25, seed=3)
    assert len(out) == len(set(out.digests)) == 10 and len(kept) == 30 * copies
    assert not {*kept.digests} & {*out.digests}


def test_a_folder_of_one_picture_a_class_says_that_they_do_not_differ(tmp_path):
    root = gallery(tmp_path / "pictures", {"blue": 1, "red": 1})
    for name in ("blue", "red"):
        for i in range(1, 7):
            shutil.copy(root / name / "000.png", root / name / f"{i}.png")
    with pytest.raises(UserError, match="14 images .* no class has two that differ"):
        load(root)
