"""The state of a Lanczos computation: what it holds, and what it rules out."""

import pytest
import torch
from torch import Tensor

import theodolite as td
from dense import F64, relative
from spectra import SIZE, SPECTRA, filled, true_values, with_spectrum
from theodolite.errors import ArgumentError
from theodolite.operators.matrix import as_operator
from theodolite.spectrum.eigsh import ENDS, pairs_in
from theodolite.spectrum.enclosure import outer_bounds
from theodolite.spectrum.krylov import Krylov
from theodolite.spectrum.lanczos_search import LanczosSearch
from theodolite.spectrum.random_run import RandomRun

F32 = torch.float32


def grown(matrix: Tensor, steps: int, block: int = 1, capacity: int = 60) -> Krylov:
    krylov = Krylov.from_random(len(matrix), capacity, matrix[0, :0])
    krylov.widen(block)
    krylov.grow(as_operator(matrix), steps)
    return krylov


@pytest.mark.parametrize("block", [1, 2, 5, 8])
@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
def test_the_basis_is_orthonormal_and_compresses(
    block: int, dtype: torch.dtype
) -> None:
    matrix = with_spectrum(SPECTRA["clusters"], dtype)
    krylov = grown(matrix, 23, block)
    assert krylov.dimension == 23
    assert krylov.waiting == block
    basis, wide = krylov.basis, matrix.double()
    rounding = 100 * torch.finfo(dtype).eps
    eye = torch.eye(23, dtype=F64)
    torch.testing.assert_close(basis @ basis.T, eye, rtol=0, atol=rounding)
    small = basis @ wide @ basis.T
    torch.testing.assert_close(krylov.small, small, rtol=0, atol=5 * rounding)
    ritz = krylov.ritz()
    true = (wide @ basis.T @ ritz.mixes - basis.T @ ritz.mixes * ritz.values).norm(
        dim=0
    )
    torch.testing.assert_close(
        krylov.residuals(ritz.values, ritz.mixes), true, rtol=1e-6, atol=10 * rounding
    )
    assert (ritz.estimates >= true * (1 - 1e-6) - 10 * rounding).all()


