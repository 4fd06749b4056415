"""Data inside a page, as JSON that no text in it can break out of."""

import json
import math
from collections.abc import Mapping

_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


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
