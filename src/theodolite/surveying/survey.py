"""Measure everything about one point, the most important first."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import torch

from theodolite.budget import seconds_of
from theodolite.errors import ArgumentError, RunFolderError, TheodoliteError
from theodolite.landscape import Landscape, require_landscape
from theodolite.progress import ProgressLike, Watcher, as_watcher
from theodolite.spectrum.eigenpairs import ROWS
from theodolite.storage.provenance import (
    Target,
    fingerprint,
    landscape_record,
    notes,
    surroundings,
)
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import Evidence
from theodolite.surveying.measurement import Measurement
from theodolite.surveying.record import products_record
from theodolite.surveying.result import Survey
from theodolite.surveying.resume import taken_over
from theodolite.surveying.run_folder import RunFolder
from theodolite.surveying.stages import STAGES, Stage, measured


def survey(
    land: Landscape,
    budget: str | float | None = None,
    *,
    seed: int = 0,
    sigmas: Sequence[float] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: ProgressLike = False,
    target: Target | None = None,
) -> Survey:
    """Survey a landscape: kind of place, spectrum, speed limit, picture, layers, noise.

    All parts share one Hessian and one Lanczos basis. What matters most is measured
    first; what a budget does not reach is listed. Ctrl-C ends the survey early and
    loses nothing: what was measured comes back, with the state ``"interrupted"``. About
    350 products without a budget.

    Parameters
    ----------
    land : Landscape
        Measured where it is, and left as it is.
    budget : str or float, optional
        Time, like ``"60s"`` or a number of seconds; as long as it takes by default.
    seed : int
        Of everything random.
    sigmas : sequence of float, optional
        Noise levels in parameter units; by default 0.1 to 30 % of the parameters'
        root mean square.
    out : str or Path, optional
        A run folder, written to as the survey goes.
    resume : bool
        Keep the finished measurements that ``out`` holds already.
    progress : bool or Watcher
        Whether a bar shows how far the survey has come, or whom to tell.
    target : Target, optional
        How reports name it.

    Returns
    -------
    Survey
        Prints itself; ``.save(folder)``, ``.report("survey.html")``.

    Raises
    ------
    ArgumentError
        When the budget or a noise level is not positive.
    RunFolderError
        When ``out`` cannot be written at the start, or holds another point's survey.
        What goes wrong later, like a full disk, comes as ``.unwritten`` beside the
        numbers.
    TheodoliteError
        When the landscape cannot be measured; see each error's own advice.
    """
    require_landscape(land)
    if resume and out is None:
        raise ArgumentError(
            found="resume=True without out.",
            why="There is no run folder to go on from.",
            instead="Name it: survey(land, out=folder, resume=True).",
        )
    seconds = seconds_of(budget) if isinstance(budget, str) else budget
    _require_positive(seconds, sigmas)
    run = _Run(land, seconds, seed, sigmas, as_watcher(progress), target)
    if out is not None:
        run.write_to(RunFolder(out), resume=resume)
    return run.finished()


@final
class _Run:
    """One survey under way."""

    def __init__(
        self,
        land: Landscape,
        seconds: float | None,
        seed: int,
        sigmas: Sequence[float] | None,
        watcher: Watcher,
        target: Target | None,
    ) -> None:
        self.clock = Clock(seconds)
        self.land, self.watcher = land, watcher
        self.evidence = Evidence(land, seed, sigmas, self._worked)
        self.measurements: dict[str, Measurement] = {}
        self.missing: list[dict[str, str]] = []
        self.folder: RunFolder | None = None
        self.unwritten: RunFolderError | None = None
        self._inherited = 0
        self.interrupted = False
        self._stage: Stage = STAGES[0]
        self._done = 0.0
        self._record: dict[str, Any] = {
            **surroundings(land),
            "target": (target or Target(land.name)).to_dict(),
            "landscape": landscape_record(land),
            "fingerprint": {
                **fingerprint(land),
                "seed": float(seed),
                "noise": sum(self.evidence.sigmas),
            },
            "settings": {
                "budget_seconds": seconds,
                "seed": seed,
                "sigmas": list(self.evidence.sigmas),
            },
            "started": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "notes": notes(land),
        }

    def write_to(self, folder: RunFolder, *, resume: bool) -> None:
        """Write to a folder from now on, with what it holds if that is continued."""
        held = resume and (folder.path / "run.json").exists()
        if held:
            self.measurements = taken_over(
                folder, self._record["fingerprint"], self.evidence
            )
            self._inherited = sum(m.products for m in self.measurements.values())
        elif (folder.path / "run.json").exists():
            raise RunFolderError(
                found=f"{folder.path} holds a survey already.",
                why="It would be overwritten.",
                instead="Go on with it by --resume (resume=True), or name another "
                "folder with --out (out=...).",
            )
        folder.begin(self.record("running"), anew=not held)
        self.folder = folder

    def finished(self) -> Survey:
        """Run every stage that the budget reaches."""
        try:
            for stage in STAGES:
                self._attempt(stage)
        except KeyboardInterrupt:
            self._interrupt()
        finally:
            self.watcher.close()
        state = "budget" if self.missing else "complete"
        result = Survey(
            self.record("interrupted" if self.interrupted else state),
            self.measurements,
            self._tensors(),
        )
        self._write(lambda folder: folder.write_tensors(result.tensors))
        self._write(lambda folder: folder.write_page(result.html()))
        self._write(lambda folder: folder.write_run(result.run))
        if self.unwritten is not None:
            # the numbers are worth more than the place they were meant for
            result = replace(result, unwritten=self.unwritten)
        return result

    def _write(self, action: Callable[[RunFolder], object]) -> None:
        """Write to the folder, if there is one that can be written to."""
        if self.folder is None or self.unwritten is not None:
            return
        try:
            action(self.folder)
        except RunFolderError as error:
            self.unwritten = error

    def record(self, state: str) -> dict[str, Any]:
        """What run.json says."""
        products = products_record(self.evidence)
        return {
            **self._record,
            "landscape": {**self._record["landscape"], "products": products},
            "seconds": self.clock.elapsed,
            "products": self._inherited + self.evidence.work,
            "state": state,
            "missing": self.missing,
        }

    def _attempt(self, stage: Stage) -> None:
        """Measure one part, unless it is known or cannot be reached."""
        if stage.name in self.measurements or not stage.suits(self.evidence):
            return
        if stage.needs is not None and stage.needs not in self.measurements:
            self._miss(stage, f"it needs the {stage.needs.replace('_', ' ')}")
        elif self.clock.over and not stage.free and self.measurements:
            self._miss(stage, f"the budget of {self.clock.seconds:g} s was spent")
        elif self.measurements and (takes := self._least(stage)) > max(
            self.clock.left, 0.0
        ):
            left = f"{self.clock.left:.2g} s of the budget were left"
            self._miss(stage, f"it takes {takes:.2g} s at least, and {left}")
        else:
            self._stage, self._done = stage, 0.0
            self._show()
            try:
                self._note(measured(stage, stage.run, self.evidence, self.clock))
            except TheodoliteError as error:
                # without these two nothing else can be measured either
                if stage.name in ("loss", "speed_limit"):
                    raise
                self._miss(stage, f"{error.found} {error.why}".rstrip("."))

    def _least(self, stage: Stage) -> float:
        """Seconds without which a stage is not begun; none where it is not known."""
        seconds = stage.least(self.evidence) * self.evidence.seconds_per_product
        return seconds if seconds == seconds else 0.0

    def _note(self, measurement: Measurement) -> None:
        self.measurements[measurement.name] = measurement
        self._write(lambda folder: folder.append(measurement))

    def _miss(self, stage: Stage, reason: str) -> None:
        self.missing.append({"name": stage.name, "reason": reason})

    def _interrupt(self) -> None:
        """List what is missing, after reading off what is known without a product."""
        self.interrupted = True
        for stage in STAGES:
            if stage.name in self.measurements or not stage.suits(self.evidence):
                continue
            if stage.read_off is not None and self.evidence.knows_something:
                self._note(measured(stage, stage.read_off, self.evidence, self.clock))
            else:
                self._miss(stage, "the survey was interrupted")

    def _worked(self, products: float) -> None:
        self._done += products
        self._show()

    def _show(self) -> None:
        """Tell the watcher the share done and the time left."""
        costs = {
            stage.name: stage.products(self.evidence) * stage.suits(self.evidence)
            for stage in STAGES
        }
        expected = max(costs[self._stage.name], 1.0)
        begun = [*self.measurements, *(gap["name"] for gap in self.missing)]
        before = sum(costs[name] for name in begun)
        done = before + costs[self._stage.name] * min(self._done / expected, 1.0)
        total = max(sum(costs.values()), 1.0)
        left = (total - done) * self.evidence.seconds_per_product
        left = min(left, self.clock.left) if left == left else self.clock.left
        self.watcher.update(self._stage.title, min(done / total, 1.0), left)

    def _tensors(self) -> dict[str, torch.Tensor]:
        found = dict(self.evidence.tensors)
        for name in ("top", "bottom"):
            pairs = getattr(self.evidence, name)
            if pairs is not None:
                for field in ("vectors", *ROWS):
                    found[f"{name}.{field}"] = getattr(pairs, field)
        if self.evidence.density is not None:
            found["density.nodes"] = self.evidence.density.nodes
            found["density.weights"] = self.evidence.density.weights
        if self.evidence.plane is not None:
            for field in ("x", "y", "loss", "directions"):
                found[f"plane.{field}"] = getattr(self.evidence.plane, field)
        return found


def _require_positive(seconds: float | None, sigmas: Sequence[float] | None) -> None:
    if seconds is not None and not seconds > 0:
        raise ArgumentError(
            found=f"budget={seconds}.",
            why="A survey takes time.",
            instead='Give for example budget="60s", or leave it out.',
        )
    if not all(0 < sigma < float("inf") for sigma in sigmas or ()):
        raise ArgumentError(
            found=f"sigmas={list(sigmas or ())}.",
            why="Noise has a positive, finite size.",
            instead="Give standard deviations like (1e-3, 1e-2).",
        )
