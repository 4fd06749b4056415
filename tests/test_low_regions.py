"""Points joined by paths: which are one low region, and from what level on."""

import json
from copy import deepcopy
from itertools import pairwise, product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import theodolite as td
from networks import CNN, MLP
from problems import labels, normal
from theodolite.errors import ArgumentError, ParameterError
from theodolite.maps.connect import connect
from theodolite.maps.topology.disconnectivity import disconnectivity_graph
from theodolite.maps.topology.low_regions import low_regions
from theodolite.maps.topology.merge_tree import merge_tree
from theodolite.maps.topology.regions import LowRegions, regions_of
from watch import nothing_changes

F64, INF, NAN = torch.float64, float("inf"), float("nan")
few = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def wells(point: Tensor) -> Tensor:
    """A double well along every axis: 2ᵖ minima of height 0, passes of height 1."""
    return ((point**2 - 1) ** 2).sum()


CORNERS = torch.tensor([*product([-1.0, 1.0], repeat=4)], dtype=F64)


def test_wells_in_four_dimensions_are_one_region_from_the_height_of_a_pass_on() -> None:
    regions = low_regions(wells, CORNERS)
    away = ~torch.eye(16, dtype=torch.bool)
    # k coordinates changed at once climb over k, one after another over 1
    for link in regions.links:
        changed = int((CORNERS[link.a] != CORNERS[link.b]).sum())
        assert link.highest == changed
        assert link.unseen == pytest.approx(0.0, abs=1e-12)
    assert bool((regions.levels[away] == 1.0).all())
    assert regions.connects_at == 1.0
    assert regions.components(0.99).tolist() == [*range(16)]
    assert regions.components(1.0).tolist() == [0] * 16
    assert "one region from 1 on, or lower" in repr(regions)


def test_lines_to_the_nearest_alone_cost_less_and_say_the_same_here() -> None:
    every, near = low_regions(wells, CORNERS), low_regions(wells, CORNERS, neighbours=4)
    assert len(every.links) == 120
    assert len(near.links) == 32
    assert torch.equal(every.levels, near.levels)
    assert near.evaluations < every.evaluations / 3


def test_too_few_neighbours_leave_regions_apart_and_it_is_said() -> None:
    points = torch.tensor([[-1.0], [-0.9], [0.9], [1.0]], dtype=F64)
    regions = low_regions(wells, points, neighbours=1)
    assert regions.connects_at == INF
    assert regions.components(100.0).tolist() == [0, 0, 3, 3]
    assert "not all connected, at any level" in repr(regions)
    assert "no path leads to a lower one" in repr(regions)


def test_a_tilted_well_is_joined_at_its_own_pass() -> None:
    def tilted(point: Tensor) -> Tensor:
        return wells(point) + 0.3 * point[0]

    def lowest(near: float) -> float:
        # 4 x (x² − 1) + 0.3 = 0
        for _ in range(30):
            near -= (4 * near * (near**2 - 1) + 0.3) / (12 * near**2 - 4)
        return near

    low, top, high = (lowest(near) for near in (-1.0, 0.0, 1.0))
    corners = torch.tensor([[low, 1.0], [high, 1.0]], dtype=F64)
    regions = low_regions(tilted, corners, steps=9)
    height = float(tilted(torch.tensor([top, 1.0], dtype=F64)))
    # looked at again until the parabola's top is within a thousandth of the barrier
    barrier = height - float(regions.losses.max())
    assert height - 2e-3 * barrier <= regions.connects_at <= height + 1e-12
    assert regions.connects_at + regions.links[0].unseen >= height - 1e-3 * barrier
    assert regions.components(height).tolist() == [0, 0]
    assert regions.components(regions.connects_at - 1e-9).tolist() == [0, 1]
    assert regions.components(float(regions.losses[0])).tolist() == [0, -1]


def ring(point: Tensor) -> Tensor:
    """A round valley: everything on the circle is one region."""
    return (point.norm() - 1) ** 2


def test_a_path_around_lowers_what_the_straight_line_said() -> None:
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=F64)
    straight = low_regions(ring, points)
    assert straight.connects_at == pytest.approx(1.0, abs=1e-3)
    assert straight.bottleneck == straight.links[0]
    around = torch.linspace(0, torch.pi, 30, dtype=F64)
    losses = [float(ring(torch.stack([a.cos(), a.sin()]))) for a in around]
    better = straight.with_paths([(0, 1, losses)])
    assert better.connects_at < 1e-30
    assert len(better.links) == 2
    assert better.evaluations == straight.evaluations
    given = low_regions(ring, points, paths=[(0, 1, losses)])
    assert given.connects_at == better.connects_at
    assert given.evaluations == 2


def test_a_path_found_by_connect_is_one() -> None:
    points = torch.tensor([[1.0, 0.1], [-1.0, 0.1]], dtype=F64)
    land = td.Landscape.from_function(ring, points[0])
    path = connect(land, points[0], points[1], "straight")
    (link,) = low_regions(land, points, paths=[(0, 1, path)]).links
    assert link.highest == path.barrier.loss
    assert link.unseen == path.barrier.resolution


