"""The error that the data themselves leave in every number of a landscape."""

from collections.abc import Sequence
from dataclasses import replace

from theodolite.budget import BudgetLike, as_budget
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.progress import ProgressLike
from theodolite.site.other_data.data_spread import DataSpread
from theodolite.site.other_data.growing_sample import GrowingSample
from theodolite.site.other_data.measured_spread import QUANTITIES, Wish, measured_spread


def data_error(
    land: Landscape,
    *,
    quantities: Sequence[str] = tuple(QUANTITIES),
    samples: int | str | None = None,
    groups: int | None = None,
    rtol: float = 0.05,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> DataSpread:
    """How far numbers of a landscape would move on another sample of the data.

        θ̂ = θ(Σ ρ_g ·),   u_g = (1 − ρ_g)(θ_(g) − θ̂),   bias = Σ u_g,   error² ≈ Σ u_g²

    The samples are dealt at random into groups of shares ρ_g, and each number is found
    without each group (jack-knife). The loss and the trace are means and have no bias.
    ``‖ḡ‖²`` is too large by tr Cov(ḡ), and λ_max too large as the largest of noisy
    values is: on digits, for an MLP at its start, 2.4 times the whole data's at 8
    samples, 1.45 at 32, 1.11 at 128, 1.03 at 512; trained, 3.2, 1.6, 1.16, 1.03. Both
    are told with ``bias`` and ``corrected``; a held-out vᵀHv would err as much the
    other way. λ_max without a group is found in the span of six eigenvectors, and to
    second order beside it; 0.4 of the estimated bias counts as error. Each interval
    held the truth in 91 to 97 % of 200 samples of 500, of linear and softmax regression
    and a small tanh network.

    Costs three passes for loss and gradient; for λ_max what six eigenpairs cost and 14
    products; for the trace 8 products and more, until the probes leave half as much in
    doubt as the data, or p products. Groups are batches of their own: on few samples
    of a small network their overhead is most of the time. Memory: 20 vectors and
    eigsh's basis.

    Misleads where samples are not independent (frames of one film, tokens of one text
    in several rows); where batches cannot be cut, and are few or not random samples;
    for λ_max where the bias is no longer small beside the value (fewer samples than
    parameters that matter); and at a point that was trained on these very data, which
    fits them better than others: there give ``land.test``.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    quantities : sequence of str
        Of ``"loss"``, ``"gradient_norm"``, ``"largest_eigenvalue"`` and ``"trace"``.
    samples : int or "auto", optional
        A random part of the data of that size (:meth:`Landscape.sample`). ``"auto"``
        begins with 256 or a sixteenth of all and doubles, each size starting from the
        eigenvectors of the last, until no quantity's error is above ``rtol``: ask for
        those alone that are far from zero.
    groups : int, optional
        Into how many parts the samples are put; 40 by default.
    rtol : float
        The relative error at which ``"auto"`` ends; probes of the trace go on to half
        of it, or to half of the data's error.
    seed : int
        Of samples, groups, starts and probes.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Returns
    -------
    DataSpread
        A mapping from each quantity to its row.

    Raises
    ------
    ArgumentError
        When an argument cannot be used, or the landscape is that of a function.
    DataError
        When the data are one batch that cannot be cut.

    References
    ----------
    Efron and Stein, "The jackknife estimate of variance", Annals of Statistics 9
    (1981), doi:10.1214/aos/1176345462. On λ_max of samples: Granziol, Zohren and
    Roberts, "Learning rates as a function of batch size", JMLR 23 (2022),
    arXiv:2006.09092.
    """
    require_landscape(land)
    wish = Wish(_known(quantities), groups, rtol, seed)
    _require_sensible(land, samples, groups, rtol)
    limit = as_budget(budget, 1000)
    if samples == "auto":
        return GrowingSample(land, wish).run(limit, progress)
    part = land if samples is None else land.sample(int(samples), seed=seed)
    found, _ = measured_spread(part, wish, limit, progress)
    return replace(
        found, available=land.samples, work_on_all=found.products * land.samples
    )


def _known(quantities: Sequence[str]) -> tuple[str, ...]:
    names = (quantities,) if isinstance(quantities, str) else tuple(quantities)
    for name in names:
        if name not in QUANTITIES:
            raise ArgumentError(
                found=f"{name!r} among quantities.",
                why="Its data error is not known here.",
                instead=f"Give some of {', '.join(map(repr, QUANTITIES))}.",
            )
    if not names:
        raise ArgumentError(
            found="No quantities.",
            why="There is nothing to measure.",
            instead="Leave quantities out for all.",
        )
    return names


def _require_sensible(
    land: Landscape, samples: int | str | None, groups: int | None, rtol: float
) -> None:
    if land.model is None:
        raise ArgumentError(
            found="The landscape of a function.",
            why="It has no data, and so no error of the data.",
            instead="Give a Landscape(model, loss, data).",
        )
    if isinstance(samples, str) and samples != "auto":
        raise ArgumentError(
            found=f"samples={samples!r}.",
            why="That is no number of samples.",
            instead='Give a number, "auto" for as many as rtol asks for, or leave it '
            "out for all.",
        )
    if groups is not None and groups < 2:
        raise ArgumentError(
            found=f"groups={groups}.",
            why="A single group has no spread.",
            instead="Give 30 or more, or leave it out for 40.",
        )
    if not rtol > 0:
        raise ArgumentError(
            found=f"rtol={rtol}.",
            why="No sample's error gets to zero.",
            instead="Give for example rtol=0.05.",
        )
