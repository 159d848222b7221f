"""Backbones are one function a name, wherever their weights come from."""

import http.client
import socket
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from node_transfer import TransferClassifier, build_backbone, load_model
from node_transfer.errors import UserError
from node_transfer.models import pretrained, saving
from node_transfer.models.backbones import BACKBONES, BackboneSpec
from node_transfer.models.pretrained import backbone_with_source
from tests.models.test_backbones import outputs


@pytest.fixture(scope="module")
def b0_weights(tmp_path_factory):
    """A weights file such as Keras downloads, with values of a network in use."""
    model = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            noise = rng.normal(size=gamma.shape) * 0.1
            layer.set_weights([gamma + noise, beta + noise, mean + noise, variance + 0.1])
        elif isinstance(layer, keras.layers.Normalization):
            layer.adapt_mean.assign(np.full(layer.adapt_mean.shape, 110.0 / 255))
            layer.adapt_variance.assign(np.full(layer.adapt_variance.shape, 0.05))
            layer.finalize_state()
    path = tmp_path_factory.mktemp("weights") / "efficientnetb0_notop.weights.h5"
    model.save_weights(path)
    return str(path)


@pytest.fixture
def downloaded(monkeypatch, b0_weights):
    """Lets Keras's download of the ImageNet weights answer with that file."""
    for module in (file_utils, keras.utils):
        monkeypatch.setattr(module, "get_file", lambda *args, **kwargs: b0_weights)
    monkeypatch.setattr(pretrained, "server_answers", lambda url: True)


def test_b0_built_the_imagenet_way_survives_save_and_reload(downloaded, tmp_path):
    backbone, source = backbone_with_source("EfficientNetB0", "imagenet", 32)
    assert source.kind == "imagenet"
    rescalings = [x for x in backbone.layers if isinstance(x, keras.layers.Rescaling)]
    assert len(rescalings) == 2  # 1/255, and the one that weights=None leaves out
    model = TransferClassifier(backbone, 10)
    before = outputs(model)
    saving.save_model(model, tmp_path / "model.keras")
    after = outputs(load_model(tmp_path / "model.keras"))
    assert np.array_equal(before, after)


@pytest.mark.slow
def test_b0_by_path_and_by_download_are_keras_own_b0(downloaded, b0_weights):
    kerass = keras.applications.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=(32, 32, 3)
    )
    expected = outputs(kerass)
    assert np.ptp(expected) > 0.01
    for weights in ("imagenet", b0_weights):
        ours = build_backbone("EfficientNetB0", weights, 32)
        assert np.array_equal(outputs(ours), expected)


def test_auto_takes_imagenet_weights_where_they_can_be_had(downloaded):
    _, source = backbone_with_source("EfficientNetB0", "auto", 32)
    assert source.kind == "imagenet"


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No weights in Keras's cache, and a network on which no name can be resolved."""

    def no_network(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", no_network)


def test_auto_falls_back_to_random_weights_and_says_so(offline):
    _, source = backbone_with_source("EfficientNetB0", "auto", 32)
    assert source.kind == "random"
    assert "could not be downloaded" in source.detail


def wrong_file(url, path, *args):
    Path(path).write_bytes(b"the page of an airport's network")


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("socket.getaddrinfo", OSError("no route")),
        ("urllib.request.urlopen", http.client.IncompleteRead(b"")),
        ("keras.src.utils.file_utils.urlretrieve", TimeoutError("timed out")),
        ("keras.src.utils.file_utils.urlretrieve", wrong_file),
    ],
    ids=["no network", "cut short", "timed out", "another file"],
)
def test_whatever_a_download_raises_is_a_download_that_failed(
    place, change, tmp_path, monkeypatch
):
    def fail(*args, **kwargs):
        raise change

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "server_answers", lambda url: True)
    monkeypatch.setattr(place, change if callable(change) else fail)
    with pytest.raises(UserError, match="could not be downloaded"):
        build_backbone("EfficientNetB0", "imagenet", 32)


def test_mistake_in_the_program_is_no_failed_download(tmp_path, monkeypatch):
    def mistaken(*args, **kwargs):
        return None + 1

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "server_answers", lambda url: True)
    with monkeypatch.context() as patch:
        patch.setattr(keras.utils, "get_file", mistaken)
        with pytest.raises(TypeError):
            build_backbone("EfficientNetB0", "auto", 32)
    monkeypatch.setitem(
        BACKBONES, "Typo", BackboneSpec("Typo", "keras.applications:Tpyo", "typo", 32)
    )
    with pytest.raises(AttributeError, match="Tpyo"):
        build_backbone("Typo", "none")


def test_silent_network_is_given_up_within_ten_seconds(offline, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(30))
    start = time.monotonic()
    with pytest.raises(UserError, match="does not answer"):
        build_backbone("EfficientNetB0", "imagenet", 32)
    assert time.monotonic() - start < 10


def test_imagenet_without_network_is_one_sentence(offline):
    with pytest.raises(UserError, match="weights=PATH.*weights='none'") as raised:
        build_backbone("EfficientNetB0", "imagenet", 32)
    assert "\n" not in str(raised.value)


def test_real_weights_of_v2b0_load_by_path(v2b0_weights):
    backbone, source = backbone_with_source("EfficientNetV2B0", v2b0_weights, 32)
    assert source.kind == "file"
    random = build_backbone("EfficientNetV2B0", "none", 32)
    assert not np.allclose(outputs(backbone), outputs(random))


def test_wrong_requests_are_refused(v2b0_weights, tmp_path):
    broken = tmp_path / "broken.weights.h5"
    broken.write_bytes(b"not an HDF5 file")
    for arguments, complaint in [
        (("ResNet1", "none", 32), "Unknown backbone 'ResNet1': choose one of Eff"),
        (("EfficientNetB0", "none", 16), "image_size is 16.*pass image_size=32 or"),
        (("EfficientNetB0", "no/such/file.h5", 32), "no weights file 'no/such/file.h5'"),
        (("EfficientNetB0", str(broken), 32), "does not hold weights"),
        (("EfficientNetB0", v2b0_weights, 32), "does not hold weights"),
    ]:
        with pytest.raises(UserError, match=complaint) as raised:
            build_backbone(*arguments)
        assert "\n" not in str(raised.value)
