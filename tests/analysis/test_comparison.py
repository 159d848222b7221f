"""A comparison's table and figure, from runs made by hand."""

import csv
import json

import pytest

from node_transfer.analysis.comparison import read_comparison, write_comparison
from node_transfer.errors import UserError
from tests.analysis.made import write_run


@pytest.fixture
def folder(tmp_path):
    """Two seeds of one model, one each of two that failed, one that is not begun."""
    for seed, test in ((0, 0.8), (1, 0.9)):
        path = write_run(tmp_path, "Net-ode-dopri5", seed, [0.5, 0.6], test=test, nfe=9.0)
        metrics = json.loads((path / "metrics.json").read_text())
        metrics |= {"parameters": 12345, "images_per_second": 100.0 + seed}
        metrics |= {"nfe": {"forward": 13.0}, "features": {"seconds": 50.0}}
        (path / "metrics.json").write_text(json.dumps(metrics))
    diverged = write_run(tmp_path, "Net-none", 0, [0.5])
    (diverged / "metrics.json").unlink()
    (diverged / "diverged.json").write_text('{"what": "at step 3 the loss was nan"}')
    stopped = write_run(tmp_path, "Net-residual", 0, [0.5])
    (stopped / "metrics.json").unlink()
    entries = [
        {"model": "Net-none", "seed": 0, "command": "x", "failed": "It diverged."},
        {"model": "Net-ode-dopri5", "seed": 0, "command": "x"},
        {"model": "Net-ode-dopri5", "seed": 1, "command": "x"},
        {"model": "Net-residual", "seed": 0, "command": "x"},
        {"model": "Net-dense", "seed": 0, "command": "x", "failed": "No memory."},
    ]
    (tmp_path / "sweep.json").write_text(json.dumps({"runs": entries}))
    return tmp_path


def test_every_model_has_a_row_whatever_became_of_it(folder):
    table = write_comparison(folder)
    rows = {row[0]: dict(zip(table.headers, row, strict=True)) for row in table.rows}
    assert list(rows) == ["Net-none", "Net-ode-dopri5", "Net-residual", "Net-dense"]
    ours = rows["Net-ode-dopri5"]
    assert ours["test accuracy (%)"] == "85.00 ± 7.07 (n=2)"
    assert ours["parameters"] == "12,345" and ours["NFE"] == "13.0 ± 0.0"
    assert ours["training (s)"] == "20 ± 0" and ours["features (s)"] == "50 ± 0"
    assert ours["state"] == "finished"
    states = {name: row["state"] for name, row in rows.items()}
    assert states["Net-none"] == "seed 0 diverged: at step 3 the loss was nan"
    assert states["Net-residual"] == "seed 0 not finished"
    assert states["Net-dense"] == "seed 0 No memory."
    assert rows["Net-none"]["test accuracy (%)"] == "-"
    assert "Net-dense" in (folder / "comparison.md").read_text()
    svg = (folder / "comparison.svg").read_text()
    assert svg.startswith("<?xml") and (folder / "comparison.png").stat().st_size > 1000
    assert "cifar10, 45,000 training images" in table.title


def test_the_csv_has_plain_numbers_of_every_run(folder):
    write_comparison(folder)
    with (folder / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["seed"]) for row in rows] == [
        ("Net-none", "0"), ("Net-ode-dopri5", "0"), ("Net-ode-dopri5", "1"),
        ("Net-residual", "0"), ("Net-dense", "0"),
    ]  # fmt: skip
    first, second = rows[1:3]
    assert {first["test_accuracy"], second["test_accuracy"]} == {"0.8", "0.9"}
    assert (first["parameters"], float(first["nfe"])) == ("12345", 13)
    assert (first["training_seconds"], first["state"]) == ("20.0", "finished")
    assert rows[0]["test_accuracy"] == "" and rows[4]["state"] == "No memory."


def test_nothing_is_drawn_where_no_run_is_finished(folder):
    for path in folder.glob("seed-*/Net-ode-dopri5/metrics.json"):
        path.unlink()
    assert "no run is finished" in write_comparison(folder).title
    assert {p.name for p in folder.glob("comparison.*")} == {
        "comparison.md", "comparison.csv"
    }  # fmt: skip


def test_a_folder_without_runs_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="has no run"):
        read_comparison(tmp_path)


def test_runs_that_are_not_alike_have_no_mean(tmp_path):
    for seed, epochs in ((0, 1), (1, 2), (2, 1)):
        path = write_run(
            tmp_path, "Net-none", seed, [0.5] * epochs, test=0.1 * seed + 0.5
        )
        config = json.loads((path / "config.json").read_text())
        config["experiment"]["epochs"] = epochs
        (path / "config.json").write_text(json.dumps(config))
    (tmp_path / "sweep.json").write_text(json.dumps({"runs": []}))
    (model,) = read_comparison(tmp_path)
    assert list(model.runs) == [0, 2]  # without dates the first seed's
    assert model.state == "seed 1 left out: epochs = 2, where seed 0 has 1"
    path = tmp_path / "seed-1" / "Net-none"  # the one that was begun last
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"date": "2026-12-26"}))
    (model,) = read_comparison(tmp_path)
    assert list(model.runs) == [1] and "seed 0 left out: epochs = 1" in model.state
    (path / "config.json").write_text(json.dumps(config))
    path = write_run(tmp_path, "Net-ode", 0, [0.5])
    config = json.loads((path / "config.json").read_text())
    config["experiment"]["epochs"] = 5
    (path / "config.json").write_text(json.dumps(config))
    title = write_comparison(tmp_path).title
    assert "Net-none: cifar10, 45,000 training images, 1 epochs; Net-ode: " in title


def test_what_models_were_not_trained_alike_in_is_said(tmp_path):
    changes = {
        "Net-none": {"learning_rate": 0.01, "epochs": 1},
        "Net-ode": {"learning_rate": 0.001, "epochs": 2, "block": "ode"},
        "Net-ode-rk4": {"learning_rate": 0.01, "augment": True, "method": "rk4"},
    }
    for name, change in changes.items():
        path = write_run(tmp_path, name, 0, [0.5])
        config = json.loads((path / "config.json").read_text())
        config["experiment"] |= change
        (path / "config.json").write_text(json.dumps(config))
    (tmp_path / "sweep.json").write_text(json.dumps({"runs": []}))
    note = write_comparison(tmp_path).note
    _, said = note.split("which a difference may come from: ")
    assert said == (
        "learning_rate = 0.01 (Net-none, Net-ode-rk4), 0.001 (Net-ode); "
        "augment = False (Net-none, Net-ode), True (Net-ode-rk4)."
    )


def test_runs_on_other_images_are_not_compared(tmp_path):
    checksums = {"Net-none": "a" * 64, "Net-ode": "b" * 64, "Net-old": None}
    for day, (name, checksum) in enumerate(checksums.items(), start=1):
        path = write_run(tmp_path, name, 0, [0.5])
        config = json.loads((path / "config.json").read_text())
        config["data"]["checksum"] = {"sha256": checksum} if checksum else {}
        config["date"] = f"2026-11-0{2 + day % 2}"  # the second is the oldest
        (path / "config.json").write_text(json.dumps(config))
    (tmp_path / "sweep.json").write_text(json.dumps({"runs": []}))
    models = {model.name: model for model in read_comparison(tmp_path)}
    assert [bool(models[name].runs) for name in checksums] == [True, False, True]
    state = models["Net-ode"].state
    assert "left out: it is on other images than" in state
    assert f"remove {tmp_path / 'seed-0' / 'Net-ode'} and" in state
    assert "Net-ode" in write_comparison(tmp_path).text()
