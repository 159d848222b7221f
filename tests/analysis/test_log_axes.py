"""Logarithmic axes, whose numbers Matplotlib writes as formulas by itself."""

import re

from node_transfer.analysis import style


def test_numbers_of_a_logarithmic_axis_are_plain():
    for values, expected in (((1e-7, 1.0), "1e-06"), ((300.0, 20000.0), "1000")):
        with style.figure(4.0, 3.0) as (fig, axes):
            axes.plot(values, values)
            style.log_x(axes)
            drawn = style.svg(fig).decode().replace("\N{MINUS SIGN}", "-")
        texts = re.findall(r"<!-- (.*?) -->", drawn)
        assert texts and not any("$" in text for text in texts)
        assert expected in texts
