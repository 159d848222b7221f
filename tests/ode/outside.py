"""Methods as another package would bring them: numbers, and nothing else of ours."""

from node_transfer import ButcherTableau

# Its last stage is not the next step's first, unlike that of our adaptive methods.
FEHLBERG45 = ButcherTableau(
    name="fehlberg45",
    order=4,
    c=(0, 1 / 4, 3 / 8, 12 / 13, 1, 1 / 2),
    a=(
        (),
        (1 / 4,),
        (3 / 32, 9 / 32),
        (1932 / 2197, -7200 / 2197, 7296 / 2197),
        (439 / 216, -8, 3680 / 513, -845 / 4104),
        (-8 / 27, 2, -3544 / 2565, 1859 / 4104, -11 / 40),
    ),
    b=(25 / 216, 0, 1408 / 2565, 2197 / 4104, -1 / 5, 0),
    error=(-1 / 360, 0, 128 / 4275, 2197 / 75240, -1 / 50, -2 / 55),
    reference="Fehlberg (1969), NASA TR R-315; Hairer, Norsett & Wanner, table II.5.1",
)

KUTTA3 = ButcherTableau(
    name="kutta3",
    order=3,
    c=(0, 1 / 2, 1),
    a=((), (1 / 2,), (-1, 2)),
    b=(1 / 6, 2 / 3, 1 / 6),
    error=None,
    reference="Kutta (1901); Hairer, Norsett & Wanner, Solving ODEs I, section II.1",
)
