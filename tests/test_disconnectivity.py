"""Disconnectivity graphs: small ones by hand, any by definition, and a cluster's."""

import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.maps.topology.disconnectivity import (
    DisconnectivityGraph,
    disconnectivity_graph,
)
from theodolite.maps.topology.merge_tree import merge_tree

F64 = torch.float64
few = settings(max_examples=60, deadline=None, derandomize=True, database=None)

Saddles = list[tuple[float, int, int]]

# a deep funnel 0–1–2 with the step 1–2 below the step 0–1, and 3 behind a high wall
MINIMA = [0.0, 1.0, 2.0, 0.5]
SADDLES: Saddles = [(3.0, 0, 1), (2.5, 1, 2), (7.0, 2, 3), (9.0, 0, 3), (4.0, 1, 1)]


def meets(graph: DisconnectivityGraph, a: int, b: int) -> float:
    """The energy from which on two minima are under one junction; infinity if none."""
    places = {graph.order.index(a), graph.order.index(b)}
    over = [
        junction.energy
        for junction in graph.junctions
        if places <= {*range(junction.first, junction.last + 1)}
    ]
    return min(over, default=float("inf"))


def test_branches_meet_at_the_lowest_pass_between_them() -> None:
    graph = disconnectivity_graph(MINIMA, SADDLES)
    assert [junction.energy for junction in graph.junctions] == [2.5, 3.0, 7.0]
    assert meets(graph, 1, 2) == 2.5
    assert meets(graph, 0, 2) == meets(graph, 0, 1) == 3.0
    assert meets(graph, 3, 1) == 7.0
    assert graph.roots == (6,)
    assert "4 minima, joined at their passes\n" in repr(graph)


def test_saddles_of_one_height_meet_in_one_junction() -> None:
    graph = disconnectivity_graph([0, 1, 2, 3], [(5, 0, 1), (5, 2, 3), (5, 1, 2)])
    assert len(graph.junctions) == 1
    assert sorted(graph.junctions[0].children) == [0, 1, 2, 3]
    assert graph.junctions[0].x == 1.5


def test_at_regular_levels_branches_meet_at_the_first_that_is_high_enough() -> None:
    graph = disconnectivity_graph(MINIMA, SADDLES[:3], levels=4)
    assert graph.levels is not None
    assert graph.levels.tolist() == [1.75, 3.5, 5.25, 7.0]
    assert [junction.energy for junction in graph.junctions] == [3.5, 7.0]
    # 0, 1 and 2 in one, as both of their passes lie between two levels
    assert {*graph.junctions[0].children} == {0, 1, 2}
    assert "joined at 4 levels" in repr(graph)


def test_what_no_saddle_joins_stays_apart_and_is_said_so() -> None:
    graph = disconnectivity_graph(MINIMA, SADDLES[:2])
    assert len(graph.roots) == 2
    assert meets(graph, 0, 3) == float("inf")
    assert "in 2 trees that nothing joins" in repr(graph)
    assert "3: 0.5, meets none" in repr(graph)
    alone = disconnectivity_graph([1.0, 2.0], [])
    assert alone.roots == (0, 1)
    assert alone.lines().shape == (0, 2, 2)


def test_levels_that_end_below_a_pass_leave_its_sides_apart() -> None:
    graph = disconnectivity_graph(MINIMA, SADDLES, levels=[2.75, 3.5])
    assert [junction.energy for junction in graph.junctions] == [2.75, 3.5]
    assert len(graph.roots) == 2


def test_the_lines_of_two_wells_are_an_arch_or_lean() -> None:
    arch = disconnectivity_graph([0.0, 1.0], [(2.0, 0, 1)]).lines().tolist()
    assert arch == [
        [[0, 0], [0, 2]],
        [[0, 2], [0.5, 2]],
        [[1, 1], [1, 2]],
        [[1, 2], [0.5, 2]],
    ]
    leaning = disconnectivity_graph([0.0, 1.0], [(2.0, 0, 1)], levels=4).lines()
    assert leaning.tolist() == [
        [[0, 0], [0, 1.5]],
        [[0, 1.5], [0.5, 2]],
        [[1, 1], [1, 1.5]],
        [[1, 1.5], [0.5, 2]],
    ]


def test_the_lowest_minimum_stands_in_the_middle() -> None:
    saddles: Saddles = [(10.0 + i, 0, i) for i in range(1, 5)]
    graph = disconnectivity_graph([0.0, 1, 2, 3, 4], saddles)
    assert graph.order[2] == 0


def test_labels_are_kept() -> None:
    graph = disconnectivity_graph([0.0, 1.0], [(2.0, 0, 1)], labels=["cube", "chain"])
    assert graph.labels == ("cube", "chain")
    assert "cube: 0, meets others at 2" in repr(graph)


