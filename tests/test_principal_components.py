"""Principal components from inner products: those of the dense decomposition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spectra import rotation
from theodolite.errors import ArgumentError, NonFiniteError
from theodolite.maps.trajectories import columns
from theodolite.maps.trajectories.columns import Listed, Together, slabs
from theodolite.maps.trajectories.principal_components import (
    Origin,
    decomposed,
    principal_components,
    signs_of,
    straighten,
)

F64 = torch.float64


def cloud(m: int, p: int, seed: int = 0) -> Tensor:
    """Points whose spread falls by a third from one direction to the next."""
    generator = torch.Generator().manual_seed(seed)
    spread = 0.7 ** torch.arange(p, dtype=F64)
    return torch.randn(m, p, generator=generator, dtype=F64) * spread + 5


def differences(points: Tensor, origin: Origin) -> Tensor:
    return points - (points[-1] if origin == "last" else points.mean(0))


@pytest.mark.parametrize("origin", ["last", "mean"])
@pytest.mark.parametrize(("m", "p"), [(12, 40), (40, 12), (3, 3), (60, 300)])
def test_they_are_those_of_the_singular_value_decomposition(
    m: int, p: int, origin: Origin
) -> None:
    points = cloud(m, p)
    found = principal_components(Listed(list(points)), origin=origin)
    x = differences(points, origin)
    _, sizes, rows = torch.linalg.svd(x, full_matrices=False)
    for number in range(2):
        cosine = float(found.directions[number] @ rows[number])
        assert abs(cosine) == pytest.approx(1, abs=1e-10)
    shares = sizes.square() / sizes.square().sum()
    torch.testing.assert_close(found.explained[: len(shares)], shares)
    assert found.total == pytest.approx(float(x.square().sum()), rel=1e-12)
    torch.testing.assert_close(found.coordinates, x @ found.directions.T)
    assert torch.equal(found.center, points[-1] if origin == "last" else points.mean(0))
    assert not found.tied


@pytest.mark.parametrize("origin", ["last", "mean"])
def test_blocks_of_columns_add_up_to_the_whole(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = Listed(list(cloud(12, 101)))
    whole = principal_components(points, 3, origin=origin)
    # seven columns at a time, and the last three alone
    monkeypatch.setattr(columns, "_BLOCK", 7 * 12)
    assert [place.stop - place.start for place in slabs(points)] == [7] * 14 + [3]
    found = principal_components(points, 3, origin=origin)
    torch.testing.assert_close(found.directions, whole.directions, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.coordinates, whole.coordinates)


def test_directions_are_perpendicular_units() -> None:
    found = principal_components(Listed(list(cloud(20, 50))), 5)
    metric = found.directions @ found.directions.T
    torch.testing.assert_close(metric, torch.eye(5, dtype=F64), rtol=0, atol=1e-14)


def test_a_faint_second_direction_is_still_perpendicular_to_the_first() -> None:
    """Where the second variance is a billionth of the first."""
    axes = rotation(50)
    along = torch.arange(9, dtype=F64)[:, None]
    faint = 3e-5 * (along - 4).square()
    points = along * axes[0] + faint * axes[1]
    found = principal_components(Listed(list(points)))
    assert abs(float(found.directions[0] @ found.directions[1])) <= 1e-14
    assert abs(float(found.directions[1] @ axes[1])) >= 1 - 1e-6


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), m=st.integers(3, 12), p=st.integers(3, 20))
def test_the_first_checkpoint_has_positive_coordinates(
    seed: int, m: int, p: int
) -> None:
    found = principal_components(Listed(list(cloud(m, p, seed))))
    assert bool((found.coordinates[0] > 0).all())


def test_where_the_first_lies_at_zero_the_next_one_has_the_say() -> None:
    coordinates = torch.tensor([[0.0, 1e-9], [-2.0, -1.0], [1.0, 3.0]], dtype=F64)
    assert signs_of(coordinates).tolist() == [-1, -1]
    assert signs_of(torch.zeros(3, 2, dtype=F64)).tolist() == [1, 1]


def test_the_same_checkpoints_give_the_same_bits() -> None:
    points = cloud(30, 500)
    first, second = (principal_components(Listed(list(points))) for _ in range(2))
    assert torch.equal(first.directions, second.directions)
    assert torch.equal(first.coordinates, second.coordinates)


def test_mirrored_checkpoints_give_the_mirrored_picture() -> None:
    points = cloud(10, 30)
    found = principal_components(Listed(list(points)))
    mirrored = principal_components(Listed(list(-points)))
    torch.testing.assert_close(found.coordinates, mirrored.coordinates)
    torch.testing.assert_close(found.directions, -mirrored.directions)


def test_several_runs_count_as_one_cloud() -> None:
    points = cloud(20, 30)
    halves = Together([Listed(list(points[:8])), Listed(list(points[8:]))])
    found = principal_components(halves, origin="mean")
    whole = principal_components(Listed(list(points)), origin="mean")
    assert torch.equal(found.directions, whole.directions)


def test_equal_variances_are_said_to_be_tied() -> None:
    corners = torch.tensor([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=F64)
    found = principal_components(Listed(list(corners)), 1, origin="mean")
    assert found.tied
    assert "one choice of many" in repr(found)
    # the plane of the two is one alone, but its axes could be turned
    assert principal_components(Listed(list(corners)), 2, origin="mean").tied
    longer = corners * torch.tensor([2.0, 1.0, 1.0])
    assert not principal_components(Listed(list(longer)), 2, origin="mean").tied


def test_directions_come_in_the_type_asked_for() -> None:
    points = cloud(10, 30)
    wide = principal_components(Listed(list(points)))
    narrow = principal_components(Listed(list(points)), dtype=torch.float32)
    assert narrow.directions.dtype == narrow.center.dtype == torch.float32
    assert narrow.coordinates.dtype == F64
    off = narrow.directions.double() - wide.directions
    assert float(off.abs().max()) <= 1e-7


@pytest.mark.parametrize("rank", [0, 1])
def test_checkpoints_on_a_line_span_no_plane(rank: int) -> None:
    step = rank * torch.arange(8, dtype=F64)[:, None]
    points = 1 / 3 + step * cloud(1, 30)
    with pytest.raises(ArgumentError, match=f"span {rank} of 2 directions"):
        principal_components(Listed(list(points)))


def test_too_few_checkpoints_are_refused() -> None:
    with pytest.raises(ArgumentError, match="at least 3"):
        principal_components(Listed(list(cloud(2, 30))))


def test_the_checkpoint_that_is_no_number_is_named() -> None:
    points = cloud(8, 30)
    points[5, 17] = float("nan")
    with pytest.raises(NonFiniteError, match="Checkpoint 5"):
        principal_components(Listed(list(points)), origin="mean")


def test_an_origin_is_the_last_or_the_mean() -> None:
    with pytest.raises((ArgumentError, TypeError), match="mean"):
        principal_components(Listed(list(cloud(8, 30))), origin="first")


def test_no_variance_is_below_zero() -> None:
    values, vectors = decomposed(torch.ones(6, 6, dtype=F64))
    assert float(values[0]) == pytest.approx(6)
    assert bool((values >= 0).all())
    assert bool((values[:-1] >= values[1:]).all())
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(6, dtype=F64))


def test_straightening_keeps_the_first_direction() -> None:
    rows = torch.tensor([[2.0, 0.0], [1.0, 1.0]])
    straighten(rows)
    assert rows.tolist() == [[1, 0], [0, 1]]
