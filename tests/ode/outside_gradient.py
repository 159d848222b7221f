"""A gradient method as another package would bring it: three times what came."""

import tensorflow as tf

from node_transfer.ode.gradient import Gradient


def gradient(solver, solved, output_bars, sources) -> Gradient:
    solution = solved.solution
    return Gradient(
        y0_bar=[3.0 * bar[-1] for bar in output_bars],
        source_bars=sources.zeros(),
        time_bars=None,
        nfe=tf.constant(0),
        suited_step=solution.suited_step,
        suited_rejected_step=solution.suited_rejected_step,
    )
