"""The Python examples of README and docs run as they are written."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from benchmarks import tables
from node_transfer.training.strategy import workers_of
from tests.analysis.made import write_run
from tests.conftest import PROJECT
from tests.data.pictures import gallery, paint

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
DOCS = PROJECT / "docs"
SPEED = PROJECT / "benchmarks" / "results" / "solver_speed.json"
# In place of a backbone that takes half a minute to be traced.
TINY_BACKBONE = """
import keras
from node_transfer.models.backbones import BACKBONES, BackboneSpec

def tiny(include_top, weights, input_shape):
    images = keras.Input(input_shape)
    return keras.Model(images, keras.layers.Conv2D(4, 3, strides=8)(images), name="tiny")

BACKBONES["EfficientNetV2B0"] = BackboneSpec("EfficientNetV2B0", "tiny:tiny", "tiny", 96)
"""
EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def examples(name: str) -> list[str]:
    return EXAMPLE.findall((PROJECT / name).read_text())


def run(code: str, folder) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, "--help"], cwd=folder, capture_output=True, text=True
    )


# A page's examples in a namespace of their own; one process for all pages.
EACH_PAGE = """
import contextlib, io, json, sys, traceback

sys.path.insert(0, ".")
found = {}
for page, code in json.load(open("pages.json")).items():
    printed, error = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page, "exec"), {"__name__": "__main__"})
    except BaseException:
        error = traceback.format_exc()
    found[page] = [printed.getvalue(), error]
json.dump(found, open("printed.json", "w"))
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What the examples of a page print when they are run."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "my_package.py").write_text(MY_PACKAGE)
    (folder / "tiny.py").write_text(TINY_BACKBONE)
    gallery(folder / "my_images", {"blue": 12, "red": 12})
    write_run(folder / "results/runs/compare/cifar10", "Net-none", 0, [0.5, 0.6])
    code = {page: "\n".join(examples(page)) for page in RUN_HERE}
    code["README.md"] += "\nprint(model.history.history)"
    images = code["docs/your-images.md"].replace('"imagenet"', '"none"')
    images = f"import tiny\n{images}\nprint(model.class_names, data.sizes)"
    code["docs/your-images.md"] = images
    code["docs/extending.md"] = "\n".join(examples("docs/extending.md")[1:])
    (folder / "pages.json").write_text(json.dumps(code))
    done = run(EACH_PAGE, folder)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "printed.json").read_text())

    def of(page: str) -> str:
        text, error = found[page]
        assert not error, error
        return text

    return of


RUN_HERE = ["README.md"] + [
    f"docs/{page}.md"
    for page in (
        "index", "gradients", "steps", "coming-from", "your-images", "compare",
        "extending",
    )
]  # fmt: skip


def test_examples_of_extending_run(printed, tmp_path):
    first, *others = examples("docs/extending.md")
    assert len(others) >= 6
    assert printed("docs/extending.md") == ""
    (tmp_path / "my_package.py").write_text(MY_PACKAGE)
    code = "import sys; sys.path.insert(0, '.')\n"
    done = run(code + first, tmp_path)  # the command itself, asked for its help
    assert done.returncode == 0, done.stderr
    assert "train node_rk" in done.stdout


def check_learns(output: str):
    history = ast.literal_eval(output.splitlines()[-1])
    assert history["accuracy"][-1] > 0.85
    assert history["nfe_forward"][-1] >= 6 and history["nfe_backward"][-1] >= 6


def test_the_block_of_readme_learns(printed):
    check_learns(printed("README.md"))


@pytest.mark.slow
def test_the_block_of_the_tutorial_learns(tmp_path):
    code = [c for c in examples("docs/tutorial.md") if "served/mine" not in c]
    done = run("\n".join(code) + "\nprint(model.history.history)", tmp_path)
    assert done.returncode == 0, done.stderr
    check_learns(done.stdout)
    assert "[[-1." in done.stdout  # half a turn
    folders = {path.name for path in (tmp_path / "my_images").iterdir()}
    assert folders == {"zero", "one", "two"}


@pytest.mark.parametrize("page", ["index", "gradients", "coming-from"])
def test_short_examples_run(page, printed):
    assert len(examples(f"docs/{page}.md")) == 1
    assert printed(f"docs/{page}.md") == ""


def test_example_of_steps_prints_its_counts(printed):
    counts = r"\d+ evaluations, \d+ steps, \d+ rejected"
    assert re.fullmatch(counts, printed("docs/steps.md").strip())


