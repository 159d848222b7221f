"""Two logical CPU devices for every test, and the data that lie beside the project."""

import gc
import os
from pathlib import Path

import pytest

from tests.own_process import two_devices

PROJECT = Path(__file__).resolve().parent.parent
SHARED = PROJECT.parent / "shared"


def pytest_configure(config):
    """Imports TensorFlow where tests are run: not in the process that hands them out."""
    hands_out = config.getoption("numprocesses", None)
    is_worker = hasattr(config, "workerinput")
    if hands_out and not is_worker:
        return
    if is_worker:  # there is one for each core, so that more threads would be in its way
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    two_devices()
    import keras  # noqa: F401

    # What was imported is there to stay: no collection of garbage need look at it again.
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


# Files that take a minute or more of one core: a worker begins with each of them, so that
# none is left to be run alone at the end.
LONG = (
    "training/test_experiment.py",
    "layers/",
    "models/",
    "experiments/",
)


def pytest_collection_modifyitems(items):
    """Puts the long files first; `make test` keeps this order."""

    def place(item):
        path = item.path.as_posix()
        return next((i for i, part in enumerate(LONG) if part in path), len(LONG))

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Features of the tests' networks do not go to the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _fresh_keras():
    import keras

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def cifar10_dir():
    """Folder of TensorFlow Datasets that holds CIFAR-10."""
    for folder in (SHARED / "tensorflow_datasets", os.environ.get("TFDS_DATA_DIR")):
        if folder and (Path(folder) / "cifar10").is_dir():
            return str(folder)
    pytest.skip("no CIFAR-10 beside the project or in $TFDS_DATA_DIR")


@pytest.fixture(scope="session")
def v2b0_weights():
    """ImageNet weights of EfficientNetV2B0 without its top."""
    path = SHARED / "weights" / "efficientnetv2-b0_notop.weights.h5"
    if not path.is_file():
        pytest.skip("no weights of EfficientNetV2B0 beside the project")
    return str(path)
