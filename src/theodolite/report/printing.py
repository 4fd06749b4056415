"""Templates filled in, with the style, the script and the data that a page carries."""

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from theodolite.report.embedding import embed

# The field's symbols as they are set in print, with what one divides.
_SYMBOL = re.compile(r"([12]/)?λ_max")
_NORM = re.compile(r"‖H‖_F(²?)")


def printed(template: str, data: Mapping[str, Any], **values: Any) -> str:
    """Return a whole page: a template filled in, its style, its script, its data.

    Parameters
    ----------
    template
        The name of a template that extends ``document.html.j2``.
    data
        What the script draws: ``surveys``, ``planes`` and ``charts``.
    values
        What the template tells.
    """
    script = read("viewer.js")
    return (
        _environment()
        .get_template(template)
        .render(
            style=f"{read('viewer.css')}\n{read('page.css')}",
            script=script,
            script_hash=_hash(script),
            data=embed(data),
            **values,
        )
    )


def read(name: str) -> str:
    """Return one of this package's texts."""
    return files("theodolite.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signs"] = _signs
    return environment


def _signs(text: str) -> Markup:
    set_in_print = r'<span class="nowrap">\1λ<sub>max</sub></span>'
    norm = r'<span class="nowrap">‖H‖<sub>F</sub>\1</span>'
    return Markup(_NORM.sub(norm, _SYMBOL.sub(set_in_print, str(escape(text)))))


def _hash(script: str) -> str:
    return b64encode(sha256(script.encode()).digest()).decode()
