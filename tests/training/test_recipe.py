"""The parts of the modern recipe, each by itself and all together in a run."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import TransferClassifier
from node_transfer.errors import UserError
from node_transfer.models.saving import load_model
from node_transfer.runs.config import BASELINE, NODE_RK
from node_transfer.runs.directory import RunDirectory
from node_transfer.runs.recipes import RECIPES, with_recipe
from node_transfer.training import averages, best_epoch
from node_transfer.training.experiment import run_experiment
from node_transfer.training.loop import Loop, _smoothing
from node_transfer.training.stages import Stage, compile_for, stage_after, stages_of
from tests.models.test_transfer_classifier import IMAGES, small_backbone
from tests.training.made import quick, same_numbers
from tests.training.test_resume import check_same_bits, stopped_after_an_epoch

LABELS = np.array([0, 1, 2, 3, 4, 0])
WHOLE = Stage(range(3), True)


def compiled(stage=WHOLE, steps=2, **changes):
    config = dataclasses.replace(BASELINE, epochs=3, **changes)
    model = TransferClassifier(small_backbone(), 5)
    compile_for(model, stage, config, steps)
    return model


def steps_of(model, count, **options):
    """Takes steps on the images, all in one batch; returns the weights after each."""
    loop = Loop(model, tf.distribute.get_strategy(), **options)
    batches = tf.data.Dataset.from_tensors((IMAGES, LABELS)).repeat()
    weights = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            weights.append([v.numpy() for v in model.trainable_variables])

    loop.fit(batches, count, batches, 1, range(1), [Watch()], verbose=0)
    return weights


def test_smoothed_loss_is_that_of_keras():
    logits = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    smooth = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    ours = plain(LABELS, logits) + 0.1 * _smoothing(tf.constant(LABELS), logits)
    theirs = smooth(np.eye(5)[LABELS], logits)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)


def test_labels_are_smoothed_in_the_gradient_and_not_in_the_loss_that_is_told():
    model, smoothed = compiled(), compiled()
    smoothed.set_weights(model.get_weights())
    losses = []
    for m, options in ((model, {}), (smoothed, {"label_smoothing": 0.5})):
        loop = Loop(m, tf.distribute.get_strategy(), **options)
        batches = tf.data.Dataset.from_tensors((IMAGES, LABELS)).repeat()
        history = keras.callbacks.History()
        loop.fit(batches, 1, batches, 1, range(1), [history], verbose=0)
        losses.append(history.history["loss"][0])
    assert losses[0] == losses[1]
    assert not np.allclose(model.head.kernel, smoothed.head.kernel)


def test_kernels_decay_and_biases_and_norms_do_not():
    model = compiled(weight_decay=0.5, learning_rate=0.1)
    for variable in model.trainable_variables:
        variable.assign(tf.ones_like(variable))
    variables = model.trainable_variables
    model.optimizer.apply_gradients([(tf.zeros_like(v), v) for v in variables])
    left = {v.path: float(tf.reduce_mean(v)) for v in variables}
    decayed = {name for name, value in left.items() if value != 1}
    assert {name.split("/")[-1] for name in decayed} == {"kernel"}
    assert len(decayed) == 2 and len(left) == 6
    assert all(left[name] == pytest.approx(1 - 0.1 * 0.5) for name in decayed)


def test_backbone_is_frozen_while_the_head_is_trained():
    model = compiled(stage=Stage(range(2), False))
    assert [v.path for v in model.trainable_variables] == [
        v.path for v in model.head.variables
    ]
    before = [v.numpy() for v in model.backbone.variables]
    steps_of(model, 2)
    for old, new in zip(before, model.backbone.variables, strict=True):
        assert np.array_equal(old, new)  # the batch statistics, too
    compile_for(model, WHOLE, BASELINE, 2)
    assert len(model.trainable_variables) == 6
    assert int(model.optimizer.iterations) == 0


def test_layers_that_a_backbones_maker_froze_stay_so_in_every_stage():
    def trained(*stages):
        model = TransferClassifier(small_backbone(), 5)
        frozen = next(layer for layer in model.backbone.layers if layer.weights)
        frozen.trainable = False
        for stage in stages:
            compile_for(model, stage, BASELINE, 2)
        assert not frozen.trainable
        return [v.path.split("/", 1)[-1] for v in model.trainable_variables]

    whole = trained(WHOLE)  # as where a run goes on in its second stage
    assert len(whole) > 2 and trained(Stage(range(2), False), WHOLE) == whole


def test_stages_of_an_experiment():
    config = dataclasses.replace(BASELINE, epochs=5)
    assert stages_of(config) == [Stage(range(0, 5), True)]
    frozen = dataclasses.replace(config, freeze_backbone=True, head_epochs=2)
    assert stages_of(frozen) == [Stage(range(0, 5), False)]
    both = dataclasses.replace(config, head_epochs=2)
    head, whole = stages_of(both)
    assert (head, whole) == (Stage(range(0, 2), False), Stage(range(2, 5), True))
    after = [stage_after(both, done) for done in range(6)]
    assert after == [head, head, head, whole, whole, whole]


def test_evaluation_sees_the_average_and_training_its_own_weights():
    model = compiled(ema=0.9, steps=20)  # 0.01 ** (1 / 20) is less
    momentum = 0.01 ** (1 / 20)
    weights = steps_of(model, 4)
    average = weights[0]
    for later in weights[1:]:
        average = [
            momentum * a + (1 - momentum) * w for a, w in zip(average, later, strict=True)
        ]
    callback = averages.EvaluateAverage()
    callback.set_model(model)
    callback.on_test_begin()
    for seen, expected in zip(model.trainable_variables, average, strict=True):
        np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-6)
    callback.on_test_end()
    for left, own in zip(model.trainable_variables, weights[-1], strict=True):
        assert np.array_equal(left, own)


@pytest.mark.parametrize(("steps", "momentum"), [(1000, 0.99), (20, 0.7943), (1, 0.01)])
def test_momentum_leaves_a_hundredth_after_an_epoch(steps, momentum):
    assert averages.suited_momentum(0.99, steps) == pytest.approx(momentum, abs=1e-4)


def test_batch_statistics_are_learned_in_an_epoch_of_few_steps():
    seen = {}
    for adapted in (False, True):
        model = compiled(learning_rate=1e-9)
        norm = model.backbone.layers[-1]
        if adapted:
            averages.adapt_batchnorm(model, 5)
        steps_of(model, 5)
        before = keras.Model(model.backbone.input, norm.input)(IMAGES)
        mean = np.mean(before, axis=(0, 1, 2))
        seen[adapted] = np.abs(norm.moving_mean - mean).max() / np.abs(mean).max()
    assert seen[False] > 0.9 and seen[True] < 0.02


@pytest.mark.parametrize(
    ("accuracies", "best", "stops_with"),
    [
        ([], 0, []),
        ([0.5], 1, []),
        ([0.5, 0.7, 0.7, 0.6], 2, [1, 2]),
        ([0.5, 0.4, 0.3, 0.6], 4, []),
        ([0.9, 0.5, 0.6, 0.7], 1, [1, 2]),  # the first is of the head alone
    ],
)
def test_best_epoch_is_the_first_of_the_best_and_is_waited_for(
    accuracies, best, stops_with
):
    rows = [{"val_accuracy": accuracy} for accuracy in accuracies]
    assert best_epoch.best_of(rows) == best
    found = [n for n in range(5) if best_epoch.waited_enough(rows, n, 2)]
    assert found == stops_with


SHORT = {
    "epochs": 4, "train_examples": 64, "head_epochs": 1, "warmup_epochs": 1,
    "learning_rate": 3e-3,
}  # fmt: skip


@pytest.mark.slow
def test_a_run_by_the_modern_recipe_ends_with_the_average_of_its_best_epoch(tmp_path):
    run = run_experiment(
        quick(with_recipe(BASELINE, "modern"), tmp_path / "run", **SHORT), verbose=0
    )
    rows, metrics = run.read_history(), run.read_metrics()
    accuracies = [row["val_accuracy"] for row in rows]
    assert len(rows) == 4
    assert metrics["validation"]["accuracy"] == pytest.approx(max(accuracies))
    losses = [row["val_loss"] for row in rows]
    best = int(np.argmax(accuracies))
    assert (metrics["epochs"], metrics["kept_epoch"]) == (4, best + 1)
    assert metrics["validation"]["loss"] == pytest.approx(losses[best], rel=1e-4)
    rates = [row["learning_rate"] for row in rows]
    assert rates == pytest.approx([3e-3, 3e-3, 1.5e-3, 0], abs=1e-6)
    model = load_model(run.model_path)
    assert all(layer.trainable for layer in model._flatten_layers())
    assert not (run.path / "checkpoint").exists()


@pytest.mark.slow
def test_a_run_that_waited_enough_ends_there_when_it_goes_on(tmp_path):
    """Killed between its last epoch and its end."""
    config = quick(
        BASELINE, tmp_path / "run", epochs=9, train_examples=64, patience=1,
        restore_best_weights=True, learning_rate=1e-9,
    )  # fmt: skip
    run = stopped_after_an_epoch(config)
    (best,) = (run.path / "checkpoint").glob("best-00001-*")
    before = dict(np.load(best))
    run_experiment(config, verbose=0)
    epochs = len(run.read_history())
    assert epochs < 9 and run.read_metrics()["epochs"] == epochs
    if epochs == 2:  # the first was the best
        weights = load_model(run.model_path).get_weights()
        for left, right in zip(before.values(), weights, strict=True):
            assert np.array_equal(left, right)


def test_weights_of_the_best_epoch_that_are_damaged_are_told(tmp_path):
    model = compiled()
    run = RunDirectory(tmp_path)
    arrays = [v.numpy() for v in model.weights]
    for epoch in (1, 4, 7, 9):
        run.checkpoints.write_best(epoch, arrays)
    assert len(list(run.checkpoints.path.glob("best-*"))) == 2
    (newest,) = run.checkpoints.path.glob("best-00009-*")
    newest.write_bytes(newest.read_bytes()[:-1])
    best_epoch.restore_best(model, run, 7)
    with pytest.raises(UserError, match="lacks the weights of epoch 9, the best one"):
        best_epoch.restore_best(model, run, 9)
    run.checkpoints.remove()
    assert not run.checkpoints.path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("defaults", [BASELINE, NODE_RK], ids=lambda c: c.experiment)
def test_the_same_bits_by_the_modern_recipe_however_often_it_is_stopped(
    defaults, tmp_path
):
    """Stopped in the stage of the head, at its end, and after it."""
    config = with_recipe(defaults, "modern")
    check_same_bits(quick(config, "", **{**SHORT, "head_epochs": 2}), tmp_path)


@pytest.mark.slow
def test_parts_of_a_recipe_can_be_left_out_one_by_one(tmp_path):
    """An ablation, and each part changes the numbers."""
    off = {
        "head_epochs": 0, "warmup_epochs": 0, "weight_decay": 0.0, "clip_norm": None,
        "label_smoothing": 0.0, "ema": 0.0, "adapt_batchnorm": False,
        "random_resized_crop": 0.0, "hflip": False, "randaugment": 0.0,
    }  # fmt: skip
    assert set(off) < set(RECIPES["modern"])
    whole = quick(with_recipe(BASELINE, "modern"), "", **{**SHORT, "epochs": 3})
    losses = set()
    for name, value in {"": None, **off}.items():
        changes = {name: value} if name else {}
        config = dataclasses.replace(
            whole, **{"clip_norm": 0.1, **changes},
            output_dir=str(tmp_path / f"without-{name}"),
        )  # fmt: skip
        losses.add(run_experiment(config, verbose=0).read_history()[-1]["val_loss"])
    assert len(losses) == len(off) + 1


@pytest.mark.slow
def test_paper_recipe_is_the_experiment_of_itself(tmp_path):
    plain = quick(BASELINE, tmp_path / "plain", epochs=2, train_examples=64)
    named = dataclasses.replace(
        with_recipe(plain, "paper"), output_dir=f"{tmp_path}/named"
    )
    same_numbers(*(run_experiment(config, verbose=0) for config in (plain, named)))
