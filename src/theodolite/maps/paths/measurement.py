"""A curve measured: the loss along it, its barriers and their errors."""

from dataclasses import dataclass
from typing import final

from theodolite.errors import DataError, LossError, ModelError
from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.paths.barrier import Barrier, barrier_of, data_error
from theodolite.maps.paths.curve import Curve, straight
from theodolite.maps.paths.ends import require_finite_ends
from theodolite.maps.paths.profile import Profile, profile_of
from theodolite.maps.paths.rounds import UNBEATEN, even_grid
from theodolite.outcomes import Outcome
from theodolite.site.other_data.groups import Groups, grouped


@final
@dataclass(frozen=True)
class Measured:
    """A curve and all that was measured along it.

    Attributes
    ----------
    curve : Curve
        The lower of the one that was found and the straight line.
    profile : Profile
        The losses along it.
    barrier, test_barrier : Barrier
        With their errors.
    straight_barrier : float
        Of the line, on the training data.
    outcome : Outcome
        How it was found; another one where the line was lower.
    """

    curve: Curve
    profile: Profile
    barrier: Barrier
    test_barrier: Barrier | None
    straight_barrier: float
    outcome: Outcome


def measured(
    land: Landscape,
    curve: Curve,
    outcome: Outcome,
    steps: int,
    batch_norm: BatchNorm,
    groups: Groups | None,
    seed: int,
) -> Measured:
    """The lower of a curve and the straight line on all data, and its barriers."""
    line = straight(curve.start, curve.stop, 2)
    # between equal ends nothing is mixed, not even to the last bit
    grid = even_grid(line, steps) if line.length else line.knots
    of_line = profile_of(land, line, grid, batch_norm)
    require_finite_ends(of_line.loss)
    straight_barrier = _height(of_line)
    profile = of_line
    if len(curve.control) > 2:
        profile = profile_of(land, curve, even_grid(curve, steps), batch_norm)
        if not _height(profile) <= straight_barrier:
            curve, profile, outcome = line, of_line, UNBEATEN
    barriers = []
    lands = [(land, groups)]
    if land.test is not None:
        lands.append((land.test, groups_of(land.test, seed)))
    for (_, parts), loss in zip(lands, profile.sides, strict=True):
        error = data_error(parts, land, curve, profile.t, loss, batch_norm)
        barriers.append(barrier_of(profile.t, loss, error))
    return Measured(
        curve,
        profile,
        barriers[0],
        barriers[1] if len(barriers) > 1 else None,
        straight_barrier,
        outcome,
    )


def _height(profile: Profile) -> float:
    return barrier_of(profile.t, profile.loss, (0.0, 0)).value


def groups_of(land: Landscape, seed: int) -> Groups | None:
    """The data as independent parts; ``None`` where there are no such parts."""
    if land.model is None:
        return None
    try:
        return grouped(land, None, seed)
    except DataError:
        return None
    except (LossError, ModelError):
        # whole, the data can be measured: it is the cutting that cannot
        land.loss()
        return None
