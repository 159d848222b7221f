"""What is imported, and what is not, before it is needed."""

import subprocess
import sys


def test_analysis_and_flags_do_not_import_tensorflow():
    code = (
        "import sys, node_transfer, node_transfer.analysis.report, "
        "node_transfer.reproduction.sweep, node_transfer.cli.train, "
        "node_transfer.cli.reproduce, node_transfer.cli.main; "
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"
