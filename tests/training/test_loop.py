"""One loop: on one device what Keras does, on several what one device does."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer.data.pipelines import Share, evaluation_batches, training_batches
from node_transfer.training.loop import Loop
from node_transfer.training.workers import Workers
from tests.cluster import cluster, ends
from tests.own_process import in_own_process
from tests.training import member


def check_same(results, expected):
    """Every loss, metric and weight, to a few last digits of float32, or of float16.

    Each replica chooses the steps of its own solve, so that their number may differ.
    """
    assert list(results) == list(expected)
    for case, ours in results.items():
        theirs = expected[case]
        coarse = 1e3 if case == "mixed" else 1
        for name, values in theirs["history"].items():
            tolerance = 0.2 if "nfe" in name else 3e-6 * coarse
            assert ours["history"][name] == pytest.approx(values, rel=tolerance), name
        assert ours["losses"] == pytest.approx(theirs["losses"], rel=1e-6 * coarse)
        for left, right in zip(ours["weights"], theirs["weights"], strict=True):
            np.testing.assert_allclose(left, right, 1e-5 * coarse, 1e-6 * coarse)


def check_averages(results, replicas):
    """Against numpy: the mean over the replicas, each of its own share of each batch."""
    kept = []
    for replica in range(replicas):
        share = Share(range(replica, replica + 1), replicas)
        batches = training_batches(member.data(), member.BATCH, 0, 0, 1, share=share)
        mean, variance = np.zeros(3), np.ones(3)
        for images, *_ in batches.as_numpy_iterator():
            pixels = images.astype(np.float64).reshape(-1, 3) / 255
            mean += (1 - member.MOMENTUM) * (pixels.mean(0) - mean)
            variance += (1 - member.MOMENTUM) * (pixels.var(0) - variance)
        kept.append([mean, variance])
    expected = np.mean(kept, axis=0)
    assert not np.allclose(kept[0], expected, rtol=1e-3)  # or else it shows nothing
    np.testing.assert_allclose(
        [results["mean"], results["variance"]], expected, rtol=1e-5
    )
    keras.utils.set_random_seed(0)
    model = member.build_normalization()
    for variable, value in zip(model.non_trainable_weights, expected, strict=True):
        variable.assign(value)
    batches = evaluation_batches(member.data(), "validation", 32)
    loss, _ = model.evaluate(batches, verbose=0)
    assert results["val_loss"] == pytest.approx(loss, rel=1e-5)


@pytest.fixture(scope="module")
def one_device():
    """What one device makes of a training that `member` describes."""
    workers = Workers(tf.distribute.get_strategy())
    return functools.cache(lambda case: member.train(workers, case))


def test_one_device_computes_what_keras_fit_does(one_device):
    """With its history; a regularizer, a clipped gradient and a last batch of 19."""
    keras.utils.set_random_seed(0)
    data = member.data()
    model = member.build("backprop")
    size = data.sizes["validation"]
    batch = next(b for b in range(member.BATCH, size) if size % b == 1)
    history = model.fit(
        training_batches(data, member.BATCH, 0, 0, 2),
        epochs=2,
        steps_per_epoch=3,
        validation_data=evaluation_batches(data, "validation", batch),
        verbose=0,
    ).history
    expected = one_device("backprop")["history"]
    assert list(history) == list(expected)
    for name, values in history.items():
        assert values == pytest.approx(expected[name], rel=1e-6), name


@pytest.mark.slow
def test_gradients_are_clipped_and_losses_fall(one_device):
    """Else the tests here would not see a norm that is taken of each replica alone."""
    for case in ("backprop", "adjoint"):
        first, second = one_device(case)["history"]["loss"]
        assert second < first
    unclipped = member.CLIP_NORM
    try:
        member.CLIP_NORM = 1e9
        workers = Workers(tf.distribute.get_strategy())
        free = member.train(workers, "backprop")["losses"]
    finally:
        member.CLIP_NORM = unclipped
    assert free != pytest.approx(one_device("backprop")["losses"], rel=1e-4)


def mirrored(cases):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    workers = Workers(strategy)
    assert (workers.replicas, workers.count, workers.chief) == (2, 1, True)
    results = {case: member.train(workers, case) for case in cases}
    return results | {"normalization": member.normalize(workers)}


@pytest.mark.slow
@pytest.mark.parametrize("cases", [["backprop"], ["adjoint", "mixed"]])
def test_two_devices_compute_what_one_does(cases, one_device):
    results = in_own_process(mirrored, cases)
    check_averages(results.pop("normalization"), replicas=2)
    check_same(results, {case: one_device(case) for case in cases})


def operations_between_devices():
    """Returns the collective operations in a training step of two devices."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = member.build_normalization()
    loop, share = Loop(model, strategy), Share(range(2), 2)
    batches = training_batches(member.data(), member.BATCH, 0, 0, 1, share=share)
    step = loop._train.get_concrete_function(loop._iterator(batches))
    graph = step.graph.as_graph_def()
    nodes = [graph.node, *(function.node_def for function in graph.library.function)]
    operations = [node.op for part in nodes for node in part]
    return [name for name in operations if name.startswith("Collective")]


@pytest.mark.slow
def test_devices_talk_once_a_step_however_many_variables_there_are():
    """Of all gradients and metrics together, an operation on each."""
    assert in_own_process(operations_between_devices) == ["CollectiveReduceV2"] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "cases"),
    [(2, ["adjoint"]), (2, ["backprop", "mixed"]), (3, [*member.CASES])],
)
def test_several_processes_compute_what_one_does(count, cases, one_device, tmp_path):
    command = ["-m", "tests.training.member", str(tmp_path), *cases]
    with cluster([command] * count) as processes:
        for status, output in ends(processes, 240):
            assert status == 0, output
    for index in range(count):
        results = json.loads((tmp_path / f"{index}.json").read_text())
        check_averages(results.pop("normalization"), replicas=count)
        check_same(results, {case: one_device(case) for case in cases})


def test_a_callback_may_stop_the_training():
    workers = Workers(tf.distribute.get_strategy())
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    batches = tf.data.Dataset.from_tensors((tf.ones([4, 3]), tf.ones([4, 2]))).repeat()
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1)
    )
    history = keras.callbacks.History()
    Loop(model, workers.strategy).fit(
        batches, 2, batches, 1, range(5), [stop, history], verbose=0
    )
    assert history.epoch == [0, 1]
