"""What a run's report shows and its numbers do not have: images, and paths of h(t)."""

import numpy as np
import sklearn.decomposition
import tensorflow as tf

from node_transfer.data.feature_data import FeatureData
from node_transfer.data.image_data import ImageData, as_rgb
from node_transfer.layers.ode_layer import ODELayer
from node_transfer.models.transfer_classifier import TransferClassifier

WRONG = 12  # images
WRONG_PIXELS = 48  # at most, a side
PATH_CLASSES, PATHS_OF_EACH = 10, 6
PATH_TIMES = 21


def illustrations(
    model: TransferClassifier,
    data: ImageData,
    features: FeatureData | None,
    predictions: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Returns arrays for the report of a run, in all less than 200 kB.

    Args:
        model: The trained model.
        data: Its images.
        features: Those of the images, where they are known.
        predictions: As `evaluation.predict` has them for the test images.

    Returns:
        Of the images that the model is most sure of and wrong about, the surest first:
        `wrong_index`, places in the test split, and `wrong_image`, uint8, shape
        `(n, size, size, 3)`. With an ODE block, of some test images of each of the first
        classes: `path_point`, float32, shape `(n, times, 2)`, h(t) in the plane of the
        two principal components of all of these states, `path_time`, `path_label`,
        `path_variance`, the parts of the variance that the two have.
    """
    arrays = _most_wrong(data, predictions)
    if isinstance(model.block, ODELayer) and model.backbone.output_shape[-1] > 1:
        chosen = _of_each_class(predictions["label"])
        states, times = _states(model, _features(model, data, features, chosen))
        arrays |= _in_their_plane(states)
        arrays |= {"path_time": times, "path_label": predictions["label"][chosen]}
    return arrays


def _most_wrong(data: ImageData, predictions: dict) -> dict[str, np.ndarray]:
    wrong = np.flatnonzero(predictions["predicted"] != predictions["label"])
    surest = np.argsort(-predictions["probability"][wrong], kind="stable")
    index = wrong[surest[:WRONG]]
    size = min(WRONG_PIXELS, data.image_size)
    images = [
        as_rgb(tf.cast(image, tf.uint8), size).numpy()
        for image in _test_images(data, index)
    ]
    shape = (len(index), size, size, 3)
    return {
        "wrong_index": index.astype(np.int32),
        "wrong_image": np.array(images, np.uint8).reshape(shape),
    }


def _test_images(data: ImageData, index: np.ndarray) -> list[tf.Tensor]:
    """Returns the test images at these places, no two the same, in their order."""
    images = [image for image, _ in data.some("test", index)]
    return [images[k] for k in np.argsort(np.argsort(index))]


def _of_each_class(labels: np.ndarray) -> np.ndarray:
    """Returns the places of the first images of each of the first classes."""
    classes = np.unique(labels)[:PATH_CLASSES]
    return np.concatenate(
        [np.flatnonzero(labels == label)[:PATHS_OF_EACH] for label in classes]
    )


def _features(model, data, features, chosen) -> np.ndarray:
    if features is not None:
        return features.take("test", chosen)[0]
    images = tf.cast(tf.stack(_test_images(data, chosen)), tf.float32)
    return tf.cast(model.features(images), tf.float32).numpy()


def _states(model: TransferClassifier, features: np.ndarray):
    """Returns h at times from start to end, shape `(n, times, channels)`, and the times.

    A method on a fixed grid takes the steps of the model; feature maps are averaged, as
    the final layer sees them.
    """
    block = model.block
    settings = block.solver_from(block.get_config())
    del settings["dynamics"]
    options = settings["options"] or {}
    intervals = options.get("num_steps") or PATH_TIMES - 1
    if "num_steps" in options:
        options["num_steps"] = 1
    times = np.linspace(block.t0, block.t1, intervals + 1)
    settings |= {"t1": None, "times": times.tolist(), "options": options}
    settings |= {"name": "path", "dtype": block.solve_dtype}
    path = type(block)(block.dynamics, **settings)
    states = tf.function(path, autograph=False)(tf.constant(features)).numpy()
    if model.uses_feature_map:
        states = states.mean(axis=(2, 3))
    return states, times.astype(np.float32)


def _in_their_plane(states: np.ndarray) -> dict[str, np.ndarray]:
    flat = states.reshape(-1, states.shape[-1])
    pca = sklearn.decomposition.PCA(2, svd_solver="randomized", random_state=0)
    points = pca.fit_transform(flat).reshape(*states.shape[:2], 2)
    return {
        "path_point": points.astype(np.float32),
        "path_variance": pca.explained_variance_ratio_.astype(np.float32),
    }
