"""How much memory there is, how much may be used, and what a graph holds."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import psutil
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from theodolite.errors import ArgumentError, MemoryLimitError

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(r"\s*([\d.]+)\s*([A-Za-z]*)\s*")

MemorySize = int | float | str


def memory_in_bytes(size: MemorySize) -> int:
    """Bytes out of ``8 * 2**30``, ``"8GiB"`` or ``"500MB"``.

    Raises
    ------
    ArgumentError
        When the text is no size.
    """
    if not isinstance(size, str) and size >= 0:
        return int(size)
    match = _SIZE.fullmatch(str(size))
    unit = match[2].upper() if match else ""
    if match is None or match[1].count(".") > 1 or (unit or "B") not in _UNITS:
        raise ArgumentError(
            found=f"memory={size!r}.",
            why="A size is a number of bytes, or a number with a unit.",
            instead='Give for example memory="8GiB".',
        )
    return int(float(match[1]) * _UNITS[unit or "B"])


def default_memory(device: torch.device) -> int:
    """Half of what is free on a device, the limit of a container respected."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    free = psutil.virtual_memory().available
    limit, used = (_control_group(name) for name in ("memory.max", "memory.current"))
    if limit is not None and used is not None:
        free = min(free, limit - used)
    return max(free, 0) // 2


def _control_group(name: str) -> int | None:
    path = Path("/sys/fs/cgroup") / name
    try:
        text = path.read_text().strip()
    except OSError:  # no control groups on this system
        return None
    return int(text) if text.isdigit() else None


def readable(size: float) -> str:
    """A number of bytes as people say it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


@final
class RetainedBytes(TorchDispatchMode):
    """Count the memory that operations run inside leave behind.

    Every result's storage is watched by a weak reference: what is alive when
    :meth:`alive` is called is what the graph holds.

    Attributes
    ----------
    hooked : bool
        Whether saved tensors were packed by hooks, as checkpointing does: a backward
        pass calls them again.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would import its compiler, which takes seconds, only to switch it off
        return False

    def __init__(self) -> None:
        super().__init__()
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}
        self.hooked = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run the operation and watch what it returns."""
        self.hooked = self.hooked or _hooks_are_on()
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if _holds_memory(tensor):
                storage = tensor.untyped_storage()
                reference = StorageWeakRef(storage)
                self._storages[reference.cdata] = (reference, storage.nbytes())
        return result

    def alive(self) -> int:
        """Bytes of all watched storages that still exist."""
        return sum(
            size
            for reference, size in self._storages.values()
            if not reference.expired()
        )


def _holds_memory(tensor: Any) -> bool:
    """Whether it is a dense tensor with values, not a tracer's stand-in."""
    return (
        isinstance(tensor, Tensor)
        and tensor.layout == torch.strided
        and not isinstance(tensor, FakeTensor)
    )


def _hooks_are_on() -> bool:
    autograd: Any = vars(torch._C)["_autograd"]
    return autograd._top_saved_tensors_default_hooks(True) is not None


@contextmanager
def memory_guarded(budget: int | None) -> Iterator[None]:
    """Turn running out of memory into an error that says what to do."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        allowed = "half of what is free" if budget is None else readable(budget)
        raise MemoryLimitError(
            found=f"Out of memory (graphs may keep {allowed}).",
            why="The graph of one batch's gradient has to fit, whatever is kept.",
            instead="Use smaller batches (batch_size=64, or a smaller one in the "
            'DataLoader), or keep fewer graphs with memory="1GiB".',
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that an allocation failed."""
    text = str(error)
    return (
        isinstance(error, (MemoryError, torch.OutOfMemoryError))
        or "can't allocate memory" in text
        or "out of memory" in text.lower()
    )
