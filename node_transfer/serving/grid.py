"""A method on a fixed grid, in place of one that a format cannot hold."""

import numpy as np

from node_transfer.errors import UserError
from node_transfer.layers.ode_layer import ODELayer
from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.serving.comparison import probabilities_of

METHOD = "rk4"
STEPS = (1, 2, 4, 8, 16, 32, 64)


def solve_on_grid(
    model: TransferClassifier,
    batches: list[np.ndarray],
    expected: list[np.ndarray],
    bound: float,
) -> None:
    """Has a model's block take as few equal steps of RK4 as change what it says by less
    than a tenth of a bound.

    Args:
        model: With an ODE block.
        batches: Images.
        expected: The probabilities of each, solved as before.
        bound: On the change of a probability.

    Raises:
        UserError: No number of `STEPS` does.
    """
    block = model.block
    kept = {"jump_times": block.options.jump_times} if block.options.jump_times else {}
    for steps in STEPS:
        block.set_solver(
            method=METHOD, gradient="backprop", options={"num_steps": steps, **kept}
        )
        cost = largest_change(model, batches, expected)
        if cost <= bound / 10:
            return
    raise UserError(
        f"{STEPS[-1]} steps of {METHOD} change a probability by {cost:.1e}, more than a "
        f"tenth of bound={bound:g}: pass method= and num_steps= of your own, or a larger "
        "bound=."
    )


def largest_change(model, batches, expected) -> float:
    """The largest change of a probability from what is expected."""
    return max(
        float(np.max(np.abs(probabilities_of(model, images) - before)))
        for images, before in zip(batches, expected, strict=True)
    )


def solver_told(model: TransferClassifier) -> str:
    """How the model's ODE is solved, in a few words."""
    block = model.block
    if not isinstance(block, ODELayer):
        return "no ODE"
    method = block.method if isinstance(block.method, str) else block.method.name
    steps = block.options.num_steps
    if steps is not None:
        return f"{method}, {steps} step{'' if steps == 1 else 's'}"
    return f"{method}, rtol {block.rtol:g}, atol {block.atol:g}"
