"""Whole experiments on several workers: one writes, and a kill costs an epoch at most."""

import random
import signal
import subprocess
import sys
import time

import pytest

from node_transfer.runs.directory import RunDirectory
from tests.cluster import cluster, ends
from tests.conftest import PROJECT

# Without its blocks after the first there is no dropout, and frozen no batch
# normalization: what is left is of each example alone.
START = (
    "from tests.training import conftest; conftest.STAGES = conftest.STAGES[:1]\n"
    "conftest.shorten_b0()\n"
    "from node_transfer.cli.main import main; main()"
)
FLAGS = [
    "--dataset=digits", "--weights=none", "--batch_size=32", "--train_examples=83",
    "--learning_rate=1e-3", "--freeze_backbone", "--rtol=1e-6", "--atol=1e-6",
]  # fmt: skip
SHARED = "--strategy=multi_worker"
KILLS = 10


def command(experiment, path, *flags):
    return ["-c", START, "train", experiment, *FLAGS, f"--output_dir={path}", *flags]


def check_same(run, whole, rel=3e-6):
    """To a few last digits of float32; each replica chooses the steps of its solve."""
    for row, row_whole in zip(run.read_history(), whole.read_history(), strict=True):
        assert list(row) == list(row_whole)
        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            assert row[name] == pytest.approx(row_whole[name], rel=rel), name
    metrics, metrics_whole = run.read_metrics(), whole.read_metrics()
    for split in ("train", "validation", "test"):
        assert metrics[split] == pytest.approx(metrics_whole[split], rel=max(rel, 1e-5))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Runs an experiment in one process; returns its run."""
    folder = tmp_path_factory.mktemp("alone")

    def run(experiment, *flags):
        path = folder / "".join([experiment, *flags])
        if not path.exists():
            words = command(experiment, path, *flags)
            subprocess.run([sys.executable, *words], cwd=PROJECT, check=True)
        return RunDirectory(path)

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "count", "flags"),
    [
        ("node_rk", 2, ["--epochs=2"]),
        ("node_adjoint", 2, ["--epochs=2"]),
        ("node_rk", 3, ["--epochs=2"]),
        ("node_rk", 2, ["--epochs=3", "--recipe=modern"]),
    ],
)
def test_workers_make_the_run_that_one_process_makes(
    experiment, count, flags, alone, tmp_path
):
    """The chief alone writes; the others need not even see its folder."""
    paths = [tmp_path / str(index) for index in range(count)]
    words = [command(experiment, path, SHARED, *flags) for path in paths]
    with cluster(words) as processes:
        outputs = ends(processes, 300)
    assert [status for status, _ in outputs] == [0] * count, outputs
    assert "loss:" in outputs[0][1] and "loss:" not in outputs[1][1]
    assert [path.exists() for path in paths] == [True] + [False] * (count - 1)
    run = RunDirectory(paths[0])
    check_same(run, alone(experiment, *flags))
    assert run.read_config()["device"]["replicas"] == count
    assert list(run.tensorboard_path.glob("*/events*"))


@pytest.mark.slow
def test_workers_with_other_commands_are_refused(tmp_path):
    words = [
        command("baseline", tmp_path / "run", SHARED, f"--seed={seed}") for seed in (0, 1)
    ]
    with cluster(words) as processes:
        outputs = ends(processes, 120)
    for status, output in outputs:
        assert status == 2 and "Traceback" not in output
    assert any("was given another experiment" in output for _, output in outputs)


@pytest.mark.slow
def test_ctrl_c_ends_a_worker_that_waits_for_another_one(tmp_path):
    words = command("baseline", tmp_path / "run", SHARED)
    with cluster([words, ["-c", "input()"]]) as (process, _):
        assert any("One of 2 workers" in line for line in process.stdout)
        time.sleep(3)  # in which it begins to wait
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_sigterm_ends_a_worker_that_trains(tmp_path):
    run = RunDirectory(tmp_path / "run")
    words = command("baseline", run.path, SHARED, "--epochs=500")
    with cluster([words] * 2) as processes:
        while not run.checkpoints.epochs_done:
            assert all(p.poll() is None for p in processes), ends(processes, 60)
            time.sleep(0.1)
        processes[0].terminate()
        (first, _), (second, output) = ends(processes, 60)
    assert (first, second) == (-signal.SIGTERM, 2), output
    assert "Worker 1 of 2 stopped, since another one ended" in output
    assert run.checkpoints.epochs_done > 0


# One worker's images become no numbers at the second step of the second epoch.
NO_NUMBERS = (
    "from node_transfer.training import fitting\n"
    "import tensorflow as tf\n"
    "batches = fitting.training_batches\n"
    "def broken(i, part):\n"
    "    images, *rest = part\n"
    "    return (images / tf.cast(i != 4, images.dtype), *rest)\n"
    "fitting.training_batches = lambda *of: batches(*of).enumerate().map(broken)\n"
)


@pytest.mark.slow
def test_a_solve_that_fails_on_one_share_is_the_runs_divergence(tmp_path):
    run = RunDirectory(tmp_path / "run")
    words = command("node_rk", run.path, SHARED, "--epochs=3")
    fails = ["-c", NO_NUMBERS + START, *words[2:]]
    with cluster([words, fails]) as processes:
        outputs = ends(processes, 300)
    for status, output in outputs:
        assert status == 2 and "Traceback" not in output, output
        assert "The ODE solve failed (forward): the state or its deriv" in output, output
    assert run.diverged == "at step 2 of epoch 2 an ODE could not be solved"
    assert [row["epoch"] for row in run.read_history()] == [1]
    assert "(1 whole epochs are kept in" in outputs[0][1]


def times_begun(run) -> int:
    """How often its workers have met, which the record says."""
    if not run.begun:
        return 0
    return 1 + len(run.read_config().get("continued", []))


@pytest.mark.slow
def test_killed_workers_cost_an_epoch_at_most(alone, tmp_path):
    """Any worker, at any moment: the others end within a minute and say why."""
    epochs, run, rng = 2 * KILLS + 2, RunDirectory(tmp_path / "run"), random.Random(0)
    words = command("node_rk", run.path, SHARED, f"--epochs={epochs}")
    for kill in range(KILLS):
        before = run.checkpoints.epochs_done
        with cluster([words] * 2) as processes:
            wanted = before + max(rng.randrange(3), kill == 0)  # at once, or later
            while run.checkpoints.epochs_done < wanted or times_begun(run) <= kill:
                assert all(p.poll() is None for p in processes), ends(processes, 60)
                time.sleep(0.01)
            time.sleep(rng.random())
            victim = rng.randrange(2)
            processes[victim].kill()
            start = time.monotonic()
            outputs = ends(processes, 60)
            seconds = time.monotonic() - start
        kept = run.checkpoints.epochs_done
        print(f"kill {kill} of worker {victim}: {seconds:.1f} s, {kept} epochs kept")
        assert outputs[victim][0] == -signal.SIGKILL
        status, output = outputs[1 - victim]
        assert status == 2 and "Traceback" not in output, output
        assert f"Worker {1 - victim} of 2 stopped, since another one ended" in output
        assert kept >= wanted
    with cluster([words] * 2) as processes:
        outputs = ends(processes, 300)
    assert [status for status, _ in outputs] == [0, 0], outputs
    assert f"Going on after epoch {kept}" in outputs[0][1]
    # Adam divides by the size of its gradients, so that rounding grows over the epochs.
    check_same(run, alone("node_rk", f"--epochs={epochs}"), rel=2e-5)
    with cluster([words] * 2) as processes:
        (_, output), (_, other) = outputs = ends(processes, 120)
    assert [status for status, _ in outputs] == [2, 2], outputs
    assert "holds a finished run" in output and "another one ended" in other
