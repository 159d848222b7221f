"""EfficientNetB0 without its last five stages, which take most of a test's time."""

import pytest
from keras.src.applications import efficientnet

STAGES = efficientnet.DEFAULT_BLOCKS_ARGS


def shorten_b0() -> None:
    """Leaves it its stem, three blocks and top: every kind of layer that it has."""
    efficientnet.DEFAULT_BLOCKS_ARGS = STAGES[:2]


def restore_b0() -> None:
    """Undoes `shorten_b0`."""
    efficientnet.DEFAULT_BLOCKS_ARGS = STAGES


@pytest.fixture(scope="package", autouse=True)
def _short_b0():
    shorten_b0()
    yield
    restore_b0()


@pytest.fixture
def whole_b0():
    """The network with all its stages, for this test."""
    restore_b0()
    yield
    shorten_b0()
