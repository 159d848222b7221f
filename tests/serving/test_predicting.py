"""Image files become classes and probabilities, in their order."""

import csv
import io
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.special
from absl import flags

from node_transfer import predict
from node_transfer.cli import predict as cli
from node_transfer.errors import UserError
from node_transfer.serving import predicting as serving
from node_transfer.serving import prediction_formats
from node_transfer.serving.image_paths import image_paths
from node_transfer.serving.predicting import Prediction
from tests.data.pictures import paint
from tests.serving.made import NAMES, classifier, ode

ROWS = [
    Prediction("a.png", ("red", "blue"), (0.75, 0.25)),
    Prediction("b, c.png", error="it is empty"),
]


@pytest.fixture
def photos(tmp_path):
    """Pictures of several sizes, one of them broken, beside what is none."""
    folder = tmp_path / "photos"
    for i, size in enumerate([(16, 16), (40, 20), (16, 16), (7, 90)]):
        paint(folder / f"{i}.png", (40 * i, 200, 90), size)
    paint(folder / "more" / "9.jpg", (3, 4, 5))
    (folder / "5.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either")
    return folder


def test_each_file_has_the_models_answer_in_its_order(photos):
    model = classifier()
    found = predict(model, [photos], top=2, batch_size=2)
    names = [Path(p.path).relative_to(photos).as_posix() for p in found]
    assert names == ["0.png", "1.png", "2.png", "3.png", "5.jpg", "more/9.jpg"]
    assert [p.path for p in found if p.error] == [str(photos / "5.jpg")]
    assert found[4].classes == found[4].probabilities == ()
    for i in (0, 1, 3):
        size = [(16, 16), (40, 20), None, (7, 90)][i]
        images = np.zeros((1, size[1], size[0], 3), "uint8") + np.uint8([40 * i, 200, 90])
        row = scipy.special.softmax(model.predict(images, verbose=0)[0])
        best = np.argsort(-row)[:2]
        assert found[i].classes == tuple(NAMES[k] for k in best)
        assert np.allclose(found[i].probabilities, row[best], atol=1e-6)


def test_solver_is_the_one_asked_for(photos):
    model = classifier(ode())
    exact, coarse = (
        predict(model, [photos / "0.png"], **solver)[0].probabilities[0]
        for solver in ({}, {"method": "euler", "num_steps": 1})
    )
    assert model.block.method == "euler"
    assert abs(exact - coarse) > 1e-4
    with pytest.raises(UserError, match="no ODE block"):
        predict(classifier(), [photos], rtol=1e-2)


def test_model_without_names_says_numbers(photos):
    model = classifier()
    model.class_names = None
    (found,) = predict(model, [photos / "0.png"])
    assert found.classes[0] in ("0", "1", "2")


def test_paths_are_files_folders_and_patterns(photos):
    def relative(*given):
        paths = [photos / path for path in given]
        return [Path(p).relative_to(photos).as_posix() for p in image_paths(paths)]

    assert relative("3.png", "more", "3.png") == ["3.png", "more/9.jpg", "3.png"]
    assert relative("[01].png") == ["0.png", "1.png"]
    assert relative("**/*.jpg") == ["5.jpg", "more/9.jpg"]
    assert relative("gone.png", "*.bmp") == ["gone.png", "*.bmp"]  # reading them tells
    (photos / "more" / ".hidden.png").write_bytes(b"")
    assert list(image_paths(str(photos / "3.png"))) == [str(photos / "3.png")]
    assert list(image_paths(photos / "3.png")) == [str(photos / "3.png")]
    assert relative("more") == ["more/9.jpg"]


def test_a_link_that_leads_back_is_not_gone_again(photos):
    (photos / "more" / "loop").symlink_to(photos)
    found = [Path(path).relative_to(photos).as_posix() for path in image_paths([photos])]
    assert found == ["0.png", "1.png", "2.png", "3.png", "5.jpg", "more/9.jpg"]


def test_file_that_is_not_there_is_told_and_the_others_are_predicted(photos):
    found = predict(classifier(), [photos / "gone.png", photos / "0.png"])
    assert [bool(p.error) for p in found] == [True, False]


def test_what_stands_for_no_file_is_told_as_that(photos):
    (photos / "empty").mkdir()
    found = predict(classifier(), [photos / "no/*.jpg", photos / "empty"])
    assert [p.error for p in found] == ["no file matches", "a folder without images"]


