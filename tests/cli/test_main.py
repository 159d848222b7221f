"""The command `node-transfer`, as it is typed."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from node_transfer.cli.main import COMMANDS, main
from node_transfer.runs.config import EXPERIMENTS
from tests.conftest import PROJECT
from tests.slowly import slow_after

FIXTURE = "tests/fixtures/baseline"
PREDICT = ("predict", f"--model={FIXTURE}")
EXPORT = ("export", f"--model={FIXTURE}", "--format=tflite")
CLEAN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def node_transfer(*arguments, code="", cwd=PROJECT):
    """Runs the command in a process of its own, some code before it."""
    call = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r}); {code}\n"
        f"sys.argv = ['node-transfer', *{arguments!r}]\n"
        "from node_transfer.cli.main import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", call], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_help_lists_every_command():
    done = node_transfer("--help")
    assert done.returncode == 0 and done.stderr == ""
    listed = [
        line.split("  ")[1] for line in done.stdout.splitlines() if line[:2] == "  "
    ]
    trains = [f"train {name}" for name in EXPERIMENTS]
    assert listed == [*trains, *(name for name in COMMANDS if name != "train")]


def test_version_is_printed(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["node-transfer", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out.split()[1]
    assert (
        f'__version__ = "{printed}"'
        in (PROJECT / "node_transfer" / "__init__.py").read_text()
    )


def test_h_is_help_of_a_command_as_well():
    done = node_transfer("train", "node_rk", "-h")
    assert done.returncode == 0 and done.stderr == ""
    assert "--learning_rate" in done.stdout


def test_help_of_train_lists_the_experiments():
    done = node_transfer("train", "--help")
    assert done.returncode == 0
    assert all(f"train {name} " in done.stdout for name in EXPERIMENTS)
    assert "reproduce" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "flag", "absent"),
    [
        (("train", "node_rk"), "--learning_rate", "--report_only"),
        (("evaluate",), "--split", "--learning_rate"),
        (("reproduce",), "--report_only", "--split"),
        (("table",), "--runs", "--split"),
        (("report",), "--run", "--split"),
        (("compare",), "--freeze_backbone", "--backbone:"),
    ],
)
def test_help_of_a_command_shows_its_own_flags(arguments, flag, absent):
    done = node_transfer(*arguments, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert flag in done.stdout and absent not in done.stdout
    assert "FAILED" not in done.stdout and "cli.main" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("trian",),
            "no command 'trian' (did you mean train?): choose one of train, eval",
        ),
        (("train", "node_kr"), "no command 'node_kr' (did you mean node_rk?)"),
        (("xyzzy",), "no command 'xyzzy': choose one of"),
        ((), "needs a command"),
        (("--epochs=3", "train"), "needs a command, before any flags"),
        (("train", "baseline", "--epoch=3"), "Did you mean: epochs"),
        (("table",), "Error: This command needs --runs: pass --runs=...; see --help."),
        (("evaluate",), "This command needs --model: pass --model=...; see --help."),
    ],
)
def test_what_is_no_command_is_one_sentence(arguments, sentence):
    done = node_transfer(*arguments)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and sentence in line


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "baseline", "--dataset=folder:no"), "There is no folder 'no': pass "),
        (("train", "node_rk", "--weights=no.h5"), "There is no weights file 'no.h5'"),
        (("train", "node_rk", "--init_from=no"), "There is no model file 'no'"),
        (
            ("train", "baseline", "--output_dir=tests/fixtures/baseline"),
            "holds a finished run on",
        ),
        (("train", "baseline", f"--output_dir={'a' * 300}"), "(File name too long)"),
        (
            ("train", "baseline", "--output_dir=gs://bucket/run"),
            "output_dir is 'gs://bucket/run', which is an address: pass a folder",
        ),
        (("predict", "--model=no", "a.png"), "There is no model file 'no'"),
        (
            (*PREDICT, "--output=README.md", "a.png"),
            "There is something at 'README.md' already: pass --overwrite to",
        ),
        (
            (*PREDICT, "--overwrite", "--output", "README.md", "b.png", "README.md"),
            "README.md', which is to be read: pass another name (of several files",
        ),
        (
            (*PREDICT, "--overwrite", f"--output={FIXTURE}/model.keras", "b.png"),
            "model.keras', which is to be read: pass another name",
        ),
        ((*EXPORT, "--output=a.onnx"), "pass a name that ends in .tflite, as a file of"),
        (
            (*EXPORT[:2], "--output=README.md"),
            "There is something at 'README.md' already",
        ),
        (
            ("evaluate", "--model=tests/fixtures/node_rk_stopped"),
            "is not finished and has no model yet",
        ),
    ],
)
def test_a_wrong_path_is_told_before_tensorflow_is_loaded(arguments, sentence):
    done = node_transfer(*arguments, code="sys.modules['tensorflow'] = None")
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and sentence in line


def test_a_sweep_is_of_one_machine(tmp_path):
    folder = f"--output_dir={tmp_path / 'sweep'}"
    done = node_transfer("reproduce", "--strategy=multi_worker", folder)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "a sweep makes its runs on one machine: pass another --strategy" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_module_is_called_as_the_command_is():
    done = subprocess.run(
        [sys.executable, "-m", "node_transfer", "train", "--help"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == node_transfer("train", "--help").stdout


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    slow_after(
        1,
        [
            ("matplotlib", ("reproduce", "--report_only", "--output_dir=x"), "all"),
            ("tabulate", ("table", "--runs=results/smoke/baseline"), "report"),
            ("tensorflow_datasets", ("train", "baseline", "--dataset=cifar10"), "train"),
        ],
    ),
)
def test_a_package_that_is_missing_is_named_with_what_to_install(
    package, arguments, extra, tmp_path
):
    if arguments[0] == "train":
        arguments = (*arguments, f"--output_dir={tmp_path / 'run'}", "--weights=none")
    done = node_transfer(*arguments, code=f"sys.modules[{package!r}] = None")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("Error: ")]
    assert f"package {package}," in line
    assert f'pip install "node-transfer[{extra}]"' in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_installed_wheel_does_what_a_checkout_does(tmp_path):
    """Built, installed into a fresh environment, and used where no checkout is."""
    shutil.copytree(
        PROJECT,
        tmp_path / "source",
        ignore=shutil.ignore_patterns(".*", "results", "build"),
    )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         f"--wheel-dir={tmp_path}", str(tmp_path / "source")], check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    shutil.rmtree(tmp_path / "source")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    binaries = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run(
        [binaries / "python", "-m", "pip", "--disable-pip-version-check", "install",
         "--quiet", "--no-deps", str(wheel)], check=True,
    )  # fmt: skip
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    here, there = (
        subprocess.run(
            [python, "-c", find], capture_output=True, text=True, check=True
        ).stdout.strip()
        for python in (sys.executable, binaries / "python")
    )
    # The dependencies of this environment, found after the wheel's own package.
    with open(f"{there}/dependencies.pth", "w") as file:
        file.write(f"{here}\n")

    work = tmp_path / "elsewhere"
    shutil.copytree(PROJECT / "results" / "cifar10-cpu", work / "sweep")
    (work / "sweep" / "report.html").unlink()
    shutil.rmtree(work / "sweep" / "tables")

    def installed(*arguments):
        return subprocess.run(
            [binaries / "node-transfer", *arguments],
            cwd=work, capture_output=True, text=True, env=CLEAN,
        )  # fmt: skip

    where = "import node_transfer; print(node_transfer.__file__)"
    found = subprocess.run(
        [binaries / "python", "-c", where],
        cwd=work, capture_output=True, text=True, check=True, env=CLEAN,
    )  # fmt: skip
    assert found.stdout.startswith(there)

    assert "train node_rk" in installed("--help").stdout
    done = installed("table", "--runs=sweep/seed-0/baseline,sweep/seed-0/node_rk")
    assert done.returncode == 0, done.stderr
    assert "Proposed Model(RK)" in done.stdout
    done = installed("reproduce", "--report_only", "--output_dir=sweep")
    assert done.returncode == 0, done.stderr
    committed = PROJECT / "results" / "cifar10-cpu"
    for name in ("report.html", "tables/table_1.md"):
        assert (work / "sweep" / name).read_bytes() == (committed / name).read_bytes()

    # A sweep starts its runs, and each run is one of the installed package.
    quick = ("--preset=quickstart", "--models=baseline", "--output_dir=new")
    done = installed("reproduce", *quick, "--weights=no/such.h5")
    assert done.returncode == 2
    assert "FAILED: baseline, seed 0: There is no weights file" in done.stderr
    flags = ("--dataset=digits", "--weights=none", "--epochs=1", "--train_examples=32")
    done = installed("train", "baseline", *flags, "--batch_size=32", "--output_dir=run")
    assert done.returncode == 0, done.stderr
    done = installed("evaluate", "--model=run")
    assert 0 <= json.loads(done.stdout.splitlines()[-1])["accuracy"] <= 1
