"""Several ways between two checkpoints, in one table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from math import isfinite
from pathlib import Path as FilePath
from typing import Any

from rich.table import Table

from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.maps.align import align
from theodolite.maps.alignment.result import Alignment
from theodolite.maps.connect import connect
from theodolite.maps.elsewhere import at_place
from theodolite.maps.paths.barrier import Barrier
from theodolite.maps.paths.path import Path
from theodolite.maps.place import PlaceLike, as_place
from theodolite.progress import ProgressLike

ALIGNED = "aligned"
METHODS = ("straight", ALIGNED, "bezier", "polychain", "neb")


@dataclass(frozen=True, repr=False)
class Ways:
    """Several ways between two checkpoints.

    Attributes
    ----------
    paths : mapping
        By method; ``"aligned"`` is the straight line to the second checkpoint with its
        units in the order of the first.
    alignment : Alignment or None
        How they were put in order, where they were.
    """

    paths: Mapping[str, Path]
    alignment: Alignment | None

    def __getitem__(self, method: str) -> Path:
        """One way by its method."""
        if method not in self.paths:
            raise ArgumentError(
                found=f"No way {method!r}.",
                why=f"There are {', '.join(self.paths)}.",
                instead="Name it when the ways are looked for: methods=(...).",
            )
        return self.paths[method]

    def to_dict(self) -> dict[str, Any]:
        """All numbers, plain."""
        return {
            "paths": {name: path.to_dict() for name, path in self.paths.items()},
            "alignment": None if self.alignment is None else self.alignment.to_dict(),
        }

    def figure(self, path: str | FilePath) -> FilePath:
        """Draw the loss along every way as PNG, PDF or SVG, by the path's ending.

        Raises
        ------
        MissingPackageError
            When matplotlib is not installed: ``pip install 'theodolite[figures]'``.
        RunFolderError
            When the file cannot be written.
        """
        from theodolite.maps.figures import draw_ways

        return draw_ways(self.paths, FilePath(path))

    def __rich__(self) -> Any:
        policies = dict.fromkeys(path.batch_norm for path in self.paths.values())
        table = Table(box=None)
        table.add_column("way", style="bold")
        for head in ("barrier", "on test data", "removed", "length", "gradients", "s"):
            table.add_column(head, justify="right")
        table.caption = f"batch norm: {', '.join(policies)}"
        table.caption_justify = "left"
        for name, path in self.paths.items():
            table.add_row(name, *_cells(path, self._straight))
        return table

    @property
    def _straight(self) -> float:
        """The barrier that the others are measured by."""
        return next(iter(self.paths.values())).straight_barrier

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import ways

        return ways(self.to_dict())

    def __repr__(self) -> str:
        from rich.console import Console

        text = StringIO()
        Console(file=text, width=100).print(self.__rich__())
        more = "" if self.alignment is None else f"{self.alignment!r}\n"
        unfinished = (
            f"{name}: {path.outcome}\n"
            for name, path in self.paths.items()
            if not path.outcome.good
        )
        return text.getvalue() + more + "".join(unfinished)


def _cells(path: Path, straight: float) -> Iterator[str]:
    for barrier in (path.barrier, path.test_barrier):
        yield "–" if barrier is None else _with_error(barrier)
    gone = 1 - path.barrier.value / straight if straight > 0 else float("nan")
    yield f"{100 * gone:.1f} %" if isfinite(gone) else "–"
    yield f"{path.length:.4g}"
    yield f"{path.gradients:.4g}"
    yield f"{path.seconds:.1f}"


def _with_error(barrier: Barrier) -> str:
    error = f" ± {barrier.error:.1g}" if isfinite(barrier.error) else ""
    return f"{barrier.value:.4g}{error}"


def ways(
    land: Landscape,
    a: PlaceLike,
    b: PlaceLike,
    methods: Sequence[str] = METHODS,
    *,
    batch_norm: Any = None,
    seed: int = 0,
    budget: Any = None,
    progress: ProgressLike = False,
) -> Ways:
    """The barrier between two checkpoints by several ways, in one table.

    Costs what :func:`theodolite.connect` and :func:`theodolite.align` cost together.
    Misleads as they do: a barrier is that of a way that was found, and no bound on
    those that were not.

    Parameters
    ----------
    land : Landscape
        Whose loss, over whose data.
    a, b
        Models, state dicts, flat tensors ``(p,)``, or ``None`` for where the model is.
    methods : sequence of str
        Of ``"straight"``, ``"aligned"``, ``"bezier"``, ``"polychain"`` and ``"neb"``.
    batch_norm, seed, budget, progress
        As for :func:`theodolite.connect`; the budget is each way's.

    Raises
    ------
    ArgumentError
        When a method is unknown, or there is none.
    TheodoliteError
        As both raise.
    """
    require_landscape(land)
    unknown = [method for method in methods if method not in METHODS]
    if unknown or not methods:
        raise ArgumentError(
            found=f"methods={list(methods)}.",
            why=f"There are {', '.join(METHODS)}.",
            instead='Give for example methods=("straight", "bezier").',
        )
    start, stop = as_place(land, a), as_place(land, b)
    found: dict[str, Path] = {}
    alignment = None
    for method in methods:
        end = stop
        if method == ALIGNED:
            alignment = align(
                at_place(land, start), at_place(land, stop), progress=progress
            )
            end = as_place(land, alignment.model)
        found[method] = connect(
            land,
            start,
            end,
            "straight" if method == ALIGNED else method,
            batch_norm=batch_norm,
            seed=seed,
            budget=budget,
            progress=progress,
        )
    return Ways(found, alignment)
