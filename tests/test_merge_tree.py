"""Minima, passes and basins of maps, against known functions and the definition."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor
from torch.autograd.functional import hessian, jacobian

import theodolite as td
from theodolite.errors import ArgumentError
from theodolite.maps.plane import plane
from theodolite.maps.topology.merge_tree import MergeTree, merge_tree

F64 = torch.float64
few = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def grid(function: Callable[..., Tensor], x: Tensor, y: Tensor) -> Tensor:
    return function(x[:, None], y[None, :])


def himmelblau(x: Tensor, y: Tensor) -> Tensor:
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def critical_point(function: Callable[..., Tensor], near: list[float]) -> Tensor:
    """By Newton's method; its steps end far below any tolerance here."""
    point = torch.tensor(near, dtype=F64)
    for _ in range(20):
        slope = jacobian(lambda *p: function(*p), tuple(point))
        step = torch.linalg.solve(curvature(function, point), torch.stack(slope))
        point = point - step
    return point


def curvature(function: Callable[..., Tensor], point: Tensor) -> Tensor:
    """The Hessian at a point."""
    return torch.tensor(hessian(lambda *p: function(*p), tuple(point)), dtype=F64)


def steepest(function: Callable[..., Tensor], point: Tensor) -> float:
    """The largest curvature at a point, in absolute value."""
    return float(torch.linalg.matrix_norm(curvature(function, point), 2))


HIMMELBLAU = {
    "minima": [[3.0, 2.0], [-2.8, 3.1], [-3.8, -3.3], [3.6, -1.8]],
    "saddles": [[3.4, 0.1], [0.1, 2.9], [-3.1, -0.1]],
}


# one whose axes differ, and one that has minima between its vertices
@pytest.mark.parametrize("counts", [(301, 241), (173, 202)])
def test_himmelblau_has_its_four_minima_and_three_passes(
    counts: tuple[int, int],
) -> None:
    x = torch.linspace(-5.0, 5.0, counts[0], dtype=F64)
    y = torch.linspace(-4.5, 4.5, counts[1], dtype=F64)
    tree = merge_tree(grid(himmelblau, x, y), x=x, y=y)
    reach = float(torch.stack([x[1] - x[0], y[1] - y[0]]).norm())
    for kind, found in (("minima", tree.minima), ("saddles", tree.saddles)):
        assert len(found) == len(HIMMELBLAU[kind])
        for near in HIMMELBLAU[kind]:
            true = critical_point(himmelblau, near)
            # the paraboloid's change within a cell, with a tenth for higher orders
            off = 1.1 * steepest(himmelblau, true) * reach**2 / 2
            distances = [
                float((torch.tensor(one.coordinates, dtype=F64) - true).norm())
                for one in found
            ]
            nearest = found[int(np.argmin(distances))]
            # a valley's vertices are level with the lowest within a few cells
            assert min(distances) <= 4 * reach
            assert nearest.value == pytest.approx(float(himmelblau(*true)), abs=off)
    assert not any(one.on_border for one in (*tree.minima, *tree.saddles))


def test_himmelblau_persistence_is_the_height_of_the_lowest_pass() -> None:
    x = torch.linspace(-5.0, 5.0, 401, dtype=F64)
    tree = merge_tree(grid(himmelblau, x, x), x=x, y=x)
    saddles = [critical_point(himmelblau, near) for near in HIMMELBLAU["saddles"]]
    wanted = sorted(float(himmelblau(*saddle)) for saddle in saddles)
    off = max(steepest(himmelblau, saddle) for saddle in saddles) * 0.025**2
    found = sorted(tree.persistence.tolist())
    assert found[:3] == pytest.approx(wanted, abs=2 * off)
    assert found[3] == float("inf")
    assert {minimum.parent for minimum in tree.minima[1:]} == {0}
    # the two on the left meet at the highest pass, having joined what is on the right
    assert [saddle.survivor for saddle in tree.saddles] == [0, 0, 0]
    for saddle in tree.saddles:
        minimum = tree.minima[saddle.ends]
        assert tree.saddles[minimum.saddle] is saddle
        assert minimum.persistence == saddle.value - minimum.value


