"""Models in half precision: fewer digits, and no crash."""

import pytest
import torch
from torch import nn

import theodolite as td
from networks import MLP
from problems import normal, ready

F64 = torch.float64

ROUGH = {torch.float16: 0.02, torch.bfloat16: 0.08}


@pytest.mark.parametrize("dtype", ROUGH, ids=str)
def test_narrow_types_give_the_largest_eigenvalue_within_their_digits(
    dtype: torch.dtype,
) -> None:
    model = ready(lambda: MLP(8, 12, 4), F64)
    inputs, labels = normal(64, 8, dtype=F64), torch.arange(64) % 4
    narrow = ready(lambda: MLP(8, 12, 4), F64).to(dtype)
    wide = td.Landscape(model, nn.CrossEntropyLoss(), (inputs, labels))
    rough = td.Landscape(narrow, nn.CrossEntropyLoss(), (inputs.to(dtype), labels))
    true = float(torch.linalg.eigvalsh(wide.hessian().dense())[-1])
    for which in ("LA", "SA", "BE"):
        pairs = td.eigsh(rough.hessian(), 2, which, budget=60)
        assert bool(torch.isfinite(pairs.values).all())
    top = td.eigsh(rough.hessian(), 1, budget=60)
    assert float(top.values[0]) == pytest.approx(true, rel=ROUGH[dtype])
    for measure in (td.classify, td.stiffness, td.layer_eigenvalues, td.speed_limit):
        measure(rough)
    td.trace(rough.hessian(), budget=20)
    td.spectral_density(rough.hessian(), probes=2, steps=10)
