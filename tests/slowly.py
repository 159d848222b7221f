"""Cases of a test of which `make test` runs some."""

import pytest


def slow_after(count: int, cases) -> list:
    """Marks all cases but the first ones as slow; a tuple is one of several arguments."""
    cases = list(cases)
    return [*cases[:count], *map(_slow, cases[count:])]


def slow_unless(is_quick, cases) -> list:
    """Marks the cases as slow of which the function of a case's arguments is false."""
    return [case if is_quick(*case) else _slow(case) for case in cases]


def _slow(case):
    arguments = case if isinstance(case, tuple) else (case,)
    return pytest.param(*arguments, marks=pytest.mark.slow)
