"""A trained model's block, solved in other ways."""

import json
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer, TransferClassifier
from node_transfer.cli import sweep_tolerance
from node_transfer.data.image_data import ImageData
from node_transfer.errors import UserError
from node_transfer.training.solver_sweep import sweep_solvers
from tests.conftest import PROJECT


def made_data(count=32, size=8):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (count, size, size, 3)).astype("uint8")
    labels = rng.integers(0, 3, count)
    split = tf.data.Dataset.from_tensor_slices((images, labels))
    sizes = {"train": count, "validation": count, "test": count}
    splits = dict.fromkeys(sizes, split)
    return ImageData("made", ("a", "b", "c"), size, sizes, {}, splits)


def made_model(block, size=8):
    keras.utils.set_random_seed(0)
    images = keras.Input([size, size, 3])
    scaled = keras.layers.Rescaling(1 / 64, offset=-2)(images)
    features = keras.layers.Conv2D(12, 3)(scaled)
    return TransferClassifier(keras.Model(images, features), 3, block=block)


# 32 images: batches of one shape, since each way is traced for every shape.
def test_rows_are_those_of_the_same_weights_solved_otherwise():
    model, data = made_model(ODELayer(DenseDynamics(8))), made_data()
    model.block.dynamics.output_kernel.assign(3 * model.block.dynamics.output_kernel)
    rows = {r["solver"]: r for r in sweep_solvers(model, data, batch_size=16)}
    images = np.stack([x for x, _ in data.splits["test"].as_numpy_iterator()])
    labels = np.array([y for _, y in data.splits["test"].as_numpy_iterator()])

    def predicted(features):
        return np.argmax(model.head(features), axis=-1)

    features = model.pooling(model.backbone(images.astype("float32")))
    trained = np.argmax(model.predict(images, batch_size=16, verbose=0), axis=-1)
    without = predicted(features)
    dynamics = model.block.dynamics
    euler = predicted(features + dynamics(tf.constant(0.0), features))
    for name, expected in (
        ("as trained", trained),
        ("without the block", without),
        ("one step of Euler", euler),
    ):
        assert rows[name]["accuracy"] == pytest.approx(np.mean(expected == labels))
        assert rows[name]["changed"] == np.sum(expected != trained)
    assert rows["without the block"]["changed"] > 0
    evaluations = [rows[f"1e-0{k}"]["nfe"] for k in (7, 5, 3, 1)]
    assert evaluations == sorted(evaluations, reverse=True)
    assert evaluations[0] > evaluations[-1]
    assert rows["one step of RK4"]["nfe"] == 4
    assert rows["1e-05"]["changed"] == 0


def test_model_without_a_block_is_refused():
    with pytest.raises(UserError, match="no ODE block"):
        sweep_solvers(made_model(None), made_data())


@pytest.mark.slow
def test_table_and_figure_are_written(tmp_path):
    rows = sweep_solvers(made_model(ODELayer(DenseDynamics(8))), made_data())
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    code = (
        "import json; from node_transfer.analysis import solver_sweep as s\n"
        "rows = json.load(open('rows.json')); print(s.table(rows).text())\n"
        "s.draw(rows, 'sweep')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True,
                          capture_output=True, check=True)  # fmt: skip
    assert "without the block" in done.stdout
    assert (tmp_path / "sweep.svg").stat().st_size > 10_000
    script = PROJECT / "experiments" / "sweep_tolerance.py"
    done = subprocess.run([sys.executable, script, "--model=no/such"], cwd=tmp_path,
                          text=True, capture_output=True)  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("split", "dataset", "name"),
    [
        ("test", None, "solver_sweep"),
        ("validation", None, "solver_sweep-validation"),
        ("test", "folder:my images/x", "solver_sweep-folder_my_images_x"),
    ],
)
def test_other_images_have_a_folder_of_their_own(split, dataset, name, monkeypatch):
    values = types.SimpleNamespace(split=split, dataset=dataset)
    monkeypatch.setattr(sweep_tolerance.absl_flags, "FLAGS", values)
    assert sweep_tolerance._name_of_folder() == name
