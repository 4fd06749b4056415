"""Numbers as they are read: the error decides how many digits are shown.

The viewer's ``numbers.ts`` follows the same rules.
"""

import math

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SPELLED = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_MOST_DIGITS = 6
# A number stays on one line with its error and its power of ten.
_SPACE = "\u00a0"


def number(raw: object) -> float:
    """Return a stored number as a float; what is no number becomes NaN.

    JSON has no NaN and no infinity, so these are stored as ``"nan"``, ``"inf"`` and
    ``"-inf"``.
    """
    if isinstance(raw, int | float):
        return float(raw)
    return _SPELLED.get(raw, math.nan) if isinstance(raw, str) else math.nan


def is_known(raw: object) -> bool:
    """Tell whether a stored number is finite."""
    return math.isfinite(number(raw))


def amount(raw: object, error: object = None) -> str:
    """Return a number in words a reader expects, with its error where it has one.

    Parameters
    ----------
    raw
        The number as it is stored.
    error
        Its error in the same unit, as it is stored; ``None`` for an exact number.
    """
    value, spread = number(raw), number(error)
    if not math.isfinite(value):
        return _special(value)
    if error is None or spread == 0:
        return _short(value, 3)
    if not (math.isfinite(spread) and spread > 0):
        return f"{_short(value, 3)} (error unknown)"
    return _with_error(value, spread)


def rough(raw: object) -> str:
    """Return an error by itself, with the two digits that it is good for."""
    return _short(number(raw), 2)


def interval(low: object, value: object, high: object) -> tuple[str, str, str]:
    """Return a number between its two ends, all three with the same digits."""
    ends = [number(low), number(value), number(high)]
    half = (ends[2] - ends[0]) / 2
    if not (math.isfinite(half) and half > 0):
        return amount(low), amount(value), amount(high)
    digits = max(0, -_size(half))
    return _fixed(ends[0], digits), _fixed(ends[1], digits), _fixed(ends[2], digits)


def whole(raw: object) -> str:
    """Return a count with its thousands apart, such as ``4,362``."""
    value = number(raw)
    return _special(value) if not math.isfinite(value) else _fixed(value, 0)


def counted(raw: object, one: str, many: str) -> str:
    """Return a count with its noun, such as ``1 batch`` or ``3 batches``."""
    return f"{whole(raw)} {one if number(raw) == 1 else many}"


def ordinal(rank: int) -> str:
    """Return a rank in words, such as ``2nd``."""
    teens = rank % 100 in (11, 12, 13)
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending}"


def percent(raw: object, digits: int = 3) -> str:
    """Return a fraction as a percentage, such as ``99.8 %``."""
    return f"{_short(100 * number(raw), digits)}{_SPACE}%"


def duration(raw: object) -> str:
    """Return a time in seconds with its unit, such as ``23.4 s`` or ``1.2 ms``."""
    value = number(raw)
    if 0 < value < 0.1:
        return f"{_short(1000 * value, 2)}{_SPACE}ms"
    return f"{_short(value, 3)}{_SPACE}s"


def _special(value: float) -> str:
    if math.isnan(value):
        return "not a number"
    return "∞" if value > 0 else "−∞"


def _size(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0


def _fixed(value: float, decimals: int) -> str:
    return f"{value:,.{max(0, decimals)}f}".replace("-", "−")


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def _short(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return _special(value)
    rounded = float(f"{value:.{digits - 1}e}")
    size = _size(rounded)
    if -3 <= size < 6:
        return _trimmed(_fixed(rounded, digits - 1 - size))
    shown = _trimmed(_fixed(rounded / 10.0**size, digits - 1))
    return f"{shown}{_SPACE}×{_SPACE}{_power(size)}"


def _trimmed(shown: str) -> str:
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _with_error(value: float, error: float) -> str:
    unit = max(_size(error), _size(value) - _MOST_DIGITS + 1)
    if _size(error) < unit:
        return _pair(_short(value, _MOST_DIGITS), _short(error, 1))
    size = max(_size(value), _size(error))
    if -3 <= size < 6:
        return _pair(_fixed(value, -unit), _fixed(error, -unit))
    scale, decimals = 10.0**size, size - unit
    pair = _pair(_fixed(value / scale, decimals), _fixed(error / scale, decimals))
    return f"({pair}){_SPACE}×{_SPACE}{_power(size)}"


def _pair(value: str, error: str) -> str:
    return f"{value}{_SPACE}±{_SPACE}{error}"
