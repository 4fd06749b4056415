"""Numbers of a plane out of their base64."""

import sys
from array import array
from base64 import b64decode
from collections.abc import Mapping
from math import isfinite
from typing import Any

_CODES = {"f8": "d", "f4": "f", "u1": "B"}


def unpacked(record: Mapping[str, Any]) -> list[float]:
    """Return packed numbers in their order, NaN and infinity among them."""
    numbers = array(_CODES[record["type"]], b64decode(record["data"]))
    if sys.byteorder == "big":
        numbers.byteswap()
    return list(numbers)


def finite(record: Mapping[str, Any]) -> list[float]:
    """Return those of them that are finite."""
    return [number for number in unpacked(record) if isfinite(number)]
