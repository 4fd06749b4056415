"""What a computation may spend on products, and what it has spent."""

import time
from types import TracebackType
from typing import Any, Protocol, final, runtime_checkable

from theodolite.budget import BudgetLike, as_budget
from theodolite.progress import ProgressLike, as_watcher


@runtime_checkable
class Counts(Protocol):
    """Whatever counts its products."""

    products: int


@final
class Effort:
    """Products, seconds and bytes of one computation, and whoever is told of them.

    A context: whatever happens inside, the watcher is let go.

    Parameters
    ----------
    matrix : Counts
        Whose products are counted.
    budget : int, str, Budget or None
        What users gave.
    default : int
        Products that may be spent where they gave nothing.
    progress : bool or Watcher
        Whether a bar is shown, or whom to tell.
    stage : str
        What the bar says.

    Attributes
    ----------
    beside : Counts or None
        Another one whose products are counted with those of the first.
    """

    def __init__(
        self,
        matrix: Counts,
        budget: BudgetLike,
        default: int,
        progress: ProgressLike = False,
        stage: str = "products",
    ) -> None:
        self._matrix, self._before = matrix, matrix.products
        self._began, self._stage = time.perf_counter(), stage
        self.budget = as_budget(budget, default)
        self._watcher = as_watcher(progress)
        self.bytes = 0
        self.beside: Counts | None = None

    def __enter__(self) -> "Effort":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watcher.close()

    @property
    def products(self) -> int:
        """Single-vector products spent so far."""
        others = 0 if self.beside is None else self.beside.products
        return self._matrix.products - self._before + others

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.perf_counter() - self._began

    @property
    def room(self) -> float:
        """How many more products the budget's bound on them allows."""
        return self.budget.room(self.products)

    def spent(self, products: int = 1) -> bool:
        """Whether so many more products would exceed the budget."""
        return self.budget.spent(self.products + products - 1)

    def holds(self, size: int) -> None:
        """Note that so many bytes are held by vectors now."""
        self.bytes = max(self.bytes, size)

    def tell(self, left: float) -> None:
        """Say how many products are expected still."""
        done = self.products
        left = max(0.0, min(left, self.room))
        seconds = left * self.seconds / done if done else float("inf")
        self._watcher.update(self._stage, done / max(done + left, 1), seconds)

    @property
    def cost(self) -> dict[str, Any]:
        """The fields of a result that say what it cost."""
        return {
            "products": self.products,
            "seconds": self.seconds,
            "bytes": self.bytes,
        }