def test_himmelblau_basins_hold_the_points_that_descend_to_their_minimum() -> None:
    x = torch.linspace(-5.0, 5.0, 201, dtype=F64)
    tree = merge_tree(grid(himmelblau, x, x), x=x, y=x)
    for near in HIMMELBLAU["minima"]:
        true = critical_point(himmelblau, near)
        rows, columns = (abs(x - c) < 0.8 for c in true.tolist())
        inside = tree.basins[rows][:, columns]
        assert len(inside.unique()) == 1
        centre = tree.minima[int(inside[0, 0])].coordinates
        assert centre == pytest.approx(true.tolist(), abs=0.1)


def rastrigin(x: Tensor) -> Tensor:
    return 10 + x**2 - 10 * torch.cos(2 * torch.pi * x)


def test_a_rastrigin_patch_has_a_minimum_a_well_and_barriers_on_the_axes() -> None:
    x = torch.linspace(-2.5, 2.5, 301, dtype=F64)
    tree = merge_tree(grid(lambda a, b: rastrigin(a) + rastrigin(b), x, x), x=x, y=x)

    def stationary(near: float) -> Tensor:
        return critical_point(rastrigin, [near])[0]

    wells = [rastrigin(stationary(float(n))) for n in range(3)]
    tops = [rastrigin(stationary(n + 0.5)) for n in range(2)]
    # along an axis, one well inwards costs this much; the cheaper axis is taken
    climbs = [float("inf")] + [float(tops[n] - wells[n + 1]) for n in range(2)]
    wanted = sorted(
        min(climbs[abs(i)], climbs[abs(j)]) for i in range(-2, 3) for j in range(-2, 3)
    )
    # curvature at most 2 + 40 π² along either axis, at both ends of the climb
    off = (2 + 40 * torch.pi**2) * float(x[1] - x[0]) ** 2
    assert sorted(tree.persistence.tolist()) == pytest.approx(wanted, abs=off)
    # from the middle to its neighbour: the saddle lies on the axis between
    first = tree.components(float(tops[0]) + off)
    assert int(first[150, 150]) == int(first[210, 150]) == 0
    below = tree.components(float(tops[0]) - off)
    assert int(below[150, 150]) == 0 != int(below[210, 150])


def row(count: int) -> Tensor:
    return torch.stack([torch.arange(count - 1), torch.arange(1, count)], dim=1)


def test_a_double_well_on_a_line_has_its_barrier() -> None:
    x = torch.linspace(-2, 2, 401, dtype=F64)
    # at ±1 and 0, all of them vertices: 0 ± the tilt, and one
    tree = merge_tree((x**2 - 1) ** 2 + 0.0 * x, edges=row(401))
    assert [minimum.index for minimum in tree.minima] == [(100,), (300,)]
    assert tree.minima[0].coordinates is None
    assert tree.persistence.tolist() == pytest.approx([float("inf"), 1.0], abs=1e-12)
    assert tree.saddles[0].index == (200,)
    assert torch.equal(tree.basins[:200], torch.zeros(200, dtype=torch.int64))
    assert torch.equal(tree.basins[201:], torch.ones(200, dtype=torch.int64))


def test_a_plateau_is_one_minimum_whatever_its_shape() -> None:
    field = torch.ones(7, 9)
    # a spiral, whose vertices' numbers fall and rise along it
    for cell in [(1, 1), (1, 2), (1, 3), (2, 4), (3, 4), (4, 3), (4, 2), (3, 1)]:
        field[cell] = 0.0
    field[5, 7] = 0.5
    tree = merge_tree(field)
    assert [minimum.value for minimum in tree.minima] == [0.0, 0.5]
    assert tree.persistence.tolist() == [float("inf"), 0.5]
    assert int((tree.basins[field == 0] == 0).sum()) == 8


