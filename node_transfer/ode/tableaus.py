"""The methods that come with the library; a package of its own may add to `TABLEAUS`."""

from node_transfer.ode.butcher_tableau import ButcherTableau

DOPRI5 = ButcherTableau(
    name="dopri5",
    order=5,
    c=(0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1),
    a=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    b=(35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0),
    error=(
        71 / 57600,
        0,
        -71 / 16695,
        71 / 1920,
        -17253 / 339200,
        22 / 525,
        -1 / 40,
    ),
    reference="Dormand & Prince (1980), doi:10.1016/0771-050X(80)90013-3",
)

TSIT5 = ButcherTableau(
    name="tsit5",
    order=5,
    c=(0, 0.161, 0.327, 0.9, 0.9800255409045097, 1, 1),
    a=(
        (),
        (0.161,),
        (-0.008480655492356989, 0.335480655492357),
        (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
        (
            5.325864828439257,
            -11.748883564062828,
            7.4955393428898365,
            -0.09249506636175525,
        ),
        (
            5.86145544294642,
            -12.92096931784711,
            8.159367898576159,
            -0.071584973281401,
            -0.028269050394068383,
        ),
        (
            0.09646076681806523,
            0.01,
            0.4798896504144996,
            1.379008574103742,
            -3.290069515436081,
            2.324710524099774,
        ),
    ),
    b=(
        0.09646076681806523,
        0.01,
        0.4798896504144996,
        1.379008574103742,
        -3.290069515436081,
        2.324710524099774,
        0,
    ),
    error=(
        -0.00178001105222577714,
        -0.0008164344596567469,
        0.007880878010261995,
        -0.1447110071732629,
        0.5823571654525552,
        -0.45808210592918697,
        1 / 66,
    ),
    reference="Tsitouras (2011), doi:10.1016/j.camwa.2011.06.002",
)

BOSH3 = ButcherTableau(
    name="bosh3",
    order=3,
    c=(0, 1 / 2, 3 / 4, 1),
    a=((), (1 / 2,), (0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
    b=(2 / 9, 1 / 3, 4 / 9, 0),
    error=(-5 / 72, 1 / 12, 1 / 9, -1 / 8),
    reference="Bogacki & Shampine (1989), doi:10.1016/0893-9659(89)90079-7",
)

EULER = ButcherTableau(
    name="euler",
    order=1,
    c=(0,),
    a=((),),
    b=(1,),
    error=None,
    reference="Hairer, Norsett & Wanner, Solving ODEs I, section II.1",
)

MIDPOINT = ButcherTableau(
    name="midpoint",
    order=2,
    c=(0, 1 / 2),
    a=((), (1 / 2,)),
    b=(0, 1),
    error=None,
    reference="Hairer, Norsett & Wanner, Solving ODEs I, section II.1",
)

HEUN = ButcherTableau(
    name="heun",
    order=2,
    c=(0, 1),
    a=((), (1,)),
    b=(1 / 2, 1 / 2),
    error=None,
    reference="Hairer, Norsett & Wanner, Solving ODEs I, section II.1",
)

RK4 = ButcherTableau(
    name="rk4",
    order=4,
    c=(0, 1 / 2, 1 / 2, 1),
    a=((), (1 / 2,), (0, 1 / 2), (0, 0, 1)),
    b=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
    error=None,
    reference="Kutta (1901); Hairer, Norsett & Wanner, Solving ODEs I, table II.1.2",
)

TABLEAUS = {
    tableau.name: tableau
    for tableau in (DOPRI5, TSIT5, BOSH3, EULER, MIDPOINT, HEUN, RK4)
}
