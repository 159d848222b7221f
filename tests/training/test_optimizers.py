"""Learning-rate schedules, against the published code of odenet_mnist."""

import dataclasses

import pytest

from node_transfer.runs.config import NODE_ADJOINT
from node_transfer.training.optimizers import learning_rate


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
