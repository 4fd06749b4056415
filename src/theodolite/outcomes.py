"""How a computation ended: data, whose text names the cause and the remedy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How a computation ended.

    Attributes
    ----------
    name : str
        ``"converged"``, ``"exact"``, ``"budget"``, ``"rounding"`` or
        ``"interrupted"``.
    text : str
        One sentence: what happened, and which argument would change it.
    """

    name: str
    text: str

    @property
    def good(self) -> bool:
        """Whether the stated tolerance was met."""
        return self.name in {"converged", "exact"}

    def __str__(self) -> str:
        return self.text


EXACT = Outcome("exact", "Computed from the whole matrix; the only error is rounding.")


def converged(what: str) -> Outcome:
    """``what`` met its tolerance."""
    return Outcome("converged", f"{what}.")


def out_of_budget(what: str, remedy: str) -> Outcome:
    """The budget ended first; ``remedy`` says what to raise or relax."""
    return Outcome("budget", f"Not converged: {what}. {remedy}.")


def rounding(what: str, remedy: str) -> Outcome:
    """The type's rounding stands in the way of the tolerance."""
    return Outcome("rounding", f"Not converged: {what}. {remedy}.")