@st.composite
def landscapes(draw: st.DrawFn) -> tuple[list[float], Saddles]:
    count = draw(st.integers(1, 9))
    number = st.integers(0, 6).map(float)
    minima = draw(st.lists(number, min_size=count, max_size=count))
    member = st.integers(0, count - 1)
    ways = draw(st.lists(st.tuples(number, member, member), max_size=14))
    return minima, [(max(minima[a], minima[b]) + up, a, b) for up, a, b in ways]


def connected(saddles: Saddles, level: float, a: int, b: int) -> bool:
    """Whether a chain of saddles no higher than a level leads from one to another."""
    reached, before = {a}, set()
    while reached != before:
        before = {*reached}
        for energy, one, other in saddles:
            if energy <= level and {one, other} & reached:
                reached |= {one, other}
    return b in reached


@few
@given(landscapes())
def test_two_minima_meet_where_a_chain_of_saddles_first_connects_them(
    landscape: tuple[list[float], Saddles],
) -> None:
    minima, saddles = landscape
    graph = disconnectivity_graph(minima, saddles)
    for a in range(len(minima)):
        for b in range(a):
            levels = [e for e, _, _ in saddles if connected(saddles, e, a, b)]
            assert meets(graph, a, b) == min(levels, default=float("inf"))


@few
@given(landscapes())
def test_levels_tell_what_is_connected_at_each(
    landscape: tuple[list[float], Saddles],
) -> None:
    minima, saddles = landscape
    levels = [1.5, 4.0, 6.5]
    graph = disconnectivity_graph(minima, saddles, levels=levels)
    for a in range(len(minima)):
        for b in range(a):
            for level in levels:
                joined = connected(saddles, level, a, b)
                assert (meets(graph, a, b) <= level) == joined


def turn(p: list[float], q: list[float], r: list[float]) -> float:
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def cross(first: list[list[float]], second: list[list[float]]) -> bool:
    """Whether two segments meet inside of both, at an angle."""
    (a, b), (c, d) = first, second
    return turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0


@few
@given(landscapes(), st.sampled_from([None, 3, 7, [2.0, 2.5, 9.0]]))
def test_no_lines_cross_and_all_hang_together(
    landscape: tuple[list[float], Saddles], levels: Any
) -> None:
    graph = disconnectivity_graph(*landscape, levels=levels)
    lines = graph.lines().tolist()
    assert not any(cross(a, b) for i, a in enumerate(lines) for b in lines[:i])
    assert sorted(graph.order) == [*range(len(landscape[0]))]
    # every line rises or is level, and begins where another ends or at a minimum
    feet = {(float(x), e) for x, e in zip(graph.x, landscape[0], strict=True)}
    ends = {tuple(line[1]) for line in lines}
    for foot, top in lines:
        assert foot[1] <= top[1]
        assert tuple(foot) in feet | ends


def test_a_long_chain_is_laid_out_without_running_out_of_stack() -> None:
    count = 3000
    saddles: Saddles = [(float(count + i), i, i + 1) for i in range(count - 1)]
    graph = disconnectivity_graph([float(i) for i in range(count)], saddles)
    assert len(graph.junctions) == count - 1
    assert sorted(graph.order) == [*range(count)]


def test_a_merge_tree_gives_its_own_graph() -> None:
    field = torch.randn(15, 15, generator=torch.Generator().manual_seed(0))
    field[7] = torch.nan
    tree = merge_tree(field)
    graph = disconnectivity_graph(tree)
    assert graph.energies.tolist() == [minimum.value for minimum in tree.minima]
    assert len(graph.roots) == 2
    for number, minimum in enumerate(tree.minima):
        if minimum.parent is not None and minimum.saddle is not None:
            level = tree.saddles[minimum.saddle].value
            assert meets(graph, number, minimum.parent) == level


