"""A power cut at any moment of a run loses no epoch that was done."""

import dataclasses
import os
import random
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from node_transfer.errors import UserError
from node_transfer.runs.checkpoints import State
from node_transfer.runs.config import BASELINE
from node_transfer.runs.directory import RunDirectory
from node_transfer.training.experiment import run_experiment
from node_transfer.training.state import state_to_go_on_from
from tests import disk_image
from tests.conftest import PROJECT
from tests.power_cuts import Recorder, cut
from tests.training.made import START, quick, same_numbers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
EPOCHS, SEEDS = 4, range(4)


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A run that nothing cut, and what was asked of its disk at every moment."""

    run: RunDirectory
    config: object
    rows: list
    moments: list


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    root = tmp_path_factory.mktemp("disk")
    config = quick(BASELINE, root / "run", epochs=EPOCHS, train_examples=64)
    recorder = Recorder(root)
    with pytest.MonkeyPatch.context() as patch:
        recorder.watch(patch)
        run = run_experiment(config, verbose=0)
    recorder.close()
    return Recorded(run, config, run.read_history(), recorder.moments)


def rows_seen(moment) -> int:
    """Epochs that the program had seen onto the disk: `history.csv` follows."""
    number = moment.names.get("run", {}).get("history.csv")
    return 0 if number is None else moment.bytes[number].count(b"\n") - 1


def check_state(run: RunDirectory, moment, rows) -> None:
    """Checks that all epochs done by then are there, and nothing is in the way."""
    if run.finished:
        run.check_model()
        assert run.model_path.stat().st_size > 0
        assert run.read_history() == rows
        assert len(run.read_predictions()["label"]) == 360
        return
    assert run.begun or run.holds_nothing
    state = state_to_go_on_from(run, EPOCHS) if run.begun else None
    done = 0 if state is None else state.epochs_done
    assert done >= rows_seen(moment)
    if state is not None:
        assert state.history == rows[:done]
        assert run.restore_history(state.history) is None
        assert run.read_history() == rows[:done]


@pytest.mark.slow
def test_every_epoch_that_was_done_is_there_after_a_power_cut(recorded, tmp_path):
    assert len(recorded.moments) > 100
    for i, moment in enumerate(recorded.moments):
        for seed in SEEDS:
            root = tmp_path / f"{i}-{seed}"
            cut(moment, root, seed if seed < 2 else 1000 * i + seed)
            try:
                check_state(RunDirectory(root / "run"), moment, recorded.rows)
            except (AssertionError, UserError) as error:
                raise AssertionError(
                    f"cut {moment.call}, seed {seed}: {error}"
                ) from error
            shutil.rmtree(root)


def test_the_disk_of_the_test_loses_what_is_not_flushed(tmp_path, monkeypatch):
    """Else the test above would prove nothing."""
    (tmp_path / "disk").mkdir()
    recorder = Recorder(tmp_path / "disk")
    recorder.watch(monkeypatch)
    partial, file = tmp_path / "disk" / "partial", tmp_path / "disk" / "file"
    partial.write_text("some words")
    os.replace(partial, file)
    with file.open("r+b") as opened:
        os.fsync(opened.fileno())
    recorder.close()
    named, flushed = recorder.moments[1], recorder.moments[-1]
    cut(named, tmp_path / "empty", 0)
    assert (tmp_path / "empty" / "file").read_bytes() == b""
    cut(flushed, tmp_path / "whole", 0)
    assert (tmp_path / "whole" / "file").read_text() == "some words"
    cut(flushed, tmp_path / "nameless", 1)
    assert list((tmp_path / "nameless").iterdir()) == []


def resumed(recorded, moment, root, seed):
    cut(moment, root, seed)
    config = dataclasses.replace(recorded.config, output_dir=str(root / "run"))
    run = RunDirectory(root / "run")
    if not run.finished:
        run_experiment(config, verbose=0)
    same_numbers(recorded.run, run)


def calls(recorded, words):
    return [moment for moment in recorded.moments if words in moment.call]


@pytest.mark.slow
def test_a_run_goes_on_to_the_same_numbers_after_a_power_cut(recorded, tmp_path):
    """Where the newest checkpoint has its name and no bytes of it were flushed."""
    naming = calls(recorded, "before replace run/checkpoint/partial-")[2]
    resumed(recorded, naming, tmp_path / "disk", 0)


@pytest.mark.slow
def test_a_run_goes_on_to_the_same_numbers_after_any_power_cut(recorded, tmp_path):
    moments = recorded.moments[:: max(1, len(recorded.moments) // 20)]
    for i, moment in enumerate(moments):
        resumed(recorded, moment, tmp_path / str(i), i)


@pytest.mark.slow
def test_a_disk_copied_while_a_run_writes_to_it_has_every_epoch(tmp_path):
    """On ext4, whose journal is played back as after a power cut; sixty of them."""
    epochs, cuts = 40, 60
    image = disk_image.make_image(tmp_path / "image")
    seen = []
    with disk_image.mounted(image, tmp_path / "mounted") as disk:
        run = RunDirectory(disk / "run")
        flags = [
            "--dataset=digits", "--weights=none", f"--epochs={epochs}", "--batch_size=32",
            "--train_examples=64", f"--output_dir={run.path}",
        ]  # fmt: skip
        with subprocess.Popen(
            [sys.executable, "-c", START, "train", "baseline", *flags],
            cwd=PROJECT, stdout=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            rng = random.Random(0)
            while process.poll() is None and len(seen) < cuts:
                if not run.begun:
                    continue
                time.sleep(rng.random() / 5)
                copy = tmp_path / f"copy-{len(seen)}"
                disk_image.copy_as_if_cut(image, copy, process)
                seen.append((copy, len(history_lines(run)), run.finished))
            process.wait()
        assert process.returncode == 0 and len(seen) >= 20
        rows = run.read_history()
        again = 0
        for i, (copy, lines, finished) in enumerate(seen):
            with disk_image.mounted(copy, tmp_path / "again", "loop") as disk_again:
                found = RunDirectory(disk_again / "run")
                state = None
                if not found.finished and found.begun:
                    state = state_to_go_on_from(found, epochs)
                    done = state.epochs_done if state else 0
                    assert done >= lines
                    assert state is None or state.history == rows[:done]
                else:
                    assert found.finished or lines == 0
                assert found.finished or not finished
                if i % 12 == 5:
                    subprocess.run(
                        [sys.executable, "-c", START, "train", "baseline", *flags[:-1],
                         f"--output_dir={found.path}"], cwd=PROJECT, check=True,
                    )  # fmt: skip
                    same_numbers(run, found)
                    again += 1
            copy.unlink()
        print(f"{len(seen)} cuts, {again} runs made again")


def history_lines(run) -> list[bytes]:
    """Rows of `history.csv` as the running program has them."""
    try:
        return run.history_path.read_bytes().splitlines()[1:]
    except FileNotFoundError:
        return []


def test_what_a_power_cut_leaves_of_an_overwritten_run_can_be_overwritten(tmp_path):
    config = quick(BASELINE, tmp_path / "disk" / "run")
    run = RunDirectory(config.output_dir)
    run.prepare(config, {"weights": {"initial_sha256": "x"}})
    for epochs in (1, 2):
        rows = [{"epoch": i + 1, "loss": 1.0} for i in range(epochs)]
        run.checkpoints.write(State("x", rows, [np.zeros(3)]))
        run.write_history(rows)
    run.write_metrics({"test": {}})
    recorder = Recorder(tmp_path / "disk")
    recorder.flush_all()
    anew = dataclasses.replace(config, overwrite=True, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        recorder.watch(patch)
        run.prepare(anew, {})
    recorder.close()
    for i, moment in enumerate(recorder.moments):
        for seed in SEEDS:
            root = tmp_path / f"{i}-{seed}"
            cut(moment, root, seed if seed < 2 else 1000 * i + seed)
            again = RunDirectory(root / "run")
            again.prepare(anew, {})
            assert again.read_experiment().seed == 1
            assert not again.finished and again.checkpoints.newest() is None
