"""Fonts for the names of classes, which may be in any script."""

import unicodedata
from collections.abc import Iterator, Sequence

from matplotlib import font_manager

from node_transfer.analysis.style import FONT
from node_transfer.errors import warn

UNSEEN = {"Cc", "Cf", "Zs"}  # categories of characters that need no glyph
NO_FONTS = ("Last Resort", "Color Emoji")  # placeholders; bitmaps, not to be drawn


def families_for(names: Sequence[str]) -> list[str]:
    """Returns families of installed fonts that have the characters of names.

    DejaVu Sans is the first, and all there is where it has them. Warns of characters that
    no font has, which a figure shows as boxes.
    """
    lacking = {character for character in "".join(names) if _is_seen(character)}
    families = []
    for family, path in _fonts():
        if not lacking:
            break
        has = _characters(path, lacking)
        if has:
            families.append(family)
            lacking -= has
    if lacking:
        classes = ", ".join(repr(name) for name in names if lacking & set(name))
        warn(
            f"no font of this machine has all characters of {classes}, which the "
            "report's figures show as boxes: install fonts that have them, such as those "
            "of Noto for each script, and make the report again with node-transfer report"
        )
    return [FONT, *(family for family in families if family != FONT)]


def _is_seen(character: str) -> bool:
    """Whether it needs a glyph, as joiners and the like do not."""
    selects = "VARIATION SELECTOR" in unicodedata.name(character, "")
    arabic = unicodedata.bidirectional(character) == "AN"  # signs around numbers
    return arabic or not (selects or unicodedata.category(character) in UNSEEN)


def _fonts() -> Iterator[tuple[str, str]]:
    """Families and files, ours first, then those without serifs."""
    yield FONT, font_manager.findfont(FONT)
    entries = {
        (entry.name, entry.fname)
        for entry in font_manager.fontManager.ttflist
        if entry.style == "normal" and not any(word in entry.name for word in NO_FONTS)
    }
    yield from sorted(entries, key=lambda entry: ("Sans" not in entry[0], entry))


def _characters(path: str, wanted: set[str]) -> set[str]:
    """Those characters that a font has; none where it cannot be read."""
    try:
        font = font_manager.get_font(path)
    except (OSError, RuntimeError):
        return set()
    return {character for character in wanted if font.get_char_index(ord(character))}
