"""A sweep that several files look at."""

import json

import pytest

from node_transfer.analysis.report import write_report
from tests.analysis.made import CLAIM_TRUE, COLD, write_sweep


@pytest.fixture(scope="session")
def sweep_folder(tmp_path_factory):
    """A sweep in which the claim is true, with failures, and its report."""
    folder = tmp_path_factory.mktemp("sweep")
    write_sweep(folder, {**CLAIM_TRUE, **COLD})
    record = {
        "commands": ["python experiments/reproduce.py --preset=cpu"],
        "note": "A note <with> a & b.",
        "runs": [
            {"model": "baseline", "seed": 0, "command": "python run_baseline.py"},
            {"model": "more_sgd", "seed": 9, "command": "python x.py", "failed": "Boom."},
            {"model": "more_sgd", "seed": 8, "command": "python y.py"},
            {"model": "node_rk", "seed": 0, "command": "python z.py", "failed": "Once."},
        ],
    }
    (folder / "sweep.json").write_text(json.dumps(record))
    write_report(folder)
    return folder
