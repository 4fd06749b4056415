"""Where a survey comes from: the code, the machine, the settings, the cost."""

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
}


def state(run: Value) -> str:
    """Return how a survey ended, as words that follow “it”."""
    return _STATES.get(str(run.get("state")), f"is {run.get('state')}")


def provenance(run: Value) -> list[tuple[str, str]]:
    """Return what one needs to repeat a survey, as names and values."""
    rows = [*_target(run), *_landscape(run.get("landscape", {})), *_work(run)]
    return [(name, value) for name, value in rows if value]


def day(run: Value) -> str:
    """Return the day of a survey, such as ``21 November 2026``."""
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
    layers = landscape.get("layers", ())
    samples = counted(landscape.get("samples"), "sample", "samples")
    batches = counted(landscape.get("batches"), "batch", "batches")
    parameters = whole(landscape.get("parameters"))
    return [
        ("Parameters", f"{parameters} in {counted(len(layers), 'layer', 'layers')}"),
        ("Data", f"{samples} in {batches}"),
        ("Loss", str(landscape.get("loss", ""))),
        ("Number type", str(landscape.get("dtype", ""))),
        ("Products", _engine(landscape.get("products", {}))),
        ("Cost of one product", _cost(landscape.get("products", {}))),
        (
            "Asymmetry of products",
            amount(landscape.get("products", {}).get("symmetry")),
        ),
        ("Check of the first", str(landscape.get("products", {}).get("check") or "")),
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
    products = counted(run.get("products"), "product", "products")
    moment = _moment(run)
    budget = settings.get("budget_seconds")
    return [
        ("Started", f"{moment.day} {moment:%B %Y, %H:%M %Z}".strip() if moment else ""),
        (
            "Took",
            f"{duration(run.get('seconds'))}, {products}",
        ),
        ("Budget", duration(budget) if is_known(budget) else "none"),
        ("State", state(run)),
        ("Seed", str(settings.get("seed", ""))),
        ("Machine", _machine(run)),
        ("Software", _software(run)),
    ]


def _machine(run: Value) -> str:
    threads = counted(run.get("threads"), "thread", "threads")
    return f"{run.get('platform', '')}, {run.get('device', '')}, {threads}"


def _software(run: Value) -> str:
    names = {"theodolite": "theodolite", "torch": "torch", "python": "Python"}
    return ", ".join(
        f"{shown} {run[key]}" for key, shown in names.items() if key in run
    )
