"""How numbers are written."""

import numpy as np

from node_transfer.analysis.paired import Difference
from node_transfer.analysis.stability import is_loss


def mean_and_deviation(
    values: dict[int, float],
    scale: float = 1,
    digits: int = 1,
    unit: str = "",
    count: bool = True,
) -> str:
    """Returns `mean ± sample standard deviation unit (n=...)`; one run has no ±.

    Values that are not finite are left out, and `(in 2 of 3)` says so; `-` where none is
    finite.

    Args:
        values: A seed to a value.
        scale: Factor before writing, such as 100 for percent.
        digits: Decimal places.
        unit: Written after the number, with its own space.
        count: Whether to write the number of runs.
    """
    x = scale * np.array([value for value in values.values() if np.isfinite(value)])
    if not len(x):
        return "-"
    text = number(x.mean(), digits)
    if len(x) > 1:
        text += f" ± {number(x.std(ddof=1), digits)}"
    text += unit
    if len(x) < len(values):
        return f"{text} (in {len(x)} of {len(values)})"
    return f"{text} (n={len(x)})" if count else text


def difference(d: Difference | None, scale: float = 1, digits: int = 1) -> str:
    """Returns `mean [low, high]` with signs, or `mean (one run)`; `-` for none."""
    if d is None:
        return "-"

    def signed(value):
        text = number(scale * value, digits)
        return text if text.startswith("-") or not float(text) else f"+{text}"

    if d.low is None:
        return f"{signed(d.mean)} (one run)"
    return f"{signed(d.mean)} [{signed(d.low)}, {signed(d.high)}]"


def scale_and_digits(curve: str) -> tuple[int, int]:
    """Returns factor and decimals of a curve: accuracies in points, losses in nats."""
    return (1, 3) if is_loss(curve) else (100, 2)


def number(value: float, digits: int) -> str:
    """Returns a fixed number of decimals, without the sign of a zero."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text