def test_a_constant_is_one_minimum() -> None:
    tree = merge_tree(torch.full((5, 8), 3.0))
    assert len(tree.minima) == 1
    assert not tree.saddles
    assert bool((tree.basins == 0).all())


def test_a_plateau_on_a_slope_is_no_minimum() -> None:
    values = torch.tensor([3.0, 2.0, 2.0, 2.0, 1.0, 4.0])
    assert len(merge_tree(values, edges=row(6)).minima) == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_a_slope_has_one_minimum_and_that_on_the_border(sign: int) -> None:
    x = torch.linspace(0, 1, 20, dtype=F64)
    tree = merge_tree(grid(lambda a, b: sign * (a + 2 * b), x, x[:9]))
    assert [minimum.on_border for minimum in tree.minima] == [True]
    assert tree.minima[0].index == ((0, 0) if sign > 0 else (19, 8))


def test_a_pass_along_the_edge_is_marked() -> None:
    y = torch.linspace(-1, 1, 9, dtype=F64)
    # two wells, and a wall that falls off towards one side
    field = grid(lambda a, b: (b**2 - 0.5) ** 2 * (5 + a), torch.arange(6.0), y)
    tree = merge_tree(field)
    assert len(tree.minima) == 2
    assert tree.saddles[0].on_border


def test_what_is_not_finite_is_left_out_and_parts_the_map() -> None:
    field = grid(lambda a, b: a**2 + b**2, torch.arange(-5.0, 6), torch.arange(-4.0, 5))
    field[:, 6], field[3, 2] = float("nan"), float("inf")
    tree = merge_tree(field)
    assert torch.equal(tree.basins == -1, ~field.isfinite())
    assert tree.masked == 12
    assert "12 left out" in repr(tree)
    # left and right of the torn column: nothing leads across
    assert tree.persistence.tolist() == [float("inf")] * 2
    assert [minimum.index for minimum in tree.minima] == [(5, 4), (5, 7)]
    # beside what is unknown, a minimum may lie in the unknown
    assert [minimum.on_border for minimum in tree.minima] == [False, True]
    assert torch.equal(tree.components(1e9) == -1, ~field.isfinite())
    assert not bool(tree.border[~field.isfinite()].any())


def test_minus_infinity_is_left_out_as_well() -> None:
    values = torch.tensor([1.0, -float("inf"), 2.0, 3.0])
    tree = merge_tree(values, edges=row(4))
    assert [minimum.value for minimum in tree.minima] == [1.0, 2.0]


@pytest.mark.parametrize("turn", ["transpose", "rows", "columns"])
def test_a_turned_or_mirrored_map_has_the_turned_tree(turn: str) -> None:
    def turned(field: Tensor) -> Tensor:
        if turn == "transpose":
            return field.T
        return field.flip(0 if turn == "rows" else 1)

    field = normal(17, 23)
    there, here = merge_tree(turned(field)), merge_tree(field)
    # no two values are equal: minima keep their order
    assert torch.equal(there.basins, turned(here.basins))
    assert torch.equal(there.persistence, here.persistence)
    assert [s.value for s in there.saddles] == [s.value for s in here.saddles]


def test_competing_diagonals_join_as_bilinear_interpolation_does() -> None:
    field = torch.tensor([[0.0, 5.0], [4.0, 1.0]])
    # its saddle at (0·1 − 5·4) / (0 + 1 − 5 − 4) = 2.5 is below 4 and 5: 0 meets 1
    tree = merge_tree(field)
    assert [minimum.value for minimum in tree.minima] == [0.0]
    apart = merge_tree(torch.tensor([[4.0, 0.0], [1.0, 5.0]]))
    assert [minimum.value for minimum in apart.minima] == [0.0]


@pytest.mark.parametrize("sign", [1, -1])
def test_an_oblique_valley_as_thin_as_the_grid_is_one(sign: int) -> None:
    x = torch.arange(-10.0, 11)
    field = grid(lambda a, b: 0.01 * a**2 + 10 * (a + sign * b) ** 2, x, x)
    assert len(merge_tree(field).minima) == 1


