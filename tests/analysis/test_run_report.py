"""The report of one run, from files made by hand."""

import json
import re
import shutil
import warnings

import numpy as np
import pytest

from node_transfer.analysis import run_figures, run_report
from node_transfer.analysis.run_report import write_run_report
from node_transfer.analysis.runs import read_run
from node_transfer.errors import UserError
from tests.analysis.made import write_run
from tests.analysis.test_report_in_browser import CHROMIUM, look_at

NAMES = ["cat", "dog", "<em>"]
LABEL = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2], np.uint8)
PREDICTED = np.array([0, 0, 1, 1, 1, 1, 0, 1, 2, 1], np.uint8)


def illustrations() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "wrong_index": np.array([3, 7], np.int32),
        "wrong_image": rng.integers(0, 256, (2, 8, 8, 3)).astype(np.uint8),
        "path_point": rng.normal(size=(6, 5, 2)).astype(np.float32),
        "path_time": np.linspace(0, 1, 5, dtype=np.float32),
        "path_label": np.array([0, 0, 1, 1, 2, 2], np.uint8),
        "path_variance": np.array([0.7, 0.2], np.float32),
    }


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A finished run with an ODE block, of three classes."""
    folder = tmp_path_factory.mktemp("one")
    path = write_run(folder, "node_rk", 0, [0.5, 0.6, 0.7], nfe=13.0)
    config = json.loads((path / "config.json").read_text())
    config["data"]["class_names"] = NAMES
    config["command"] = "node-transfer train node_rk --epochs=3"
    (path / "config.json").write_text(json.dumps(config))
    probability = np.linspace(0.5, 0.95, len(LABEL)).astype(np.float16)
    np.savez(
        path / "predictions.npz",
        label=LABEL,
        predicted=PREDICTED,
        probability=probability,
    )
    np.savez_compressed(path / "illustrations.npz", **illustrations())
    return path


def test_precision_and_recall_are_those_of_a_hand_count(run_folder):
    run = read_run(run_folder)
    table = run_report.classes_table(run, NAMES)
    assert table.rows == (
        ("cat", "66.7%", "50.0%", "57.1%", "4"),  # 2 of 3 told, 2 of 4 there
        ("dog", "33.3%", "66.7%", "44.4%", "3"),  # 2 of 6, 2 of 3
        ("<em>", "100.0%", "33.3%", "50.0%", "3"),  # 1 of 1, 1 of 3
    )
    matrix = run_report.confusion_matrix(run, 3)
    assert matrix.tolist() == [[2, 2, 0], [1, 2, 0], [0, 2, 1]]
    confused = run_report.confused_table(matrix, NAMES)
    assert confused.rows == (
        ("cat", "dog", "2"), ("<em>", "dog", "2"), ("dog", "cat", "1"),
    )  # fmt: skip


def test_the_page_shows_all_that_the_run_has(run_folder):
    report = write_run_report(run_folder)
    assert report == run_folder / "report.html"
    page = report.read_text(encoding="utf-8")
    names = re.findall(r'<figure id="(\w+)"', page)
    assert names == ["accuracy", "loss", "nfe", "confusion", "paths"]
    assert page.count("data:image/png;base64,") == 2
    assert "<strong>cat</strong>, taken for dog (65%)" in page
    assert "<strong>&lt;em&gt;</strong>, taken for dog (85%)" in page
    assert "<em>" not in page
    assert "node-transfer train node_rk --epochs=3" in page
    assert not re.search(r"(src|href)=.(?!data:)", page)


def test_dollars_in_the_name_of_a_class_are_no_formula():
    assert run_figures.confusion(np.eye(2, dtype=int), ["$x^^$", "5 $ to 10 $"]).svg


def test_a_long_name_leaves_room_for_the_matrix():
    names = ["x" * 120, *map(str, range(12))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = run_figures.confusion(np.eye(13, dtype=int), names).svg
    assert f"{'x' * 15}…{'x' * 8}".encode() in svg


def test_a_class_whose_name_begins_with_an_underscore_is_in_the_legend():
    arrays = {
        "path_point": np.random.default_rng(0).normal(size=(4, 5, 2)),
        "path_label": np.array([0, 1, 1, 0]),
        "path_variance": np.array([0.7, 0.2]),
        "path_time": np.linspace(0.0, 1.0, 5),
    }
    drawing = run_figures.paths(arrays, ["_other", "owl"])
    for name in (b"_other", b"owl"):
        assert drawing.svg.count(b"<!-- %s -->" % name) == 1


def test_what_a_run_lacks_is_left_out(run_folder, tmp_path):
    path = shutil.copytree(run_folder, tmp_path / "run")
    (path / "illustrations.npz").unlink()
    page = write_run_report(path).read_text(encoding="utf-8")
    assert "no illustrations.npz" in page and 'id="paths"' not in page
    (path / "predictions.npz").unlink()
    page = write_run_report(path).read_text(encoding="utf-8")
    assert "no predictions.npz" in page and 'id="confusion"' not in page
    (path / "metrics.json").unlink()
    with pytest.raises(UserError, match="no readable metrics.json"):
        write_run_report(path)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_is_legible_on_a_telephone(run_folder, tmp_path):
    page = write_run_report(run_folder).read_text(encoding="utf-8")
    seen = look_at(page, 390, tmp_path)
    assert seen["images"] == seen["loaded"] == 7
    assert seen["width"] <= seen["view"] == 390
    assert seen["cut"] == [] and seen["wide"] == 0
