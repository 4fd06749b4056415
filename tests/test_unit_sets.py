"""Sets of units that are cut, made into blocks and tied allow only what all ask for."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.maps.alignment.assignment import assignment
from theodolite.maps.alignment.seats import order_of, walk
from theodolite.maps.alignment.symmetry import free_roots
from theodolite.maps.alignment.unit_sets import UnitSets


def shuffle(sets: UnitSets, numbers: list[int], seed: int = 0) -> dict[int, np.ndarray]:
    random = np.random.default_rng(seed)
    roots = {root for number in numbers for root in free_roots(sets, number)}
    return {root: random.permutation(sets.size(root)) for root in sorted(roots)}


def keeps_blocks(order: np.ndarray, count: int) -> bool:
    """Whether an order moves blocks as wholes."""
    rows = order.reshape(count, -1) // (len(order) // count)
    return bool((rows == rows[:, :1]).all())


def keeps_parts(order: np.ndarray, sizes: list[int]) -> bool:
    """Whether an order stays within parts."""
    edges = np.cumsum([0, *sizes])
    return all(set(order[a:b]) == set(range(a, b)) for a, b in pairwise(edges))


DEMANDS = st.lists(
    st.one_of(
        st.tuples(st.just("blocks"), st.sampled_from([1, 2, 3, 4, 6, 12])),
        st.tuples(st.just("parts"), st.sampled_from([1, 3, 4, 5, 6, 8, 11])),
    ),
    max_size=3,
)


@given(one=DEMANDS, other=DEMANDS, third=DEMANDS)
def test_tied_sets_meet_the_demands_on_each(one, other, third) -> None:
    sets = UnitSets()
    numbers = [sets.free(12) for _ in range(3)]
    for number, demands in zip(numbers, (one, other, third), strict=True):
        for kind, size in demands:
            if kind == "blocks":
                sets.blocks(number, size)
            else:
                sets.cut(number, [size, 12 - size])
    sets.tie(numbers[0], numbers[1])
    sets.tie(numbers[2], numbers[1])
    orders = shuffle(sets, numbers)
    found = [order_of(sets, number, orders) for number in numbers]
    assert all(np.array_equal(order, found[0]) for order in found)
    assert sorted(found[0]) == list(range(12))
    for kind, size in one + other + third:
        if kind == "blocks":
            assert keeps_blocks(found[0], size)
        else:
            assert keeps_parts(found[0], [size, 12 - size])


def test_a_free_set_allows_every_order() -> None:
    sets = UnitSets()
    number = sets.free(5)
    orders = shuffle(sets, [number], seed=3)
    assert np.array_equal(order_of(sets, number, orders), orders[number])


def test_pinned_sets_and_all_inside_stay() -> None:
    sets = UnitSets()
    number = sets.free(12)
    index, blocks = sets.blocks(number, 3)
    sets.pin(number)
    assert all(map(sets.is_fixed, [number, index, *blocks]))
    assert free_roots(sets, number) == []


def test_a_tie_to_a_pinned_set_pins() -> None:
    sets = UnitSets()
    number = sets.free(6)
    sets.tie(number, sets.fixed(6))
    assert sets.is_fixed(number)


def test_a_pinned_index_leaves_the_units_inside_of_blocks_free() -> None:
    sets = UnitSets()
    number = sets.free(6)
    index, _ = sets.blocks(number, 2)
    sets.pin(index)
    order = order_of(sets, number, shuffle(sets, [number], seed=1))
    assert keeps_parts(order, [3, 3])
    assert not np.array_equal(order, np.arange(6))


def test_blocks_of_blocks_are_the_same_however_they_are_made() -> None:
    sets = UnitSets()
    one, other = sets.free(12), sets.free(12)
    _, blocks = sets.blocks(one, 2)
    for block in blocks:
        sets.blocks(block, 3)
    sets.blocks(other, 6)
    sets.tie(one, other)
    order = order_of(sets, other, shuffle(sets, [one, other]))
    assert keeps_blocks(order, 2)
    assert keeps_blocks(order, 6)


def test_a_cut_between_blocks_leaves_the_blocks_on_either_side_free() -> None:
    sets = UnitSets()
    number = sets.free(12)
    sets.blocks(number, 6)
    left, right = sets.cut(number, [8, 4])
    order = order_of(sets, number, shuffle(sets, [number], seed=2))
    assert keeps_blocks(order, 6)
    assert keeps_parts(order, [8, 4])
    assert len(free_roots(sets, left)) == 5
    assert len(free_roots(sets, right)) == 3


def test_units_sit_where_their_set_puts_them() -> None:
    sets = UnitSets()
    number = sets.free(6)
    index, blocks = sets.blocks(number, 3)
    found = dict(walk(sets, number, np.arange(6)[:, None]))
    assert found[index].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found[blocks[1]].tolist() == [[2], [3]]


def test_an_assignment_is_the_best_of_all() -> None:
    profits = np.array([[1.0, 2.0, 0.0], [3.0, 3.0, 0.0], [0.0, 0.0, 0.0]])
    assert assignment(profits).tolist() == [1, 0, 2]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_without_a_difference_nothing_moves(size: int) -> None:
    assert assignment(np.zeros((size, size))).tolist() == list(range(size))
