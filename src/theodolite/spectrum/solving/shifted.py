"""Systems that differ in their damping alone, from one Krylov space."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.spectrum.effort import Effort
from theodolite.spectrum.krylov import Krylov
from theodolite.spectrum.solving.givens import Turned, turned, unturned
from theodolite.spectrum.solving.refinement import (
    Method,
    Reached,
    System,
    missing_products,
    reached_at,
    refined,
)
from theodolite.spectrum.solving.stagnation import STUCK, Place
from theodolite.spectrum.vectors import combined, inner, norm

# of basis and products; beyond, systems are finished one by one
_BASIS_BYTES = 2**30


def solved_together(
    systems: Sequence[System], method: Method, *, galerkin: bool, seed: int
) -> list[Reached]:
    """Each system from the Krylov space of their right-hand side.

    H + δ I has H's Krylov space whatever δ, so that one product serves all. The basis
    stays orthogonal and its products are kept: true residuals cost none.

    Parameters
    ----------
    systems : sequence of System
        Of one matrix, right-hand side, goal and effort.
    method : Method
        Finishes alone what the space leaves unfinished.
    galerkin : bool
        Whether the small systems are solved as they stand, as conjugate gradients do,
        or with least residuals.
    seed : int
        For directions taken when the space is exhausted.
    """
    space = _space(systems[0], seed)
    shifts = [_Shift(system, space, galerkin) for system in systems]
    _grow(space, shifts, systems[0].effort)
    lowest = _lowest(space)
    # all of them, before anything else is spent
    reached = [shift.reached(*lowest) for shift in shifts]
    return [
        _finished(system, method, so_far)
        for system, so_far in zip(systems, reached, strict=True)
    ]


def _grow(space: Krylov, shifts: Sequence["_Shift"], effort: Effort) -> None:
    """Product by product, until no system needs more."""
    matrix, target = shifts[0].system.matrix, shifts[0].system.target
    effort.holds(space.bytes + 2 * len(shifts) * target.nbytes)
    # solutions that are rounded are multiplied once more
    checks = 0 if target.dtype == matrix.dtype else len(shifts)
    while any(shift.open for shift in shifts):
        if space.full or effort.spent(1 + checks):
            return
        space.grow(matrix)
        alpha, beta = _newest(space)
        for shift in shifts:
            shift.absorb(alpha, beta)
        effort.tell(max(shift.missing for shift in shifts))


def _lowest(space: Krylov) -> tuple[float, Tensor | None]:
    """The least curvature seen, and the unit direction along which it is."""
    if not space.dimension:
        return inf, None
    values, mixes = torch.linalg.eigh(space.small)
    return float(values[0]), space.vectors(mixes[:, :1])[:, 0]


def _space(system: System, seed: int) -> Krylov:
    """As large as memory and budget allow."""
    each = 2 * len(system.target) * system.matrix.dtype.itemsize
    capacity = int(min(_BASIS_BYTES // each, system.effort.room))
    return Krylov(system.target.to(system.matrix.dtype), max(1, capacity), seed)


def _newest(space: Krylov) -> tuple[float, float]:
    """The tridiagonal matrix's last entries, on the diagonal and below it."""
    ahead = space.next
    beta = 0.0 if ahead is None else float(inner(space.products[-1:], ahead)[0])
    return float(space.small[-1, -1]), beta


def _finished(system: System, method: Method, so_far: Reached) -> Reached:
    """What the space leaves unfinished, alone from there."""
    if so_far.ended:
        return so_far
    alone = refined(system, method, so_far)
    if so_far.curvature > alone.curvature:
        return alone
    return replace(alone, bend=so_far.bend, curvature=so_far.curvature)


