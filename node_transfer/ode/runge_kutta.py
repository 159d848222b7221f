"""One explicit Runge-Kutta step, and the gradient of one step, for any tableau."""

import tensorflow as tf

from node_transfer.ode.butcher_tableau import ButcherTableau
from node_transfer.ode.tensors import add, inner_product
from node_transfer.ode.vjp import RecordedEvaluation


def combine(dt: tf.Tensor, weights, tensors, start=None) -> list[tf.Tensor]:
    """Returns `start + dt * sum_j weights[j] * tensors[j]`, component by component.

    Args:
        dt: Scalar tensor.
        weights: Python floats, one for each entry of `tensors`; zeros cost nothing.
        tensors: List of states, each a list of component tensors.
        start: A state to add the sum to, or `None`.
    """
    terms = [(dt * w, x) for w, x in zip(weights, tensors, strict=True) if w != 0]
    num_components = len(tensors[0])
    result = []
    for i in range(num_components):
        summands = [_times(scale, x[i]) for scale, x in terms]
        if start is not None:
            summands.append(start[i])
        result.append(tf.add_n(summands) if len(summands) > 1 else summands[0])
    return result


def _times(scale: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The product; a quadrature may be complex."""
    return (tf.cast(scale, x.dtype) if x.dtype.is_complex else scale) * x


def step(tableau: ButcherTableau, func, t, dt, y, first):
    """Takes one step from `(t, y)` to `t + dt`.

    Args:
        tableau: The method.
        func: `func(t, y, quadrature) -> (dy, dq)`; `dq` are the derivatives of
            components that no derivative depends on (`[]` where there are none), and
            are asked for only at stages that have a weight in them.
        t: Scalar tensor.
        dt: Scalar tensor, negative to go back in time.
        y: State, a list of tensors.
        first: `(dy, dq)` at `(t, y)`.

    Returns:
        `(y1, q_change, stages)`: the state at `t + dt`, the change of the quadrature
        components, and `(dy, dq)` of each stage.
    """
    stages = [first]
    last_used_again = tableau.first_same_as_last
    for i in range(1, tableau.num_stages):
        ends_here = last_used_again and i == tableau.num_stages - 1
        stage_y = combine(dt, tableau.a[i], [dy for dy, _ in stages], start=y)
        has_weight = tableau.b[i] != 0 or (tableau.error and tableau.error[i] != 0)
        needs_quadrature = has_weight or ends_here
        stages.append(func(t + tableau.c[i] * dt, stage_y, needs_quadrature))
    derivatives = [dy for dy, _ in stages]
    # The last stage of a first-same-as-last method was evaluated at y1 itself.
    y1 = stage_y if last_used_again else combine(dt, tableau.b, derivatives, start=y)
    weighted = [(b, dq) for b, (_, dq) in zip(tableau.b, stages, strict=True) if b != 0]
    q_change = []
    if first[1]:
        q_change = combine(dt, [b for b, _ in weighted], [dq for _, dq in weighted])
    return y1, q_change, stages


def step_gradient(tableau, func, t, dt, y, cotangent, sources, stage_cotangents=None):
    """Gradient of one step: recomputes its stages and goes back through them.

    With `l_i = dt (b_i g + sum_j a_ji v_j)` and `v_i = l_i df/dy(stage i)`, taken from
    the last stage to the first, the cotangent of `y` is `g + sum_i v_i`, and that of a
    parameter is `sum_i l_i df/dp(stage i)` (Hairer, Lubich & Wanner, Geometric
    Numerical Integration, section VI.4; the transpose of the step itself).

    Args:
        tableau: The method.
        func: `func(t, y, tensors) -> dy`, with lists of tensors.
        t: Scalar tensor, the step's start.
        dt: Scalar tensor, the step's length.
        y: State at `t`, a list of tensors.
        cotangent: `g`, the cotangent of the state at `t + dt`, a list of tensors.
        sources: `vjp.Sources`: what else a gradient is wanted for.
        stage_cotangents: What the derivatives k_i get from elsewhere: for each stage a
            list of tensors, or `None`.

    Returns:
        `(y_bar, source_bars, t_bar, dt_bar, ks)`; `source_bars` is a list with an entry
        for each stage, to be summed; the bars of t and dt are `None` unless
        `sources.times`; `ks` are the derivatives.
    """
    num_stages = tableau.evaluations_per_step
    evaluations = []
    for i in range(num_stages):
        ks = [evaluation.value for evaluation in evaluations]
        stage_y = combine(dt, tableau.a[i], ks, start=y) if i else y
        stage_t = t + tableau.c[i] * dt
        evaluations.append(RecordedEvaluation(func, stage_t, stage_y, sources))

    source_bars = []
    stage_bars: list = [None] * num_stages
    t_bar = dt_bar = tf.zeros([], t.dtype) if sources.times else None
    for i in reversed(range(num_stages)):
        # A stage that the error estimate alone uses has no cotangent.
        later = [j for j in range(i + 1, num_stages) if stage_bars[j] is not None]
        weights = [tableau.b[i], *(tableau.a[j][i] for j in later)]
        k_bar = None
        if any(weights):
            k_bar = combine(dt, weights, [cotangent, *(stage_bars[j] for j in later)])
            if sources.times:
                dt_bar += inner_product(k_bar, evaluations[i].value) / dt
        if stage_cotangents is not None:
            others = stage_cotangents[i]
            k_bar = others if k_bar is None else add(k_bar, others)
        if k_bar is None:
            continue
        stage_bars[i], bars, stage_t_bar = evaluations[i].vjp(k_bar)
        source_bars.append(bars)
        if sources.times:
            t_bar += stage_t_bar
            dt_bar += tableau.c[i] * stage_t_bar
    used = [bar for bar in stage_bars if bar is not None]
    y_bar = [tf.add_n(parts) for parts in zip(cotangent, *used, strict=True)]
    return y_bar, source_bars, t_bar, dt_bar, [e.value for e in evaluations]
