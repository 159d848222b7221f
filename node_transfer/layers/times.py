"""When a solve of the layer starts and ends, and at which times it is asked for."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Times:
    """The times of a solve.

    Attributes:
        start, end: The interval.
        outputs: The times whose states are wanted, `end` the last of them; `None`: the
            state at the end alone, without an axis for the time.

    Raises:
        ValueError: The times do not go one way from the start.
    """

    start: float
    end: float
    outputs: tuple[float, ...] | None

    @classmethod
    def of(cls, t0: float, t1: float | None, times: Sequence[float] | None) -> "Times":
        """The times of `ODELayer`'s arguments."""
        if times is None:
            return cls(float(t0), 1.0 if t1 is None else float(t1), None)
        if np.ndim(times) != 1 or len(times) == 0:
            raise ValueError(f"times is {times!r}: pass a list of one or more numbers.")
        outputs = tuple(float(time) for time in times)
        if t1 is not None and t1 != outputs[-1]:
            raise ValueError(
                f"t1 is {t1} and times end at {outputs[-1]}: leave t1 out, as the solve "
                "ends at the last of the times."
            )
        return cls(float(t0), outputs[-1], outputs)

    def __post_init__(self):
        if not np.all(np.isfinite(self.grid)):
            raise ValueError(f"The times are {self.grid}: pass finite numbers.")
        if self.start == self.end:
            raise ValueError(f"t0 and t1 are both {self.start}: the interval is empty.")
        changes = np.diff(self.grid)
        if not (np.all(changes > 0) or np.all(changes < 0)):
            raise ValueError(
                f"t0 is {self.start} and times is {list(self.outputs)}: pass times that "
                "strictly increase or strictly decrease, from t0 on."
            )

    @property
    def has_start(self) -> bool:
        """Whether the first state wanted is the initial one."""
        return self.outputs is not None and self.outputs[0] == self.start

    @property
    def grid(self) -> list[float]:
        """The times for `solve`: the start, then those to step onto."""
        if self.outputs is None:
            return [self.start, self.end]
        return [self.start, *self.outputs[self.has_start :]]

    @property
    def direction(self) -> float:
        """1, or -1 where the time goes back."""
        return float(np.sign(self.end - self.start))