def neighbours_of(field: Tensor) -> list[list[int]]:
    rows, columns = field.shape
    return [
        [
            a * columns + b
            for a in range(max(i - 1, 0), min(i + 2, rows))
            for b in range(max(j - 1, 0), min(j + 2, columns))
            if (a, b) != (i, j)
        ]
        for i in range(rows)
        for j in range(columns)
    ]


def by_definition(
    values: list[float], neighbours: list[list[int]]
) -> list[tuple[float, float]]:
    """Birth and death of all components that live, by flooding from each minimum."""
    pairs: list[tuple[float, float]] = []
    order = [(value, vertex) for vertex, value in enumerate(values)]
    for start in order:
        if any(order[v] < start for v in neighbours[start[1]]):
            continue
        death = float("inf")
        for level in sorted(order):
            reached, edge = {start[1]}, [start[1]]
            while edge and level >= start:
                fresh = {v for v in neighbours[edge.pop()] if order[v] <= level}
                edge += fresh - reached
                reached |= fresh
            if any(order[v] < start for v in reached):
                death = level[0]
                break
        if death > start[0]:
            pairs.append((start[0], death))
    return sorted(pairs)


def lives(tree: MergeTree) -> list[tuple[float, float]]:
    """Birth and death of every minimum."""
    death = {s.ends: s.value for s in tree.saddles}
    return sorted(
        (m.value, death.get(number, float("inf")))
        for number, m in enumerate(tree.minima)
    )


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (5, 7), (8, 6)])
@pytest.mark.parametrize("distinct", [True, False])
def test_random_maps_have_the_persistence_of_the_definition(
    shape: tuple[int, int], distinct: bool
) -> None:
    for seed in range(3):
        field = normal(*shape, seed=seed)
        field = field if distinct else (2 * field).round()
        tree = merge_tree(field)
        assert lives(tree) == by_definition(
            field.flatten().tolist(), neighbours_of(field)
        )


def test_every_vertex_belongs_where_the_lowest_neighbours_lead() -> None:
    field = normal(12, 15)
    values, neighbours = field.flatten().tolist(), neighbours_of(field)
    tree = merge_tree(field)
    numbers = {
        15 * m.index[0] + m.index[1]: number for number, m in enumerate(tree.minima)
    }
    for vertex, basin in enumerate(tree.basins.flatten().tolist()):
        here = vertex
        while here not in numbers:
            here = min(neighbours[here], key=lambda v: values[v])
        assert numbers[here] == basin


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    count = draw(st.integers(1, 12))
    numbers = st.integers(-4, 4).map(float)
    values = draw(st.lists(numbers, min_size=count, max_size=count))
    vertex = st.integers(0, count - 1)
    edges = draw(st.lists(st.tuples(vertex, vertex), max_size=30))
    return (
        torch.tensor(values, dtype=F64),
        torch.tensor(edges, dtype=torch.int64).reshape(-1, 2),
    )


@few
@given(graphs(), st.randoms(use_true_random=False))
def test_graphs_have_the_persistence_of_the_definition_in_any_order(
    graph: tuple[Tensor, Tensor], random: Any
) -> None:
    values, edges = graph
    neighbours: list[list[int]] = [[] for _ in values]
    for a, b in edges.tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    wanted = by_definition(values.tolist(), neighbours)
    assert lives(merge_tree(values, edges=edges)) == wanted
    order = list(range(len(values)))
    random.shuffle(order)
    place = torch.argsort(torch.tensor(order))
    assert lives(merge_tree(values[order], edges=place[edges])) == wanted


