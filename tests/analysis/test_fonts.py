"""Names of classes in any script, in figures."""

import logging
import warnings

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from matplotlib import font_manager

from node_transfer.analysis import fonts, run_figures, style

OURS = ["chat", "été", "собака", "قط"]  # which DejaVu Sans has
OTHER = ["chat", "\uf123"]  # of the private area: no font has it unless it is made


@pytest.fixture
def made_font(tmp_path):
    """A font that has the last of these names, installed, heavier than asked for."""
    font = TTFont(font_manager.findfont(style.FONT))
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap = {0xF123: "a"}
    for record in font["name"].names:
        record.string = "Made Sans"
    font["OS/2"].usWeightClass = 500
    font.save(tmp_path / "made.ttf")
    manager = font_manager.fontManager
    before = list(manager.ttflist)
    manager.addfont(tmp_path / "made.ttf")
    yield "Made Sans"
    manager.ttflist[:] = before


def drawn(names, families) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return run_figures.confusion(np.eye(len(names), dtype=int), names, families).svg


def test_names_that_our_font_has_are_drawn_with_it_alone(made_font, capsys):
    assert fonts.families_for(OURS) == [style.FONT]
    assert drawn(OURS, [style.FONT]) == drawn(OURS, style.FONT)
    assert capsys.readouterr().err == ""


def test_other_names_are_drawn_with_a_font_that_is_installed(made_font, capsys, caplog):
    families = fonts.families_for(OTHER)
    assert families == [style.FONT, made_font]
    with caplog.at_level(logging.WARNING):
        assert drawn(OTHER, families) != drawn(OTHER, style.FONT)
    assert capsys.readouterr().err == "" and not caplog.records


def test_characters_that_no_font_has_are_told_once(capsys):
    families = fonts.families_for(OTHER)
    assert families == [style.FONT]
    assert drawn(OTHER, families)
    told = capsys.readouterr().err
    assert told.count("WARNING") == 1
    assert "characters of '\\uf123', which" in told


def test_what_needs_no_glyph_is_not_missed(capsys):
    names = ["a\u200db", "e\u0301", "a\u3000b", "a\ufe0e", "\u202ba"]
    assert fonts.families_for(names) == [style.FONT]
    assert capsys.readouterr().err == ""


def test_a_mark_that_no_font_has_is_told_too(capsys):
    assert fonts.families_for(["one", "1\ufe0f\u20e3", "\u1ab0"])[0] == style.FONT
    assert "characters of '1\ufe0f\u20e3', '\u1ab0', which" in capsys.readouterr().err
