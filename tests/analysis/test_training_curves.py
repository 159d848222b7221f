"""The scale of the losses in the picture of whole trainings."""

import numpy as np
import pytest

from node_transfer.analysis import style, training_curves
from node_transfer.analysis.runs import read_sweep
from node_transfer.analysis.training_curves import mark_spikes, top_without_spikes
from tests.analysis.made import write_run
from tests.analysis.test_claim_remarks import change
from tests.analysis.test_unfinished import unfinish

EPOCHS = np.arange(1, 21)
DESCENT = 2.3 * 0.55 ** (EPOCHS - 1) + 0.02
FLAT = np.full(20, 0.7)


@pytest.mark.parametrize(
    ("spikes", "top"), [([], None), ([6.7], 2.32), ([6.7, 1e30], 2.32), ([5.0], None)]
)
def test_scale_ends_below_a_spike_and_never_cuts_a_descent(spikes, top):
    losses = np.concatenate([DESCENT, FLAT, spikes])
    assert top_without_spikes(losses) == (top and pytest.approx(top))


def test_what_is_not_rare_is_no_spike():
    assert top_without_spikes(np.concatenate([DESCENT, [50.0] * 3])) is None


def test_losses_that_are_no_numbers_or_few_are_left_alone():
    assert top_without_spikes(np.array([np.nan, np.inf, 1.0])) is None
    assert top_without_spikes(np.array([])) is None


def test_a_spike_is_at_the_edge_with_its_value_and_the_rest_fills_the_scale():
    spiky = FLAT.copy()
    spiky[4] = 6.73
    with style.grid(5, 4, 2, 2) as (_, axes):
        axes[0, 1].plot(EPOCHS, DESCENT)
        axes[1, 1].plot(EPOCHS, spiky)
        assert mark_spikes(axes[:, 1])
        assert axes[0, 1].get_ylim()[1] == pytest.approx(1.05 * DESCENT[0])
        assert not axes[0, 1].texts
        (text,) = axes[1, 1].texts
        assert (text.get_text(), text.xy) == ("6.73", (5, 1.0))


def test_curves_without_spikes_keep_their_scale():
    with style.grid(5, 4, 1, 2) as (_, axes):
        axes[0, 1].plot(EPOCHS, DESCENT)
        before = axes[0, 1].get_ylim()
        assert not mark_spikes(axes[:, 1])
        assert axes[0, 1].get_ylim() == before and len(axes[0, 1].get_lines()) == 1


def test_a_long_title_makes_no_panel_narrow(tmp_path, monkeypatch):
    write_run(tmp_path, "baseline", 0, [0.7])
    for name in ("node_adjoint", "more_sgd"):
        unfinish(write_run(tmp_path, name, 0, [0.7, 0.8]), 160)
    widths = []

    def measured(fig, stem):
        fig.canvas.draw()
        widths.extend(panel.get_position().width for panel in fig.axes)

    monkeypatch.setattr(style, "save", measured)
    training_curves.draw(read_sweep(tmp_path), tmp_path)
    assert len(widths) == 4 and min(widths) > 0.3


def test_a_curve_of_a_run_that_starts_from_another_begins_before_its_first_epoch(
    tmp_path,
):
    write_run(tmp_path, "baseline", 0, [0.7, 0.8])
    for name in ("node_adjoint", "more_sgd"):
        path = write_run(tmp_path, name, 0, [0.2, 0.5], init_from="baseline")
        if name == "node_adjoint":
            change(path, start={"val_accuracy": 0.82, "val_loss": 0.9})
    sweep = read_sweep(tmp_path)
    for name, column, expected in (
        ("node_adjoint", "val_accuracy", ([0, 1, 2], [0.82, 0.2, 0.5])),
        ("node_adjoint", "accuracy", ([1, 2], [0.21, 0.51])),
        ("more_sgd", "val_accuracy", ([1, 2], [0.2, 0.5])),
        ("baseline", "val_accuracy", ([1, 2], [0.7, 0.8])),
    ):
        epochs, values = training_curves._with_start(sweep.of(name)[0], column)
        assert (epochs, values) == (expected[0], pytest.approx(expected[1]))