@final
class _Shift:
    """One system in the growing space."""

    def __init__(self, system: System, space: Krylov, galerkin: bool) -> None:
        self.system, self.open = system, True
        self._space, self._galerkin = space, galerkin
        self._rounding = torch.finfo(system.matrix.dtype).eps
        self._begun = norm(system.target)
        self._turned = unturned(self._begun)
        # the last pivot of T + δ I, and the norm of that, about
        self._pivot, self._scale = inf, 0.0
        self._columns, self._below = 0, 0.0
        self._bent, self._stuck = False, False
        # columns to come back to
        self._place: Place | None = None
        self._kept: tuple[int, float, Turned] | None = None
        self._due = 0

    @property
    def missing(self) -> float:
        """Products still expected."""
        if not self.open:
            return 0
        sizes = self._begun, self._residual, self.system.goal
        return missing_products(self._columns, *sizes)

    @property
    def _residual(self) -> float:
        """Its norm, by recurrence."""
        return self._turned.galerkin if self._galerkin else self._turned.rest

    def absorb(self, alpha: float, beta: float) -> None:
        """One more column of T, unless this system needs none."""
        if not self.open:
            return
        alpha += self.system.damping
        above = self._below
        self._scale = max(self._scale, (alpha**2 + beta**2 + above**2) ** 0.5)
        self._pivot = alpha - above**2 / self._pivot
        if self._galerkin and self._pivot <= self._rounding * self._scale:
            self.open, self._bent = False, True
            return
        now = turned(self._turned, alpha, beta)
        self._note_reach(now.reach / self._scale if self._scale else 0.0)
        if not self.open:
            return
        self._turned, self._columns, self._below = now, self._columns + 1, beta
        exhausted = beta <= 8 * self._rounding * self._scale
        self.open = self._residual > self.system.goal and not exhausted
        self._look_back()

    def _note_reach(self, reach: float) -> None:
        """Remember where the matrix nearly sent the residual to zero."""
        if self._galerkin:
            return
        if reach <= STUCK * self._rounding:
            self.open, self._stuck = False, True
            self._return()
        elif reach <= self._rounding**0.5:
            here = Place(reach, self._residual, norm(self._coordinates()))
            if self._place is None or here.better(self._place):
                self._place = here
                self._kept = self._columns, self._below, self._turned

    def _look_back(self) -> None:
        """Whether nothing but rounding has come of it since, as in Minres."""
        if self._place is None or self._columns < self._due:
            return
        # the small system is solved for it, which takes its time
        self._due = self._columns + max(4, self._columns // 8)
        self._return()

    def _return(self) -> None:
        """Take no more columns than were good, if the later ones are not."""
        if self._place is None or self._kept is None:
            return
        size = norm(self._coordinates())
        bounds = {"scale": self._scale, "rounding": self._rounding}
        if self._place.in_vain(self._residual, size, last=self._stuck, **bounds):
            self._columns, self._below, self._turned = self._kept
            self.open, self._stuck = False, True

    def reached(self, lowest: float, direction: Tensor | None) -> Reached:
        """The solution in the space, with its true residual."""
        so_far = self._solved()
        curvature = lowest + self.system.damping
        if curvature <= 0:
            so_far = replace(so_far, bend=direction, curvature=curvature)
        if so_far.residual <= self.system.goal:
            return replace(so_far, ended="converged")
        if self._bent:
            return replace(so_far, ended="bend" if curvature <= 0 else "flat")
        return replace(so_far, ended="stuck") if self._stuck else so_far

    def _solved(self) -> Reached:
        system, count = self.system, self._columns
        if not count:
            return reached_at(torch.zeros_like(system.target), system.target)
        mix = self._coordinates()[:, None]
        found, image = (
            combined(rows[:count], mix)[0].to(system.target)
            for rows in (self._space.basis, self._space.products)
        )
        x = system.rounded(found)
        if not torch.equal(x, found):
            return reached_at(x, system.rest(x), count)
        return reached_at(x, system.target - image - system.damping * x, count)

    def _coordinates(self) -> Float[Tensor, " m"]:
        """The small system's solution."""
        count = self._columns
        if not count:
            return torch.zeros(0, dtype=torch.float64)
        small = self._space.small[:count, :count].clone()
        small.diagonal().add_(self.system.damping)
        right = torch.zeros(count + 1, dtype=torch.float64)
        right[0] = self._begun
        if self._galerkin:
            return torch.linalg.solve(small, right[:-1])
        last = torch.zeros(1, count, dtype=torch.float64)
        last[0, -1] = self._below
        return torch.linalg.lstsq(torch.cat([small, last]), right).solution
