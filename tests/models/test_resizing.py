"""Images of any size, and the names of the classes, in the classifier itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from node_transfer import TransferClassifier, load_model
from node_transfer.data.image_data import as_rgb
from node_transfer.errors import UserError
from node_transfer.layers.resizing_layer import ResizingLayer
from node_transfer.models.saving import save_model
from node_transfer.resizing import WINDOWS, resized
from node_transfer.runs.choices import RESIZES

SIZE = (24, 24)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype("uint8")


def smooth(*shape):
    """Images of no whole levels."""
    return np.random.default_rng(1).uniform(0.1, 254.9, shape).astype("float32")


def classifier(size=24, channels=3, **options):
    images = keras.Input((size, size, channels))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    return TransferClassifier(keras.Model(images, x, name="small"), 3, **options)


def test_the_ways_are_those_of_a_config():
    assert tuple(WINDOWS) == RESIZES


@pytest.mark.parametrize("shape", [(97, 61), (50, 24), (9, 7), (24, 200)])
def test_stretching_is_that_of_pillow(shape):
    image = noise(*shape, 3)
    ours = resized(tf.constant(image), SIZE).numpy()
    theirs = Image.fromarray(image).resize(SIZE[::-1], Image.Resampling.BILINEAR)
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - np.array(theirs)).max() <= 1


@pytest.mark.parametrize("shape", [(96, 60), (60, 96), (30, 32), (24, 24)])
@pytest.mark.parametrize("how", ["crop", "pad"])
def test_cropping_and_padding_are_those_of_keras(how, shape):
    images = smooth(2, *shape, 3)
    theirs = keras.ops.image.resize(
        images, SIZE, antialias=True, **{f"{how}_to_aspect_ratio": True}
    )
    ours = resized(tf.constant(images), SIZE, how)
    assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-3)


@pytest.mark.parametrize("how", RESIZES)
@pytest.mark.parametrize("images", [smooth(2, 70, 41, 3), noise(2, 41, 70, 3)])
def test_xla_scales_alike(images, how):
    images = tf.constant(images)
    compiled = tf.function(ResizingLayer(*SIZE, how), jit_compile=True)
    ours, theirs = compiled(images).numpy(), resized(images, SIZE, how).numpy()
    assert ours.dtype == theirs.dtype
    tolerance = 1 if ours.dtype == np.uint8 else 1e-3  # a level, where one is rounded
    assert ours.astype(float) == pytest.approx(theirs.astype(float), abs=tolerance)


@pytest.mark.parametrize("how", RESIZES)
def test_bytes_are_scaled_as_floats_are(how):
    images = noise(2, 70, 41, 3)
    ours = resized(tf.constant(images), SIZE, how)
    assert np.array_equal(ours, resized(tf.constant(images, tf.float32), SIZE, how))
    assert np.array_equal(ours, resized(images, SIZE, how))  # an array, not a tensor


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("shape", [(2, 50_000), (50_000, 2)])
def test_a_strip_is_padded_without_a_square_of_gigabytes(shape, xla):
    image = tf.constant(smooth(*shape, 3))
    padded = resized(image, SIZE, "pad", xla=xla).numpy()
    strip = padded if shape[0] < shape[1] else padded.swapaxes(0, 1)
    # Two rows of 50,000 are a thousandth of the row that they come to lie in.
    assert np.ptp(strip[11:13]) > 0 and strip.max() < 0.3
    assert not strip[:11].any() and not strip[13:].any()


@pytest.mark.parametrize("how", RESIZES)
@pytest.mark.parametrize("shape", [(None, 24, 24, 3), (None, None, None, 3)])
def test_images_of_the_size_stay_as_they_are(shape, how):
    images = np.concatenate([smooth(1, 24, 24, 3), noise(1, 24, 24, 3)])
    layer = ResizingLayer(*SIZE, how)
    traced = tf.function(layer).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    assert np.array_equal(traced(tf.constant(images)), images)
    operations = [op.type for op in traced.graph.get_operations()]
    assert ("ScaleAndTranslate" in operations) == (shape[1] is None)
    if shape[1] is not None:  # nothing is computed
        assert set(operations) == {"Placeholder", "Identity"}


def test_whole_levels_stay_whole_and_gradients_pass():
    images = tf.constant(noise(1, 50, 30, 3), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        scaled = resized(images, SIZE)
    assert np.array_equal(scaled, np.round(scaled))
    gradient = tape.gradient(scaled, images)
    assert float(tf.reduce_sum(gradient)) == pytest.approx(24 * 24 * 3, rel=1e-4)


@pytest.mark.parametrize("how", RESIZES)
def test_a_photograph_is_the_image_that_the_pipeline_makes_of_it(how):
    model = classifier(resize=how)
    photographs = noise(2, 70, 41, 3)
    ready = np.stack([as_rgb(tf.constant(p), 24, how) for p in photographs])
    expected = model.predict(ready, verbose=0)
    assert np.array_equal(model.predict(photographs, verbose=0), expected)
    assert np.array_equal(model(photographs.astype("float64")), model(ready))
    assert np.ptp(expected) > 0


def test_the_ways_differ():
    photographs = noise(1, 70, 41, 3)
    logits = []
    for how in RESIZES:
        keras.utils.set_random_seed(0)
        logits.append(classifier(resize=how)(photographs).numpy())
    assert not np.allclose(logits[0], logits[1]) and not np.allclose(logits[1], logits[2])


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((2, 24, 24, 1), r"of grey images make colour, np\.repeat\(images, 3, -1\)"),
        ((2, 24, 24, 4), "pass one"),
        ((24, 24, 3), r"of a single image make a batch, image\[None\]"),
        ((2, 24, 24), "pass one"),
        ((2, 10), "pass one"),
    ],
)
def test_images_of_another_shape_are_refused_in_a_sentence(shape, hint):
    model = classifier()
    images = np.zeros(shape, "float32")
    for use in (model, lambda x: model.predict(x, verbose=0), model.predict_on_batch):
        with pytest.raises(UserError, match=hint) as raised:
            use(images)
        assert "\n" not in str(raised.value) and str(raised.value).count(". ") <= 1


def test_a_backbone_may_take_grey_images_or_every_size():
    grey = classifier(channels=1)
    assert grey(noise(2, 30, 20, 1)).shape == (2, 3)
    with pytest.raises(UserError, match="of 1 channels"):
        grey(noise(2, 24, 24, 3))
    any_size = classifier(size=None)
    assert (any_size.resizing, any_size.image_size) == (None, None)
    assert any_size(noise(2, 30, 20, 3)).shape == (2, 3)


def test_names_and_resizing_are_in_the_file(tmp_path):
    model = classifier(class_names=["cat", "großer Hund", "owl"], resize="crop")
    assert model.class_names == ("cat", "großer Hund", "owl")
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    assert (again.class_names, again.resize) == (model.class_names, "crop")
    photographs = noise(2, 70, 41, 3)
    assert np.array_equal(again(photographs), model(photographs))
    features = keras.Model(again.input, again.get_layer("pooling").output)
    features.save(tmp_path / "features.keras")
    loaded = keras.saving.load_model(tmp_path / "features.keras")
    assert np.array_equal(loaded(photographs), features(photographs))


def test_a_file_of_before_has_no_names_and_stretches():
    config = classifier(class_names="abc", resize="pad").get_config()
    del config["class_names"], config["resize"]
    model = TransferClassifier.from_config(config)
    assert (model.class_names, model.resize) == (None, "stretch")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"class_names": ("a", "b")}, "pass 3 strings"),
        ({"class_names": (0, 1, 2)}, "pass 3 strings"),
        ({"resize": "squeeze"}, "resize is 'squeeze': choose one of stretch, crop, pad"),
    ],
)
def test_wrong_names_and_ways_are_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        classifier(**options)