def test_uneven_samples_are_taken_where_they_are() -> None:
    t = torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=F64)
    path = SimpleNamespace(t=t, loss=1 - 4 * (t - 0.3) ** 2)
    (link,) = regions_of([0.0, 0.0], [(0, 1, path)]).links
    # a parabola, whose top lies between samples, 4 · 0.2² above the higher of them
    assert link.highest == pytest.approx(0.84)
    assert link.unseen == pytest.approx(0.16)


@st.composite
def roads(draw: st.DrawFn) -> tuple[list[float], list[tuple[int, int, float]]]:
    count = draw(st.integers(1, 8))
    numbers = st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, NAN, INF])
    losses = draw(st.lists(numbers, min_size=count, max_size=count))
    point = st.integers(0, count - 1)
    return losses, draw(st.lists(st.tuples(point, point, numbers), max_size=15))


def by_relaxation(
    losses: list[float], paths: list[tuple[int, int, float]]
) -> list[list[float]]:
    """The lowest of the highest over all chains, as Floyd and Warshall have it."""
    count = len(losses)
    levels = [[INF] * count for _ in range(count)]
    for a, b, highest in paths:
        height = max(highest, losses[a], losses[b])
        if all(value < INF for value in (highest, losses[a], losses[b])):
            levels[a][b] = levels[b][a] = min(height, levels[a][b])
    for k, i, j in product(range(count), repeat=3):
        levels[i][j] = min(levels[i][j], max(levels[i][k], levels[k][j]))
    for i in range(count):
        levels[i][i] = losses[i]
    return levels


@few
@given(roads())
def test_levels_are_the_lowest_highest_over_all_chains_of_paths(
    road: tuple[list[float], list[tuple[int, int, float]]],
) -> None:
    losses, paths = road
    regions, wanted = regions_of(losses, paths), by_relaxation(losses, paths)
    assert torch.equal(
        regions.levels.nan_to_num(-1.0), torch.tensor(wanted).double().nan_to_num(-1.0)
    )
    for level in (0.0, 1.5, 3.0, 9.0):
        labels = regions.components(level).tolist()
        for i, row in enumerate(wanted):
            # NaN is no lower than anything
            if not losses[i] <= level:
                assert labels[i] == -1
                continue
            inside = [j for j, at in enumerate(row) if j == i or at <= level]
            assert labels[i] == min(inside, key=lambda j: (losses[j], j))


@few
@given(roads())
def test_regions_are_the_components_of_a_merge_tree_with_a_vertex_a_path(
    road: tuple[list[float], list[tuple[int, int, float]]],
) -> None:
    losses = [value if value < INF else 5.0 for value in road[0]]
    paths = [path for path in road[1] if path[2] < INF]
    regions = regions_of(losses, paths)
    values = losses + [max(h, losses[a], losses[b]) for a, b, h in paths]
    middles = range(len(losses), len(values))
    edges = [
        pair
        for (a, b, _), middle in zip(paths, middles, strict=True)
        for pair in ((a, middle), (middle, b))
    ]
    tree = merge_tree(values, edges=edges)
    for level in (0.5, 2.0, 4.0, 6.0):
        parts = tree.components(level)[: len(losses)].tolist()
        names = regions.components(level).tolist()
        assert len({*zip(parts, names, strict=True)}) == len({*parts}) == len({*names})


def test_what_is_not_finite_joins_nothing_and_is_said_so() -> None:
    regions = regions_of(
        [0.0, 1.0, NAN, 2.0],
        [(0, 1, [0.0, NAN, 1.0]), (1, 2, 3.0), (0, 3, [0, INF, 2])],
    )
    assert [link.open for link in regions.links] == [False] * 3
    assert regions.components(10.0).tolist() == [0, 1, -1, 3]
    assert regions.connects_at == INF
    assert "3 paths (3 of them not finite all along)" in repr(regions)
    assert "2: nan, left out" in repr(regions)
    # what is left out need not be connected
    assert regions.with_paths([(0, 1, 4.0), (1, 3, 5.0)]).connects_at == 5.0


def test_a_path_is_no_lower_than_its_ends() -> None:
    assert regions_of([0.0, 3.0], [(0, 1, 1.0)]).levels[0, 1] == 3.0


def test_regions_give_a_disconnectivity_graph() -> None:
    regions = regions_of([0.0, 1.0, 2.0], [(0, 1, 5.0), (1, 2, 4.0), (0, 2, NAN)])
    graph = disconnectivity_graph(regions)
    assert [junction.energy for junction in graph.junctions] == [4.0, 5.0]


def classifier(model: nn.Module, *shape: int) -> td.Landscape:
    model = model.to(F64).eval()
    data = normal(20, *shape, dtype=F64), labels(3, 20)
    return td.Landscape(model, nn.functional.cross_entropy, data, batch_size=8)


