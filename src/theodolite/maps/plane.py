"""The loss over a plane through the landscape."""

from pathlib import Path

from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.landscape import Landscape, require_landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.direction import Directions, frame_for
from theodolite.maps.frame import Direction, Frame
from theodolite.maps.grid import SpanLike, StepsLike, as_steps
from theodolite.maps.map_settings import GIVEN, Mapped, MapSettings, as_rtol, as_seed
from theodolite.maps.mapping import Mapper
from theodolite.maps.measured_plane import Plane
from theodolite.maps.place import Place, PlaceLike, as_place
from theodolite.maps.quantities import QuantityLike, as_quantities
from theodolite.maps.saving import finish
from theodolite.maps.track import CENTER, CORNERS
from theodolite.maps.track_losses import Tracks
from theodolite.progress import ProgressLike, as_watcher
from theodolite.spectrum.vectors import norm


def plane(
    land: Landscape,
    center: PlaceLike = None,
    directions: Directions = "filter",
    steps: StepsLike = 51,
    span: SpanLike | None = None,
    *,
    seed: int = 0,
    quantities: QuantityLike = (),
    batch_norm: BatchNorm = "frozen",
    rtol: float | None = None,
    budget: BudgetLike = None,
    tracks: Tracks | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: ProgressLike = False,
) -> Plane:
    """The loss over a plane: ``loss[i, j] = f(center + x[i]·d1 + y[j]·d2)``.

    Every number that is shown was measured, or with ``rtol`` comes from a polynomial
    through measured points, with its error, an estimate by points kept for checking.
    The centre is one of the points, and its loss the model's own to the last bit; so is
    a checkpoint that the first axis leads to. Costs one pass over the data for each of
    ``steps²`` points; with ``rtol=0.01`` for 40 to 150 points on most networks,
    whatever ``steps`` is. Test data, where the landscape has them, are measured along.

    Misleads as every picture of two out of p dimensions: a minimum of the plane is none
    of the loss, two basins of the plane may be one valley, and random directions are
    nearly orthogonal to the few that bend. Checkpoints lie off the plane: ``tracks``
    say how far, and what their loss is beside the plane's.

    Parameters
    ----------
    land : Landscape
        What is measured. The model is never written to.
    center
        A model, a state dict, a flat tensor ``(p,)``, or where the model is.
    directions
        ``"filter"``: random, each filter (all weights of one output) as long as the
        model's own, biases and norm weights held, as Li et al. do; ``"layer"`` and
        ``"random"`` likewise by tensors and in whole; ``"eigen"``, ``"eigen-bottom"``,
        ``"eigen-ends"``: eigenvectors; eigenpairs; or a pair, each a flat tensor
        ``(p,)``, a checkpoint, or the number of a parameter. A landscape of two
        parameters is drawn over those two, whatever random kind is asked for.
    steps : int or pair of int
        Points along the axes.
    span : float or sequence, optional
        How far the axes reach, in units of the directions: to both sides, for each, or
        an interval for each. By default to where the loss has changed by its own size,
        and for checkpoints as far as they lie apart and a quarter more.
    seed : int
        Of random directions, and of the search for eigenvectors.
    quantities
        What is measured beside the loss: ``"error"`` (rate of misclassification),
        ``"gradient_norm"``, ``"largest_eigenvalue"`` and ``"hessian"`` (on every fifth
        row and column; the last are the entries of D H Dᵀ along the axes, as
        ``"hessian xx"``, ``"hessian xy"``, ``"hessian yy"``; of a line
        ``"hessian tt"``), or a dict of names and functions of (output, target).
    batch_norm : str
        ``"frozen"``: the model's running statistics everywhere; ``"interpolated"``
        between checkpoints; ``"re-estimated"`` from the training data at every point,
        for a pass more.
    rtol : float, optional
        The error allowed, as a share of the range of the loss: then points are chosen
        where they are needed.
    budget : int or str, optional
        Points at most (those that find the span aside), or a time like ``"30s"``; what
        is there by then is drawn.
    tracks : mapping, optional
        Checkpoints to be drawn, by the name of their run: two losses each.
    out : str or Path, optional
        A run folder, in which each point is kept as soon as it is measured.
    resume : bool
        Go on with what ``out`` holds: no point is measured twice.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Returns
    -------
    Plane
        It also writes itself: ``save``, ``to_npz``, ``to_vtp``, ``figure``.

    Raises
    ------
    ArgumentError, ParameterError
        When an argument is outside its range, or a checkpoint does not fit.
    RunFolderError
        When ``out`` cannot be written, or holds another map.
    TheodoliteError
        As :meth:`Landscape.loss` raises.

    References
    ----------
    Li, Xu, Taylor, Studer and Goldstein, "Visualizing the loss landscape of neural
    nets", 2018, arXiv:1712.09913; checkpoints: Garipov et al., 2018, arXiv:1802.10026.
    """
    require_landscape(land)
    seed = as_seed(seed)
    origin = as_place(land, center)
    named = directions if isinstance(directions, str) else GIVEN
    settings = MapSettings(
        kind="plane",
        directions=named,
        steps=as_steps(steps, 2),
        span=span,
        seed=seed,
        quantities=as_quantities(quantities),
        batch_norm=batch_norm,
        rtol=as_rtol(rtol),
        budget=budget,
        out=None if out is None else Path(out),
        resume=resume,
        watcher=as_watcher(progress),
        tracks=_with_corners(
            land, origin, directions, {} if tracks is None else tracks
        ),
    )

    def make_frame() -> Frame:
        return frame_for(land, origin, directions, 2, seed)

    mapped = Mapper(land, origin.point, make_frame, settings).run()
    found = as_plane(mapped, settings)
    finish(found, settings.out)
    return found


def _with_corners(
    land: Landscape, origin: Place, directions: Directions, tracks: Tracks
) -> Tracks:
    """The checkpoints that span the plane are drawn on it."""
    if not isinstance(directions, (list, tuple)):
        return tracks
    spanning = [part for part in directions if not isinstance(part, (Tensor, int))]
    if not spanning or any(isinstance(part, Direction) for part in spanning):
        return tracks
    ends = {str(n): as_place(land, part) for n, part in enumerate(spanning, 1)}
    return {CORNERS: {CENTER: origin, **ends}, **tracks}


def as_plane(mapped: Mapped, settings: MapSettings) -> Plane:
    """A plane out of what was measured."""
    first, second = mapped.frame.directions
    x, y = mapped.axes
    return Plane(
        x=x,
        y=y,
        fields=mapped.fields,
        center=mapped.frame.origin.point,
        axes=(first, second),
        scale=norm(mapped.frame.origin.point),
        tracks=mapped.tracks,
        points=mapped.points,
        losses=mapped.losses,
        batch_norm=settings.batch_norm,
        evaluations=mapped.evaluations,
        seconds=mapped.seconds,
        seed=settings.seed,
        outcome=mapped.outcome,
        run=mapped.run,
    )
