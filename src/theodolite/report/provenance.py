"""Where numbers come from: the code, the machine, the settings, the cost."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from theodolite.report.amounts import amount, counted, duration, is_known, whole

Value = Mapping[str, Any]

_STATES = {
    "complete": "complete",
    "budget": "stopped when its budget was spent",
    "interrupted": "was interrupted",
    "running": "was stopped before it could end, or goes on still",
    "converged": "converged",
    "exact": "all that is drawn was measured",
}


def state(run: Value) -> str:
    """Return how a run ended, as words that follow “it”."""
    return _STATES.get(str(run.get("state")), f"is {run.get('state')}")


def provenance(run: Value) -> list[tuple[str, str]]:
    """Return what one needs to repeat a run, as names and values."""
    rows = [*_target(run), *_landscape(run.get("landscape", {})), *_work(run)]
    return [(name, value) for name, value in rows if value]


def day(run: Value) -> str:
    """Return the day of a run, such as ``21 November 2026``."""
    moment = _moment(run)
    return f"{moment.day} {moment:%B %Y}" if moment else ""


def _moment(run: Value) -> datetime | None:
    try:
        return datetime.fromisoformat(str(run.get("started", "")))
    except ValueError:
        return None


def _target(run: Value) -> list[tuple[str, str]]:
    target = run.get("target", {})
    return [
        ("Target", str(target.get("name", ""))),
        ("Kind of target", str(target.get("kind", ""))),
        ("Commit", _commit(target.get("git"))),
    ]


def _commit(git: Value | None) -> str:
    if not git:
        return ""
    edited = ", with uncommitted changes" if git.get("dirty") else ""
    return f"{str(git.get('commit', ''))[:12]}{edited}"


def _landscape(landscape: Value) -> list[tuple[str, str]]:
    return [
        ("Landscape", str(landscape.get("name", ""))),
        ("Parameters", _parameters(landscape)),
        ("Data", _data(landscape)),
        ("Loss", str(landscape.get("loss", ""))),
        ("Number type", str(landscape.get("dtype", ""))),
        *_products(landscape.get("products")),
    ]


def _parameters(landscape: Value) -> str:
    if "parameters" not in landscape:
        return ""
    layers = counted(len(landscape.get("layers", ())), "layer", "layers")
    return f"{whole(landscape['parameters'])} in {layers}"


def _data(landscape: Value) -> str:
    if "samples" not in landscape:
        return ""
    samples = counted(landscape["samples"], "sample", "samples")
    return f"{samples} in {counted(landscape.get('batches'), 'batch', 'batches')}"


def _products(products: Value | None) -> list[tuple[str, str]]:
    if products is None:
        return []
    return [
        ("Products", _engine(products)),
        ("Cost of one product", _cost(products)),
        ("Asymmetry of products", amount(products.get("symmetry"))),
        ("Check of the first", str(products.get("check") or "")),
    ]


def _engine(products: Value) -> str:
    kept = counted(products.get("kept_batches"), "batch", "batches")
    streamed = whole(products.get("streamed_batches"))
    return f"{products.get('engine', '')}, {kept} kept, {streamed} streamed"


def _cost(products: Value) -> str:
    one = products.get("seconds_per_product")
    if not is_known(one):
        return ""
    gradient = duration(products.get("seconds_per_gradient"))
    return f"{duration(one)} (a gradient: {gradient})"


def _work(run: Value) -> list[tuple[str, str]]:
    settings = run.get("settings", {})
    moment = _moment(run)
    return [
        ("Started", f"{moment.day} {moment:%B %Y, %H:%M %Z}".strip() if moment else ""),
        ("Took", _took(run)),
        ("Budget", _budget(settings)),
        ("State", state(run) if "state" in run else ""),
        ("Directions", str(settings.get("directions", ""))),
        ("Batch norm", str(run.get("batch_norm", ""))),
        ("Seed", str(settings.get("seed", run.get("seed", "")))),
        ("Machine", _machine(run)),
        ("Software", _software(run)),
    ]


def _took(run: Value) -> str:
    work = {
        "products": ("product", "products"),
        "evaluations": ("evaluation of the loss", "evaluations of the loss"),
    }
    told = [duration(run["seconds"])] if is_known(run.get("seconds")) else []
    told += [counted(run[key], *names) for key, names in work.items() if key in run]
    return ", ".join(told)


def _budget(settings: Value) -> str:
    if "budget_seconds" not in settings:
        return ""
    budget = settings["budget_seconds"]
    return duration(budget) if is_known(budget) else "none"


def _machine(run: Value) -> str:
    told = [str(run[key]) for key in ("platform", "device") if key in run]
    if "threads" in run:
        told.append(counted(run["threads"], "thread", "threads"))
    return ", ".join(told)


def _software(run: Value) -> str:
    names = {"theodolite": "theodolite", "torch": "torch", "python": "Python"}
    return ", ".join(
        f"{shown} {run[key]}" for key, shown in names.items() if key in run
    )
