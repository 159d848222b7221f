"""Which runs a comparison is made of, and one as a user makes it."""

import os
import subprocess
import sys

import pytest

from node_transfer.cli.program import run_arguments
from node_transfer.errors import UserError
from node_transfer.reproduction.comparison import plan_comparison
from node_transfer.runs.config import NODE_RK
from node_transfer.runs.directory import RunDirectory
from tests.conftest import PROJECT
from tests.training.made import START

NETS = ["EfficientNetV2B0", "MobileNetV3Large"]


def test_blocks_without_an_ode_have_one_run_whatever_the_methods():
    runs = plan_comparison(
        NODE_RK, NETS, ["none", "ode"], ["dopri5", "rk4"], [0, 1], "out",
        {"EfficientNetV2B0": "w.h5"},
    )  # fmt: skip
    assert [run.model for run in runs[:6]] == [
        f"{net}-{block}" for net in NETS for block in ("none", "ode-dopri5", "ode-rk4")
    ]
    assert len(runs) == 12 and {run.seed for run in runs[6:]} == {1}
    assert len({run.config.output_dir for run in runs}) == 12
    assert {run.config.weights for run in runs if NETS[0] in run.model} == {"w.h5"}
    assert {run.config.weights for run in runs if NETS[1] in run.model} == {None}
    arguments = run_arguments(runs[2])
    assert arguments[:2] == ["train", "node_rk"]
    assert "--method=rk4" in arguments and "--weights=w.h5" in arguments
    assert run_arguments(runs[0])[:2] == ["train", "baseline"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"blocks": []}, "blocks is '': pass at least one"),
        ({"seeds": [1, 1]}, "seeds is '1,1': pass at least one, and none of them twice"),
        ({"blocks": ["oed"]}, "block is 'oed': choose one of none"),
        ({"backbones": ["Net"]}, "backbone is 'Net': choose one of"),
        ({"weights": {"Net": "x"}}, "'Net' starts from, which is none of backbones"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(changes, complaint):
    arguments = {
        "base": NODE_RK, "backbones": NETS, "blocks": ["ode"], "methods": ["dopri5"],
        "seeds": [0], "output_dir": "out",
    }  # fmt: skip
    with pytest.raises(UserError, match=complaint):
        plan_comparison(**{**arguments, **changes})


@pytest.mark.slow
def test_runs_share_their_features_and_make_one_table(tmp_path):
    flags = (
        "compare", "--backbones=EfficientNetB0", "--blocks=none,ode", "--weights=none",
        "--dataset=digits", "--batch_size=32", "--train_examples=64", "--epochs=1",
        "--freeze_backbone", f"--cache_dir={tmp_path}/cache",
        f"--output_dir={tmp_path}/out",
    )  # fmt: skip
    script = tmp_path / "short.py"
    script.write_text(START)
    command = [sys.executable, str(script), *flags]
    paths = {**os.environ, "PYTHONPATH": str(PROJECT)}
    environment = {"env": paths, "capture_output": True, "text": True}
    done = subprocess.run(command, **environment, check=True)
    assert "EfficientNetB0-ode-dopri5" in done.stdout
    assert len(list((tmp_path / "cache").iterdir())) == 1
    runs = [
        RunDirectory(tmp_path / "out" / "seed-0" / f"EfficientNetB0-{block}")
        for block in ("none", "ode-dopri5")
    ]
    features = [run.read_metrics()["features"] for run in runs]
    assert features[0] == features[1]
    assert all((run.path / "report.html").is_file() for run in runs)
    before = [run.read_metrics() for run in runs]
    again = subprocess.run(command, **environment, check=True)
    assert [run.read_metrics() for run in runs] == before
    assert again.stdout.split("Comparison")[1] == done.stdout.split("Comparison")[1]
