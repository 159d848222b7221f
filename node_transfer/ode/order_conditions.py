"""What a Runge-Kutta method must satisfy to be of an order: one condition a rooted tree.

Butcher (1963), doi:10.1017/S1446788700027932; Hairer, Norsett & Wanner, Solving Ordinary
Differential Equations I, section II.2, theorem 2.13. A tree is written as the sorted
tuple of the subtrees at its root: `()` is a leaf, `((), ())` a root with two leaves.
"""

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

Tree = tuple


class Violation(NamedTuple):
    """A condition that does not hold.

    Attributes:
        order: That of the condition.
        value: What the method's coefficients make of it.
        expected: What it must be.
    """

    order: int
    value: float
    expected: float


@functools.cache
def rooted_trees(order: int) -> tuple[Tree, ...]:
    """All rooted trees of so many nodes: 1, 1, 2, 4, 9, 20, ... of them."""
    if order == 1:
        return ((),)
    grown = (tree for smaller in rooted_trees(order - 1) for tree in _grown(smaller))
    return tuple(sorted(set(grown)))


def _grown(tree: Tree) -> Iterator[Tree]:
    """The trees of one more node, a leaf put on one of the nodes."""
    yield tuple(sorted((*tree, ())))
    for i, subtree in enumerate(tree):
        for larger in _grown(subtree):
            yield tuple(sorted((*tree[:i], larger, *tree[i + 1 :])))


def _num_nodes(tree: Tree) -> int:
    return 1 + sum(map(_num_nodes, tree))


def density(tree: Tree) -> int:
    """The condition of a tree is `sum_i b_i phi_i = 1 / density`."""
    return _num_nodes(tree) * math.prod(map(density, tree))


def _stage_weights(tree: Tree, a: np.ndarray, known: dict) -> np.ndarray:
    """`phi_i` of a tree: the product of `sum_j a_ij phi_j` over its subtrees."""
    if tree not in known:
        factors = (a @ _stage_weights(subtree, a, known) for subtree in tree)
        known[tree] = functools.reduce(np.multiply, factors, np.ones(len(a)))
    return known[tree]


def first_violation(
    a: np.ndarray, b: np.ndarray, order: int, tolerance: float, theta: float = 1.0
) -> Violation | None:
    """The condition of least order, up to `order`, that the method does not satisfy.

    Args:
        a: Stage weights, shape (stages, stages), strictly lower triangular.
        b: Weights of the solution, shape (stages,).
        order: Order claimed, 1 or more.
        tolerance: Of the rounding of the coefficients, relative.
        theta: The part of the step after which the weights give the solution; below 1
            for an interpolant (Hairer, Norsett & Wanner, section II.6).

    Returns:
        The violation, or `None` for a method of that order.
    """
    known: dict[Tree, np.ndarray] = {}
    for condition_order in range(1, order + 1):
        for tree in rooted_trees(condition_order):
            terms = b * _stage_weights(tree, a, known)
            value = float(np.sum(terms))
            expected = theta**condition_order / density(tree)
            if not abs(value - expected) <= tolerance * max(1, np.sum(np.abs(terms))):
                return Violation(condition_order, value, expected)
    return None
