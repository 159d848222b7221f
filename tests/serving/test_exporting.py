"""What an export holds, what it costs, and when there is none."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import ConvDynamics, ODELayer, TransferClassifier, export
from node_transfer.errors import UserError
from node_transfer.models.blocks import make_block
from node_transfer.ode import low_rank
from node_transfer.runs.config import NODE_RK
from node_transfer.serving import comparison, exporting, formats, grid
from node_transfer.serving.opening import open_model
from tests.conftest import PROJECT
from tests.serving.made import NAMES, asked_inside, backbone, classifier, ode

BLOCKS = {
    "no block": lambda: {},
    "rk": lambda: {"block": ode()},
    "adjoint": lambda: {"block": ode(gradient="adjoint")},
    "conv": lambda: {
        "block": ODELayer(ConvDynamics(4), rtol=1e-3, atol=1e-3),
        "block_input": "feature_map",
    },
    "anode": lambda: {"block": by_flag("anode")},
    "anodev2": lambda: {"block": by_flag("anodev2")},
}
ENDINGS = {"saved_model": "", "tflite": ".tflite", "onnx": ".onnx"}


def by_flag(name):
    config = dataclasses.replace(NODE_RK, block=name, hidden_units=4, augment_channels=2)
    return make_block(config)


@pytest.fixture
def inside(monkeypatch):
    """Exports are asked in this process, which saves the start of another."""
    monkeypatch.setattr(comparison, "asked_outside", asked_inside)


def told(path) -> set[str]:
    return {file.name for file in Path(path).iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("format_name", ENDINGS)
@pytest.mark.parametrize("kind", BLOCKS)
def test_export_says_what_keras_says_where_the_package_is_not(
    kind, format_name, tmp_path
):
    if format_name == "onnx":
        pytest.importorskip("tf2onnx")
    classifier(**BLOCKS[kind]()).save(tmp_path / "model.keras")
    output = tmp_path / f"served{ENDINGS[format_name]}"
    done = export(tmp_path / "model.keras", output, format_name)
    assert [d.shape[0] for d in done.differences] == [1, 5, 33]
    assert all(d.largest < 2e-6 and d.other_classes == 0 for d in done.differences)
    assert (done.solver, done.solver_cost) == (done.trained, 0.0)
    assert done.labels.read_text().split() == list(NAMES)
    assert not [name for name in told(tmp_path) if name.startswith("partial-")]


@pytest.mark.slow
@pytest.mark.parametrize("format_name", ENDINGS)
def test_a_block_that_is_solved_in_its_hidden_width_keeps_its_solver(
    format_name, inside, monkeypatch, tmp_path
):
    if format_name == "onnx":
        pytest.importorskip("tf2onnx")
    for name in ("LEAST_WIDTH", "LEAST_RATIO"):
        monkeypatch.setattr(low_rank, name, 1)
    output = tmp_path / f"served{ENDINGS[format_name]}"
    done = export(classifier(ode()), output, format_name)
    assert (done.solver, done.solver_cost) == (done.trained, 0.0)


@pytest.mark.slow
def test_saved_model_is_served_by_tensorflows_own_command(tmp_path):
    model = classifier(ode())
    export(model, tmp_path / "served")
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3)).astype("float32")
    np.save(tmp_path / "images.npy", images)
    command = Path(sys.executable).with_name("saved_model_cli")
    done = subprocess.run(
        [command, "run", "--dir", "served", "--tag_set", "serve", "--signature_def",
         "serving_default", "--inputs", "images=images.npy", "--outdir", "."],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = said_of(model, images)
    assert np.allclose(np.load(tmp_path / "probabilities.npy"), expected, atol=1e-6)
    names = [NAMES[i] for i in expected.argmax(-1)]
    classes = np.load(tmp_path / "classes.npy", allow_pickle=True)
    assert [x.decode() for x in classes] == names


def test_onnx_has_one_input_and_the_names_of_the_classes(inside, tmp_path):
    pytest.importorskip("tf2onnx")
    import onnxruntime

    export(classifier(), tmp_path / "served.onnx", "onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "served.onnx"))
    assert [x.name for x in session.get_inputs()] == ["images"]
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["class_names"]) == list(NAMES)


def refuse(adaptive):
    """A writer that cannot write a model whose block chooses its steps, or any."""

    def write(model, class_names, path):
        if not adaptive or model.block.options.num_steps is None:
            raise RuntimeError("no such operation\nand more")
        path.write_text(str(model.block.options.num_steps))

    return formats.ExportFormat("tflite", False, write)


def answer_for_it(monkeypatch):
    """Has what `refuse` wrote answer as the model does."""
    said = []

    def answers(*asked):
        said.append(comparison.answers(*asked))
        return said[-1]

    for module in (exporting, grid):
        monkeypatch.setattr(module, "answers", answers)
    monkeypatch.setattr(comparison, "asked_outside", lambda *asked: said[-1])


def said_of(model, images):
    return comparison.answers(model, tf.TensorSpec([None, None, None, 3]), [images])[0]


def test_format_without_the_loop_gets_as_few_equal_steps_as_will_do(
    monkeypatch, tmp_path
):
    monkeypatch.setitem(formats.FORMATS, "tflite", refuse(adaptive=True))
    answer_for_it(monkeypatch)
    model = classifier(ode())
    done = export(model, tmp_path / "served.tflite", "tflite", bound=1e-3)
    steps = int((tmp_path / "served.tflite").read_text())
    assert done.solver == f"rk4, {steps} step{'s' if steps > 1 else ''}"
    assert "dopri5, rtol 1e-05, atol 1e-05 (no such operation)" in done.why
    assert 0 < done.solver_cost <= 1e-4
    assert model.block.method == "dopri5"  # the model stays as it is
    monkeypatch.setitem(formats.FORMATS, "tflite", refuse(adaptive=False))
    with pytest.raises(UserError, match="cannot be written as .* with rk4, 1 step "):
        export(model, tmp_path / "other.tflite", "tflite", method="rk4", num_steps=1)
    assert told(tmp_path) == {"served.tflite", "served.labels.txt"}


def test_solver_asked_for_is_in_the_export_with_what_it_costs(monkeypatch, tmp_path):
    monkeypatch.setitem(formats.FORMATS, "tflite", refuse(adaptive=True))
    answer_for_it(monkeypatch)
    model = classifier(ode())
    images = [np.full((3, 16, 16, 3), 90, "float32")]
    monkeypatch.setattr(exporting, "made_images", lambda *_: images)
    done = export(
        model, tmp_path / "served.tflite", "tflite", method="euler", num_steps=1
    )
    exact = said_of(model, images[0])
    model.block.set_solver(method="euler", options={"num_steps": 1})
    change = np.abs(said_of(model, images[0]) - exact).max()
    assert done.solver_cost == pytest.approx(change)
    assert (done.solver, done.why) == ("euler, 1 step", None)


@pytest.mark.slow
def test_export_that_says_something_else_is_not_kept(monkeypatch, tmp_path):
    def off(format_name, path, batches):
        return [x + 1e-3 for x in asked_inside(format_name, path, batches)]

    monkeypatch.setattr(comparison, "asked_outside", off)
    model = classifier()
    with pytest.raises(UserError, match=r"by 1.0e-03 .* more than bound=0.0001"):
        export(model, tmp_path / "served.tflite", "tflite")
    assert told(tmp_path) == set()
    done = export(model, tmp_path / "served.tflite", "tflite", bound=2e-3)
    assert done.differences[0].largest == pytest.approx(1e-3, rel=1e-2)


def test_export_replaces_an_export_alone(inside, tmp_path):
    model = classifier()
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is no export of format='saved_model'"):
        export(model, tmp_path / "served", overwrite=True)
    assert told(tmp_path / "served") == {"mine.txt"}
    export(model, tmp_path / "other")
    (tmp_path / "other" / "left").write_text("of the export before")
    with pytest.raises(UserError, match="already: pass overwrite=True"):
        export(model, tmp_path / "other")
    export(model, tmp_path / "other", overwrite=True)
    assert "left" not in told(tmp_path / "other")
    assert told(tmp_path) == {"served", "other"}


@pytest.mark.parametrize("name", ["no/mine.tflite", "file/mine.tflite", "file/served/1"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    name, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(exporting, "open_model", lambda _: pytest.fail("at work"))
    format_name = "tflite" if name.endswith("tflite") else "saved_model"
    with pytest.raises(UserError, match="cannot be written.*output="):
        export(classifier(), tmp_path / name, format_name)
    assert told(tmp_path) == {"file"}


def test_export_that_is_not_a_number_for_some_images_is_not_kept(monkeypatch, tmp_path):
    def off(format_name, path, batches):
        first, *others = asked_inside(format_name, path, batches)
        return [first, *(x * np.nan for x in others)]

    monkeypatch.setattr(comparison, "asked_outside", off)
    with pytest.raises(UserError, match="differs from Keras's predictions by nan"):
        export(classifier(), tmp_path / "served.tflite", "tflite")
    assert told(tmp_path) == set()


def test_labels_of_another_export_are_not_replaced(inside, tmp_path):
    labels = tmp_path / "served.labels.txt"
    labels.write_text("dog\ncat\n")
    with pytest.raises(UserError, match=r"labels.txt' already: pass overwrite=True"):
        export(classifier(), tmp_path / "served.tflite", "tflite")
    assert labels.read_text() == "dog\ncat\n" and told(tmp_path) == {labels.name}
    export(classifier(), tmp_path / "served.tflite", "tflite", overwrite=True)
    assert labels.read_text().splitlines() == list(NAMES)
    (tmp_path / "served.tflite").unlink()  # those of the same classes are no hindrance
    export(classifier(), tmp_path / "served.tflite", "tflite")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": "pickle"}, "format is 'pickle': choose one of saved_model"),
        ({"output": "served.onnx"}, "ends in .tflite"),
        ({"output": "no/such/served.tflite"}, "or pass output= with another folder"),
        ({"rtol": 1e-2}, "has no ODE block"),
        ({"model": "no.keras"}, "There is no model file"),
    ],
)
def test_what_cannot_be_exported_is_told(changes, complaint, inside, tmp_path):
    arguments = {"model": classifier(), "output": "served.tflite", "format": "tflite"}
    arguments |= changes
    output = tmp_path / arguments.pop("output")
    with pytest.raises(UserError, match=complaint):
        export(arguments.pop("model"), output, **arguments)
    assert told(tmp_path) == set()


def test_model_of_every_size_is_exported_as_one(inside, tmp_path):
    model = TransferClassifier(backbone(None), 3, class_names=NAMES)
    done = export(model, tmp_path / "served")
    assert {d.shape[1:3] for d in done.differences} == {(224, 224), (336, 343)}
    with pytest.raises(UserError, match="takes images of every size.*'saved_model'"):
        export(model, tmp_path / "served.tflite", "tflite")


def test_half_precision_is_for_tensorflow_alone(tmp_path):
    model = classifier(dtype="mixed_bfloat16")
    with pytest.raises(UserError, match="mixed_bfloat16.*format='saved_model'"):
        export(model, tmp_path / "served.tflite", "tflite")


def test_run_without_names_in_its_model_has_those_of_its_record(tmp_path):
    shutil.copytree(PROJECT / "tests" / "fixtures" / "baseline", tmp_path / "run")
    numbers = tuple("0123456789")
    assert open_model(tmp_path / "run")[1] == numbers
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    names = [f"digit {number}" for number in numbers]
    for recorded, expected in [(names, names), (names[1:], numbers)]:
        record["data"]["class_names"] = recorded
        (tmp_path / "run" / "config.json").write_text(json.dumps(record))
        assert open_model(tmp_path / "run")[1] == tuple(expected)
        assert open_model(tmp_path / "run" / "model.keras")[1] == tuple(expected)
    for of_another_program in ('{"data": 1}', "[1, 2]", "no JSON"):
        (tmp_path / "run" / "config.json").write_text(of_another_program)
        assert open_model(tmp_path / "run" / "model.keras")[1] == numbers
