"""A method on a fixed grid, in place of one that a format cannot hold."""

import numpy as np
import tensorflow as tf

from node_transfer.errors import UserError
from node_transfer.layers.ode_layer import ODELayer
from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.serving.comparison import answers, largest_change

METHOD = "rk4"
STEPS = (1, 2, 4, 8, 16, 32, 64)


def solve_on_grid(
    model: TransferClassifier,
    spec: tf.TensorSpec,
    batches: list[np.ndarray],
    before: list[np.ndarray],
    bound: float,
) -> list[np.ndarray]:
    """Has a model's block take as few equal steps of RK4 as will do.

    They change no probability by more than a tenth of a bound, from before or, where the
    solver before was less exact than that, from half as many steps.

    Args:
        model: With an ODE block.
        spec: What it is given.
        batches: Images.
        before: The probabilities of each, solved as before.
        bound: On the change of a probability.

    Returns:
        The probabilities of each now.

    Raises:
        UserError: No number of `STEPS` does.
    """
    block = model.block
    kept = {"jump_times": block.options.jump_times} if block.options.jump_times else {}
    half = None
    for steps in STEPS:
        block.set_solver(
            method=METHOD, gradient="backprop", options={"num_steps": steps, **kept}
        )
        now = answers(model, spec, batches)
        changes = [largest_change(other, now) for other in (before, half) if other]
        if min(changes) <= bound / 10:
            return now
        half = now
    raise UserError(
        f"{STEPS[-1]} steps of {METHOD} change a probability by {min(changes):.1e}, more "
        f"than a tenth of bound={bound:g}: pass method= and num_steps= of your own, or a "
        "larger bound=."
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
