"""Passes between two trainings of one network, by all ways in one table."""

import torch
from spectra_tables import Table, percent
from torch import nn

import theodolite as td
from theodolite.maps.paths.barrier import Barrier
from theodolite.maps.paths.path import Path
from theodolite.models.digits import split_digits
from theodolite.models.mlp import MLP
from theodolite.models.training import train

# what share of the straight line's barrier should be gone
_AIMS = {"bezier": 0.95}
_AIM_ALIGNED = 0.8
_COLUMNS = (
    "barrier, training data",
    "barrier, test data",
    "removed",
    "aim",
    "length",
    "gradients",
    "seconds",
)
_NAMES = {
    "straight": "straight line",
    "aligned": "straight line after td.align",
    "bezier": 'td.connect(method="bezier")',
    "polychain": 'td.connect(method="polychain")',
    "neb": 'td.connect(method="neb")',
}


def connections(rounds: int) -> list[Table]:
    """Two convolutional networks, and two wide ones that are put in order."""
    del rounds
    return [_between_cnns(), _wide_ones()]


def _between_cnns() -> Table:
    one, other = (td.builtin("digits-cnn", seed=seed) for seed in (0, 1))
    found = td.maps.ways(one, None, other.model)
    straight = found["straight"]
    rows = []
    for method, path in found.paths.items():
        aim = _AIMS.get(method)
        seconds = path.seconds
        if method == "aligned" and found.alignment is not None:
            seconds += found.alignment.seconds
        rows.append(_row(_NAMES[method], path, straight, aim, seconds))
    text = (
        "digits-cnn, trained independently from seeds 0 and 1: the highest loss on the "
        "way above the higher end, with its standard error over samples; batch norm "
        f"{straight.batch_norm} along the way. Seconds are those on the clock."
    )
    return Table("Between two digits-cnn", text, ("", *_COLUMNS), rows)


def _wide_ones() -> Table:
    data, test = split_digits()
    rows = []
    for name, activation in (("ReLU", nn.ReLU), ("tanh", nn.Tanh)):
        models = [_trained(activation, data, seed) for seed in (0, 1)]
        land = td.Landscape(models[0], nn.CrossEntropyLoss(), data, test=test)
        ways = td.maps.ways(land, None, models[1], ("straight", "aligned"))
        straight, alignment = ways["straight"], ways.alignment
        aligned = ways["aligned"]
        if alignment is None:
            continue
        rows += [
            _row(f"{name}, straight line", straight, straight, None, straight.seconds),
            _row(
                f"{name}, after td.align",
                aligned,
                straight,
                _AIM_ALIGNED,
                aligned.seconds + alignment.seconds,
            ),
        ]
    text = (
        "MLP 64-512-10 on digits, trained from seeds 0 and 1, before and after the "
        "second network's units were put into the first one's order."
    )
    return Table("Two wide networks in one order", text, ("", *_COLUMNS), rows)


def _trained(
    activation: type[nn.Module], data: tuple[torch.Tensor, torch.Tensor], seed: int
) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MLP((64, 512, 10), activation)
        train(model, data, epochs=20, seed=seed)
    return model.eval()


def _row(
    name: str, path: Path, straight: Path, aim: float | None, seconds: float
) -> tuple[str, ...]:
    before = straight.barrier.value
    gone = 1 - path.barrier.value / before
    met = "" if aim is None else f"≥ {percent(aim)}{' ✓' if gone >= aim else ''}"
    return (
        name,
        _barrier(path.barrier),
        _barrier(path.test_barrier),
        percent(gone) if path is not straight else "",
        met,
        f"{path.length:.3g}",
        f"{path.gradients:.3g}",
        f"{seconds:.1f}",
    )


def _barrier(barrier: Barrier | None) -> str:
    return "" if barrier is None else f"{barrier.value:.4f} ± {barrier.error:.4f}"
