"""What a solve that cannot go on says to the person at the keyboard."""

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

RUNNING, TOO_MANY_STEPS, STEP_UNDERFLOW, NOT_FINITE = range(4)
REASONS = (
    "no failure",
    "the maximum number of steps was reached",
    "the step size underflowed",
    "the state or its derivative became non-finite (NaN or Inf)",
)
MARKER = "The ODE solve failed"
REMEDIES = (
    "Try a looser tolerance (rtol, atol), the method bdf for stiff dynamics, a smooth "
    "activation such as tanh, a lower learning rate, or a larger max_num_steps."
)


class ODESolveError(ArithmeticError):
    """A solve that could not reach its end time.

    Example:

    >>> try:
    ...     odeint(lambda t, y: y**2, tf.ones([1]), [0.0, 2.0])  # infinite at 1
    ... except ODESolveError as error:
    ...     print(str(error)[:19])
    The ODE solve faile
    """


def sentence_of(error: Exception) -> str | None:
    """The sentence of a failed solve, found in TensorFlow's report of it, if any."""
    text = str(error)
    if MARKER not in text:
        return None
    return text[text.index(MARKER) :].split(REMEDIES)[0] + REMEDIES


def checked(y, status, circumstances, phase: str, on_failure: str):
    """Returns the state `y`, or stops the program where the solve failed.

    Args:
        y: List of tensors.
        status: Scalar integer tensor, an index into `REASONS`.
        circumstances, phase, on_failure: See `checks`.
    """
    solved = tf.equal(status, RUNNING)
    with tf.control_dependencies(checks(status, circumstances, phase, on_failure)):
        return [tf.where(solved, x, tf.cast(float("nan"), x.dtype)) for x in y]


def checks(status, circumstances, phase: str, on_failure: str) -> list:
    """Stops the program where a solve failed.

    Eagerly a failure raises `ODESolveError`; in a graph the op returned, to be depended
    on, raises `tf.errors.InvalidArgumentError` with the same sentence. With
    `on_failure="nan"`, and under XLA, which has no such ops, nothing is raised.

    There is no branch in it, so that `tf.vectorized_map` can follow it.

    Args:
        status: Scalar integer tensor, an index into `REASONS`.
        circumstances: `(t, step size, nfe, rtol, atol)` where the solve stopped.
        phase: What was being solved, for the sentence.
        on_failure: `"raise"` or `"nan"`.
    """
    if on_failure != "raise":
        return []
    solved = tf.equal(status, RUNNING)
    if tf.executing_eagerly():
        if not solved:
            sentence = _sentence(status, circumstances, phase)
            raise ODESolveError(sentence.numpy().decode())
        return []
    if compiles_with_xla():
        return []
    return [tf.debugging.Assert(solved, [_sentence(status, circumstances, phase)])]


def _sentence(status, circumstances, phase: str) -> tf.Tensor:
    """The sentence of a failed solve, a scalar string."""
    t, step, nfe, rtol, atol = (
        tf.strings.as_string(x, shortest=True)
        if x.dtype.is_floating
        else tf.strings.as_string(x)
        for x in map(tf.convert_to_tensor, circumstances)
    )
    return tf.strings.join(
        [
            f"{MARKER} ({phase}): ",
            tf.gather(REASONS, status),
            *(" at t = ", t, ", with step size ", step, ", after ", nfe),
            *(" evaluations of f at rtol = ", rtol, ", atol = ", atol, ". "),
            REMEDIES,
        ]
    )


def compiles_with_xla() -> bool:
    """Whether what is traced now is to be compiled by XLA (`jit_compile=True`)."""
    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
