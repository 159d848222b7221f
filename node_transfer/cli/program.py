"""Which program this is, so that a sweep makes its runs by the same.

A script that imports an outside package has that package's rows; a process that is to
have them as well is started by the script.
"""

import sys
from pathlib import Path

from node_transfer.cli.flags import arguments
from node_transfer.reproduction.plan import PlannedRun
from node_transfer.reproduction.sweep import Program

OURS = "node-transfer"


def running(word: str) -> Program:
    """Returns the program that is running, as one that makes a run.

    A script that stands for one command, as those of `experiments/` do, takes no other:
    there the package itself makes the run.

    Args:
        word: The command that is running.
    """
    main = sys.modules["__main__"]
    module, script = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    name = module.name.removesuffix(".__main__") if module else None
    stands_for_it = sys.argv[1:2] != [word]
    ours = name == "node_transfer" or Path(sys.argv[0]).stem == OURS
    if ours or stands_for_it or script is None:
        process, typed = (sys.executable, "-m", "node_transfer"), (OURS,)
    elif name:
        process, typed = (sys.executable, "-m", name), ("python", "-m", name)
    else:
        process, typed = (sys.executable, script), ("python", sys.argv[0])
    return Program(process, typed, run_arguments)


def run_arguments(run: PlannedRun) -> list[str]:
    """Returns what the program is called with to make a run."""
    return ["train", run.defaults.experiment, *arguments(run.changes)]
