"""Files of the same bytes among images: where a copy is both learned and asked for."""

from collections import Counter
from collections.abc import Mapping

from node_transfer.data.listed import ListedImages


def copies_told(root: str, splits: Mapping[str, ListedImages]) -> tuple[int, list[str]]:
    """Counts the files that are copies of others, and says what they do to the numbers.

    Args:
        root: The folder, as it is to be named.
        splits: Its own splits, `"train"` alone where it has none.

    Returns:
        How many files have the bytes of an earlier one, and the sentences.
    """
    places = {}
    for split in sorted(splits, key=lambda split: split != "train"):
        part = splits[split]
        for file, label, digest in zip(
            part.files, part.labels.tolist(), part.digests, strict=True
        ):
            places.setdefault(digest, []).append((split, label, file))
    groups = [group for group in places.values() if len(group) > 1]
    if not groups:
        return 0, []
    total = sum(map(len, splits.values()))
    copies = sum(len(group) - 1 for group in groups)
    first, second = (file for _, _, file in groups[0][:2])
    notes = [
        f"copies of others, to the byte, among the {total} images in {root!r}: {copies}, "
        f"{second!r} of {first!r} first"
    ]
    of_a_class = [Counter(its[:2] for its in group) for group in groups]
    cut = any(n > 1 and of[0] == "train" for c in of_a_class for of, n in c.items())
    if len(splits) < 3 and cut:
        notes[0] += (
            "; of those of one class, of which some are drawn to be held out, one is, "
            "and its copies are left out"
        )
    torn = [group for group in groups if len({label for _, label, _ in group}) > 1]
    if torn:
        first, other = _of_two_classes(torn[0])
        notes.append(
            f"images in more than one class: {len(torn)}, {first!r} and {other!r} first; "
            "leave each in the class that it is of"
        )
    seen = [
        (file, group[0][2])
        for group in groups
        if group[0][0] == "train"  # which comes first
        for split, _, file in group
        if split != "train"
    ]
    if seen:
        notes.append(
            f"copies of training images among those to be held out: {len(seen)}, "
            f"{seen[0][0]!r} of {seen[0][1]!r} first; accuracy is partly memory until "
            "they are removed"
        )
    return copies, notes


def _of_two_classes(group: list[tuple[str, int, str]]) -> tuple[str, str]:
    """The first file of a group, and the first of another class."""
    _, label, file = group[0]
    return file, next(other for _, its, other in group if its != label)
