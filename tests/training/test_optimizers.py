"""Learning-rate schedules, against the published code of odenet_mnist."""

import dataclasses

import pytest

from node_transfer.runs.config import BASELINE, NODE_ADJOINT
from node_transfer.training.optimizers import learning_rate, make_optimizer


def test_odenet_schedule_divides_by_ten_at_60_100_and_140_of_160_epochs():
    schedule = learning_rate(NODE_ADJOINT, steps_per_epoch=10)
    rates = [float(schedule(10 * epoch - 5)) for epoch in (1, 60, 61, 100, 101, 140, 141)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.0001])


def test_odenet_schedule_keeps_its_proportions_in_a_short_run():
    short = dataclasses.replace(NODE_ADJOINT, epochs=16)
    schedule = learning_rate(short, steps_per_epoch=10)
    assert float(schedule(59)) == pytest.approx(0.1)
    assert float(schedule(61)) == pytest.approx(0.01)


def test_odenet_rate_is_in_proportion_to_the_batch():
    small = dataclasses.replace(NODE_ADJOINT, batch_size=32)
    assert float(learning_rate(small, steps_per_epoch=10)(0)) == pytest.approx(0.025)


def test_cosine_rises_from_zero_and_falls_to_zero():
    config = dataclasses.replace(
        BASELINE, epochs=6, head_epochs=1, lr_schedule="cosine", warmup_epochs=2,
        learning_rate=0.1,
    )  # fmt: skip
    schedule = learning_rate(config, steps_per_epoch=10, epochs=5)
    rates = [float(schedule(step)) for step in (0, 10, 20, 35, 50)]
    assert rates == pytest.approx([0, 0.05, 0.1, 0.05, 0], abs=1e-7)


def test_epochs_of_the_head_have_a_constant_rate_and_the_last_ones_the_schedule():
    config = dataclasses.replace(
        BASELINE, epochs=6, head_epochs=2, lr_schedule="cosine", learning_rate=0.1
    )
    head = make_optimizer(config, 10, range(0, 2))
    whole = make_optimizer(config, 10, range(2, 6))
    for optimizer, expected in ((head, 0.1), (whole, 0.05)):
        optimizer.build([])
        optimizer.iterations.assign(20)  # of 40 of the whole network
        assert float(optimizer.learning_rate) == pytest.approx(expected)
