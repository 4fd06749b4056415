"""Checkpoints side by side: loss, error, sharpness, spectrum, barriers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from itertools import combinations
from math import nan
from typing import Any, final

from theodolite.budget import Budget, seconds_of
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.maps.connect import connect
from theodolite.maps.elsewhere import at_place
from theodolite.maps.paths.path import Path
from theodolite.maps.place import Place, PlaceLike, as_place
from theodolite.maps.quantities import LOSS, TEST
from theodolite.maps.sweep import swept
from theodolite.progress import ProgressLike, Watcher, as_watcher
from theodolite.site.sharpness import sharpness
from theodolite.site.sharpness_measures import Sharpness
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.eigsh import eigsh
from theodolite.spectrum.vectors import norm

_ERROR = "error"
# residual asked of the smallest eigenvalue, and products for it
_ROUGH, _LOWEST = 1e-2, 100
# seconds that a step has even where time is up
_LEAST = 0.1
# how long a straight line takes, by all that is measured of a checkpoint
_PAIR = 0.1


@dataclass(frozen=True)
class Compared:
    """One checkpoint of a comparison.

    Attributes
    ----------
    name : str
        What it is called.
    loss, test_loss, error, test_error : float
        Over the landscape's data; NaN where there is no test data, or no classes.
    norm : float
        ‖θ‖.
    eigenvalues : EigenPairs
        The largest, each with an interval.
    lowest : EigenPairs
        The smallest one, roughly.
    sharpness : Sharpness
        Every measure of it, the trace among them.
    """

    name: str
    loss: float
    test_loss: float
    error: float
    test_error: float
    norm: float
    eigenvalues: EigenPairs
    lowest: EigenPairs
    sharpness: Sharpness

    def to_dict(self) -> dict[str, Any]:
        """All numbers, plain."""
        plain = dict(vars(self))
        for name in ("eigenvalues", "lowest", "sharpness"):
            plain[name] = vars(self)[name].to_dict()
        return plain


@dataclass(frozen=True, repr=False)
class Comparison:
    """Checkpoints side by side.

    Attributes
    ----------
    rows : tuple of Compared
        One a checkpoint, in the order given.
    paths : mapping
        The straight line, or the curve that was asked for, between each two, by their
        names.
    distances : mapping
        ‖θ_a − θ_b‖ of each two, by their names.
    batch_norm : str
        What batch norm normalised by between them.
    seconds : float
        Time spent.
    """

    rows: tuple[Compared, ...]
    paths: Mapping[tuple[str, str], Path]
    distances: Mapping[tuple[str, str], float]
    batch_norm: str
    seconds: float

    def __getitem__(self, name: str) -> Compared:
        """One checkpoint by its name."""
        for row in self.rows:
            if row.name == name:
                return row
        raise ArgumentError(
            found=f"No checkpoint is called {name!r}.",
            why=f"There are {', '.join(row.name for row in self.rows)}.",
            instead="Give one of these names.",
        )

    def to_dict(self) -> dict[str, Any]:
        """All numbers, plain."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "paths": [
                {"between": list(pair), **path.to_dict()}
                for pair, path in self.paths.items()
            ],
            "distances": [
                {"between": list(pair), "distance": distance}
                for pair, distance in self.distances.items()
            ],
            "batch_norm": self.batch_norm,
            "seconds": self.seconds,
        }

    def __rich__(self) -> Any:
        from theodolite.maps.comparison_table import tables

        return tables(self)

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import checkpoints

        return checkpoints(self.to_dict())

    def __repr__(self) -> str:
        from rich.console import Console

        text = StringIO()
        Console(file=text, width=100).print(self.__rich__())
        return text.getvalue()


