"""The small tables of the lessons."""

from collections.abc import Sequence

from theodolite.exploring.lesson import Table
from theodolite.exploring.words import Told, number, same, told

NOTHING = same("")
MEASURED = told("measured", "测得")
DIFFERENCE = told("difference", "相差")


def compared(exactly: Told, rows: Sequence[tuple[Told, float, float]]) -> Table:
    """What was measured beside what is known, and how far they are apart.

    Parameters
    ----------
    exactly : Told
        Where the other numbers come from.
    rows : sequence
        The quantity, what was measured, and what it is.
    """
    return Table(
        (NOTHING, MEASURED, exactly, DIFFERENCE),
        tuple(
            (what, number(measured), number(known), difference(measured, known))
            for what, measured, known in rows
        ),
    )


def difference(measured: float, known: float) -> Told:
    """How far two numbers are apart, in the power of ten it is of."""
    apart = abs(measured - known)
    return same("0") if apart == 0 else number(float(f"{apart:.0e}"))
