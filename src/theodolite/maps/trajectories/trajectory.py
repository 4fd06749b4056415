"""Checkpoints of a training run, streamed to disk while it runs."""

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from theodolite.errors import ArgumentError, ParameterError
from theodolite.evaluation import require_plain_module, unwrapped
from theodolite.landscape import Landscape
from theodolite.maps.place import Place
from theodolite.maps.trajectories.checkpoint_file import CheckpointFile, Entry
from theodolite.maps.trajectories.checkpoint_layout import Layout, spelled_type
from theodolite.parameters import Patterns, as_patterns, choose_parameters
from theodolite.products.memory import readable

if TYPE_CHECKING:
    from theodolite.maps.trajectories.trajectory_plane import TrajectoryPlane


@final
class Trajectory:
    """Checkpoints of a training run, on disk from the moment they are recorded.

    One row of a raw binary file each, which is mapped into memory when read: of a run
    of any length, memory holds one tensor at a time. A row is complete before it
    counts, so that a killed run keeps all that were recorded (on a machine that loses
    power, those that the system had written). The parameters and their order are those
    of ``Landscape(model, ..., parameters=...)``: tied weights once, frozen ones left
    out. Recording costs a copy and a write of the weights; under several processes let
    one of them record.

    Misleads in low precision, which rounds every weight: the distance to a plane is
    then never below that rounding (:attr:`rounding` of a norm), and ``float16`` keeps
    eleven bits, ``bfloat16`` eight.

    Parameters
    ----------
    model : Module
        What is trained; a compiled or data-parallel wrapper is looked through.
    folder : str or Path, optional
        Where to write; a temporary folder that lives as long as the object by default.
    every : int
        Keeps the first and every so-manieth call of :meth:`record`.
    dtype : torch.dtype, optional
        Of the weights on disk; the widest of the model's own by default.
    parameters : str or sequence of str
        Which parameters, by fnmatch patterns over their names.
    buffers : bool
        Whether floating-point buffers, like batch norm's statistics, are kept beside,
        in their own type, so that each checkpoint is a full place.
    name : str, optional
        What pictures call it; the folder's name, or ``"run"``, by default.

    Raises
    ------
    ArgumentError
        When ``every`` or ``dtype`` cannot be used.
    RunFolderError
        When the folder holds a trajectory already, or cannot be written.
    ModelError, ParameterError
        As :class:`theodolite.Landscape` raises.

    Examples
    --------
    >>> trajectory = td.Trajectory(model, every=10)  # doctest: +SKIP
    >>> for batch in loader:  # doctest: +SKIP
    ...     loss = step(batch)
    ...     trajectory.record(loss)
    >>> trajectory.plane(land)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: nn.Module,
        folder: str | Path | None = None,
        *,
        every: int = 1,
        dtype: torch.dtype | None = None,
        parameters: Patterns = "*",
        buffers: bool = True,
        name: str | None = None,
    ) -> None:
        require_plain_module(model)
        _require_sensible(every, dtype)
        layout = _layout_of(unwrapped(model), parameters, dtype, buffers)
        path = self._temporary() if folder is None else Path(folder)
        header = {
            "name": name or ("run" if folder is None else path.name),
            "every": every,
            "patterns": list(as_patterns(parameters)),
        }
        self._take(CheckpointFile.begun(path, layout, header), unwrapped(model))

    @classmethod
    def open(
        cls,
        folder: str | Path,
        model: nn.Module | None = None,
        *,
        until: int | None = None,
    ) -> "Trajectory":
        """A trajectory that was recorded before, to read or to go on with.

        Parameters
        ----------
        folder : str or Path
            Where it was recorded.
        model : Module, optional
            To go on with; without it the trajectory can be read alone.
        until : int, optional
            Drop what was recorded after this step: the one that the run starts again
            from. Needs the model.

        Raises
        ------
        RunFolderError
            When there is no trajectory.
        ParameterError
            When the model's parameters are not those that were recorded.
        """
        self = object.__new__(cls)
        self._take(CheckpointFile(Path(folder)), None)
        if model is not None:
            require_plain_module(model)
            self._model = unwrapped(model)
            self._require_same(self._model)
        if until is not None:
            self._drop_after(until)
        return self

    def record(
        self,
        loss: float | Tensor | None = None,
        step: int | None = None,
        *,
        keep: bool | None = None,
    ) -> bool:
        """Write the model's weights as they are, if it is their turn.

        Parameters
        ----------
        loss : float or Tensor, optional
            As the run knows it, like the last batch's; read only if it is kept.
        step : int, optional
            Of the run; the number of calls before by default.
        keep : bool, optional
            Whether it is kept, turn or no turn: ``True`` for the last one.

        Returns
        -------
        bool
            Whether it was kept.

        Raises
        ------
        ArgumentError
            When the trajectory is closed or was opened to be read, when the step lies
            before the last one, or when a weight is beyond the type's largest number.
        RunFolderError
            When the disk is full; what was recorded before is kept.
        """
        model, call = self._recording(), self._calls
        entry = Entry(call if step is None else int(step), call)
        self._require_onward(entry.step)
        if not (call % self.every == 0 if keep is None else keep):
            self._calls += 1
            return False
        if loss is not None:
            told = loss.detach() if isinstance(loss, Tensor) else loss
            entry = Entry(entry.step, call, float(told))
        weights, buffers = dict(model.named_parameters()), dict(model.named_buffers())
        layout = self._file.layout
        pieces = layout.pieces(
            [weights[name] for name in layout.names],
            [buffers[name] for name in layout.buffer_names],
        )
        self._file.append(pieces, entry)
        self._calls += 1
        return True

    def close(self) -> None:
        """End the recording; reading goes on."""
        self._model = None

    def __enter__(self) -> "Trajectory":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._file)

    def __getitem__(self, number: int) -> Float[Tensor, " p"]:
        return self.place(number).point

    def __iter__(self) -> Iterator[Float[Tensor, " p"]]:
        return (self[number] for number in range(len(self)))

    def place(self, number: int) -> Place:
        """One checkpoint with its buffers; negative numbers count from the last.

        Raises
        ------
        IndexError
            When there is no such checkpoint.
        """
        if not -len(self) <= number < len(self):
            msg = f"checkpoint {number} of a trajectory of {len(self)}"
            raise IndexError(msg)
        row, layout = self._file.row(number % len(self)), self._file.layout
        # at least float32: what is computed with it would round once more
        wide = torch.promote_types(layout.dtype, torch.float32)
        return Place(layout.point(row).to(wide), layout.buffers(row))

    def places(self) -> Iterator[Place]:
        """All checkpoints with their buffers, one at a time."""
        return (self.place(number) for number in range(len(self)))

    def columns(self, columns: slice) -> Float[Tensor, "m c"]:
        """Some parameters of all checkpoints, in float64."""
        return self._file.columns(columns).double()

    @property
    def steps(self) -> tuple[int, ...]:
        """The step of every checkpoint."""
        return tuple(entry.step for entry in self._file.entries)

    @property
    def losses(self) -> Float[Tensor, " m"]:
        """What the run told of each; NaN where it told nothing."""
        told = [entry.loss for entry in self._file.entries]
        return torch.tensor(told, dtype=torch.float64)

    @property
    def size(self) -> int:
        """Parameters in a checkpoint."""
        return self._file.layout.size

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in their order."""
        return self._file.layout.names

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights on disk."""
        return self._file.layout.dtype

    @property
    def rounding(self) -> float:
        """By how much of its own size a weight may be rounded on disk."""
        return torch.finfo(self.dtype).eps / 2

    @property
    def folder(self) -> Path:
        """Where the checkpoints lie."""
        return self._file.folder

    @property
    def name(self) -> str:
        """What pictures call it."""
        return self._file.header["name"]

    @property
    def every(self) -> int:
        """Which calls are kept."""
        return self._file.header["every"]

    def plane(self, land: Landscape, **settings: Any) -> "TrajectoryPlane":
        """The plane that this run moved in most.

        As :func:`theodolite.maps.trajectory_plane` of this run alone, with its
        settings.
        """
        from theodolite.maps.trajectories.trajectory_plane import trajectory_plane

        return trajectory_plane(land, self, **settings)

    def __repr__(self) -> str:
        every = "" if self.every == 1 else f" (one call in {self.every})"
        steps = f", steps {self.steps[0]} to {self.steps[-1]}" if len(self) else ""
        return (
            f"Trajectory {self.name!r}: {len(self)} checkpoints{every} of "
            f"{self.size} parameters in {spelled_type(self.dtype)}{steps}, "
            f"{readable(self._file.nbytes)} in {self.folder}"
        )

    def _take(self, file: CheckpointFile, model: nn.Module | None) -> None:
        self._file, self._model = file, model
        self._calls = file.entries[-1].call + 1 if len(file) else 0

    def _temporary(self) -> Path:
        """A folder that goes when the object goes."""
        path = tempfile.mkdtemp(prefix="theodolite-trajectory-")
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return Path(path)

    def _recording(self) -> nn.Module:
        if self._model is None:
            raise ArgumentError(
                found=f"record() on the trajectory in {self.folder}, which is closed "
                "or was opened to be read.",
                why="There is no model to record.",
                instead=f"Go on with it: Trajectory.open({str(self.folder)!r}, model).",
            )
        return self._model

    def _require_onward(self, step: int) -> None:
        last = self.steps[-1] if len(self) else step
        if step < last:
            raise ArgumentError(
                found=f"step={step} after step {last}.",
                why="Checkpoints lie in the order of the run.",
                instead="A run that starts again drops what it repeats: "
                f"Trajectory.open({str(self.folder)!r}, model, until={step - 1}).",
            )

    def _drop_after(self, step: int) -> None:
        self._recording()
        kept = sum(known <= step for known in self.steps)
        if kept < len(self):
            self._file.keep(kept)
        self._calls = self._file.entries[-1].call + 1 if kept else 0

    def _require_same(self, model: nn.Module) -> None:
        known = self._file.layout
        own = _layout_of(
            model,
            self._file.header["patterns"],
            known.dtype,
            bool(known.buffer_names),
        )
        pairs = [known.all_shapes, own.all_shapes]
        for name in dict.fromkeys([*pairs[0], *pairs[1]]):
            recorded, here = (pair.get(name) for pair in pairs)
            if recorded != here:
                raise ParameterError(
                    found=f"{name!r} has shape {here} in the model, and {recorded} in "
                    f"{self.folder}.",
                    why="All checkpoints of a trajectory are points of one landscape.",
                    instead="Give the model that was recorded, or name another folder "
                    "for this one: Trajectory(model, folder).",
                )


def _layout_of(
    model: nn.Module, patterns: Patterns, dtype: torch.dtype | None, buffers: bool
) -> Layout:
    """What is recorded of a model, and how."""
    chosen = choose_parameters(model, patterns)
    beside = {
        name: buffer
        for name, buffer in model.named_buffers()
        if buffers and buffer.is_floating_point()
    }
    widest = next(iter(chosen.values())).dtype
    for parameter in chosen.values():
        widest = torch.promote_types(widest, parameter.dtype)
    return Layout(
        tuple(chosen),
        tuple(tuple(parameter.shape) for parameter in chosen.values()),
        widest if dtype is None else dtype,
        tuple(beside),
        tuple(tuple(buffer.shape) for buffer in beside.values()),
        tuple(buffer.dtype for buffer in beside.values()),
    )


def _require_sensible(every: int, dtype: torch.dtype | None) -> None:
    if every < 1:
        raise ArgumentError(
            found=f"every={every}.",
            why="Every so-manieth call is kept.",
            instead="Give a whole number from 1, like every=10.",
        )
    if dtype is not None and not dtype.is_floating_point:
        raise ArgumentError(
            found=f"dtype={dtype}.",
            why="Weights are kept as floating-point numbers.",
            instead="Give torch.float16, torch.bfloat16 or torch.float32.",
        )
