"""Cases of a test of which `make test` runs the first few."""

import pytest


def slow_after(count: int, cases) -> list:
    """Marks all cases but the first ones as slow; a tuple is one of several arguments."""
    cases = list(cases)
    others = [case if isinstance(case, tuple) else (case,) for case in cases[count:]]
    return [
        *cases[:count],
        *(pytest.param(*case, marks=pytest.mark.slow) for case in others),
    ]
