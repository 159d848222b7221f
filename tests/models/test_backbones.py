"""Backbones are one function a name, wherever their weights come from."""

import socket
import time

import keras
import numpy as np
import pytest

from node_transfer import TransferClassifier, build_backbone, load_model
from node_transfer.errors import UserError
from node_transfer.models import saving
from node_transfer.models.backbones import BACKBONES

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("float32")


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
    monkeypatch.setattr(
        "keras.src.applications.efficientnet.file_utils.get_file",
        lambda *args, **kwargs: b0_weights,
    )
    monkeypatch.setattr("node_transfer.models.backbones.server_answers", lambda url: True)


def test_b0_built_the_imagenet_way_survives_save_and_reload(downloaded, tmp_path):
    backbone, source = build_backbone("EfficientNetB0", "imagenet", 32)
    assert source.kind == "imagenet"
    rescalings = [x for x in backbone.layers if isinstance(x, keras.layers.Rescaling)]
    assert len(rescalings) == 2  # 1/255, and the one that weights=None leaves out
    model = TransferClassifier(backbone, 10)
    before = model.predict(IMAGES, verbose=0)
    saving.save_model(model, tmp_path / "model.keras")
    after = load_model(tmp_path / "model.keras").predict(IMAGES, verbose=0)
    assert np.array_equal(before, after)


def test_b0_weights_by_path_are_the_same_function_as_the_download(downloaded, b0_weights):
    imagenet, _ = build_backbone("EfficientNetB0", "imagenet", 32)
    by_path, source = build_backbone("EfficientNetB0", b0_weights, 32)
    assert source.kind == "file"
    left, right = (m.predict(IMAGES, verbose=0) for m in (imagenet, by_path))
    assert np.ptp(left) > 0.01
    assert np.array_equal(left, right)


def test_auto_takes_imagenet_weights_where_they_can_be_had(downloaded):
    _, source = build_backbone("EfficientNetB0", "auto", 32)
    assert source.kind == "imagenet"


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No weights in Keras's cache, and a network on which no name can be resolved."""

    def no_network(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", no_network)


def test_auto_falls_back_to_random_weights_and_says_so(offline):
    _, source = build_backbone("EfficientNetB0", "auto", 32)
    assert source.kind == "random"
    assert "could not be downloaded" in source.detail


def test_silent_network_is_given_up_within_ten_seconds(offline, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(30))
    start = time.monotonic()
    with pytest.raises(UserError, match="does not answer"):
        build_backbone("EfficientNetB0", "imagenet", 32)
    assert time.monotonic() - start < 10


def test_imagenet_without_network_is_one_sentence(offline):
    with pytest.raises(UserError, match="--weights=PATH.*--weights=none") as raised:
        build_backbone("EfficientNetB0", "imagenet", 32)
    assert "\n" not in str(raised.value)


def test_real_weights_of_v2b0_load_by_path(v2b0_weights):
    backbone, source = build_backbone("EfficientNetV2B0", v2b0_weights, 32)
    assert source.kind == "file"
    random, _ = build_backbone("EfficientNetV2B0", "none", 32)
    assert not np.allclose(
        backbone.predict(IMAGES, verbose=0), random.predict(IMAGES, verbose=0)
    )


def test_wrong_requests_are_refused(v2b0_weights, tmp_path):
    broken = tmp_path / "broken.weights.h5"
    broken.write_bytes(b"not an HDF5 file")
    for arguments, complaint in [
        (("ResNet1", "none", 32), "Unknown backbone 'ResNet1': choose one of Eff"),
        (("EfficientNetB0", "none", 16), "image_size is 16.*--image_size=32"),
        (("EfficientNetB0", "no/such/file.h5", 32), "no weights file 'no/such/file.h5'"),
        (("EfficientNetB0", str(broken), 32), "does not hold weights"),
        (("EfficientNetB0", v2b0_weights, 32), "does not hold weights"),
    ]:
        with pytest.raises(UserError, match=complaint) as raised:
            build_backbone(*arguments)
        assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_builds_and_has_keras_output(name):
    backbone, _ = build_backbone(name, "none", 32)
    features = backbone.predict(IMAGES, verbose=0)
    assert features.shape[0] == 4
    assert np.all(np.isfinite(features))
