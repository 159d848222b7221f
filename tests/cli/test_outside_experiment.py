"""An experiment from outside the package: a row is all that the command line needs."""

import dataclasses

import pytest

from node_transfer.cli import main, train
from node_transfer.cli.main import main as run_command
from node_transfer.runs.config import EXPERIMENTS, NODE_RK, NamedExperiment


@pytest.fixture
def outside(monkeypatch):
    """An experiment that this library does not have."""
    config = dataclasses.replace(NODE_RK, experiment="node_tsit5", method="tsit5")
    row = NamedExperiment(config, "NODE-RK with Tsitouras's method")
    monkeypatch.setitem(EXPERIMENTS, "node_tsit5", row)
    return config


def test_row_is_a_command_with_its_own_defaults(outside):
    command = train.COMMAND()["node_tsit5"]
    assert command.help.startswith("Trains NODE-RK with Tsitouras's method.")
    assert command.run.args == (outside,)
    assert outside.run_directory == "results/runs/cifar10/node_tsit5"


def test_help_lists_the_row(outside, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["node-transfer", "train", "--help"])
    with pytest.raises(SystemExit) as ended:
        run_command()
    assert ended.value.code == 0
    assert "node_tsit5" in capsys.readouterr().out


def test_without_the_row_there_is_no_such_command(monkeypatch, capsys):
    assert "node_tsit5" not in train.COMMAND()
    monkeypatch.setattr("sys.argv", ["node-transfer", "train", "node_tsit5"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert "has no command 'node_tsit5'" in capsys.readouterr().err
