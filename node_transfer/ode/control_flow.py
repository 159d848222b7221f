"""Gradients of solves inside of `tf.while_loop`, `tf.cond` and `tf.function`."""

import contextlib
import types
from collections.abc import Iterator

import tensorflow as tf


def graph_being_made() -> tf.Graph | None:
    """The graph that operations are added to; `None`: they are executed."""
    return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()


def is_outside(home: tf.Graph | None) -> bool:
    """Whether what is being made is the gradient of a whole `tf.function`.

    Args:
        home: The graph, of the function or within it, of what is differentiated; `None`
            where there was none.
    """
    here = graph_being_made()
    while here is not None and here is not home:
        here = _forward_graph(here) or getattr(here, "outer_graph", None)
    return here is not home


@contextlib.contextmanager
def captures_of_whatever_f_reads(home: tf.Graph | None) -> Iterator[None]:
    """While it lasts, gradients of loops and branches may read whatever f reads.

    TensorFlow's own gradients read what the loop or branch computed or took, and nothing
    else. One that evaluates f again reads the variables, which are of no graph, and
    tensors that were computed outside the branch: on these TensorFlow (2.21) fails, also
    where the solve is in a `tf.function` that the loop or branch calls. Here they are
    read as the loop, branch or function took them.

    Args:
        home: The graph of the solve; `None` where there was none.
    """
    with contextlib.ExitStack() as stack:
        for graph, forward in _gradients_graphs(home):
            if isinstance(graph.capture, types.MethodType):  # else: a solve within f
                stack.enter_context(_captures_as_the_forward_graph(graph, forward))
        yield


def _gradients_graphs(home: tf.Graph | None) -> list[tuple]:
    """The graphs that a gradient's operations are in, each with that of its values."""
    graph = graph_being_made()
    if home is None or graph is None or graph is home:
        return []
    if _forward_graph(graph) is None:  # of a whole function
        return [(graph, home)]
    graphs = []
    while graph is not None:
        if _forward_graph(graph) is not None:
            graphs.append((graph, _forward_graph(graph)))
        graph = getattr(graph, "outer_graph", None)
    return graphs


def _forward_graph(graph) -> tf.Graph | None:
    """The loop's or branch's graph that a graph is the gradient of, if it is of one."""
    return getattr(graph, "_forward_graph", None)


@contextlib.contextmanager
def _captures_as_the_forward_graph(graph, forward) -> Iterator[None]:
    own, outer = graph.capture, graph.outer_graph
    of_function = _forward_graph(graph) is None

    def is_known(tensor) -> bool:
        if isinstance(tensor, tf.__internal__.EagerTensor):
            return False
        return of_function or tensor.graph in (graph, outer, forward)

    def known(tensor):
        for taken, inside in forward.captures:
            if taken is tensor:
                return inside
        if of_function:
            return tensor
        with outer.as_default():
            return outer.capture(tensor)

    def capture(tensor, *args, **kwargs):
        tensor = tensor if is_known(tensor) else known(tensor)
        return own(tensor, *args, **kwargs)

    graph.capture = capture
    try:
        yield
    finally:
        del graph.capture
