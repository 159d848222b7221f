"""Another backend of Keras, or the Keras of before 3, is refused in one sentence."""

import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

JAX = "Keras's backend is 'jax': set KERAS_BACKEND=tensorflow"
TORCH = "Keras's backend is 'torch': set KERAS_BACKEND=tensorflow"
LEGACY = "unset TF_USE_LEGACY_KERAS"


def ran(arguments, **variables):
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env={**environment, **variables},
    )


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"KERAS_BACKEND": "jax"}, JAX),
        ({"KERAS_BACKEND": "torch"}, TORCH),
        ({"TF_USE_LEGACY_KERAS": "1"}, LEGACY),
        ({"TF_USE_LEGACY_KERAS": "true"}, LEGACY),
    ],
)
@pytest.mark.parametrize(
    "program",
    [
        ["-c", "import node_transfer"],
        ["-c", "from node_transfer import ODELayer"],
        ["-m", "node_transfer", "train", "baseline"],
        ["-m", "node_transfer", "--help"],
        ["experiments/run_node_rk.py"],
        ["experiments/table_1.py"],
    ],
    ids=" ".join,
)
def test_program_ends_with_a_sentence(program, variables, sentence):
    done = ran(program, **variables)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: node-transfer needs Keras")
    assert sentence in line
    assert done.stdout == ""


def test_every_script_imports_the_package_first():
    for script in (PROJECT / "experiments").glob("*.py"):
        first = next(x for x in script.read_text().splitlines() if "import" in x)
        assert first == "from node_transfer.cli.main import main", script


def test_refusal_is_an_import_error_that_a_program_can_catch():
    code = "try:\n import node_transfer\nexcept ImportError as error:\n print(error)\n1/0"
    done = ran(["-c", code], KERAS_BACKEND="jax")
    assert JAX in done.stdout
    assert "ZeroDivisionError" in done.stderr  # other errors are told as ever


@pytest.mark.slow
def test_backend_of_keras_own_file_is_refused_where_keras_is_needed(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    done = ran(["-c", "from node_transfer import ODELayer"], KERAS_HOME=str(tmp_path))
    assert done.returncode == 1
    assert JAX in done.stderr
    assert len(done.stderr.splitlines()) == 1
    (tmp_path / "keras.json").write_text("no JSON")
    for code in (
        "import node_transfer.analysis.report",
        "from node_transfer import ODELayer",
    ):
        assert ran(["-c", code], KERAS_HOME=str(tmp_path)).returncode == 0


@pytest.mark.parametrize(
    "variables", [{"KERAS_BACKEND": "tensorflow"}, {"TF_USE_LEGACY_KERAS": "0"}, {}]
)
def test_keras_on_tensorflow_is_taken(variables):
    assert ran(["-c", "import node_transfer"], **variables).returncode == 0
