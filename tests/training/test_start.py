"""What a run starts from is turned away before the first step."""

import pytest

from node_transfer.errors import UserError
from node_transfer.runs.config import BASELINE
from node_transfer.training import start
from tests.training.made import quick


def test_a_batch_of_fewer_examples_than_replicas_is_refused(tmp_path):
    def images(replicas, **changes):
        return start.images(quick(BASELINE, tmp_path, **changes), replicas)

    with pytest.raises(UserError, match="batch_size is 2 and 3 replicas share each"):
        images(3, batch_size=2)
    uneven = {"batch_size": 32, "train_examples": 66}
    with pytest.raises(
        UserError, match="last of .* has 2 of the 66 .* the 3 .*train_examples=64"
    ):
        images(3, **uneven)
    for replicas, changes in [(2, uneven), (3, {**uneven, "train_examples": 64})]:
        data = images(replicas, **changes)
        assert data.sizes["train"] == changes["train_examples"]
