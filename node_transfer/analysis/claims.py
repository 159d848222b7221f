"""Each claim of the paper with its quotation, its tests and its outcome.

The rules are those of docs/protocol.md. What a claim rests on are finished runs, and for
what no training run can tell the records of `benchmarks/` and of `sweep-tolerance`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from node_transfer.analysis import claim_evidence, paper, protocol
from node_transfer.analysis import claim_parts as parts
from node_transfer.analysis import claim_remarks as remarks
from node_transfer.analysis.claim_words import (
    FAILS,
    HOLDS,
    NOT_BY_THE_BLOCK,
    OPEN,
    REMARK,
    Part,
)
from node_transfer.analysis.inference import EQUIVALENT, HIGHER, UNTOLD
from node_transfer.analysis.lineup import CONTROLS
from node_transfer.analysis.runs import Sweep
from node_transfer.analysis.stability import CURVES
from node_transfer.errors import UserError

VALIDATION = ("val_accuracy", "val_loss")
ADJOINTS = {"node_adjoint_cold": "node_rk_cold", "node_adjoint": "node_rk"}


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What the claims are judged by.

    Attributes:
        short: The sweep over seeds; `None` where there is none.
        long: The sweep of the paper's own length, likewise.
        benchmarks: Folder of the benchmarks' JSON, likewise.
    """

    short: Sweep | None = None
    long: Sweep | None = None
    benchmarks: Path | None = None

    @property
    def sweeps(self) -> list[Sweep]:
        return [sweep for sweep, _ in self.windows]

    @property
    def windows(self) -> list[tuple[Sweep, tuple[str, ...]]]:
        """Each sweep with the windows of `roughness.WINDOWS` that it is judged on."""
        both = ((self.short, ("short",)), (self.long, ("early", "late")))
        return [(sweep, windows) for sweep, windows in both if sweep is not None]


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence of the paper.

    Attributes:
        number: As docs/protocol.md numbers it.
        title: In a few words.
        quotation: The paper's own.
        test: From the evidence to the parts.
        takes: What it would take to tell where it cannot be told.
    """

    number: int
    title: str
    quotation: str
    test: Callable[[Evidence], list[Part]]
    takes: str


@dataclasses.dataclass(frozen=True)
class Judged:
    """A claim with what came out.

    Attributes:
        claim: The claim.
        parts: Its comparisons.
        outcome: One phrase for all of them.
    """

    claim: Claim
    parts: tuple[Part, ...]
    outcome: str


def evidence_of(sweeps: list[Sweep], benchmarks: Path | None = None) -> Evidence:
    """Tells sweeps over seeds from those of the paper's own length.

    A sweep is long where a run has the epochs of the protocol's early window.

    Raises:
        UserError: Two are of one kind.
    """
    found = {}
    for sweep in sweeps:
        kind = "long" if protocol.is_long(sweep) else "short"
        if kind in found:
            raise UserError(
                f"{str(found[kind].folder)!r} and {str(sweep.folder)!r} are both sweeps "
                f"of {kind} runs: pass one of them."
            )
        found[kind] = sweep
    return Evidence(found.get("short"), found.get("long"), benchmarks)


def judge_all(evidence: Evidence) -> list[Judged]:
    """Judges every claim by the evidence that there is."""
    judged = []
    for claim in CLAIMS:
        found = tuple(claim.test(evidence))
        judged.append(Judged(claim, found, combine(found)))
    return judged


def combine(found: Sequence[Part]) -> str:
    """Returns one phrase for the parts of a claim.

    Where some cannot be told, the others decide and it says `in part`; where parts
    contradict each other it is mixed. The readings of those that decide are named.
    """
    found = [part for part in found if part.outcome != REMARK]
    told = [part for part in found if part.outcome not in OPEN]
    if not told:
        return UNTOLD
    of_kind = {
        kind: [part for part in told if part.outcome == kind]
        for kind in (HOLDS, NOT_BY_THE_BLOCK, FAILS)
    }
    kinds = [kind for kind, those in of_kind.items() if those]
    if len(kinds) > 1:
        counts = (f"{_short(k)} {len(of_kind[k])}{_readings(of_kind[k])}" for k in kinds)
        return f"mixed: {', '.join(counts)}"
    in_part = "" if len(told) == len(found) else ", in part"
    return f"{kinds[0]}{in_part}{_readings(told)}"


def _short(outcome: str) -> str:
    """A short word for an outcome within a count."""
    return "as tested only" if outcome == NOT_BY_THE_BLOCK else outcome


def _readings(of: Sequence[Part]) -> str:
    """` (cold)`, ` (warm)` or both; empty for parts without a reading."""
    readings = sorted({part.reading for part in of} - {""})
    return f" ({' and '.join(readings)})" if readings else ""


def _fewer_epochs(evidence: Evidence, curve: str = "val_accuracy") -> list[Part]:
    return [
        parts.epochs_to_level(sweep, name, control, curve)
        for sweep in evidence.sweeps
        for name, control in CONTROLS.items()
        if parts.have(sweep, name, control, "baseline")
    ]


def _sooner_to_the_loss(evidence: Evidence) -> list[Part]:
    return _fewer_epochs(evidence, "val_loss") + [
        remarks.lowest_loss(sweep, [name for name in CONTROLS if sweep.of(name)])
        for sweep in evidence.sweeps
        if parts.have(sweep, "baseline")
    ]


def _less_time(evidence: Evidence) -> list[Part]:
    return [
        parts.seconds_to_level(sweep, name, control)
        for sweep in evidence.sweeps
        for name, control in CONTROLS.items()
        if parts.have(sweep, name, control, "baseline")
    ]


def _unstable_baseline(evidence: Evidence) -> list[Part]:
    if not parts.have(evidence.long, "baseline"):
        return []
    return [
        part
        for curve in ("val_accuracy", "accuracy")
        for part in claim_evidence.fluctuation(evidence.long, curve)
    ]


def _steadier(evidence: Evidence) -> list[Part]:
    found, beside = [], []
    for sweep, windows in evidence.windows:
        for name, control in CONTROLS.items():
            if parts.have(sweep, name, control):
                found += parts.roughness(sweep, name, control, CURVES, windows)
                beside.append(remarks.deepest_drop(sweep, name, control))
    return found + [part for part in beside if part is not None]


def _adjoint_better(evidence: Evidence) -> list[Part]:
    found = []
    for sweep, windows in evidence.windows:
        for adjoint, rk in ADJOINTS.items():
            if not parts.have(sweep, adjoint, rk):
                continue
            control = (CONTROLS[adjoint], CONTROLS[rk])
            known = control if parts.have(sweep, *control) else None
            found.append(parts.test_accuracy(sweep, adjoint, rk, HIGHER, known))
            found.append(parts.sooner_than(sweep, adjoint, rk))
            found += parts.roughness(sweep, adjoint, rk, VALIDATION, windows)
            found.append(remarks.last_validation(sweep, adjoint, rk))
    return found


def _sgd_better(evidence: Evidence) -> list[Part]:
    pair = ("node_adjoint", "node_adjoint_adam")
    # At equal schedules, as the pair, one of whose rates is constant, is not.
    beside = [(name, "more_adam_falling") for name in ("more_sgd", "node_adjoint")]
    found = [
        parts.test_accuracy(sweep, *pair, HIGHER, None)
        for sweep in evidence.sweeps
        if parts.have(sweep, *pair)
    ]
    return found + [
        remarks.test_accuracy(sweep, *names)
        for sweep in evidence.sweeps
        for names in beside
        if parts.have(sweep, *names)
    ]


def _tolerance(evidence: Evidence) -> list[Part]:
    return [part for sweep in evidence.sweeps for part in claim_evidence.tolerance(sweep)]


def _parameters(evidence: Evidence) -> list[Part]:
    return claim_evidence.parameters()


def _adjoint_memory(evidence: Evidence) -> list[Part]:
    if evidence.benchmarks is None:
        return []
    return claim_evidence.memory(evidence.benchmarks) + claim_evidence.gradient_errors(
        evidence.benchmarks
    )


def _imagenet(evidence: Evidence) -> list[Part]:
    return [
        parts.sooner_than(sweep, "baseline", "baseline_random")
        for sweep in evidence.sweeps
        if parts.have(sweep, "baseline", "baseline_random")
    ]


def _same_accuracy(evidence: Evidence) -> list[Part]:
    found = [
        parts.test_accuracy(sweep, name, "baseline", EQUIVALENT, None)
        for sweep in evidence.sweeps
        for name in CONTROLS
        if parts.have(sweep, name, "baseline")
    ]
    # What of it is the block's, and not the optimizer's or the longer training's.
    return found + [
        remarks.test_accuracy(sweep, name, control)
        for sweep in evidence.sweeps
        for name, control in CONTROLS.items()
        if control != "baseline" and parts.have(sweep, name, control)
    ]


THREE_SEEDS = "three seeds of either model, at the length of the claim"
# Number to the test, and what it would take where that cannot tell.
_TESTS = {
    1: (_fewer_epochs, THREE_SEEDS),
    2: (_sooner_to_the_loss, THREE_SEEDS),
    3: (_less_time, f"{THREE_SEEDS}, on a machine that does nothing else"),
    4: (_unstable_baseline, "three seeds of a baseline of 100 epochs or more"),
    5: (_steadier, THREE_SEEDS),
    6: (_adjoint_better, THREE_SEEDS),
    7: (_sgd_better, "three seeds of node_adjoint and of node_adjoint_adam"),
    8: (
        _tolerance,
        "`node-transfer sweep-tolerance` on NODE-RK of three seeds; whether 1e-5 is best "
        "to train at, runs that were trained at others",
    ),
    9: (_parameters, ""),
    10: (_adjoint_memory, "the records of `benchmarks/`"),
    11: (
        _imagenet,
        "baselines from random weights (`--weights=none`) beside those from ImageNet's",
    ),
    12: (_same_accuracy, THREE_SEEDS),
}
CLAIMS = tuple(
    Claim(number, *paper.CLAIMS[number], *_TESTS[number]) for number in paper.CLAIMS
)
