"""The folders of a data set by their names: which are splits, which are classes."""

import collections
import dataclasses
import itertools
import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from node_transfer.data.image_files import EXTENSIONS, KINDS
from node_transfer.errors import UserError

# Names of folders that are splits, in lower case.
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}


@dataclasses.dataclass
class SplitFiles:
    """Files below the root, with `/`, and the class of each."""

    files: list[str] = dataclasses.field(default_factory=list)
    classes: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
        splits: `"train"`, and `"validation"` and `"test"` where it has them.
        class_names: Of the training images, sorted by code point.
        other_files: How many files are no images by their names, for each extension, in
            lower case; `""`: without one.
        notes: What a user should know of what was left out, a sentence each without its
            full stop.
    """

    splits: dict[str, SplitFiles]
    class_names: tuple[str, ...]
    other_files: dict[str, int]
    notes: tuple[str, ...]


def find(root: Path) -> Found:
    """Looks through a folder.

    Its own folders are classes, or all of them are splits (`SPLIT_FOLDERS`) whose folders
    are classes. Folders within a class belong to it. What is hidden (a name that begins
    with a dot) is passed over; links are followed.

    Raises:
        UserError: It is not laid out so, or has fewer than two classes with images, or a
            class in validation or test that has no training images.
    """
    splits, others, stray, empty = {}, collections.Counter(), [], []
    of_splits = _split_folders(root)
    for folder in dict.fromkeys(itertools.chain([root], *of_splits.values())):
        beside = [file for file in _visible(folder) if not file.is_dir()]
        stray += [file.name for file in beside if _is_image(file)]
        others.update(file.suffix.lower() for file in beside if not _is_image(file))
    for name, folders in of_splits.items():
        splits[name] = SplitFiles()
        for folder in folders:
            for of_class in _folders_in(folder):
                files = list(walk(of_class, _stop))
                images = [file for file in files if _is_image(file)]
                others.update(
                    file.suffix.lower() for file in files if not _is_image(file)
                )
                class_name = _class_name(of_class)
                if not images:
                    empty.append(of_class.relative_to(root).as_posix())
                paths = sorted(file.relative_to(root).as_posix() for file in images)
                splits[name].files += paths
                splits[name].classes += [class_name] * len(paths)
    splits = {n: split for n, split in splits.items() if split.files or n == "train"}
    class_names = tuple(sorted(set(splits["train"].classes)))
    _check_classes(root, splits, class_names, stray)
    notes = _notes(root, others, stray, empty)
    return Found(splits, class_names, dict(sorted(others.items())), notes)


def _split_folders(root: Path) -> dict[str, list[Path]]:
    """The folders that classes are in, by split."""
    folders = _folders_in(root)
    named = [folder for folder in folders if folder.name.lower() in SPLIT_FOLDERS]
    holding = [folder for folder in named if _folders_in(folder)]
    if not holding:  # such as a class with the name of a split
        _check_not_flat(root, folders, named)
        return {"train": [root]}
    splits = {}
    for folder in folders:
        if folder not in named:
            raise UserError(
                f"{str(root)!r} has folders of splits ({holding[0].name!r}) and "
                f"{folder.name!r} beside them: leave only train, validation and test "
                "there, or one folder a class."
            )
        splits.setdefault(SPLIT_FOLDERS[folder.name.lower()], []).append(folder)
    if "train" not in splits:
        raise UserError(
            f"{str(root)!r} has {', '.join(sorted(splits))} and no training images: pass "
            "a folder with a folder train in it, or with one folder a class."
        )
    return splits


def _check_not_flat(root, folders: list[Path], named: list[Path]) -> None:
    """Raises `UserError` where all folders are splits, with images and no classes."""
    if len(named) < 2 or len(named) < len(folders):
        return
    if any(_is_image(file) for folder in named for file in _visible(folder)):
        names = " and ".join(sorted(folder.name for folder in named))
        raise UserError(
            f"{str(root)!r} has images directly in {names}, so that nothing says their "
            f"classes: put those of each class into a folder of its name in each of "
            f"them ({named[0].name}/cat/...)."
        )


def _check_classes(root, splits, class_names, stray) -> None:
    if not class_names:
        directly = f" ({len(stray)} images are in no folder of a class)" if stray else ""
        raise UserError(
            f"{str(root)!r} has no folder with images in it{directly}: put the images "
            f"({KINDS}) of each class into a folder of its name."
        )
    if len(class_names) == 1:
        raise UserError(
            f"{str(root)!r} has one class, {class_names[0]!r}, and a classifier needs "
            "two or more: put the images of each class into a folder of its name."
        )
    for name, split in splits.items():
        for unknown in sorted(set(split.classes) - set(class_names)):
            raise UserError(
                f"The class {unknown!r} of {str(root)!r} has images for {name} and none "
                f"to train on: leave it out of {name}, or add some."
            )


def _notes(root, others, stray, empty) -> tuple[str, ...]:
    notes = []
    if others:
        kinds = ", ".join(
            f"{count} {kind or 'without an extension'}"
            for kind, count in sorted(others.items())
        )
        notes.append(
            f"no images by their names, and so left out of {str(root)!r}: {kinds}"
        )
    if stray:
        more = f" and {len(stray) - 1} more" if len(stray) > 1 else ""
        notes.append(
            "images in no folder of a class, and so left out of "
            f"{str(root)!r}: {stray[0]!r}{more}"
        )
    if empty:
        notes.append(
            f"{len(empty)} folders in {str(root)!r} have no images and are no classes: "
            f"{', '.join(map(repr, empty[:3]))}"
        )
    return tuple(notes)


def _class_name(folder: Path) -> str:
    """The folder's name, the same whether a system writes é as one character or two."""
    name = unicodedata.normalize("NFC", folder.name)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(
            f"The folder {folder.name!r} has a name that is not UTF-8 here: rename it, "
            "or set PYTHONUTF8=1 if the locale has no such characters."
        ) from None
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise UserError(
            f"The folder {folder.name!r} has a line break or the like in its name, which "
            "lists of classes cannot hold: rename it."
        )
    return name


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name[0] != ".")
    except OSError as error:
        _stop(error)


def _stop(error: OSError) -> NoReturn:
    raise UserError(
        f"The folder {error.filename!r} cannot be listed ({error.strerror}): see that it "
        "can be, or move it away."
    ) from error


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.is_dir()


def walk(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    """Yields the files of a folder and of its folders, by name, but for hidden ones.

    A link that leads back to where it was is not gone again.

    Args:
        folder: The folder.
        on_error: Called where a folder cannot be listed; the others are gone on with
            when it returns.
    """
    seen = set()
    for at, folders, files in os.walk(folder, onerror=on_error, followlinks=True):
        real = os.path.realpath(at)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(at, name)