@few
@given(graphs(), st.integers(-8, 8), st.sampled_from([0.25, 2.0, 8.0]))
def test_a_shift_moves_and_a_scale_stretches_all_lives(
    graph: tuple[Tensor, Tensor], shift: int, scale: float
) -> None:
    values, edges = graph
    lived = lives(merge_tree(values, edges=edges))
    # small whole numbers and powers of two: no rounding
    moved = merge_tree(scale * (values + shift), edges=edges)
    assert lives(moved) == [
        (scale * (a + shift), scale * (b + shift)) for a, b in lived
    ]


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.5, 4.0, float("inf")])
def test_filling_shallow_basins_leaves_the_tree_of_the_deep_ones(
    threshold: float, distinct: bool
) -> None:
    field = normal(20, 27)
    field = field if distinct else (2 * field).round() / 2
    field[4, :15] = float("nan")
    tree = merge_tree(field)
    deep = tree.simplified(threshold)
    assert lives(deep) == [
        life
        for life in lives(tree)
        if life[1] - life[0] > threshold or life[1] == float("inf")
    ]
    # the filled field, looked at anew, is what it was taken for
    again = merge_tree(deep.values)
    assert lives(again) == lives(deep)
    assert [m.index for m in again.minima] == [m.index for m in deep.minima]
    assert torch.equal(deep.values.isnan(), field.isnan())
    assert bool((deep.values >= field)[field.isfinite()].all())
    for level in (-1.0, 0.0, 1.0):
        assert torch.equal(again.components(level), deep.components(level))


def test_simplified_basins_are_connected_and_hold_their_minimum() -> None:
    tree = merge_tree(normal(40, 40)).simplified(2.5)
    assert 1 < len(tree.minima) < 40
    for number, minimum in enumerate(tree.minima):
        assert int(tree.basins[minimum.index]) == number
        _, parts = ndimage.label(tree.basins.numpy() == number, np.ones((3, 3)))
        assert parts == 1
    for saddle in tree.saddles:
        assert {saddle.ends, saddle.across} <= {*range(len(tree.minima))}


def test_simplifying_twice_is_simplifying_by_the_larger() -> None:
    tree = merge_tree(normal(20, 20))
    twice, once = tree.simplified(1.0).simplified(2.0), tree.simplified(2.0)
    assert torch.equal(twice.values, once.values)
    assert torch.equal(twice.basins, once.basins)
    assert tree.simplified(2.0).simplified(1.0).threshold == 2.0


def test_noise_of_a_known_size_is_taken_away_by_twice_that() -> None:
    x = torch.linspace(-1, 1, 41, dtype=F64)
    noise = 0.1 * (
        2 * torch.rand(41, 41, generator=torch.Generator().manual_seed(1)) - 1
    )
    tree = merge_tree(grid(lambda a, b: a**2 + b**2, x, x) + noise)
    assert len(tree.minima) > 10
    assert len(tree.simplified(0.2).minima) == 1


@pytest.mark.parametrize("quantile", [0.05, 0.3, 0.6, 1.0])
def test_components_are_those_that_scipy_labels(quantile: float) -> None:
    field = normal(30, 41)
    field[:, 20] = float("nan")
    level = float(field.nanquantile(quantile))
    found = merge_tree(field).components(level)
    labels, count = ndimage.label((field <= level).numpy(), np.ones((3, 3)))
    assert torch.equal(found == -1, torch.from_numpy(labels == 0))
    pairs = {*zip(found.flatten().tolist(), labels.ravel().tolist(), strict=True)}
    # the same parts under other names
    assert len(pairs - {(-1, 0)}) == count == len(found.unique()) - 1


def test_a_plane_gives_coordinates_in_the_order_of_its_axes() -> None:
    x, y = torch.linspace(-1, 1, 5), torch.linspace(0, 6, 13)
    loss = grid(lambda a, b: (a - 0.5) ** 2 + (b - 4) ** 2, x, y)
    tree = merge_tree(SimpleNamespace(x=x, y=y, loss=loss))
    assert tree.minima[0].coordinates == (0.5, 4.0)
    assert tree.minima[0].index == (3, 8)
    assert "at (0.5, 4)" in repr(tree)


