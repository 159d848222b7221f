"""The parts of a batch that several replicas take: together they are the batch."""

import numpy as np
import pytest

from node_transfer.data import image_data
from node_transfer.data.augmentation import Augmentation
from node_transfer.data.loading import load_data
from node_transfer.data.pipelines import Share, evaluation_batches, training_batches
from tests.slowly import slow_after


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", train_examples=51)


def parts(pipeline, replicas):
    """For each batch, what each of the replicas is given."""
    given = [tuple(np.asarray(x) for x in part) for part in pipeline]
    return [given[i : i + replicas] for i in range(0, len(given), replicas)]


@pytest.mark.parametrize("in_memory", slow_after(1, [False, True]))
@pytest.mark.parametrize(
    ("replicas", "augment"),
    slow_after(1, [(2, True), (2, Augmentation(False, 0.35, True, 0.3)), (3, True)]),
    ids=["2", "2-modern", "3"],
)
def test_parts_of_a_training_batch_are_the_batch(
    in_memory, replicas, augment, digits, monkeypatch
):
    if not in_memory:
        monkeypatch.setattr(image_data, "MEMORY_LIMIT_BYTES", 0)
    arguments = (digits, 16, 7, 1, 2)
    whole = list(training_batches(*arguments, augment=augment).as_numpy_iterator())
    assert [len(labels) for _, labels in whole] == [16, 16, 16, 3]
    share = Share(range(replicas), replicas)
    shared = training_batches(*arguments, augment=augment, share=share)
    for (images, labels), given in zip(whole, parts(shared, replicas), strict=True):
        assert np.array_equal(np.concatenate([y for _, y, _ in given]), labels)
        assert {int(size) for _, _, size in given} == {len(labels)}
        sizes = [len(y) for _, y, _ in given]
        assert max(sizes) - min(sizes) <= 1
        assert np.array_equal(np.concatenate([x for x, _, _ in given]), images)


def test_each_worker_takes_the_parts_of_its_replicas(digits):
    shared = [
        training_batches(digits, 16, 7, 0, 1, share=Share(local, 4))
        for local in (range(4), range(2), range(2, 4))
    ]
    together, first, second = (list(s.as_numpy_iterator()) for s in shared)
    apart = [first[i : i + 2] + second[i : i + 2] for i in range(0, len(first), 2)]
    apart = [part for step in apart for part in step]
    for (x, y, size), (x_apart, y_apart, size_apart) in zip(together, apart, strict=True):
        assert np.array_equal(x, x_apart) and np.array_equal(y, y_apart)
        assert size == size_apart


def test_a_replica_without_an_example_has_an_image_and_no_label(digits):
    size = digits.sizes["validation"]
    batch = next(b for b in range(16, size) if size % b == 1)
    whole = list(evaluation_batches(digits, "validation", batch).as_numpy_iterator())
    shared = evaluation_batches(digits, "validation", batch, Share(range(3), 3))
    for (images, labels), given in zip(whole, parts(shared, 3), strict=True):
        assert np.array_equal(np.concatenate([y for _, y in given]), labels)
        kept = [x[: len(y)] for x, y in given]
        assert np.array_equal(np.concatenate(kept), images)
    assert [(len(x), len(y)) for x, y in given] == [(1, 0), (1, 0), (1, 1)]