def test_a_graph_is_plain_in_a_dict() -> None:
    plain = disconnectivity_graph(MINIMA, SADDLES, levels=3).to_dict()
    assert json.loads(json.dumps(plain))["energies"] == MINIMA


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"minima": [], "saddles": []}, r"shape \(0,\) as minima"),
        ({"minima": [0.0, float("nan")], "saddles": []}, "a finite number"),
        ({"minima": [0.0, 1.0]}, "Minima without saddles"),
        ({"minima": [0.0, 1.0], "saddles": [(1, 2)]}, r"Saddles of shape \(1, 2\)"),
        ({"minima": [0.0, 1.0], "saddles": [(0, 1, 2.0)]}, "between minima 1 and 2"),
        (
            {"minima": [0.0, 1.0], "saddles": [(2.0, 0, 0.5)]},
            "between minima 0 and 0.5",
        ),
        ({"minima": [0.0, 1.0], "saddles": [(0.5, 0, 1)]}, "the higher of energy 1"),
        ({"minima": [0.0], "saddles": [(float("inf"), 0, 0)]}, "a finite height"),
        ({"minima": [0.0], "saddles": [], "labels": ["a", "b"]}, "2 labels for 1"),
        ({"minima": [0.0], "saddles": [], "levels": 0}, "levels=0"),
        ({"minima": [0.0], "saddles": [], "levels": []}, r"levels=\[\]"),
        ({"minima": [0.0], "saddles": [], "levels": [float("nan")]}, "levels="),
    ],
)
def test_what_is_no_landscape_of_minima_is_refused_with_advice(
    arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(ArgumentError, match=says):
        disconnectivity_graph(**arguments)


def lennard_jones(positions: Tensor) -> Tensor:
    """4 Σ (r⁻¹² − r⁻⁶) over pairs of atoms, of a batch of clusters (b, 3 n)."""
    atoms = positions.reshape(len(positions), -1, 3)
    i, j = torch.triu_indices(atoms.shape[1], atoms.shape[1], 1)
    sixth = ((atoms[:, i] - atoms[:, j]) ** 2).sum(-1) ** -3
    return 4 * (sixth**2 - sixth).sum(-1)


def slope_and_bend(positions: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients and Hessians of a batch of clusters."""
    positions = positions.detach().requires_grad_()
    energy = lennard_jones(positions).sum()
    (slope,) = torch.autograd.grad(energy, positions, create_graph=True)
    rows = [
        torch.autograd.grad(slope[:, k].sum(), positions, retain_graph=True)[0]
        for k in range(positions.shape[1])
    ]
    return slope.detach(), torch.stack(rows, dim=1)


def walked(positions: Tensor, index: int, steps: int, reach: float) -> Tensor:
    """Eigenvector following: Newton's steps, up along the ``index`` lowest modes."""
    for _ in range(steps):
        slope, bend = slope_and_bend(positions)
        curvatures, modes = torch.linalg.eigh(bend)
        step = (modes.mT @ slope[..., None])[..., 0] / curvatures.abs().clamp_min(1e-3)
        step[:, :index] *= -1
        # translations and rotations
        step = torch.where(curvatures.abs() < 1e-6, 0, step)
        step = step * (reach / step.norm(dim=1, keepdim=True)).clamp_max(1)
        positions = positions - (modes @ step[..., None])[..., 0]
    return positions


# all that seven atoms have, to six digits
LJ7 = [-16.505384, -15.935043, -15.593211, -15.533060]


def test_seven_lennard_jones_atoms_have_their_four_minima_in_one_funnel() -> None:
    generator = torch.Generator().manual_seed(1)
    starts = torch.randn(40, 21, generator=generator, dtype=F64)
    minima = walked(starts, 0, 60, 0.2)
    slope, bend = slope_and_bend(minima)
    assert float(slope.norm(dim=1).max()) < 1e-8
    assert float(torch.linalg.eigvalsh(bend)[:, 6].min()) > 1
    found = lennard_jones(minima)
    number = (found[:, None] - torch.tensor(LJ7, dtype=F64)).abs().argmin(dim=1)
    energies = torch.stack([found[number == i].mean() for i in range(4)])
    assert energies.tolist() == pytest.approx(LJ7, abs=6e-7)
    assert float((found - energies[number]).abs().max()) < 1e-10

    shaken = minima.repeat(4, 1)
    shaken = shaken + 0.25 * torch.randn(shaken.shape, generator=generator, dtype=F64)
    passes = walked(shaken, 1, 80, 0.1)
    slope, bend = slope_and_bend(passes)
    curvatures, modes = torch.linalg.eigh(bend)
    # one way down, six rigid motions, and no atom that has flown off
    proved = (slope.norm(dim=1) < 1e-8) & (curvatures[:, 0] < -1)
    proved &= (curvatures[:, 1:7].abs() < 1e-6).all(dim=1) & (curvatures[:, 7] > 1)
    passes, down = passes[proved], modes[proved][:, :, 0]
    sides = torch.cat([passes + 0.02 * down, passes - 0.02 * down])
    feet = lennard_jones(walked(sides, 0, 120, 0.05))
    distance, joined = (feet[:, None] - energies).abs().min(dim=1)
    assert float(distance.max()) < 1e-8
    a, b = joined.chunk(2)
    heights = lennard_jones(passes)

    saddles = torch.stack([heights, a.double(), b.double()], dim=1)
    graph = disconnectivity_graph(energies, saddles)
    assert len(graph.roots) == 1
    assert len(graph.junctions) == 3
    for one in range(4):
        for other in range(one):
            ways = saddles.tolist()
            levels = [e for e, _, _ in ways if connected(ways, e, one, other)]
            assert meets(graph, one, other) == min(levels)
    # the pentagonal bipyramid lies in the middle of a funnel without a second bottom
    assert graph.order[0] != 0 != graph.order[-1]
