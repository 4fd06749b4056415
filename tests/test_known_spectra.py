"""The spectra on file are those of the trained networks on file."""

from functools import cache

import pytest
import torch

import theodolite as td
from theodolite.operators.curvature import Curvature
from trained import NAMES, known, land, probe

F64 = torch.float64
# float64 sums over thousands of numbers, relative to the norm
ROUNDING = 1e-11
# outputs that are linear in every single weight: the loss's curvature is all there is
MULTILINEAR = ("cnn", "deep linear")


@cache
def hessian_of(name: str) -> Curvature:
    return land(name).hessian()


@pytest.mark.parametrize("name", NAMES)
def test_one_product_has_the_moments_on_file(name: str) -> None:
    hessian, truth = hessian_of(name), known(name)
    assert hessian.shape[0] == len(truth.values) == len(truth.diagonal)
    z = probe(len(truth.values))
    product = hessian @ z
    bound = ROUNDING * truth.norm * len(z)
    assert float(z @ product) == pytest.approx(truth.quadratic, abs=bound)
    assert float(product @ product) == pytest.approx(
        truth.square, abs=bound * truth.norm
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_pairs_are_those_on_file(name: str) -> None:
    hessian, truth = hessian_of(name), known(name)
    pairs = td.eigsh(hessian, 3, tol=1e-6)
    apart = hessian @ pairs.vectors - pairs.vectors * truth.values[:3]
    # the residual that was asked for, and a value's error, which is smaller
    assert bool((apart.norm(dim=0) <= 2 * pairs.tolerances).all())
    # ‖r‖² / gap, and the gaps are a hundredth of the values and more
    torch.testing.assert_close(pairs.values, truth.values[:3], rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_eigenvalues_diagonal_and_probe_agree(name: str) -> None:
    truth = known(name)
    values, diagonal = truth.values, truth.diagonal
    assert bool((values.diff() <= 0).all())
    assert truth.trace == pytest.approx(float(diagonal.sum()), rel=ROUNDING)
    # of zᵀHz over random signs: twice the squares off the diagonal
    spread = (2 * (values.square().sum() - diagonal.square().sum())).sqrt()
    assert abs(truth.quadratic - truth.trace) <= 4 * float(spread)
    # of ‖Hz‖², by the same formula for H²: its diagonal is left in, so this is a bound
    spread = (2 * values.pow(4).sum()).sqrt()
    assert abs(truth.square - truth.frobenius**2) <= 4 * float(spread)


@pytest.mark.parametrize("name", NAMES)
def test_entries_of_the_diagonal_are_those_on_file(name: str) -> None:
    hessian, diagonal = hessian_of(name), known(name).diagonal
    places = torch.arange(0, len(diagonal), len(diagonal) // 8)
    units = torch.zeros(len(diagonal), len(places), dtype=F64)
    units[places, torch.arange(len(places))] = 1.0
    found = (hessian @ units)[places].diagonal()
    bound = ROUNDING * known(name).norm
    torch.testing.assert_close(found, diagonal[places], rtol=0, atol=bound)


@pytest.mark.parametrize("name", NAMES)
def test_the_trace_of_the_gauss_newton_matrix_is_the_one_on_file(name: str) -> None:
    truth = known(name).gauss_newton_trace
    if name in MULTILINEAR:
        assert truth == pytest.approx(known(name).trace, rel=ROUNDING)
    matrix = land(name).gauss_newton()
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (matrix.shape[0], 16), generator=generator)
    z = 2.0 * signs.to(F64) - 1.0
    samples = (z * (matrix @ z)).sum(0)
    error = float(samples.std()) / len(samples) ** 0.5
    assert abs(float(samples.mean()) - truth) <= 4 * error


@pytest.mark.parametrize("name", NAMES)
def test_narrow_weights_are_the_same_place(name: str) -> None:
    wide, narrow = land(name), land(name, torch.float32)
    assert narrow.point.dtype == torch.float32
    assert torch.equal(wide.point, narrow.point.double())
    rounding = torch.finfo(torch.float32).eps
    assert narrow.loss() == pytest.approx(wide.loss(), rel=100 * rounding)
