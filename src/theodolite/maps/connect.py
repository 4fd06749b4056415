"""A path of low loss between two points, and the barrier that is left on it."""

import torch

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.maps.paths.course import Passes
from theodolite.maps.paths.curve import straight
from theodolite.maps.paths.ends import policy_of, require_buffers
from theodolite.maps.paths.measurement import Measured, groups_of, measured
from theodolite.maps.paths.path import Path
from theodolite.maps.paths.search import Search
from theodolite.maps.place import PlaceLike, as_place
from theodolite.outcomes import Outcome, converged
from theodolite.progress import ProgressLike
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.vectors import norm

# control points between the ends, where none are asked for
_BENDS = {"bezier": 1, "polychain": 3, "neb": 7, "straight": 0}
# passes with gradients that may be spent unless something else is said
_BUDGET = 20_000

_SAME = Outcome("exact", "Both ends are the same point.")
_LINE = converged("The straight line was measured")


def connect(
    land: Landscape,
    a: PlaceLike,
    b: PlaceLike,
    method: str = "bezier",
    *,
    bends: int | None = None,
    steps: int = 33,
    climb: bool = False,
    batch_norm: str | None = None,
    rtol: float = 0.01,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> Path:
    """A path of low loss from one point to another, and the barrier left on it.

        barrier = max_t loss(c(t)) − max(loss(a), loss(b))

    ``"bezier"`` and ``"polychain"`` lower the mean loss along the curve, with one small
    batch at one place of it a step; ``"neb"``, a nudged elastic band, lets a chain of
    images slide down across its own direction, which ends on a path that descends
    steepest from its passes; ``"straight"`` only measures. Steps are Adam's, in units
    of the ends' mean difference, in rounds that end at rest. Rounds go on until the
    barrier is below ``rtol`` times the straight line's, or two in a row have not
    lowered it by as much; images are inserted where the band rises between two. What
    comes back is the lowest curve of all rounds: the straight line, if none was lower.

    The loss is then measured at ``steps`` places or more, and where parabolas say that
    it is higher still. The barrier comes with what they say is left between samples,
    and with its standard error over the data, from losses at the peak and the higher
    end paired by sample. An error of NaN means unknown: one batch that cannot be cut.

    Costs 150 steps of 64 samples in the first round, 7 gradients for 1,437 samples,
    twice as many in the next one; a band as many times more as it has images. After a
    round the barrier is judged on 4,096 samples at most; the final measurement is some
    75 passes without gradients, and as many more where statistics are re-estimated.
    Between two small CNNs that is one to three seconds on a core, and two to six for a
    band. Memory: 6 · p numbers a control point, 12 · p an image.

    Misleads where a barrier is read as one that every path must cross: it is what this
    one crosses. Between samples, what is narrower than their distance is not seen. The
    curve was fitted to the training data: on test data it can be higher, see
    ``test_barrier``. A mean loss is lowered, and a short high wall weighs little in it:
    there a band or more bends do better. Under ``"frozen"`` batch norm, barriers
    between two checkpoints are mostly an artefact.

    Parameters
    ----------
    land : Landscape
        Whose loss, over whose data.
    a, b
        Models, state dicts, flat tensors ``(p,)``, or ``None`` for where the model is.
    method : str
        ``"bezier"``, ``"polychain"``, ``"neb"`` or ``"straight"``.
    bends : int, optional
        Control points between the ends: 1 for a Bezier curve (a parabola), 3 for a
        polychain, 7 images for a band, which grows to three times as many.
    steps : int
        Places where the loss along the path is measured, at least 3.
    climb : bool
        Whether a band's highest image climbs to the pass.
    batch_norm : str, optional
        ``"re-estimated"``: from the training data at every point; curves are trained
        with each batch's own statistics, as networks are. The default where the model
        has batch norm with running statistics in eval mode, as those of neither end
        belong to points between. ``"interpolated"`` mixes the ends' statistics as the
        line between them does; ``"frozen"`` are the model's own.
    rtol : float
        What share of the straight line's barrier is small enough.
    seed : int
        Of batches, places and the sideways push that leaves a ridge.
    budget : int or str, optional
        Gradients over all training data (20,000 by default), or a time like ``"30s"``,
        for the training of the curve; measuring it comes on top.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Returns
    -------
    Path
        Losses, barriers with errors, lengths, and the curve itself.

    Raises
    ------
    ParameterError, ArgumentError
        When an end is no point of this landscape, or an argument cannot be used.
    TheodoliteError
        As :meth:`Landscape.loss` and :meth:`Landscape.gradient` raise.

    References
    ----------
    Garipov et al., "Loss surfaces, mode connectivity, and fast ensembling of DNNs",
    2018, arXiv:1802.10026; Draxler et al., "Essentially no barriers in neural network
    energy landscape", 2018, arXiv:1803.00885; Henkelman and Jónsson, 2000,
    doi:10.1063/1.1323224.
    """
    require_landscape(land)
    _require_sensible(method, bends, steps, rtol)
    _require_of_method(method, bends, climb)
    policy = policy_of(land, batch_norm)
    start, stop = as_place(land, a), as_place(land, b)
    require_buffers(land, policy, start, stop)
    groups, passes = groups_of(land, seed), Passes()
    with Effort(passes, budget, _BUDGET, progress, f"path ({method})") as effort:
        search = Search(
            method=method,
            bends=_BENDS[method] if bends is None else bends,
            climb=climb,
            rtol=rtol,
            batch_norm=policy,
            cut=groups is not None and groups.cut,
            seed=seed,
            passes=passes,
            effort=effort,
        )
        # whatever the search finds to do, the line is measured first
        effort.tell(effort.room)
        curve, outcome = straight(start, stop, 2), _LINE
        if torch.equal(start.point, stop.point):
            outcome = _SAME
        elif method != "straight":
            curve, outcome = search.run(land, start, stop)
        found = measured(land, curve, outcome, steps, policy, groups, seed)
        return _path(found, search, effort.seconds)


def _path(found: Measured, search: Search, seconds: float) -> Path:
    """A measured curve with what it cost."""
    start, stop = found.curve.start, found.curve.stop
    return Path(
        method=search.method,
        curve=found.curve,
        t=found.profile.t,
        distance=found.curve.distances(found.profile.t),
        loss=found.profile.loss,
        test_loss=found.profile.test_loss,
        barrier=found.barrier,
        test_barrier=found.test_barrier,
        straight_barrier=found.straight_barrier,
        length=found.curve.length,
        straight_length=norm(stop.point - start.point),
        batch_norm=search.batch_norm,
        gradients=search.passes.gradients,
        seconds=seconds,
        seed=search.seed,
        outcome=found.outcome,
    )


def _require_sensible(method: str, bends: int | None, steps: int, rtol: float) -> None:
    if method not in _BENDS:
        raise ArgumentError(
            found=f"method={method!r}.",
            why="There is no such way from one point to another.",
            instead='Give "bezier", "polychain", "neb" or "straight".',
        )
    for name, value, least in (("bends", bends, 1), ("steps", steps, 3)):
        if value is not None and value < least:
            raise ArgumentError(
                found=f"{name}={value}.",
                why="A curve bends somewhere, and is measured between its ends.",
                instead=f"Give {least} or more, or leave it out.",
            )
    if not 0 < rtol < 1:
        raise ArgumentError(
            found=f"rtol={rtol}.",
            why="It is a share of the straight line's barrier.",
            instead="Give for example rtol=0.01.",
        )


def _require_of_method(method: str, bends: int | None, climb: bool) -> None:
    if climb and method != "neb":
        raise ArgumentError(
            found=f"climb=True with method={method!r}.",
            why="Only the images of a band can climb.",
            instead='Give method="neb".',
        )
    if bends is not None and method == "straight":
        raise ArgumentError(
            found=f'bends={bends} with method="straight".',
            why="A straight line has none.",
            instead='Leave it out, or give method="polychain".',
        )
