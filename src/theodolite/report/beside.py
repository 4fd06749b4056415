"""One quantity of several things side by side: a row each, dots with their errors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from theodolite.report.amounts import amount, is_known, number
from theodolite.report.page_data import PageData
from theodolite.report.part import Chart


def beside(
    title: str, points: Sequence[Mapping[str, Any]], data: PageData
) -> Iterator[Chart]:
    """Yield the chart of one quantity, unless too little of it is known.

    Parameters
    ----------
    title
        The quantity's name.
    points
        Each with the ``name`` of its row, its ``value``, and the ends of its interval,
        ``low`` and ``high``; an infinite end makes it a bound.
    data
        What is gathered for the page's script.
    """
    known = [point for point in points if is_known(point["value"])]
    if len({str(point["name"]) for point in known}) < 2:
        return
    told = "; ".join(f"{point['name']}: {_told(point)}" for point in known)
    number_of = data.chart("beside", {"title": title, "points": known})
    yield Chart("beside", title, "", f"Chart of {title}. {told}", number_of)


def _told(point: Mapping[str, Any]) -> str:
    if number(point["high"]) == float("inf"):
        return f"at least {amount(point['value'])}"
    half = (number(point["high"]) - number(point["low"])) / 2
    return amount(point["value"], half or None)