def test_predictions_are_read_back_from_csv_and_json():
    rows = list(csv.DictReader(io.StringIO(prediction_formats.as_csv(ROWS, 2))))
    assert rows[0] == {
        "path": "a.png", "class": "red", "probability": "0.75", "class_2": "blue",
        "probability_2": "0.25", "error": "",
    }  # fmt: skip
    assert (rows[1]["path"], rows[1]["class"], rows[1]["error"]) == (
        "b, c.png", "", "it is empty",
    )  # fmt: skip
    first, second = json.loads(prediction_formats.as_json(ROWS, 2))
    assert first["predictions"][1] == {"class": "blue", "probability": 0.25}
    assert second == {"path": "b, c.png", "error": "it is empty"}
    table = prediction_formats.as_table(ROWS, 2).splitlines()
    assert table[0].split() == ["file", "class", "probability", "class_2",
                                "probability_2"]  # fmt: skip
    assert table[2].split() == ["a.png", "red", "75.0%", "blue", "25.0%"]
    assert "(it is empty)" in table[3]


def test_a_path_with_a_line_break_has_one_row_of_the_table():
    rows = [Prediction("a\nb\x1b[2J é.png", ("red",), (0.75,))]
    table = prediction_formats.as_table(rows, 1).splitlines()
    assert len(table) == 3 and table[2].startswith("a\\nb\\x1b[2J é.png  red")


@pytest.mark.slow
def test_command_writes_a_file_and_its_exit_code_tells_of_unreadable_ones(
    photos, tmp_path
):
    classifier().save(tmp_path / "model.keras")

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "node_transfer", "predict", "--model=model.keras",
             *words],
            cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip

    again = ("--overwrite", "--output=out.json")
    done = run("photos/0.png", "photos/5.jpg", "--top=3", "--output=out.json")
    assert done.returncode == 3
    assert "photos/5.jpg: cannot be read" in done.stderr
    first, second = json.loads((tmp_path / "out.json").read_text())
    assert {p["class"] for p in first["predictions"]} == set(NAMES)
    assert "error" in second
    done = run("photos/0.png", "--format=csv", "--top=9")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert f"probability_{len(NAMES)}" in done.stdout and "class_9" not in done.stdout
    (photos / "0.png").rename(photos / os.fsdecode(b"\xff.png"))
    done = run("photos/more", os.fsdecode(b"photos/\xff.png"), *again)
    assert done.returncode == 0
    assert json.loads((tmp_path / "out.json").read_text())[1]["path"].endswith(
        "\udcff.png"
    )
    assert "is something at" in run("photos/1.png", "--output=out.json").stderr
    (tmp_path / "link.csv").symlink_to("out.csv")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    for output in ("link.csv", "pipe"):  # what a link leads to; a pipe stays one
        assert run("photos/1.png", "--format=csv", f"--output={output}").returncode == 0
    written = (tmp_path / "out.csv").read_bytes()
    assert (tmp_path / "link.csv").is_symlink() and written.startswith(b"path,class")
    assert os.read(reader, 10_000) == written
    assert run("photos/1.png", "--overwrite", "--output=link.csv").returncode == 0
    os.close(reader)
    for output, complaint in ((".", "a folder"), ("no/a.csv", "pass --output with")):
        done = run("photos/more", f"--output={output}")
        assert done.returncode == 2 and complaint in done.stderr
    done = run()
    assert done.returncode == 2 and "No images are given" in done.stderr


@pytest.mark.parametrize("output", ["mine.csv", None])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("It cannot be.")])
def test_predictions_before_an_end_are_not_lost(
    error, output, photos, tmp_path, monkeypatch, capsys
):
    def ends(*_, **__):
        yield from ROWS
        raise error

    model = tmp_path / "model.keras"
    classifier().save(model)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.partial.csv").write_text("another's")
    names = ("rtol", "atol", "method", "num_steps", "format")
    values = {"model": str(model), "output": output, "top": 1, "batch_size": 32}
    values |= {"overwrite": False} | dict.fromkeys(names)
    monkeypatch.setattr(flags, "FLAGS", types.SimpleNamespace(**values))
    monkeypatch.setattr(serving, "predictions", ends)
    with pytest.raises(type(error)):
        cli.predict([str(photos)])
    said = capsys.readouterr()
    assert "b, c.png: cannot be read (it is empty)\n" in said.err
    told = "The predictions of the first 2 files are written"
    if output:
        written = (tmp_path / "mine.partial1.csv").read_text()
        assert f"{told} in 'mine.partial1.csv'.\n" in said.err and said.out == ""
    else:
        written = said.out
        assert f"{told}.\n" in said.err
    assert "a.png" in written and "b, c.png" in written
    assert not (tmp_path / "mine.csv").exists()
    assert (tmp_path / "mine.partial.csv").read_text() == "another's"


def test_another_keras_model_is_one_sentence(photos):
    other = keras.Sequential([keras.layers.Input((16, 16, 3)), keras.layers.Flatten()])
    with pytest.raises(UserError, match="is a Sequential, not a TransferClassifier"):
        predict(other, [photos])
