"""Go on with a survey that was stopped, from what its folder holds."""

from collections.abc import Mapping
from math import isclose

from torch import Tensor

from theodolite.errors import RunFolderError
from theodolite.estimate import Estimate
from theodolite.outcomes import Outcome
from theodolite.spectrum.eigenpairs import ROWS, EigenPairs
from theodolite.spectrum.enclosure import CONFIDENCE
from theodolite.surveying.evidence import Evidence
from theodolite.surveying.measurement import Measurement
from theodolite.surveying.run_folder import RunFolder
from theodolite.surveying.stages import STAGES

_ENDS = {"speed_limit", "eigenvalues", "place", "stiffness"}


def taken_over(
    folder: RunFolder, fingerprint: Mapping[str, float], evidence: Evidence
) -> dict[str, Measurement]:
    """The finished measurements of a folder, and into the evidence what they knew.

    Raises
    ------
    RunFolderError
        When the folder cannot be read, or holds the survey of another point.
    """
    theirs = folder.run().get("fingerprint", {})
    if any(not _same(mine, theirs.get(key)) for key, mine in fingerprint.items()):
        raise RunFolderError(
            found=f"{folder.path} holds the survey of another point, seed or noise: "
            f"its loss is {theirs.get('loss')}, here it is {fingerprint['loss']:.6g}.",
            why="Numbers of two surveys must not be mixed.",
            instead="Leave --resume out, or name another folder with --out.",
        )
    held = folder.measurements()
    kept = {
        stage.name: held[stage.name]
        for stage in STAGES
        if stage.name in held and held[stage.name].outcome.good
    }
    if not kept.keys() >= _ENDS:
        # they come from one Lanczos run, which is not kept on disk
        kept = {name: found for name, found in kept.items() if name not in _ENDS}
    _remember(kept, folder.tensors(), evidence)
    return kept


def _remember(
    kept: Mapping[str, Measurement], tensors: Mapping[str, Tensor], evidence: Evidence
) -> None:
    """Put back into the evidence what later parts build on."""
    if "loss" in kept:
        evidence.gradient_norm = kept["loss"].value["train"]["gradient_norm"]
    if "speed_limit" in kept:
        evidence.limit = kept["speed_limit"].value
    evidence.tensors = {
        name: tensor
        for name, tensor in tensors.items()
        if (part := name.partition(".")[0]) in kept and part in ("plane", "density")
    }
    if "eigenvalues" in kept and "top.vectors" in tensors:
        evidence.top = _pairs(tensors, "top", kept["eigenvalues"].outcome)
        evidence.bottom = _pairs(tensors, "bottom", kept["eigenvalues"].outcome)
    if "trace" in kept:
        evidence.trace = _estimate(kept["trace"], evidence.seed)


def _pairs(tensors: Mapping[str, Tensor], end: str, outcome: Outcome) -> EigenPairs:
    stored = {field: tensors[f"{end}.{field}"] for field in ("vectors", *ROWS)}
    return EigenPairs(
        **stored,
        confidence=CONFIDENCE,
        products=0,
        seconds=0.0,
        bytes=0,
        seed=0,
        outcome=outcome,
        lowest=len(stored["values"]) if end == "bottom" else 0,
    )


def _estimate(measurement: Measurement, seed: int) -> Estimate:
    return Estimate(
        **measurement.value,
        products=measurement.products,
        seconds=measurement.seconds,
        seed=seed,
        outcome=measurement.outcome,
    )


def _same(mine: float, theirs: object) -> bool:
    return isinstance(theirs, float) and isclose(mine, theirs, rel_tol=1e-6)