def test_what_lies_beside_the_basis_is_told() -> None:
    matrix = with_spectrum(SPECTRA["clusters"])
    krylov = grown(matrix, 20)
    rows = krylov.basis[:12]
    rest = matrix @ rows.T - rows.T @ (rows @ matrix @ rows.T)
    wanted = rest.T @ rest
    torch.testing.assert_close(krylov.coupling(12), wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("block", [1, 3])
@pytest.mark.parametrize("dtype", [F64, F32, torch.bfloat16], ids=str)
def test_a_stored_state_goes_on_to_the_same_bit(block: int, dtype: torch.dtype) -> None:
    matrix = with_spectrum(SPECTRA["clusters"]).to(dtype)
    krylov = grown(matrix, 9, block)
    again = Krylov.from_state(krylov.state())
    for one in (krylov, again):
        one.grow(as_operator(matrix), 5)
        one.inject()
        one.grow(as_operator(matrix), 4)
    assert torch.equal(krylov.small, again.small)
    assert torch.equal(krylov.basis, again.basis)
    ours, theirs = (pairs_in(one, 3, "LA") for one in (krylov, again))
    assert torch.equal(ours.vectors, theirs.vectors)
    assert torch.equal(ours.high, theirs.high)


def test_a_small_wide_store_holds_what_a_large_narrow_one_does() -> None:
    krylov = grown(with_spectrum(SPECTRA["flat"], F32), 5)
    assert krylov.basis.dtype == F64
    assert krylov.next is not None
    assert krylov.next.dtype == F32
    assert krylov.bytes == (60 + 8 + 60) * 300 * 8


def test_blocks_see_copies_that_one_direction_cannot() -> None:
    matrix = with_spectrum(filled(2.0, 2.0, 2.0))
    single, block = (grown(matrix, 9, b).ritz().values for b in (1, 3))
    assert int((single > 1.99).sum()) == 1
    assert int((block > 1.99).sum()) == 3


def test_a_run_ends_where_something_comes_between() -> None:
    matrix = with_spectrum(SPECTRA["flat"])
    krylov = grown(matrix, 10)
    run = krylov.random_run
    assert run is not None
    assert (run.start, run.dimension, len(run.alphas)) == (0, 300, 10)
    krylov.inject()
    assert krylov.random_run is None
    krylov.grow(as_operator(matrix), 6)
    beside = krylov.random_run
    assert beside is not None
    assert (beside.start, beside.dimension, len(beside.betas)) == (10, 290, 6)
    first = krylov.first_run
    assert first is not None
    assert torch.equal(first.betas, run.betas)
    ritz = krylov.ritz()
    krylov.restart(ritz.values[-4:], ritz.mixes[:, -4:])
    assert krylov.random_run is None
    # a start that was given is not random
    assert Krylov(torch.ones(300), 10).random_run is None
    assert grown(matrix, 4, block=2).random_run is None


def compressed(matrix: Tensor, rows: Tensor) -> Tensor:
    away = torch.eye(len(matrix), dtype=F64) - rows.T @ rows
    return away @ matrix @ away


def test_a_run_beside_a_basis_is_that_of_the_rest() -> None:
    matrix = with_spectrum(SPECTRA["clusters"])
    krylov = grown(matrix, 12)
    krylov.inject()
    krylov.grow(as_operator(matrix), 30)
    run = krylov.random_run
    assert run is not None
    rest = true_values(compressed(matrix, krylov.basis[:12]))
    off = torch.diag(run.betas[:-1], 1)
    top = torch.linalg.eigvalsh(torch.diag(run.alphas) + off + off.T)[-1]
    assert float(top) == pytest.approx(float(rest[0]), rel=1e-6)
    assert run.ceiling(1e-3) >= float(rest[0]) - 1e-12


@pytest.mark.parametrize("doubt", [0.5, 0.1])
def test_ceilings_are_wrong_no_more_often_than_they_say(doubt: float) -> None:
    values = torch.cat([torch.linspace(0, 1, 199, dtype=F64), torch.tensor([1.2])])
    weights = torch.randn(400, 200, generator=torch.Generator().manual_seed(1)).double()
    wrong = 0
    for start in weights:
        krylov = Krylov(start, 4)
        krylov._run = 0
        krylov.grow(as_operator(torch.diag(values.double())), 4)
        run = krylov.random_run
        assert run is not None
        wrong += run.ceiling(doubt) < 1.2
    # four standard errors of a binomial
    assert wrong / 400 <= doubt + 4 * (doubt * (1 - doubt) / 400) ** 0.5
    # and not idle: with doubt one half, some are
    assert doubt < 0.5 or wrong > 0


def test_a_run_that_exhausts_its_space_rules_out_the_rest() -> None:
    matrix = with_spectrum(filled(3.0, width=0.0))
    krylov = grown(matrix, 5)
    first = krylov.first_run
    assert first is not None
    assert first.ceiling(1e-6) == pytest.approx(3.0)
    assert first.times(-1.0).ceiling(1e-6) == pytest.approx(0.0, abs=1e-12)


def ranked(true: Tensor, k: int, which: str) -> Tensor:
    """The eigenvalues whose ranks the pairs have, in the pairs' order."""
    k = min(k, len(true))
    low = {"LA": 0, "SA": k, "BE": k // 2}[which]
    return torch.cat([true[: k - low], true[len(true) - low :]])


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("dtype", [F64, F32], ids=str)
def test_every_rank_is_inside_its_bounds(spectrum: str, dtype: torch.dtype) -> None:
    matrix = with_spectrum(SPECTRA[spectrum], dtype)
    true = true_values(matrix)
    # the reference rounds too
    slack = 1e-13 * float(true.abs().max())
    for which in ENDS[:2] + ENDS[3:]:
        for budget in (3, 12, None):
            pairs = td.eigsh(matrix, 6 if len(true) > 6 else 1, which, budget=budget)
            wanted = ranked(true, len(pairs.values), which)
            # of an unfinished run only ranks that it has Ritz values for are compared
            assert (pairs.low - slack <= wanted).all(), (which, pairs, wanted)
            assert (wanted <= pairs.high + slack).all(), (which, pairs, wanted)


def test_bounds_are_tight_where_eigenvalues_stand_apart() -> None:
    pairs = td.eigsh(with_spectrum(SPECTRA["clusters"]), 6)
    assert ((pairs.high - pairs.low) <= 1e-6 * pairs.values).all()
    flat = td.eigsh(with_spectrum(SPECTRA["flat"]), 6)
    assert (flat.high - flat.low).max() > 1e-3


def test_a_warm_start_alone_rules_nothing_out() -> None:
    matrix = with_spectrum(SPECTRA["clusters"])
    cold = td.eigsh(matrix, 3)
    begun = td.eigsh(matrix, 3, v0=cold.vectors, budget=3)
    assert begun.high.isinf().all()
    warm = td.eigsh(matrix, 3, v0=cold.vectors)
    # the confirmation's direction was random
    assert warm.high.isfinite().all()
    assert warm.products < cold.products
    assert relative(warm.values, cold.values) <= 1e-6


@pytest.mark.parametrize("shape", [(300,), (300, 1), (300, 4)])
def test_every_form_of_warm_start_finds_the_same(shape: tuple[int, ...]) -> None:
    matrix = with_spectrum(SPECTRA["clusters"])
    start = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    found = td.eigsh(matrix, 4, v0=start)
    assert relative(found.values, td.eigsh(matrix, 4).values) <= 1e-6


@pytest.mark.parametrize("shape", [(299,), (4, 300), (300, 0)])
def test_other_warm_starts_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"\(300, m\)"):
        td.eigsh(with_spectrum(SPECTRA["flat"]), v0=torch.ones(shape))


@pytest.mark.parametrize("start", [torch.zeros(300), torch.full((300,), torch.nan)])
def test_a_start_without_a_direction_is_refused(start: Tensor) -> None:
    with pytest.raises(ArgumentError, match="Leave v0 out"):
        td.eigsh(with_spectrum(SPECTRA["flat"]), v0=start)


@pytest.mark.parametrize("block", [2, 4, 8])
@pytest.mark.parametrize("spectrum", ["clusters", "multiplicity five", "flat"])
def test_blocks_find_the_same_pairs(spectrum: str, block: int) -> None:
    matrix = with_spectrum(SPECTRA[spectrum])
    wanted = ranked(true_values(matrix), 6, "LA")
    found = td.eigsh(matrix, 6, block=block)
    assert found.converged
    torch.testing.assert_close(found.values, wanted, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("block", [0, 9, -1])
def test_no_block_is_refused(block: int) -> None:
    with pytest.raises(ArgumentError, match="Give 1 to 8"):
        td.eigsh(with_spectrum(SPECTRA["flat"]), block=block)


def test_a_search_tells_how_much_is_left() -> None:
    told: list[tuple[float, float]] = []

    class Listening:
        def update(self, stage: str, done: float, left: float) -> None:
            assert stage == "eigenpairs"
            told.append((done, left))

        def close(self) -> None:
            told.append((-1.0, -1.0))

    td.eigsh(with_spectrum(SPECTRA["clusters"]), 6, progress=Listening())
    shares = [done for done, _ in told[:-1]]
    assert told[-1] == (-1.0, -1.0)
    assert shares[-1] == 1.0
    assert all(0 <= share <= 1 for share in shares)
    # once residuals shrink, the rest is foreseen within a factor of some
    assert any(0.3 < share < 1 for share in shares)


def test_random_runs_can_be_turned() -> None:
    run = RandomRun(0, torch.tensor([1.0, 2.0]).double(), torch.ones(2).double(), 50)
    assert torch.equal(run.times(-1.0).alphas, -run.alphas)
    assert torch.equal(run.times(-1.0).betas, run.betas)


def test_searches_share_one_space() -> None:
    matrix = with_spectrum(SPECTRA["clusters"])
    krylov = Krylov.from_random(300, 80, matrix[0, :0])
    top = td.eigsh(matrix, 3, krylov=krylov)
    low = td.eigsh(matrix, 3, "SA", krylov=krylov)
    alone = td.eigsh(matrix, 3, "SA").products + top.products
    assert top.products + low.products < alone
    assert isinstance(LanczosSearch(krylov, 3, "LA", 1e-3), LanczosSearch)
    with pytest.raises(ArgumentError, match="Both v0 and krylov"):
        td.eigsh(matrix, 3, krylov=krylov, v0=top.vectors)


def test_what_a_broken_off_run_ruled_out_stays_so() -> None:
    """Confirmed once, a pair's last residual costs no second confirmation."""
    values = SPECTRA["twelve decades"]
    krylov = Krylov.from_random(SIZE, 200, torch.empty(0, dtype=F64), seed=2)
    found = td.eigsh(with_spectrum(values), 6, "SA", krylov=krylov, budget=2000)
    assert found.converged
    # the run along a fresh direction was broken off, for a residual's sake
    assert krylov.random_run is None
    assert krylov.ruled_out is not None
    assert -1e-6 < float(found.low[-1]) <= float(values.min()) + 1e-12
    again = Krylov.from_state(krylov.state())
    bounds = zip(outer_bounds(krylov, 1e-3), outer_bounds(again, 1e-3), strict=True)
    assert all(torch.equal(*pair) for pair in bounds)
