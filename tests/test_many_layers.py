"""Thirty layers at once."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from problems import labels, normal, ready
from theodolite.operators.layer_blocks import escaped
from theodolite.products.double_backward import GradientGraph, nodes_behind

F64 = torch.float64
CE = nn.CrossEntropyLoss()

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
]


def executed(gradients: list[Tensor], multiply: Callable[[], Any]) -> int:
    """Nodes of a kept graph that a product runs through."""
    count = 0

    def one_more(*_: Any) -> None:
        nonlocal count
        count += 1

    handles = [node.register_hook(one_more) for node in nodes_behind(gradients)]
    multiply()
    for handle in handles:
        handle.remove()
    return count


class TestManyLayers:
    """Thirty of them, each with a block of its own."""

    @pytest.fixture
    def land(self) -> td.Landscape:
        layers = [
            part for _ in range(29) for part in (nn.Linear(3, 3, bias=False), nn.Tanh())
        ]
        model = ready(lambda: nn.Sequential(*layers, nn.Linear(3, 3)), F64)
        with torch.no_grad():
            for layer in layers[::2]:
                layer.get_parameter("weight").add_(torch.eye(3))
        return td.Landscape(model, CE, (normal(8, 3, dtype=F64), labels(3, 8)))

    def test_every_layers_eigenvalue_is_its_dense_blocks(
        self, land: td.Landscape
    ) -> None:
        matrix = land.hessian().dense()
        found = td.layer_eigenvalues(land)
        assert len(found) == 30
        assert found.outcome.good
        for layer, place in land.layers.items():
            values = torch.linalg.eigvalsh(matrix[place, place])
            # where nothing bends upward, the largest of many that are almost zero
            scale = max(float(values[-1].abs()), 1e-2 * float(values.abs().max()))
            assert abs(found[layer].value - float(values[-1])) <= 1e-3 * scale
        # no more than the whole block, and one at least
        sizes = [place.stop - place.start for place in land.layers.values()]
        assert 30 <= found.products <= sum(sizes) + 30

    def test_a_blocks_product_runs_through_what_its_layer_needs_alone(
        self, land: td.Landscape
    ) -> None:
        hessian = land.hessian()
        hessian @ torch.ones(land.size)
        [product] = hessian.store._kept.values()
        assert isinstance(product, GradientGraph)
        gradients = [g for g in product.gradients if g is not None]
        everything = executed(gradients, lambda: hessian @ torch.ones(land.size))
        blocks = [hessian.block(escaped(layer)) for layer in land.layers]
        work = [
            executed(gradients, lambda b=b: b @ torch.ones(b.shape[0])) for b in blocks
        ]
        assert work[-1] < work[0] / 10
        assert sum(work) <= len(work) * everything / 2
