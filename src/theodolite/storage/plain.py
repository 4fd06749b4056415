"""Numbers that JSON has no words for."""

import math
from collections.abc import Mapping
from typing import Any


def spelled(value: Any) -> Any:
    """Plain data with NaN and infinity as words, which JSON has no numbers for."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: spelled(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [spelled(part) for part in value]
    return value


def unspelled(value: Any) -> Any:
    """The inverse of :func:`spelled`."""
    if value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, Mapping):
        return {key: unspelled(part) for key, part in value.items()}
    if isinstance(value, list):
        return [unspelled(part) for part in value]
    return value
