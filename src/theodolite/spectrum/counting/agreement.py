"""Whether two independent estimates of one number agree."""

from dataclasses import dataclass
from math import inf
from typing import Any

from theodolite.estimate import Estimate

# standard errors between two estimates of the same number, at most
FAR = 4.0


@dataclass(frozen=True, repr=False)
class Agreement:
    """Numbers measured twice, and how far apart they are.

    Attributes
    ----------
    names : tuple of str
        Of the numbers.
    here, there : tuple of Estimate
        The estimates of each.
    """

    names: tuple[str, ...]
    here: tuple[Estimate[float], ...]
    there: tuple[Estimate[float], ...]

    @property
    def distances(self) -> tuple[float, ...]:
        """How far apart both estimates are, in standard errors of their difference."""
        pairs = zip(self.here, self.there, strict=True)
        return tuple(_distance(mine, theirs) for mine, theirs in pairs)

    @property
    def good(self) -> bool:
        """Whether no distance is beyond four standard errors."""
        return all(distance <= FAR for distance in self.distances)

    def to_dict(self) -> dict[str, Any]:
        """Both values, their errors and their distance for each name, plain."""
        rows = zip(self.names, self.here, self.there, self.distances, strict=True)
        return {
            name: {
                "value": mine.value,
                "error": mine.error,
                "other": theirs.value,
                "other_error": theirs.error,
                "distance": distance,
            }
            for name, mine, theirs, distance in rows
        }

    def __repr__(self) -> str:
        rows = zip(self.names, self.here, self.there, self.distances, strict=True)
        return "\n".join(
            f"{name}: {mine.value:.6g} ± {mine.error:.2g} here, {theirs.value:.6g} ± "
            f"{theirs.error:.2g} there: {_judged(distance)}"
            for name, mine, theirs, distance in rows
        )


def _distance(mine: Estimate[float], theirs: Estimate[float]) -> float:
    difference = abs(mine.value - theirs.value)
    # what both compute exactly differs by rounding
    rounding = 1e-12 * max(abs(mine.value), abs(theirs.value))
    error = (mine.error**2 + theirs.error**2) ** 0.5 + rounding
    return difference / error if error else inf if difference else 0.0


def _judged(distance: float) -> str:
    if distance <= FAR:
        return f"they agree ({distance:.1f} standard errors apart)"
    return (
        f"they disagree by {distance:.1f} standard errors. Were both of the same "
        "operator, at the same point and on the same data? Otherwise give more probes"
    )
