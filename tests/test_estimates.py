"""Numbers with their errors, and what a computation says of its cost."""

import pytest
import torch
from scipy.stats import t as student

from theodolite.errors import ArgumentError
from theodolite.estimate import Estimate
from theodolite.operators.matrix import Matrix
from theodolite.outcomes import EXACT
from theodolite.progress import Silent, as_watcher
from theodolite.spectrum.effort import Effort
from theodolite.student import student_quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 8, 19, 20, 101, 200, 201, 1000, 10**6])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_quantiles_are_those_of_students_t(confidence: float, freedom: int) -> None:
    wanted = float(student.ppf((1 + confidence) / 2, freedom))
    assert student_quantile(confidence, freedom) == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, float("nan")])
def test_no_probability_is_refused(confidence: float) -> None:
    with pytest.raises(ArgumentError, match=r"0\.95"):
        student_quantile(confidence, 3)


def estimate(error: float, probes: int, freedom: int | None = None) -> Estimate[float]:
    return Estimate(2.0, error, probes, 0, 0.0, 0, EXACT, freedom=freedom)


def test_intervals_widen_for_few_probes_and_vanish_for_exact_values() -> None:
    low, high = estimate(0.1, 3).interval()
    assert (low, high) == pytest.approx((2 - 0.43026527, 2 + 0.43026527))
    narrow = estimate(0.1, 300).interval()
    assert low < narrow[0] < narrow[1] < high
    assert estimate(0.1, 300, freedom=2).interval() == (low, high)
    assert estimate(0.0, 0).interval() == (2.0, 2.0)
    assert estimate(0.1, 1).interval() == (float("-inf"), float("inf"))


class Listening:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float, float]] = []
        self.closed = False

    def update(self, stage: str, done: float, left: float) -> None:
        self.told.append((stage, done, left))

    def close(self) -> None:
        self.closed = True


def interrupted(listener: Listening) -> None:
    matrix = Matrix(torch.eye(5))
    with Effort(matrix, 4, 1000, listener, "multiplying") as effort:
        _ = matrix @ torch.ones(5, 3)
        assert (effort.products, effort.room) == (3, 1)
        assert not effort.spent()
        assert effort.spent(2)
        effort.holds(40)
        effort.holds(20)
        assert effort.cost["bytes"] == 40
        effort.tell(10)
        raise KeyboardInterrupt


def test_an_effort_counts_tells_and_lets_go_also_when_interrupted() -> None:
    listener = Listening()
    with pytest.raises(KeyboardInterrupt):
        interrupted(listener)
    assert listener.closed
    stage, done, left = listener.told[0]
    # the budget leaves one more product
    assert (stage, done) == ("multiplying", 0.75)
    assert 0 < left < 1


def test_silence_is_the_default_and_asking_shows_a_bar() -> None:
    assert isinstance(as_watcher(False), Silent)
    shown = as_watcher(True)
    shown.update("multiplying", 0.5, 3.0)
    shown.close()
    assert not isinstance(shown, Silent)
