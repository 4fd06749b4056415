"""The loss, and whatever else, at many points."""

import time
from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.maps.around import Around
from theodolite.maps.batch_norm import (
    BatchNorm,
)
from theodolite.maps.place import Place
from theodolite.maps.points import Listed
from theodolite.maps.quantities import (
    TEST,
    AtNodes,
    OfOutput,
    Quantity,
    QuantityLike,
    as_quantities,
)
from theodolite.maps.tour import touring
from theodolite.progress import ProgressLike, as_watcher


def swept(
    land: Landscape,
    places: Iterable[Place],
    *,
    quantities: QuantityLike = (),
    batch_norm: BatchNorm = "frozen",
    progress: ProgressLike = False,
) -> dict[str, Float[Tensor, " m"]]:
    """The loss and other quantities at some places.

    Returns
    -------
    dict
        ``"loss"``, the quantities by name, and each once more with ``"test "`` in front
        where the landscape has test data: float64 ``(m,)``, NaN and infinity included.
    """
    points, watcher = Listed(list(places)), as_watcher(progress)
    chosen, rows = as_quantities(quantities), []
    began = time.perf_counter()
    try:
        with touring(land, points, of_outputs(chosen), batch_norm) as tour:
            for _, row in tour.rows(range(len(points))):
                rows.append(row)
                left = (len(points) - len(rows)) / len(rows)
                left *= time.perf_counter() - began
                watcher.update("points", len(rows) / len(points), left)
    finally:
        watcher.close()
    found = {
        name: torch.tensor([row[name] for row in rows], dtype=torch.float64)
        for name in (rows[0] if rows else ())
    }
    around = {name: q for name, q in chosen.items() if isinstance(q, AtNodes)}
    for front, one in (("", land), (TEST, land.test)) if around else ():
        if one is not None:
            place = Around(one, batch_norm, land)
            for name, quantity in around.items():
                (part,) = quantity.parts(name, 0)
                values = [
                    place.numbers(quantity, points, n)[0] for n in range(len(points))
                ]
                found[front + part] = torch.tensor(values, dtype=torch.float64)
    return found


def of_outputs(chosen: Mapping[str, Quantity]) -> dict[str, OfOutput]:
    """The quantities that one forward pass gives all of."""
    return {name: q for name, q in chosen.items() if isinstance(q, OfOutput)}
