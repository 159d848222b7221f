"""From a folder of photographs to a served model, by the commands of the docs."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PROJECT
from tests.serving.photographs import photographs

SMALL = ("--backbone=MobileNetV3Large", "--weights=none", "--image_size=64")
SERVED = """
import json, numpy, tensorflow as tf
images = tf.constant(numpy.load("batch.npy"))
serve = tf.saved_model.load("served/1").signatures["serving_default"](images=images)
print(json.dumps([serve["probabilities"].numpy().tolist(),
                  [name.decode() for name in serve["classes"].numpy()]]))
"""


class Person:
    """Types commands in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.environ = {**os.environ, "PYTHONPATH": str(PROJECT)}

    def types(self, command: str, *flags: str, code: int = 0):
        program = ("-m", "node_transfer", *command.split(), *flags)
        return self.python(*program, code=code)

    def python(self, *arguments: str, code: int = 0):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=self.environ,
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done


@pytest.mark.slow
def test_six_hundred_photographs_become_a_served_model(tmp_path):
    person, run = Person(tmp_path), "results/runs/my_images"
    good, broken = photographs(tmp_path / "my_images", 300)
    assert len(broken) == 6

    trained = ("--dataset=folder:my_images", "--adapt_batchnorm", "--lr_schedule=cosine")
    done = person.types("train baseline", *trained, *SMALL, "--epochs=6")
    assert "temple" in done.stdout and "flower" in done.stdout
    start = f"--init_from={run}/baseline"
    person.types("train node_rk", *trained, "--epochs=2", start)
    folder = tmp_path / run / "node_rk"
    with open(folder / "unreadable.csv", newline="") as file:
        named = {row["path"] for row in csv.DictReader(file)}
    assert named == {f"{path.parent.name}/{path.name}" for path in broken}
    config = json.loads((folder / "config.json").read_text())
    assert config["data"]["class_names"] == ["flower", "temple"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.8

    done = person.types("evaluate", f"--model={run}/node_rk")
    again = json.loads(done.stdout.splitlines()[-1])
    assert again["accuracy"] == pytest.approx(metrics["test"]["accuracy"], abs=1e-6)

    written = ("--output=classes.json", "--top=2")
    done = person.types(
        "predict", f"--model={run}/node_rk", "my_images", *written, code=3
    )
    assert done.stderr.count("cannot be read (") == len(broken)
    answers = {a["path"]: a for a in json.loads((tmp_path / "classes.json").read_text())}
    assert len(answers) == 600
    assert {p for p, a in answers.items() if "error" in a} == {
        str(path.relative_to(tmp_path)) for path in broken
    }
    right = [
        answers[str(path.relative_to(tmp_path))]["predictions"][0]["class"]
        == path.parent.name
        for path in good
    ]
    assert np.mean(right) > 0.8

    for kind, output in (
        ("saved_model", "served/1"),
        ("tflite", "m.tflite"),
        ("onnx", "m.onnx"),
    ):
        flags = (f"--format={kind}", f"--output={output}")
        done = person.types("export", f"--model={run}/node_rk", *flags)
        assert "Written to" in done.stdout

    plain = next(path for path in good if path.suffix == ".bmp")
    pixels = np.asarray(Image.open(plain), "float32")[None]
    np.save(tmp_path / "batch.npy", pixels)
    probabilities, (name,) = json.loads(person.python("-c", SERVED).stdout)
    best = answers[str(plain.relative_to(tmp_path))]["predictions"][0]
    assert name == best["class"]
    # Its own solve here, one of a batch there: they agree within the tolerance.
    assert max(probabilities[0]) == pytest.approx(best["probability"], abs=1e-3)

    page = (folder / "report.html").read_text()
    for told in ("Confusion matrix", "flower", "temple", "h(t)", "data:image/svg+xml"):
        assert told in page