def test_a_measured_plane_has_the_minima_of_its_function() -> None:
    land = td.Landscape.from_function(lambda p: himmelblau(*p), torch.zeros(2).double())
    found = plane(land, None, (*torch.eye(2, dtype=F64),), 101, 5.0, rtol=0.01)
    tree = merge_tree(found)
    tree = tree.simplified(2 * tree.error)
    assert len(tree.minima) == 4
    for near in HIMMELBLAU["minima"]:
        true = critical_point(himmelblau, near)
        distances = [
            float((torch.tensor(one.coordinates, dtype=F64) - true).norm())
            for one in tree.minima
        ]
        assert min(distances) < 0.2


def test_minima_within_the_error_of_a_plane_are_said_to_be_unsure() -> None:
    x = torch.arange(9.0)
    loss = grid(lambda a, b: (a - 4).abs() + b, x, x)
    loss[0, 0], loss[8, 0] = 2.5, 0.0
    drawn = SimpleNamespace(x=x, y=x, loss=loss, error=0.5)
    tree = merge_tree(drawn)
    assert tree.persistence.tolist() == [float("inf"), 3.0, 0.5]
    assert "3 minima; 1 may be none, as the map may be off by 0.5" in repr(tree)
    rest = tree.simplified(2 * tree.error)
    assert len(rest.minima) == 2
    assert "may be none" not in repr(rest)


def test_tensors_arrays_and_lists_give_the_same_and_stay_as_they_are() -> None:
    field = normal(6, 5).float().requires_grad_()
    kept = field.detach().clone()
    tree = merge_tree(field)
    for other in (kept.numpy(), kept.tolist(), kept.double()):
        assert torch.equal(merge_tree(other).basins, tree.basins)
    tree.values[:] = 0
    assert torch.equal(field, kept)
    assert tree.values.dtype == F64
    assert tree.values.shape == tree.basins.shape == tree.border.shape == (6, 5)


def test_a_tree_is_plain_in_a_dict_and_short_in_print() -> None:
    tree = merge_tree(normal(30, 30))
    plain = tree.to_dict()
    assert json.loads(json.dumps(plain))["basins"] == tree.basins.tolist()
    assert len(plain["minima"]) == len(plain["saddles"]) + 1 == len(tree.minima)
    assert len(repr(tree).splitlines()) == 10
    assert "deeper than 2" in repr(tree.simplified(2.0))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"values": torch.zeros(4)}, "without edges"),
        ({"values": torch.zeros(2, 2), "edges": row(4)}, "with edges"),
        ({"values": torch.zeros(2, 0)}, r"shape \(2, 0\)"),
        ({"values": torch.full((2, 2), torch.nan)}, "none of them finite"),
        ({"values": torch.zeros(4), "edges": [[0, 4]]}, "among them 4"),
        ({"values": torch.zeros(4), "edges": [[0, -1]]}, "among them -1"),
        ({"values": torch.zeros(4), "edges": [[0, 0.5]]}, "among them 0.5"),
        ({"values": torch.zeros(4), "edges": [[0, 1, 2]]}, r"shape \(1, 3\)"),
        ({"values": torch.zeros(2, 2), "x": torch.zeros(3)}, r"x of shape \(3,\)"),
        ({"values": torch.zeros(2), "edges": [[0, 1]], "y": [0.0]}, "y of shape"),
        ({"values": "plane"}, "cannot be read as numbers"),
    ],
)
def test_what_is_no_field_is_refused_with_advice(
    arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(ArgumentError, match=says):
        merge_tree(**arguments)


def test_levels_and_thresholds_that_say_nothing_are_refused() -> None:
    tree = merge_tree(torch.zeros(2, 2))
    with pytest.raises(ArgumentError, match="never negative"):
        tree.simplified(-1.0)
    with pytest.raises(ArgumentError, match="never negative"):
        tree.simplified(float("nan"))
    with pytest.raises(ArgumentError, match="Nothing lies below"):
        tree.components(float("nan"))
