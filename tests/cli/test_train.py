"""What a training prints."""

import shlex
import shutil

from node_transfer.cli.train import print_run
from node_transfer.runs.directory import RunDirectory
from tests.conftest import PROJECT


def test_the_epoch_that_was_kept_is_told(tmp_path, capsys):
    path = tmp_path / "run"
    shutil.copytree(PROJECT / "tests" / "fixtures" / "node_rk", path)
    run = RunDirectory(path)
    metrics = run.read_metrics()
    for kept, told in ((1, True), (metrics["epochs"], False)):
        run.write_metrics({**metrics, "kept_epoch": kept})
        print_run(run)
        assert ("Kept: epoch 1, the one of the best" in capsys.readouterr().out) == told


def test_the_command_that_is_printed_can_be_pasted_whatever_the_path(tmp_path, capsys):
    path = tmp_path / "my runs" / "it's one"
    shutil.copytree(PROJECT / "tests" / "fixtures" / "node_rk", path)
    print_run(RunDirectory(path))
    command = capsys.readouterr().out.strip().splitlines()[-1]
    assert shlex.split(command) == ["node-transfer", "evaluate", f"--model={path}"]
