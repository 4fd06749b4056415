"""What the largest eigenvalues of all layers cost, beside one search for each layer.

python benchmarks/layers.py [--rounds 5] [--dense 6] [--write]

Thirty layers, once by ``layer_eigenvalues``, once by ``eigsh(k=1)`` for each layer on
an operator that puts a layer's vector into zeros, multiplies with the whole Hessian
and cuts the layer out again. The same kept graph, the same tolerance, one thread, one
process, interleaved. ``--write`` puts the table into benchmarks/layers.md.
"""

import argparse
import platform
from pathlib import Path
from typing import Any

import torch
from pages import processor
from timing import Spread, seconds
from torch import Tensor, nn

import theodolite as td
from networks import LOSS, Pair
from theodolite.operators.curvature import Curvature
from theodolite.operators.operator import Operator
from theodolite.site.layer_eigenvalues import layer_eigenvalues_of

LAYERS, WIDTH, SAMPLES = 30, 64, 128
TOLERANCE = 1e-3
# of the time that one search for each layer takes
AIM = 0.5

Values = dict[str, float]


class Residual(nn.Module):
    """A linear layer after a LayerNorm without weights, and a way around it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH, elementwise_affine=False)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, features: Tensor) -> Tensor:
        """``(b, 64)`` to the same."""
        return features + torch.tanh(self.linear(self.norm(features)))


class Masked(Operator):
    """One layer's block of a Hessian by products with all of it.

    Parameters
    ----------
    hessian : Curvature
        The whole.
    layer : str
        The layer's name.
    """

    def __init__(self, hessian: Curvature, layer: str) -> None:
        self._place = hessian.parameters.layers[layer]
        size = self._place.stop - self._place.start
        super().__init__(size, hessian.dtype, hessian.device)
        self._hessian = hessian

    def _multiply(self, block: Tensor) -> Tensor:
        padded = block.new_zeros(self._hessian.shape[0], block.shape[1])
        padded[self._place] = block
        return (self._hessian @ padded)[self._place]


def case() -> tuple[nn.Module, Pair]:
    """The network and its batch."""
    torch.manual_seed(0)
    model = nn.Sequential(*(Residual() for _ in range(LAYERS)))
    return model, (torch.randn(SAMPLES, WIDTH), torch.randint(0, WIDTH, (SAMPLES,)))


def together(land: td.Landscape) -> tuple[Values, int]:
    """By our own search; the values and the products."""
    hessian = land.hessian(products="retained-graph")
    found = layer_eigenvalues_of(hessian, tol=TOLERANCE)
    return {name: row.value for name, row in found.items()}, found.products


def one_by_one(land: td.Landscape) -> tuple[Values, int]:
    """By one search for each layer, all on one kept graph."""
    hessian = land.hessian(products="retained-graph")
    operators = {name: Masked(hessian, name) for name in hessian.parameters.layers}
    values = {
        name: float(td.eigsh(operator, k=1, tol=TOLERANCE).values[0])
        for name, operator in operators.items()
    }
    return values, sum(operator.products for operator in operators.values())


def dense(land: td.Landscape, count: int) -> Values:
    """Of some layers by the float64 block written out, from the first to the last."""
    hessian = land.to(torch.float64).hessian(products="retained-graph")
    names = list(hessian.parameters.layers)
    places = {round(k * (len(names) - 1) / max(1, count - 1)) for k in range(count)}
    return {
        names[place]: float(
            torch.linalg.eigvalsh(hessian.block(names[place]).dense())[-1]
        )
        for place in sorted(places)
    }


def deviation(values: Values, exact: Values) -> float:
    """The largest relative one."""
    return max(abs(values[name] - value) / abs(value) for name, value in exact.items())


def measured(rounds: int, count: int) -> dict[str, Any]:
    """Everything on the page."""
    model, batch = case()
    land = td.Landscape(model, LOSS, batch)
    values, products = together(land)
    others, more = one_by_one(land)
    ratios = [
        seconds(lambda: together(land)) / seconds(lambda: one_by_one(land))
        for _ in range(rounds)
    ]
    exact = dense(land, count)
    return {
        "time": Spread.of(ratios),
        "time per product": Spread.of([ratio * more / products for ratio in ratios]),
        "products": (products, more),
        "off": (deviation(values, exact), deviation(others, exact)),
        "layers": len(exact),
        "size": sum(weight.numel() for weight in model.parameters()),
    }


def page(found: dict[str, Any], rounds: int) -> str:
    """The page that is kept."""
    time, (products, more), (off, others) = (
        found[key] for key in ("time", "products", "off")
    )
    return f"""# What the layers' eigenvalues cost

The largest eigenvalue of each of {LAYERS} layers (linear, {WIDTH}–{WIDTH}, tanh, with
residuals and LayerNorm; {found["size"]:,} parameters, {SAMPLES} samples), by
`layer_eigenvalues`, and by `eigsh(k=1)` for each layer on masked products with the
whole Hessian. The same kept graph and tolerance ({TOLERANCE:g}); CPU time, one thread,
median of {rounds} ratios, quartiles in brackets, by

    python benchmarks/layers.py --write

on {processor()}, torch {torch.__version__}, Python {platform.python_version()},
theodolite {td.__version__}.

| | `layer_eigenvalues` | one by one | ratio | aim |
|---|---:|---:|---:|---:|
| time | | | {time} | ≤ {AIM}{" ✓" if time.middle <= AIM else ""} |
| products | {products:,} | {more:,} | {products / more:.2f} | |
| time of a product | | | {found["time per product"]} | |
| largest relative deviation | {off:.0e} | {others:.0e} | | |

The deviation is from the largest eigenvalue of the block written out in float64, for
{found["layers"]} layers from the first to the last. `eigsh` spends eight products or
more of each search on looking for what it could have missed; `layer_eigenvalues` does
not.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dense", type=int, default=6, help="blocks written out")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    text = page(measured(chosen.rounds, chosen.dense), chosen.rounds)
    print(text)
    if chosen.write:
        Path(__file__).with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
