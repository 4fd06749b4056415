"""Which permutations the units along an axis allow: all, none, within parts, by blocks.

A set of ``n`` units is one of four things:

- free: any permutation;
- fixed: none but the identity;
- parts: one set after the other, each permuted within itself;
- blocks: ``p`` blocks of ``n / p`` units, moved as wholes by the permutation of an
  index set of ``p``, and each permuted within itself. Attention heads are such blocks.

Sets that have to be permuted alike are tied: from then on they are one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@dataclass(frozen=True)
class Parts:
    """Sets one after the other."""

    sets: tuple[int, ...]


@dataclass(frozen=True)
class Blocks:
    """Sets of one size that an index set moves as wholes."""

    index: int
    sets: tuple[int, ...]


@final
class UnitSets:
    """Sets of units by number, of which some are tied (a disjoint-set forest).

    References
    ----------
    Tarjan, "Efficiency of a good but not linear set union algorithm", 1975,
    doi:10.1145/321879.321884.
    """

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._size: list[int] = []
        self._split: list[Parts | Blocks | None] = []
        self._fixed: dict[int, int] = {}
        # summed over beside what is the same all along, which shows nothing of them
        self.untested: list[int] = []

    def free(self, size: int) -> int:
        """A new set whose units may be exchanged; one unit alone is fixed."""
        return self._new(size) if size > 1 else self.fixed(size)

    def fixed(self, size: int) -> int:
        """The set of a size whose units stay where they are."""
        if size not in self._fixed:
            self._fixed[size] = self._new(size)
        return self._fixed[size]

    def joined(self, parts: Sequence[int]) -> int:
        """Sets one after the other as one."""
        if len(parts) == 1:
            return parts[0]
        size = sum(map(self.size, parts))
        if all(map(self.is_fixed, parts)):
            return self.fixed(size)
        return self._new(size, Parts(tuple(parts)))

    def grouped(self, index: int, blocks: Sequence[int]) -> int:
        """Blocks that an index set moves, as one set."""
        each = self.size(blocks[0])
        if len(blocks) == 1:
            return blocks[0]
        if each == 1:
            return index
        if self.is_fixed(index) and all(map(self.is_fixed, blocks)):
            return self.fixed(len(blocks) * each)
        return self._new(len(blocks) * each, Blocks(index, tuple(blocks)))

    def _new(self, size: int, split: Parts | Blocks | None = None) -> int:
        self._parent.append(len(self._parent))
        self._size.append(size)
        self._split.append(split)
        return len(self._parent) - 1

    def root(self, number: int) -> int:
        """The number that all sets tied to this one share."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def size(self, number: int) -> int:
        """How many units."""
        return self._size[number]

    def split(self, number: int) -> Parts | Blocks | None:
        """What a set is made of, when it is not free or fixed as a whole."""
        return self._split[self.root(number)]

    def is_fixed(self, number: int) -> bool:
        """Whether no unit may move."""
        root = self.root(number)
        if root == self._fixed.get(self._size[root]):
            return True
        split = self._split[root]
        if split is None or (
            isinstance(split, Blocks) and not self.is_fixed(split.index)
        ):
            return False
        return all(map(self.is_fixed, split.sets))

    def is_free(self, number: int) -> bool:
        """Whether any permutation is allowed."""
        return self.split(number) is None and not self.is_fixed(number)

    def pin(self, number: int) -> None:
        """Let no unit move."""
        root = self.root(number)
        fixed = self.fixed(self._size[root])
        if root == fixed:
            return
        split, self._split[root] = self._split[root], None
        self._parent[root] = fixed
        if isinstance(split, Blocks):
            self.pin(split.index)
        for part in split.sets if split else ():
            self.pin(part)

    def tie(self, one: int, other: int) -> None:
        """Let two sets be permuted alike."""
        one, other = self.root(one), self.root(other)
        if one == other:
            return
        if self.is_fixed(one) or self.is_fixed(other):
            self.pin(one)
            self.pin(other)
        elif self._split[one] is None:
            self._parent[one] = other
        elif self._split[other] is None:
            self._parent[other] = one
        else:
            self._tie_pieces(one, other)
            # their pieces may have been tied to theirs, or pinned, on the way
            one, other = self.root(one), self.root(other)
            if one != other:
                self._parent[other] = one

    def _tie_pieces(self, one: int, other: int) -> None:
        split, against = self._split[one], self._split[other]
        if isinstance(split, Blocks) and isinstance(against, Blocks):
            few, many = sorted((len(split.sets), len(against.sets)))
            if many % few:
                self.pin(one)
                self.pin(other)
                return
            (index, blocks), (by, pieces) = (
                self.blocks(one, few),
                self.blocks(other, few),
            )
            self.tie(index, by)
        else:
            if isinstance(split, Blocks):
                one, other = other, one
            blocks = self.parts(one)
            pieces = self.cut(other, [self.size(part) for part in blocks])
        for block, piece in zip(blocks, pieces, strict=True):
            self.tie(block, piece)

    def parts(self, number: int) -> list[int]:
        """The sets that a set is made of one after the other; itself if it is not."""
        split = self.split(number)
        return list(split.sets) if isinstance(split, Parts) else [number]

    def blocks(self, number: int, count: int) -> tuple[int, list[int]]:
        """The index set and the blocks of a set, made into so many blocks."""
        root, each = self.root(number), self._size[number] // count
        if count == 1:
            return self.fixed(1), [root]
        if each == 1:
            return root, [self.fixed(1)] * count
        if self.is_fixed(root):
            return self.fixed(count), [self.fixed(each)] * count
        split = self._split[root]
        if split is None:
            made = Blocks(
                self._new(count), tuple(self._new(each) for _ in range(count))
            )
            self._split[root] = made
            return made.index, list(made.sets)
        if isinstance(split, Parts):
            return self.fixed(count), self.cut(root, [each] * count)
        return self._regrouped(root, split, count)

    def _regrouped(self, root: int, split: Blocks, count: int) -> tuple[int, list[int]]:
        """The same as fewer blocks of blocks, or as more and smaller ones."""
        have = len(split.sets)
        if have == count:
            return split.index, list(split.sets)
        if have % count == 0:
            each = have // count
            index, within = self.blocks(split.index, count)
            starts = range(0, have, each)
            blocks = [
                self.grouped(inner, split.sets[start : start + each])
                for inner, start in zip(within, starts, strict=True)
            ]
            self._split[root] = Blocks(index, tuple(blocks))
            return index, blocks
        if count % have == 0:
            pairs = [self.blocks(block, count // have) for block in split.sets]
            index = self.grouped(split.index, [inner for inner, _ in pairs])
            return index, [block for _, blocks in pairs for block in blocks]
        self.pin(split.index)
        return self.fixed(count), self.cut(root, [self._size[root] // count] * count)

    def cut(self, number: int, sizes: Sequence[int]) -> list[int]:
        """A set as parts of these sizes, none of them zero."""
        root = self.root(number)
        if len(sizes) == 1:
            return [root]
        if self.is_fixed(root):
            return [self.fixed(size) for size in sizes]
        split = self._split[root]
        if split is None:
            made = Parts(tuple(self.free(size) for size in sizes))
            self._split[root] = made
            return list(made.sets)
        if isinstance(split, Blocks):
            self._split[root] = Parts(tuple(self._cut_blocks(split, sizes)))
        return self._gathered(self.parts(root), sizes)

    def _cut_blocks(self, split: Blocks, sizes: Sequence[int]) -> list[int]:
        """Parts of whole blocks, where the cuts lie between blocks."""
        each = self.size(split.sets[0])
        if any(size % each for size in sizes):
            self.pin(split.index)
            return list(split.sets)
        counts = [size // each for size in sizes]
        ends = [sum(counts[: i + 1]) for i in range(len(counts))]
        return [
            self.grouped(index, split.sets[end - count : end])
            for index, count, end in zip(
                self.cut(split.index, counts), counts, ends, strict=True
            )
        ]

    def _gathered(self, parts: list[int], sizes: Sequence[int]) -> list[int]:
        """Parts put together, and cut where need be, to make these sizes."""
        found: list[int] = []
        for size in sizes:
            taken: list[int] = []
            while size:
                part = parts.pop(0)
                have = self.size(part)
                if have > size:
                    part, rest = self.cut(part, [size, have - size])
                    parts.insert(0, rest)
                taken.append(part)
                size -= min(have, size)
            found.append(self.joined(taken))
        return found
