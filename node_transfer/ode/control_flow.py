"""Gradients of solves inside of `tf.while_loop` and `tf.cond`."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def captures_of_whatever_f_reads() -> Iterator[None]:
    """While it lasts, gradients of loops and branches may read whatever f reads.

    TensorFlow's own gradients read what the loop or branch computed or took, and nothing
    else. One that evaluates f again reads the variables, which are of no graph, and
    tensors that were computed outside the branch: on these TensorFlow (2.21) fails. Here
    they are read as the loop or branch took them.
    """
    graph, graphs = tf.compat.v1.get_default_graph(), []
    while hasattr(graph, "outer_graph"):
        graphs.append(graph)
        graph = graph.outer_graph
    while graphs and _forward_graph(graphs[-1]) is None:
        graphs.pop()
    with contextlib.ExitStack() as stack:
        for graph in graphs:
            stack.enter_context(_captures_as_the_forward_graph(graph))
        yield


def _forward_graph(graph):
    """The loop's or branch's graph that a graph is the gradient of, if it is of one."""
    return getattr(graph, "_forward_graph", None)


@contextlib.contextmanager
def _captures_as_the_forward_graph(graph) -> Iterator[None]:
    own, outer, forward = graph.capture, graph.outer_graph, _forward_graph(graph)

    def is_known(tensor) -> bool:
        if isinstance(tensor, tf.__internal__.EagerTensor):
            return False
        return forward is None or tensor.graph in (graph, outer, forward)

    def known(tensor):
        for taken, inside in forward.captures if forward is not None else ():
            if taken is tensor:
                return inside
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
