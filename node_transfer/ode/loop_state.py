"""What the stepping loop is told, and what it carries from step to step."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from node_transfer.ode.butcher_tableau import ButcherTableau
from node_transfer.ode.failure import compiles_with_xla
from node_transfer.ode.step_size import DEFAULT_FACTORS, Factors


class Image(Protocol):
    """Another state that moves with the one solved for, and is what a solve is of.

    It is what is returned at the output times, and what errors are measured in.
    """

    def changes(self, dy: Sequence, duration=None) -> list[tf.Tensor]:
        """How it changes with a change of the state within a duration.

        Linear in both; `None` is no duration.
        """


@dataclasses.dataclass(frozen=True)
class StepSettings:
    """How a solve chooses its steps.

    Attributes:
        tableau: The method.
        rtol, atol: Tolerances of the error norm, floats or scalar tensors.
        max_num_steps: Most tries from one output time to the next, accepted and
            rejected, of an adaptive solve; `None` for no limit.
        num_steps: Steps between two output times, for a method on a fixed grid.
        on_failure: `"raise"` or `"nan"`.
        interpolate: Whether output times within a step are interpolated, or each is
            stepped onto; `None`: those that are near.
        min_step, max_step: Bounds of the step sizes, positive, or `None`.
        norm: `norm(ratios) -> scalar`, of the list of errors over their tolerances;
            `None` for the root mean square.
        image: How what the solve is of moves, where that is not the state itself.
        controls_quadrature: Whether the error of the quadrature components counts, too.
        factors: How fast the step size may change.
    """

    tableau: ButcherTableau
    rtol: float
    atol: float
    max_num_steps: int | None = 1000
    num_steps: int | None = None
    on_failure: str = "raise"
    interpolate: bool | None = None
    min_step: float | None = None
    max_step: float | None = None
    norm: Callable | None = None
    image: Image | None = None
    controls_quadrature: bool = False
    factors: Factors = DEFAULT_FACTORS

    @property
    def interpolates(self) -> bool:
        """Whether states at output times within a step may be interpolated."""
        possible = self.tableau.adaptive and self.tableau.interpolant is not None
        # XLA knows no tensor whose size depends on what was computed.
        return possible and self.interpolate is not False and not compiles_with_xla()


class LoopState(NamedTuple):
    """State of the stepping loop."""

    t: tf.Tensor
    target: tf.Tensor  # index of the output time ahead
    aim: tf.Tensor  # index of the time to step onto next: the target or a later one
    anchor: tf.Tensor  # index of the time stepped onto last
    size: tf.Tensor  # proposed length of the next step, positive
    y: list
    q: list
    first: tuple  # (dy, dq) at (t, y); empty unless first-same-as-last
    ratio: tf.Tensor  # error norm of the last accepted step
    after_rejection: tf.Tensor
    accepted: tf.Tensor
    rejected: tf.Tensor
    tries: tf.Tensor  # since the last output time
    status: tf.Tensor
    tried: tf.Tensor  # length of the last try, with its sign
    suited_step: tf.Tensor
    suited_rejected_step: tf.Tensor
    outputs: list | tuple
    trajectory: Any
    seen: list | tuple = ()  # what moves with y, where there is an image
