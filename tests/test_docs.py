"""The Python examples of README and docs run as they are written."""

import json
import os
import re
import subprocess
import sys

import pytest

from node_transfer.training.strategy import workers_of
from tests.conftest import PROJECT

# What the examples of docs/extending.md import, as a user's own package would have it.
MY_PACKAGE = """
import keras
from node_transfer.data import digits

class SineDynamics(keras.layers.Layer):
    pass

class WideLayer(keras.layers.Layer):
    pass

MyNet = keras.applications.EfficientNetB0
from_zip = digits.load
"""
EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def examples(name: str) -> list[str]:
    return EXAMPLE.findall((PROJECT / name).read_text())


def run(code: str, folder) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, "--help"], cwd=folder, capture_output=True, text=True
    )


def test_examples_of_extending_run(tmp_path):
    (tmp_path / "my_package.py").write_text(MY_PACKAGE)
    first, *others = examples("docs/extending.md")
    assert len(others) >= 6
    code = "import sys; sys.path.insert(0, '.')\n"
    done = run(code + "\n".join(others), tmp_path)
    assert done.returncode == 0, done.stderr
    done = run(code + first, tmp_path)  # the command itself, asked for its help
    assert done.returncode == 0, done.stderr
    assert "train node_rk" in done.stdout


def test_example_of_odeint_in_readme_runs(tmp_path):
    (code,) = [code for code in examples("README.md") if "states = odeint(" in code]
    done = run(f"{code}\nassert abs(states[-1, 0] - 0.36788) < 1e-5", tmp_path)
    assert done.returncode == 0, done.stderr


def test_examples_of_solving_run(tmp_path):
    code = examples("docs/solving.md")
    assert len(code) >= 4
    done = run("\n".join(code), tmp_path)
    assert done.returncode == 0, done.stderr
    gradient, many, jump, failed = done.stdout.splitlines()
    assert gradient.startswith("tf.Tensor([-0.3170")  # -exp(0.5) exp(-exp(0.5))
    assert many.startswith("(1000, 1, 2) ") and int(many.split()[-1]) < 1000
    assert jump.endswith(" 0")  # rejected steps
    assert failed.startswith("[1. ") and failed.endswith("nan] 2")


@pytest.mark.parametrize(
    "name",
    [
        "docs/design.md", "docs/extending.md", "docs/solving.md", "docs/blocks.md",
        "docs/recipes.md", "README.md",
    ],
)  # fmt: skip
def test_files_that_are_named_exist(name):
    text = (PROJECT / name).read_text()
    rooms = "ode|layers|models|data|runs|training|analysis|cli"
    inside = re.findall(rf"`((?:{rooms})/\w+\.py)`", text)
    whole = re.findall(r"`((?:node_transfer|tests|experiments|docs)/[\w/]+\.\w+)`", text)
    missing = [path for path in whole if not (PROJECT / path).exists()]
    missing += [p for p in inside if not (PROJECT / "node_transfer" / p).exists()]
    assert missing == []


def started(script: str, folder, **environ) -> dict[str, str]:
    """Runs a shell script whose commands are stand-ins; returns the TF_CONFIG given."""
    for name, does in {
        "scontrol": "printf 'node1\\nnode2\\nnode3\\n'",
        "srun": 'exec "$@"',
        "node-transfer": 'printenv TF_CONFIG; echo "$@" >&2',
    }.items():
        (folder / name).write_text(f"#!/bin/bash\n{does}\n")
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True,
        env={**os.environ, "PATH": path, **environ},
    )  # fmt: skip
    assert done.returncode == 0 and "--strategy=multi_worker" in done.stderr, done.stderr
    return {"TF_CONFIG": done.stdout}


def test_jobs_of_distributed_set_what_tensorflow_reads(tmp_path):
    text = (PROJECT / "docs/distributed.md").read_text()
    plain, slurm = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    kubernetes = re.search(r"args:\n\s+- \|\n(.*?)\n\s+volumeMounts", text, re.DOTALL)[1]
    addresses = ["10.0.0.1:2222", "10.0.0.2:2222"]
    assert workers_of(started(plain, tmp_path)) == addresses
    for index in range(2):
        given = started(slurm, tmp_path, SLURM_PROCID=f"{index}", SLURM_JOB_NODELIST="n")
        assert workers_of(given) == ["node1:2222", "node2:2222", "node3:2222"]
        assert json.loads(given["TF_CONFIG"])["task"]["index"] == index
        given = started(kubernetes, tmp_path, JOB_COMPLETION_INDEX=f"{index}")
        assert workers_of(given) == ["train-0.train:2222", "train-1.train:2222"]
        assert json.loads(given["TF_CONFIG"])["task"]["index"] == index
