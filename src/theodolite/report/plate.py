"""A bare page of figures alone, for notebooks and slides."""

from collections.abc import Mapping, Sequence
from typing import Any

from theodolite.report.printing import printed


def plate(
    data: Mapping[str, Any], figures: Sequence[Mapping[str, Any]], title: str
) -> str:
    """Return a self-contained page with nothing but figures.

    Parameters
    ----------
    data
        What they show: ``surveys`` (each ``run`` and ``measurements``), ``planes``
        (records of ``maps.page_record``) and ``charts`` (name to records); any of
        them may be left out.
    figures
        ``{"chart": name, "of": index, "caption": str}`` for a chart of
        ``charts[name][index]``, or of a survey for a survey's charts;
        ``{"plane": index, "id": str}`` for a plane to turn and to walk on.
    title
        The page's name, which a browser shows in its tab.

    Returns
    -------
    str
        The page, to be written as UTF-8.
    """
    whole = {"surveys": [], "planes": [], "charts": {}, **data}
    return printed("plate.html.j2", whole, title=title, figures=list(figures))