def test_tables_of_speed_are_those_of_the_records():
    for name in ("README.md", "docs/speed.md"):
        page = (PROJECT / name).read_text(encoding="utf-8")
        assert tables.filled(page) == page, f"python -m benchmarks.tables {name}"
        marks = set(re.findall(r"<!-- /([\w-]+) -->", page)) - {"claims"}
        assert marks == ({"speed"} if name == "README.md" else set(tables.TABLES))
    numbers = tables.table("speed").splitlines()
    row = next(
        r
        for r in json.loads(SPEED.read_text())["rows"]
        if r["library"] == "tfp"
        and (r["hidden"], r["batch"], r["tolerance"]) == (1280, 128, 1e-5)
    )
    (line,) = [n for n in numbers if "backprop" in n and " tfp " in n]
    assert [cell.strip() for cell in line.split("|")][8] == f"{row['median_ms']:.0f}"


def test_every_page_with_examples_is_one_of_those_that_are_run():
    pages = ("tutorial", "tracking", "export-and-serve", "solving")
    by_themselves = {f"docs/{page}.md" for page in pages}
    elsewhere = {"docs/blocks.md"}  # tests/models/test_own_parts.py
    pages = {PROJECT / "README.md", *DOCS.rglob("*.md")}
    with_code = {p for p in pages if EXAMPLE.search(p.read_text())}
    found = {page.relative_to(PROJECT).as_posix() for page in with_code}
    assert found == {*RUN_HERE} | by_themselves | elsewhere


def test_the_nav_has_every_page():
    nav = (PROJECT / "mkdocs.yml").read_text().split("nav:")[1].split("markdown_")[0]
    named = re.findall(r"[\w/-]+\.md", nav)
    pages = (path.relative_to(PROJECT / "docs") for path in DOCS.rglob("*.md"))
    assert sorted(named) == sorted(path.as_posix() for path in pages)


@pytest.mark.slow
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


def test_example_of_your_images_runs(printed):
    sizes = "{'train': 20, 'validation': 2, 'test': 2}"
    last = printed("docs/your-images.md").splitlines()[-1]
    assert last == f"('blue', 'red') {sizes}"


@pytest.mark.slow
def test_examples_of_export_and_serve_run(tmp_path):
    shutil.copytree(PROJECT / "tests/fixtures/node_rk", tmp_path / "results/runs/mine")
    gallery(tmp_path / "photos", {"red": 1})
    paint(tmp_path / "one.jpg")
    by_name, served = examples("docs/export-and-serve.md")
    exported = "from node_transfer import export; export('results/runs/mine', 'served/1')"
    done = run(f"{exported}\n{by_name}\n{served}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^photos/red/000.png \[\('\d', ", done.stdout, re.MULTILINE)
    assert re.search(r"^\[b'\d'\] \[\[?[\d.e-]+ ", done.stdout, re.MULTILINE), done.stdout


def test_example_of_compare_runs(printed):
    assert "Net-none" in printed("docs/compare.md")


# In place of the ImageNet weights, and of a backbone that is large.
TINY_RUN = """
import sys; sys.path.insert(0, '.'); import tiny
from node_transfer.runs import config
config.NODE_RK = config.dataclasses.replace(
    config.NODE_RK, backbone="EfficientNetV2B0", weights="none", train_examples=128,
    report=False, freeze_backbone=True,
)
"""


@pytest.mark.slow
@pytest.mark.parametrize("example", ["own", "mlflow"])
def test_examples_of_tracking_run(example, tmp_path):
    (tmp_path / "tiny.py").write_text(TINY_BACKBONE)
    own, by_mlflow = examples("docs/tracking.md")
    if example == "mlflow":
        pytest.importorskip("mlflow")
    done = run(TINY_RUN + (own if example == "own" else by_mlflow), tmp_path)
    assert done.returncode == 0, done.stderr
    if example == "own":
        assert re.search(r"epoch 2: \d+ evaluations a solve", done.stdout)
    else:
        assert (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    "name",
    ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in DOCS.glob("*.md"))],
)
def test_files_that_are_named_exist(name):
    text = (PROJECT / name).read_text()
    rooms = "ode|layers|models|data|runs|training|analysis|cli"
    inside = re.findall(rf"`((?:{rooms})/\w+\.py)`", text)
    whole = re.findall(
        r"`((?:node_transfer|tests|experiments|docs|notebooks)/[\w/-]+\.\w+)`", text
    )
    missing = [path for path in whole if not (PROJECT / path).exists()]
    missing += [p for p in inside if not (PROJECT / "node_transfer" / p).exists()]
    assert missing == []


def started(script: str, folder, **environ) -> dict[str, str]:
    """Runs a shell script whose commands are stand-ins; returns the TF_CONFIG given."""
    for name, does in {
        "scontrol": "printf 'node1\\nnode2\\nnode3\\n'",
        "srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
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
