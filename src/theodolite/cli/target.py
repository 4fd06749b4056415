"""From a word on the command line to a landscape."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from theodolite.errors import TargetError, TheodoliteError, nearest_names
from theodolite.landscape import Landscape
from theodolite.models.catalogue import CATALOGUE, builtin
from theodolite.storage.provenance import Target


def find_target(text: str, *, seed: int = 0) -> tuple[Landscape, Target]:
    """The landscape that a target names, and what is known of where it comes from.

    Parameters
    ----------
    text : str
        A built-in name, ``file.py:function`` or ``package.module:function``.
    seed : int
        Of a built-in network's training.

    Raises
    ------
    TargetError
        When there is no such file, module or function, when it fails, or returns
        something else than a landscape.
    """
    if ":" not in text:
        _require_builtin(text)
        return builtin(text, seed=seed), Target(text, "built-in")
    place, _, name = text.rpartition(":")
    if place.endswith(".py"):
        module, kind = _from_file(Path(place)), "file"
        folder = Path(place).resolve().parent
    else:
        module, kind = _from_module(place), "module"
        source = getattr(module, "__file__", None)
        folder = Path(source).resolve().parent if source else None
    return _called(_function(module, name, text), text), Target(text, kind, folder)


def _require_builtin(text: str) -> None:
    if text in CATALOGUE:
        return
    if text.endswith(".py") or Path(text).exists():
        raise TargetError(
            found=f"{text} names no function.",
            why="A file may hold several.",
            instead=f"Give {text}:make_landscape, a function that returns a Landscape.",
        )
    raise TargetError(
        found=f"No built-in landscape is called {text!r}.",
        why=f"There are {', '.join(CATALOGUE)}; others are written file.py:function.",
        instead=f"Did you mean {nearest_names(text, CATALOGUE, 1)}?",
    )


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = [str(other) for other in path.parent.glob("*.py")]
        raise TargetError(
            found=f"There is no file {path}.",
            why="The part before the colon is a path from here.",
            instead=f"Near: {nearest_names(str(path), near)}.",
        )
    # as `python file.py` does: the file finds the modules beside it
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(f"_target_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise TargetError(
            found=f"{path} cannot be imported.",
            why="It is no Python source file.",
            instead="Give a .py file.",
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    _run(lambda: spec.loader.exec_module(module) if spec.loader else None, path)
    return module


def _from_module(name: str) -> ModuleType:
    # as `python -m` does: packages in the present folder are found
    sys.path.insert(0, str(Path.cwd()))
    return _run(lambda: importlib.import_module(name), name)


def _function(module: ModuleType, name: str, text: str) -> Callable[[], Any]:
    found = getattr(module, name, None)
    if callable(found):
        return found
    names = [key for key, value in vars(module).items() if callable(value)]
    raise TargetError(
        found=f"{text}: no function {name!r}.",
        why="The module has none of that name." if found is None else "It is a value.",
        instead=f"Near: {nearest_names(name, names)}.",
    )


def _called(function: Callable[[], Any], text: str) -> Landscape:
    land = _run(function, f"{text}()")
    if not isinstance(land, Landscape):
        raise TargetError(
            found=f"{text} returned a {type(land).__name__}.",
            why="A target function takes no arguments and returns a Landscape.",
            instead="End it with: return theodolite.Landscape(model, loss, data)",
        )
    return land


def _run(call: Callable[[], Any], what: object) -> Any:
    """Run the user's code; its failure is named, and shown whole with --debug."""
    try:
        return call()
    except TheodoliteError:
        raise
    except (Exception, SystemExit) as error:
        raise TargetError(
            found=f"{what} failed: {type(error).__name__}: {error}",
            why="The error came from the target's own code.",
            instead="Run it with --debug to see where, or import it in Python.",
        ) from error
