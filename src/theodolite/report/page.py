"""One survey as one HTML page that needs no network."""

import json
import math
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from theodolite.report.headline import figures, verdict
from theodolite.report.provenance import day, provenance, state
from theodolite.report.sections import missing, sections
from theodolite.report.tables import tables

# The field's symbol as it is set in print, with what it divides.
_SYMBOL = re.compile(r"([12]/)?λ_max")

_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def render(
    run: Mapping[str, Any], measurements: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return one survey as a self-contained HTML page.

    The page holds its style, its script and its data; a policy inside it forbids
    every request and every other script. Words and tables are there without
    JavaScript; the charts need it. About 0.4 MB; no products.

    Parameters
    ----------
    run
        The run's record: target, landscape, settings, versions, state.
    measurements
        Name of a measurement to its value, outcome, seconds and products; floats that
        are not finite as the strings ``"nan"``, ``"inf"``, ``"-inf"``. Names that the
        report does not know are left out.

    Returns
    -------
    str
        The page, to be written as UTF-8.
    """
    script = _read("viewer.js")
    return _template().render(
        run=run,
        name=str(run.get("target", {}).get("name", "")),
        day=day(run),
        state=state(run),
        verdict=verdict(measurements),
        figures=figures(measurements),
        sections=sections(run, measurements),
        missing=missing(run),
        tables=tables(measurements),
        provenance=provenance(run),
        style=_read("page.css"),
        script=script,
        script_hash=_hash(script),
        data=embed({"run": run, "measurements": measurements}),
    )


def embed(data: object) -> str:
    """Return data as JSON that no text in it can break out of a script element.

    Floats that are not finite become the strings ``"nan"``, ``"inf"``, ``"-inf"``.
    """
    text = json.dumps(_spelled(data), ensure_ascii=False, separators=(",", ":"))
    return text.translate(str.maketrans(_ESCAPES))


def _spelled(data: object) -> object:
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    if isinstance(data, Mapping):
        return {str(key): _spelled(value) for key, value in data.items()}
    return [_spelled(x) for x in data] if isinstance(data, list | tuple) else data


def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signs"] = _signs
    return environment.from_string(_read("page.html.j2"))


def _signs(text: str) -> Markup:
    set_in_print = r'<span class="nowrap">\1λ<sub>max</sub></span>'
    return Markup(_SYMBOL.sub(set_in_print, str(escape(text))))


def _read(name: str) -> str:
    return files("theodolite.report").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return b64encode(sha256(script.encode()).digest()).decode()
