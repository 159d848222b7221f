"""What a comparison makes of a claim, and how its numbers are written."""

import dataclasses
import math
from collections.abc import Callable

from node_transfer.analysis import inference, protocol
from node_transfer.analysis.inference import UNTOLD
from node_transfer.analysis.protocol import Result

HOLDS, FAILS = "holds", "fails"
SEEDS_ALONE = "an interval of seeds alone: no predictions were recorded"
NOT_BY_THE_BLOCK = "holds as tested, not against the control"
NOT_YET_BY_THE_BLOCK = "cannot be told against the control; as tested it holds"
REMARK = "decides nothing of the claim"
OPEN = (UNTOLD, NOT_YET_BY_THE_BLOCK)  # either is "cannot be told" to the protocol


@dataclasses.dataclass(frozen=True)
class Part:
    """One comparison, with what it makes of a claim.

    Attributes:
        models: What is compared, in words.
        reading: `cold` or `warm`, the start of the model with the block; or empty.
        quantity: What is measured.
        as_tested: The numbers as the paper tests it, in words.
        against_control: The numbers against the same training without the block; empty
            where the paper's comparison has no other control.
        outcome: `HOLDS`, `FAILS`, `UNTOLD`, one of the two `..._BY_THE_BLOCK`, or
            `REMARK`, which counts in no claim's outcome.
        runs: Folder and names of the runs that it rests on.
    """

    models: str
    reading: str
    quantity: str
    as_tested: str
    against_control: str
    outcome: str
    runs: str


def judge(claimed: str, tested: str, control: str | None) -> str:
    """Returns what two outcomes make of a claim.

    Args:
        claimed: The outcome that the paper claims, one of `inference.OUTCOMES`.
        tested: What came out as the paper tests it.
        control: What came out against the control; `None`: there is no other control.
    """
    if tested == UNTOLD:
        return UNTOLD
    if tested != claimed:
        return FAILS
    if control in (None, claimed):
        return HOLDS
    return NOT_YET_BY_THE_BLOCK if control == UNTOLD else NOT_BY_THE_BLOCK


def points(result: Result) -> str:
    """`+0.12 points [-0.3, +0.5], n = 3`."""
    return difference(result, 100, 2, " points")


def accuracies(result: Result) -> str:
    """The difference in points, and McNemar's p of each seed's two models."""
    if result.mcnemar:
        return f"{points(result)} (McNemar p {mcnemar(result.mcnemar)})"
    several = result.comparison is not None and result.comparison.n > 1
    return points(result) + (f" ({SEEDS_ALONE})" if several else "")


def factor(result: Result) -> str:
    """The ratio whose logarithm was compared, with its interval."""
    c = result.comparison
    if c is None:
        return "no seed has both"
    if math.isnan(c.low):
        return f"{math.exp(c.mean):.2f} (one run)"
    low, mean, high = (math.exp(x) for x in (c.low, c.mean, c.high))
    without = _without(result, lambda x: f"{math.exp(x):.2f}")
    return f"{mean:.2f} [{low:.2f}, {high:.2f}], n = {c.n}{without}"


def ratio(value: float) -> str:
    """A ratio with two decimals, or two digits where it is small."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def epochs(values: dict[int, float], trained: dict[int, int]) -> str:
    """Each seed's epochs, `not in 8` where it is not there after the 8 that it had."""
    return ", ".join(
        f"{value:.0f}" if math.isfinite(value) else f"not in {trained[seed]}"
        for seed, value in values.items()
    )


def difference(result: Result, scale: float, digits: int, unit: str = "") -> str:
    """The mean with its interval and the number of seeds."""
    c = result.comparison
    if c is None:
        return "no seed has both"

    def written(x: float) -> str:
        return f"{scale * x:+.{digits}f}"

    mean = f"{written(c.mean)}{unit}"
    if math.isnan(c.low):
        return f"{mean} (one run)"
    interval = f"[{written(c.low)}, {written(c.high)}]"
    return f"{mean} {interval}, n = {c.n}{_without(result, written)}"


def _without(result: Result, written: Callable[[float], str]) -> str:
    """What the mean is without each seed that decides its sign."""
    seeds = protocol.deciding_seeds(result)
    return "".join(f", {written(mean)} without seed {seed}" for seed, mean in seeds)


def told(outcome: str, count: int) -> str:
    """The outcome; of fewer runs than decide how many they are."""
    if outcome == UNTOLD and count < inference.MIN_SEEDS:
        return "in one run" if count == 1 else f"in {count} runs"
    return outcome


def minutes(values: dict[int, float]) -> str:
    """Each seed's minutes."""
    texts = [f"{v:.0f}" if math.isfinite(v) else "never" for v in values.values()]
    return ", ".join(texts) + ("" if set(texts) == {"never"} else " min")


def given(values: dict[int, float]) -> str:
    """Every value that occurs."""
    return ", ".join(str(value) for value in sorted(set(values.values())))


def mcnemar(tests: dict[int, tuple[int, int, float]]) -> str:
    """Each seed's p of the exact test; `-` for none."""
    return ", ".join(f"{p:.2g}" for _, _, p in tests.values()) or "-"
