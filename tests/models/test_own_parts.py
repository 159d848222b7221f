"""Dynamics and backbones of the user's own, by `package.module:Name`."""

import dataclasses
import sys

import keras
import numpy as np
import pytest

from node_transfer import ODELayer
from node_transfer.errors import UserError
from node_transfer.models import blocks
from node_transfer.models.own_parts import make_backbone
from node_transfer.models.pretrained import backbone_with_source
from node_transfer.runs.config import BASELINE, NODE_RK
from node_transfer.training.build import load_classifier
from node_transfer.training.experiment import run_experiment
from tests.conftest import PROJECT
from tests.test_docs import EXAMPLE
from tests.training.made import quick

MODULE = '''
import keras

@keras.saving.register_keras_serializable(package="own_parts")
class Spring(keras.layers.Layer):
    """dh/dt = -k h, for one k a channel."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def build(self, t_shape, h_shape):
        self.k = self.add_weight(name="k", shape=h_shape[-1:], initializer="ones")

    def call(self, t, h):
        return -self.k * h

    def get_config(self):
        return {**super().get_config(), "width": self.width}

class Nameless(keras.layers.Layer):
    pass

@keras.saving.register_keras_serializable(package="own_parts")
class NoWidth(keras.layers.Layer):
    def __init__(self, name):
        super().__init__(name=name)

@keras.saving.register_keras_serializable(package="own_parts")
class Forgetful(keras.layers.Layer):
    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)

    def get_config(self):
        return {"name": self.name}

def net(input_shape):
    images = keras.Input(input_shape)
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(4, 3, strides=8)(x)
    return keras.Model(images, x, name="net")

def flat(input_shape):
    images = keras.Input(input_shape)
    return keras.Model(images, keras.layers.Flatten()(images))

def number(input_shape):
    return 3

def broken(input_shape):
    raise RuntimeError("no weights today")
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module in the current folder, and only there."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "own_module.py").write_text(MODULE)
    (folder / "own_wrong.py").write_text("import keras\n1 / 0\n")
    (folder / "own_needs.py").write_text("import package_that_nobody_has\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield folder
    forget()


def forget():
    """As a new process, which has not imported the module."""
    sys.modules.pop("own_module", None)
    for name in list(keras.saving.get_custom_objects()):
        if name.startswith("own_parts>"):
            del keras.saving.get_custom_objects()[name]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("own_missing:Spring", "there is no module 'own_missing': install"),
        ("own_needs:Spring", "there is no module 'package_that_nobody_has'"),
        ("own_wrong:Spring", "importing its module fails .ZeroDivisionError: division"),
        ("own_module:Sprung", "the module 'own_module' has no 'Sprung'"),
        ("own_module:net", "is no class of Keras layers: derive"),
        ("own_module:Nameless", "decorate it with keras.saving.register_keras"),
        ("own_module:NoWidth", "cannot be made as NoWidth.128, name='dynamics'."),
        ("own_module:Forgetful", "cannot be made from its own config"),
    ],
)
def test_dynamics_that_cannot_be_had_are_told_in_one_sentence(module, name, complaint):
    config = dataclasses.replace(NODE_RK, dynamics=name)
    with pytest.raises(UserError, match=complaint) as error:
        blocks.make_block(config)
    assert str(error.value).startswith(f"dynamics is {name!r}")


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        ("flat", r"returns a model from \(None, 32, 32, 3\) to \(None, 3072\)"),
        ("number", "returns a int: return a functional Keras model"),
        ("broken", r"input_shape=\(32, 32, 3\) \(no weights today\)"),
        ("gone", "has no 'gone'"),
    ],
)
def test_backbone_that_cannot_be_had_is_told_in_one_sentence(module, function, complaint):
    with pytest.raises(UserError, match=complaint):
        make_backbone(f"own_module:{function}", 32)


def test_weights_of_an_own_backbone_are_its_own_or_a_file(module, tmp_path):
    model, source = backbone_with_source("own_module:net", "auto", 32)
    assert (source.kind, source.detail) == ("own", "as made by own_module:net")
    with pytest.raises(UserError, match="which makes its own: leave weights= out"):
        backbone_with_source("own_module:net", "imagenet", 32)
    path = str(tmp_path / "net.weights.h5")
    model.save_weights(path)
    again, source = backbone_with_source("own_module:net", path, 32)
    assert source.kind == "file"
    assert np.array_equal(again.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"dynamics": "a b:C"}, "dynamics is 'a b:C': name what is your own as"),
        ({"backbone": "a:"}, "backbone is 'a:': name what is your own as"),
        ({"block_input": "feature_map"}, "dynamics is 'dense', which says itself"),
        ({"block": "anodev2", "dynamics": "a:C"}, None),
    ],
)
def test_names_are_checked_with_the_config(changes, complaint):
    if complaint is None:  # not known before the tables are asked
        with pytest.raises(UserError, match="has none that do: choose one of dense, co"):
            blocks.make_block(dataclasses.replace(NODE_RK, **changes))
        return
    with pytest.raises(UserError, match=complaint):
        dataclasses.replace(NODE_RK, **changes)


def test_a_run_with_parts_of_ones_own_is_loaded_where_they_are_found(
    module, tmp_path, monkeypatch
):
    config = quick(
        NODE_RK, tmp_path / "run", epochs=1, train_examples=64, weights=None,
        backbone="own_module:net", dynamics="own_module:Spring",
        block_input="feature_map",
    )  # fmt: skip
    run = run_experiment(config, verbose=0)
    recorded = run.read_experiment()
    assert (recorded.backbone, recorded.dynamics, recorded.block_input) == (
        "own_module:net", "own_module:Spring", "feature_map",
    )  # fmt: skip
    images = np.zeros((1, 32, 32, 3), "float32")
    forget()
    model = load_classifier(str(run.path))
    assert (model.block_input, type(model.block.dynamics).__name__) == (
        "feature_map", "Spring",
    )  # fmt: skip
    assert np.all(np.isfinite(model(images)))
    forget()
    sys.path.remove(str(module))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="In the run .* there is no module 'own_module'"):
        load_classifier(str(run.path))


def test_a_block_that_widens_starts_from_the_final_layer_of_the_run_before(
    module, tmp_path
):
    """Its further channels are not looked at yet."""
    from node_transfer.training.build import build_model

    config = quick(
        BASELINE, tmp_path / "run", epochs=1, train_examples=64, weights=None,
        backbone="own_module:net", adapt_batchnorm=True,
    )  # fmt: skip
    run = run_experiment(config, verbose=0)
    earlier = load_classifier(str(run.path))
    warm = dataclasses.replace(
        config, block="anode", augment_channels=3, init_from=str(run.path)
    )
    model, _ = build_model(warm, 32, 10)
    assert model.head.kernel.shape == (7, 10)
    assert np.array_equal(model.head.kernel[:4], earlier.head.kernel)
    assert not np.any(model.head.kernel[4:])
    assert np.array_equal(model.head.bias, earlier.head.bias)


def test_examples_of_the_docs_are_parts_that_work(tmp_path, monkeypatch):
    text = (PROJECT / "docs/blocks.md").read_text()
    (tmp_path / "blocks_example.py").write_text("\n".join(EXAMPLE.findall(text)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    block = blocks.make_block(
        dataclasses.replace(NODE_RK, dynamics="blocks_example:Spring", rtol=1e-6)
    )
    assert isinstance(block, ODELayer)
    x = np.ones((2, 4), "float32")
    assert np.allclose(block(x), np.exp(-1), atol=1e-4)
    assert make_backbone("blocks_example:small_net", 32).name == "small_net"