def compare(
    land: Landscape,
    checkpoints: Mapping[str, PlaceLike],
    *,
    method: str = "straight",
    eigenvalues: int = 5,
    batch_norm: Any = None,
    seed: int = 0,
    budget: str | None = None,
    progress: ProgressLike = False,
) -> Comparison:
    """Checkpoints of one architecture side by side, over the same data.

    For each: loss and error on training and test data, the largest eigenvalues and the
    smallest, every measure of sharpness; for each two: their distance and the barrier
    between them. Costs about 300 products and 100 losses a checkpoint, and 33 losses or
    more a pair; test data come on top.

    Misleads as sharpness does: networks that compute the same can differ in it, where a
    layer is scaled and the next one divided (see ``Sharpness.measures``). A straight
    barrier between two trainings is mostly one of permuted units: see ``td.align``.

    Parameters
    ----------
    land : Landscape
        Whose loss and data.
    checkpoints : mapping
        Name to model, state dict, flat tensor or place; ``None`` is where the model is.
    method : str
        ``"straight"``, or what ``td.connect`` calls its curves.
    eigenvalues : int
        How many of the largest.
    batch_norm : str, optional
        Between checkpoints, as for ``td.connect``.
    seed : int
        Of everything random.
    budget : str, optional
        Time for all, like ``"60s"``: shared out evenly over what is left to do.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Raises
    ------
    ArgumentError
        When there is no checkpoint, or one is no point of this landscape.
    TheodoliteError
        As the estimators raise.
    """
    require_landscape(land)
    if not checkpoints:
        raise ArgumentError(
            found="No checkpoints.",
            why="There is nothing to compare.",
            instead='Give a dict: {"sgd": model_a, "adam": model_b}.',
        )
    places = {name: as_place(land, what) for name, what in checkpoints.items()}
    pairs = list(combinations(places, 2))
    shares = dict.fromkeys(places, 1.0) | {_between(*pair): _PAIR for pair in pairs}
    work = _Work(shares, budget, as_watcher(progress))
    try:
        rows = tuple(
            _compared(land, name, place, eigenvalues, seed, work)
            for name, place in places.items()
        )
        paths = {}
        for a, b in pairs:
            work.begin(_between(a, b))
            paths[a, b] = connect(
                land,
                places[a],
                places[b],
                method,
                batch_norm=batch_norm,
                seed=seed,
                budget=work.share(),
            )
    finally:
        work.close()
    return Comparison(
        rows=rows,
        paths=paths,
        distances={(a, b): norm(places[a].point - places[b].point) for a, b in pairs},
        batch_norm=next((path.batch_norm for path in paths.values()), "frozen"),
        seconds=work.seconds,
    )


def _between(a: str, b: str) -> str:
    return f"{a} – {b}"


def _compared(
    land: Landscape,
    name: str,
    place: Place,
    eigenvalues: int,
    seed: int,
    work: "_Work",
) -> Compared:
    """One checkpoint's row."""
    work.begin(name)
    here = at_place(land, place, name=name)
    losses = _losses(here)
    hessian = here.hessian()
    largest = eigsh(
        hessian, min(eigenvalues, here.size), seed=seed, budget=work.share(0.3)
    )
    lowest = eigsh(
        hessian, 1, "SA", tol=_ROUGH, seed=seed, budget=work.share(0.3, _LOWEST)
    )
    return Compared(
        name=name,
        loss=losses.get(LOSS, nan),
        test_loss=losses.get(TEST + LOSS, nan),
        error=losses.get(_ERROR, nan),
        test_error=losses.get(TEST + _ERROR, nan),
        norm=norm(place.point),
        eigenvalues=largest,
        lowest=lowest,
        sharpness=sharpness(here, seed=seed, budget=work.share()),
    )


def _losses(here: Landscape) -> dict[str, float]:
    """Losses, and the rate of errors where there are classes."""
    place = [as_place(here, None)]
    try:
        found = swept(here, place, quantities=_ERROR)
    except ArgumentError:
        # outputs and targets that are no classes: there is nothing to be wrong about
        found = swept(here, place)
    return {name: float(values[0]) for name, values in found.items()}


@final
class _Work:
    """What is to be done, how long it may take, and who is told.

    Parameters
    ----------
    shares : dict
        Each part's name and how much of the time it takes, by the others.
    budget : str or None
        Time for all.
    watcher : Watcher
        Who is told.
    """

    def __init__(
        self, shares: Mapping[str, float], budget: str | None, watcher: Watcher
    ) -> None:
        self._left = dict(shares)
        self._all = sum(shares.values())
        self._watcher, self._began = watcher, time.monotonic()
        self._limit = None if budget is None else seconds_of(budget)
        self._until = float("inf")

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._began

    def begin(self, part: str) -> None:
        """Go on to a part."""
        rest = sum(self._left.values())
        done = self._all - rest
        left = self.seconds * rest / done if done else float("inf")
        self._watcher.update(part, done / self._all, left)
        own = self._left.pop(part) / rest
        if self._limit is not None:
            time_left = max(self._limit - self.seconds, 0.0)
            self._until = time.monotonic() + own * time_left

    def share(self, part: float = 1.0, products: int | None = None) -> Budget | None:
        """What the next step may take: a part of the time that this part has left."""
        if self._limit is None:
            return None if products is None else Budget(products)
        now = time.monotonic()
        seconds = max(part * (self._until - now), _LEAST)
        return Budget(products, deadline=now + seconds)

    def close(self) -> None:
        """It has ended, one way or the other."""
        self._watcher.close()
