"""Backbones are rows of a table, each one function of pixels from 0 to 255."""

import inspect
import sys

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from keras.src.utils import file_utils

from node_transfer import TransferClassifier, build_backbone, load_model
from node_transfer.errors import UserError
from node_transfer.models import saving
from node_transfer.models.backbones import BACKBONES, BackboneSpec
from node_transfer.models.pretrained import backbone_with_source
from node_transfer.registry import locate

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("float32")


def outputs(model, images=IMAGES):
    """What a model gives, without the seconds that compiling it for `predict` takes."""
    return np.asarray(model(images, training=False))


def keras_modules(spec):
    """The constructor's module in Keras, and the one it takes its weights from."""
    module = sys.modules[locate(spec.constructor).__module__]
    return module, getattr(module, "resnet", module)


@pytest.mark.parametrize("name", BACKBONES)
def test_row_says_what_keras_says(name):
    spec = BACKBONES[name]
    signature = inspect.signature(locate(spec.constructor))
    assert signature.parameters["name"].default == spec.keras_name
    _, module = keras_modules(spec)
    servers = [v for k, v in vars(module).items() if k.startswith("BASE_WEIGHT")]
    assert [spec.weights_url.removesuffix(spec.weights_file)] == servers
    assert f'"{spec.weights_hash}"' in inspect.getsource(module)


@pytest.mark.parametrize("name", BACKBONES)
def test_row_makes_of_pixels_what_the_network_was_trained_on(name):
    spec = BACKBONES[name]
    module, _ = keras_modules(spec)
    expected = module.preprocess_input(IMAGES.copy())
    ours = np.multiply(IMAGES, spec.scale) + spec.offset
    assert np.allclose(ours, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_row_names_the_file_that_keras_asks_for(name, monkeypatch):
    spec = BACKBONES[name]

    class Asked(Exception):
        pass

    def get_file(file, url, cache_subdir, file_hash):
        assert (file, url) == (spec.weights_file, spec.weights_url)
        assert (cache_subdir, file_hash) == ("models", spec.weights_hash)
        raise Asked

    monkeypatch.setattr(file_utils, "get_file", get_file)
    with pytest.raises(Asked):
        locate(spec.constructor)(include_top=False, weights="imagenet")


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_row_has_the_sizes_that_keras_has(name):
    spec = BACKBONES[name]
    constructor = locate(spec.constructor)
    too_small = (spec.min_image_size - 1,) * 2 + (3,)
    with pytest.raises(ValueError, match="at least"):
        constructor(include_top=False, weights=None, input_shape=too_small)
    usual = constructor(weights=None).input_shape[1]
    assert usual in (spec.image_size, None)  # None: Keras leaves it open


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ResNet50V2", "MobileNetV3Large", "ConvNeXtTiny", "DenseNet121"]
)
def test_backbone_of_pixels_is_keras_network_of_prepared_ones(name, tmp_path):
    spec = BACKBONES[name]
    kerass = locate(spec.constructor)(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    path = tmp_path / "downloaded_notop.h5"  # of the format of Keras's downloads
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, kerass)
    backbone = build_backbone(name, str(path), 32)
    prepared = keras_modules(spec)[0].preprocess_input(IMAGES.copy())
    expected = outputs(kerass, prepared)
    assert np.ptp(expected) > 0
    ours = outputs(backbone)
    assert np.allclose(ours, expected, atol=1e-4 * np.abs(expected).max())
    saving.save_model(TransferClassifier(backbone, 3), tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras").backbone
    assert np.array_equal(outputs(again), ours)


def tiny_net(include_top, weights, input_shape, input_tensor):
    """A network of another package."""
    assert (include_top, weights) == (False, None)
    features = keras.layers.Conv2D(4, 3, strides=2, name="convolution")(input_tensor)
    source = keras.utils.get_source_inputs(input_tensor)
    return keras.Model(source[0], features, name="tiny_net")


def test_row_is_all_that_a_backbone_of_another_package_needs(tmp_path, monkeypatch):
    row = BackboneSpec(
        "TinyNet", f"{__name__}:tiny_net", "tiny_net", 24, min_image_size=8, scale=1 / 255
    )
    monkeypatch.setitem(BACKBONES, "TinyNet", row)
    backbone, source = backbone_with_source("TinyNet", "auto")
    assert backbone.input_shape == (None, 24, 24, 3)
    assert source.kind == "random"
    assert "There are no ImageNet weights of TinyNet" in source.detail
    convolution = backbone.get_layer("convolution")
    expected = convolution(IMAGES[:, :24, :24] / 255)
    assert np.allclose(backbone(IMAGES[:, :24, :24]), expected, atol=1e-6)
    backbone.save_weights(tmp_path / "tiny.weights.h5")
    again = build_backbone("TinyNet", str(tmp_path / "tiny.weights.h5"), 8)
    assert np.array_equal(again.get_layer("convolution").kernel, convolution.kernel)
    with pytest.raises(UserError, match="image_size is 7: TinyNet needs images of 8"):
        build_backbone("TinyNet", "none", 7)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_builds_and_has_keras_output(name):
    backbone = build_backbone(name, "none", 32)
    assert backbone.name == BACKBONES[name].keras_name
    features = outputs(backbone)
    assert features.shape[0] == 4
    assert np.all(np.isfinite(features))