def test_networks_are_points_and_lines_between_them_are_measured() -> None:
    torch.manual_seed(0)
    land = classifier(MLP(4, 5, 3), 4)
    others = [land.point + normal(land.size, dtype=F64, seed=s) for s in (1, 2)]
    model = deepcopy(land.model)
    assert model is not None
    nn.utils.vector_to_parameters(others[0], model.parameters())
    with nothing_changes(land.model):
        regions = low_regions(land, [None, model, others[1]], steps=5)
    points = [land.point, *others]
    assert regions.losses.tolist() == [land.loss(point) for point in points]
    for link in regions.links:
        a, b = points[link.a], points[link.b]
        along = [land.loss(torch.lerp(a, b, t)) for t in (0.25, 0.5, 0.75)]
        assert link.highest >= max(along) * (1 - 1e-12)
        assert link.highest >= float(regions.losses[[link.a, link.b]].max())
    assert regions.evaluations >= 3 + 3 * 5


def test_running_statistics_are_taken_anew_unless_it_is_said_otherwise() -> None:
    torch.manual_seed(0)
    land = classifier(CNN(), 2, 4, 4)
    points = [land.point, land.point + 0.5 * normal(land.size, dtype=F64)]
    with nothing_changes(land.model):
        anew = low_regions(land, points, steps=3)
        frozen = low_regions(land, points, steps=3, batch_norm="frozen")
    assert frozen.losses.tolist() == [land.loss(point) for point in points]
    assert not torch.equal(anew.losses, frozen.losses)
    with pytest.raises(ArgumentError, match="interpolated"):
        low_regions(land, points, batch_norm="interpolated")


def test_an_error_on_the_way_leaves_the_model_as_it_was() -> None:
    torch.manual_seed(0)
    land = classifier(MLP(4, 5, 3), 4)
    watcher = Told(stop_at=2)
    points = [land.point + normal(land.size, dtype=F64, seed=s) for s in range(4)]
    with nothing_changes(land.model), pytest.raises(KeyboardInterrupt):
        low_regions(land, points, progress=watcher)
    assert watcher.closed


class Told:
    def __init__(self, stop_at: int = 0) -> None:
        self.shares: list[float] = []
        self.closed, self._stop_at = False, stop_at

    def update(self, stage: str, done: float, left: float) -> None:
        del stage, left
        self.shares.append(done)
        if len(self.shares) == self._stop_at:
            raise KeyboardInterrupt

    def close(self) -> None:
        self.closed = True


def test_progress_rises_to_one() -> None:
    watcher = Told()
    low_regions(wells, CORNERS[:5], progress=watcher)
    assert all(a < b for a, b in pairwise(watcher.shares))
    assert watcher.shares[-1] == 1.0
    assert watcher.closed


def test_a_function_may_return_a_float_and_equal_points_are_joined() -> None:
    points = torch.zeros(2, 3)
    regions = low_regions(lambda point: float(point.sum()) + 2, points)
    assert regions.connects_at == 2.0
    assert low_regions(wells, CORNERS[:1]).connects_at == 0.0


def test_regions_are_plain_in_a_dict() -> None:
    plain: dict[str, Any] = low_regions(wells, CORNERS[:3]).to_dict()
    again = json.loads(json.dumps(plain))
    assert again["connects_at"] == 1.0
    assert again["bottleneck"] in again["links"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"steps": 2}, "steps=2"),
        ({"neighbours": 0}, "neighbours=0"),
        ({"minima": []}, "No points"),
        ({"paths": [(0, 16, 1.0)]}, "from point 0 to point 16"),
        ({"paths": [(0, 1)]}, "A tuple as a path"),
        ({"paths": [3.0]}, "A float as a path"),
        ({"paths": [(0, 1, [])]}, r"Losses of shape \(0,\) along"),
        ({"paths": [(0, 1, "high")]}, "as a path"),
        ({"land": MLP(1, 1, 1)}, "A MLP with a point that is a NoneType"),
    ],
)
def test_what_cannot_be_regions_is_refused_with_advice(
    arguments: dict[str, Any], says: str
) -> None:
    if "land" in arguments:
        arguments = {**arguments, "minima": [None]}
    with pytest.raises(ArgumentError, match=says):
        low_regions(**{"land": wells, "minima": CORNERS, **arguments})


def test_points_of_another_size_and_no_losses_are_refused() -> None:
    land = td.Landscape.from_function(wells, CORNERS[0])
    with pytest.raises(ParameterError, match="4 parameters"):
        low_regions(land, torch.zeros(2, 3, dtype=F64))
    with pytest.raises(ArgumentError, match="Each point has one"):
        regions_of([], [])
    with pytest.raises(ArgumentError, match="Nothing lies below"):
        regions_of([1.0], []).components(NAN)
    assert isinstance(regions_of([1.0], []), LowRegions)
