"""Losses that are negative log-likelihoods, with their curvature in closed form.

    mean loss = Σ_r w_r · ℓ(z_r, y_r),   ℓ(z, y) = −log p(y | z)

A row r is one target: one class (of a sample, a token, a pixel), one binary label, or
one sample's vector of real numbers. A weight counts as if a target were there so often.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

# numbers in one slice of rows: bounds the memory beside the outputs themselves
_SLICE = 1 << 22


class Likelihood(ABC):
    """Rows of outputs, each with its weight, and what the loss does to them.

    Parameters
    ----------
    outputs : Tensor
        What the loss was called with, of any layout.
    rows : Tensor
        The same as rows ``(r, c)``.
    weights : Tensor
        What each row weighs in the mean loss, ``(r,)``.
    """

    def __init__(
        self,
        outputs: Tensor,
        rows: Float[Tensor, "r c"],
        weights: Float[Tensor, " r"],
    ) -> None:
        self.outputs = outputs
        wide = torch.promote_types(rows.dtype, torch.float32)
        self.rows = rows.detach().to(wide)
        self.weights = weights.detach().to(self.rows)

    @property
    @abstractmethod
    def rank(self) -> int:
        """How many columns a row's :meth:`root` has."""

    @abstractmethod
    def curved(self, at: slice, tangent: Tensor) -> Tensor:
        """∇²ℓ times a tangent, for the rows at a slice."""

    @abstractmethod
    def root(self, at: slice, column: int) -> Tensor:
        """One column of S with S Sᵀ = ∇²ℓ, for the rows at a slice."""

    @abstractmethod
    def mixed(self, at: slice, signs: Tensor) -> Tensor:
        """An S of as many columns as outputs, times signs, for the rows at a slice."""

    @abstractmethod
    def slope(self, at: slice, targets: Tensor | None = None) -> Tensor:
        """∇ℓ at the true targets, or at drawn ones, for the rows at a slice."""

    @abstractmethod
    def drawn(self, generator: torch.Generator) -> Shaped[Tensor, "r ..."]:
        """Targets from the model's own distribution, one for each row."""

    def as_rows(self, tensor: Tensor) -> Float[Tensor, "r c"]:
        """A tensor shaped like the outputs, as rows."""
        return tensor.reshape(self.rows.shape).to(self.rows.dtype)

    def as_outputs(self, rows: Float[Tensor, "r c"]) -> Tensor:
        """Rows, shaped and typed like the outputs."""
        return rows.reshape(self.outputs.shape).to(self.outputs.dtype)

    def column(self, column: int) -> Float[Tensor, "r c"]:
        """One column of every row's root, its weight's root included."""
        return self.filled(lambda at: self.root(at, column), self.weights.sqrt())

    def signed(self, generator: torch.Generator) -> Float[Tensor, "r c"]:
        """Every row's root times random signs, its weight's root included."""
        signs = self._numbers(generator).bernoulli_(generator=generator)
        signs.mul_(2).sub_(1)
        return self.filled(lambda at: self.mixed(at, signs[at]), self.weights.sqrt())

    def filled(
        self, part: Callable[[slice], Tensor], scale: Float[Tensor, " r"]
    ) -> Float[Tensor, "r c"]:
        """Scaled rows, computed some at a time."""
        result = torch.empty_like(self.rows)
        step = max(1, _SLICE // max(1, self.rows.shape[1]))
        for start in range(0, len(self.rows), step):
            at = slice(start, start + step)
            torch.mul(part(at), scale[at, None], out=result[at])
        return result

    def _numbers(self, generator: torch.Generator) -> Float[Tensor, "r c"]:
        """Room for random numbers, where the generator can write them."""
        return torch.full_like(self.rows, 0.5, device=generator.device)


@final
class Categorical(Likelihood):
    """Cross-entropy: ∇²ℓ = diag p − p pᵀ, with p the softmax of a row.

    Parameters
    ----------
    outputs : Tensor
        Logits ``(c,)``, ``(n, c)`` or ``(n, c, d1, ...)``.
    weights : Tensor
        Of the rows, ``(r,)``.
    expected : callable
        The share of each class in the targets, for the rows at a slice.
    """

    def __init__(
        self,
        outputs: Tensor,
        weights: Float[Tensor, " r"],
        expected: Callable[[slice], Tensor],
    ) -> None:
        self._whole = outputs.ndim == 1
        super().__init__(outputs, self._rows_of(outputs), weights)
        self._expected = expected

    def _rows_of(self, tensor: Tensor) -> Tensor:
        return classes_last(tensor).reshape(-1, tensor.shape[0 if self._whole else 1])

    def as_rows(self, tensor: Tensor) -> Float[Tensor, "r c"]:
        """A tensor shaped like the outputs, as rows."""
        return self._rows_of(tensor).to(self.rows.dtype)

    def as_outputs(self, rows: Float[Tensor, "r c"]) -> Tensor:
        """Rows, shaped and typed like the outputs."""
        if self.outputs.ndim < 3:
            return super().as_outputs(rows)
        samples, classes, *places = self.outputs.shape
        shaped = rows.reshape(samples, *places, classes).movedim(-1, 1)
        return shaped.to(self.outputs.dtype)

    @property
    def rank(self) -> int:
        """One less than the classes: p sums to one."""
        return self.rows.shape[1] - 1

    def curved(self, at: slice, tangent: Tensor) -> Tensor:
        """P u − p (p·u)."""
        shares = self.rows[at].softmax(1)
        bent = shares * tangent
        return bent.addcmul_(shares, bent.sum(1, keepdim=True), value=-1)

    def root(self, at: slice, column: int) -> Tensor:
        """A column of the Cholesky factor (Tanabe and Sagae, JRSS B 54, 1992)."""
        shares = self.rows[at].softmax(1)
        # what is left behind a class, summed from the small end: nothing cancels
        left = shares.flip(1).cumsum(1).flip(1)
        before, after = left[:, column], left[:, column + 1]
        top = (shares[:, column] * after / before.clamp_min(_tiny(before))).sqrt()
        scale = -top / after.clamp_min(_tiny(after))
        below = shares[:, column + 1 :] * scale[:, None]
        padding = torch.zeros_like(shares[:, :column])
        return torch.cat([padding, top[:, None], below], 1)

    def mixed(self, at: slice, signs: Tensor) -> Tensor:
        """√P r − p (√p·r)."""
        shares = self.rows[at].softmax(1)
        bent = shares.sqrt() * signs
        return bent.addcmul_(shares, bent.sum(1, keepdim=True), value=-1)

    def slope(self, at: slice, targets: Tensor | None = None) -> Tensor:
        """P − y."""
        shares = self.rows[at].softmax(1)
        if targets is None:
            return shares.sub_(self._expected(at))
        hit = targets[at, None]
        return shares.scatter_add_(1, hit, -torch.ones_like(hit, dtype=shares.dtype))

    def drawn(self, generator: torch.Generator) -> Shaped[Tensor, " r"]:
        """Classes, each drawn with its probability."""
        places = torch.rand(
            len(self.rows), generator=generator, device=generator.device
        )
        found = torch.empty_like(self.weights, dtype=torch.long)
        step = max(1, _SLICE // self.rows.shape[1])
        for start in range(0, len(found), step):
            at = slice(start, start + step)
            sums = self.rows[at].double().softmax(1).cumsum(1)
            where = places[at, None].to(sums) * sums[:, -1:]
            found[at] = torch.searchsorted(sums, where, right=True)[:, 0]
        return found.clamp_max_(self.rows.shape[1] - 1)


def classes_last(tensor: Tensor) -> Tensor:
    """Class dimension 1 moved to the end, where there is more than one behind it."""
    return tensor.movedim(1, -1) if tensor.ndim > 2 else tensor


def _tiny(like: Tensor) -> float:
    return torch.finfo(like.dtype).tiny


@final
class Bernoulli(Likelihood):
    """Binary cross-entropy of logits: ∇²ℓ = σ (1 − σ), every label a row.

    Parameters
    ----------
    outputs : Tensor
        Logits of any shape.
    weights : Tensor
        Of the labels, ``(r,)``.
    expected : Tensor
        The labels, between 0 and 1, ``(r,)``.
    """

    def __init__(
        self,
        outputs: Tensor,
        weights: Float[Tensor, " r"],
        expected: Float[Tensor, " r"],
    ) -> None:
        super().__init__(outputs, outputs.reshape(-1, 1), weights)
        self._expected = expected.to(self.rows)[:, None]

    @property
    def rank(self) -> int:
        """One."""
        return 1

    def curved(self, at: slice, tangent: Tensor) -> Tensor:
        """σ (1 − σ) u."""
        return self._spread(at) * tangent

    def root(self, at: slice, column: int) -> Tensor:
        """√(σ (1 − σ))."""
        del column
        return self._spread(at).sqrt()

    def mixed(self, at: slice, signs: Tensor) -> Tensor:
        """√(σ (1 − σ)) r."""
        return self._spread(at).sqrt() * signs

    def slope(self, at: slice, targets: Tensor | None = None) -> Tensor:
        """σ − y."""
        target = self._expected if targets is None else targets
        return self.rows[at].sigmoid() - target[at]

    def drawn(self, generator: torch.Generator) -> Float[Tensor, "r 1"]:
        """Labels, each one with its probability."""
        places = self._numbers(generator).uniform_(generator=generator)
        return (places.to(self.rows.device) < self.rows.sigmoid()).to(self.rows.dtype)

    def _spread(self, at: slice) -> Tensor:
        # the product of both tails: one minus a share near one would cancel
        return self.rows[at].sigmoid() * functional.sigmoid(-self.rows[at])


@final
class Gaussian(Likelihood):
    """Squared error over c numbers a sample: ℓ = ‖z − y‖²/c, so ∇²ℓ = 2/c.

    As a likelihood, that of real targets with variance c/2 around the outputs.

    Parameters
    ----------
    outputs : Tensor
        Predictions, a sample in every row of the first dimension.
    weights : Tensor
        Of the samples, ``(r,)``.
    targets : Tensor
        Shaped like the outputs.
    """

    def __init__(
        self, outputs: Tensor, weights: Float[Tensor, " r"], targets: Tensor
    ) -> None:
        super().__init__(outputs, outputs.reshape(len(weights), -1), weights)
        self._targets = self.as_rows(targets.detach())

    @property
    def rank(self) -> int:
        """One for each number."""
        return self.rows.shape[1]

    @property
    def _bend(self) -> float:
        return 2.0 / self.rows.shape[1]

    def curved(self, at: slice, tangent: Tensor) -> Tensor:
        """2 u / c."""
        del at
        return tangent * self._bend

    def root(self, at: slice, column: int) -> Tensor:
        """√(2/c) times a unit vector."""
        unit = torch.zeros_like(self.rows[at])
        unit[:, column] = self._bend**0.5
        return unit

    def mixed(self, at: slice, signs: Tensor) -> Tensor:
        """√(2/c) r."""
        del at
        return signs * self._bend**0.5

    def slope(self, at: slice, targets: Tensor | None = None) -> Tensor:
        """2 (z − y) / c."""
        target = self._targets if targets is None else targets
        return (self.rows[at] - target[at]) * self._bend

    def drawn(self, generator: torch.Generator) -> Float[Tensor, "r c"]:
        """Normal numbers around the outputs."""
        noise = self._numbers(generator).normal_(generator=generator)
        return self.rows + noise.to(self.rows.device) / self._bend**0.5
