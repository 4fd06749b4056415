"""Rows of numbers with the errors of their data, out of what the groups tell."""

from math import hypot, sqrt

from theodolite.site.other_data.data_spread import CONFIDENCE, DataRow
from theodolite.site.other_data.group_gradients import GradientSpread
from theodolite.site.other_data.group_traces import TraceSpread
from theodolite.site.other_data.jackknife import Spread
from theodolite.student import student_quantile

# an estimated bias is itself in doubt by about this part of it
_DOUBT = 0.4


def loss_row(value: float, spread: Spread) -> DataRow:
    """A mean over samples: no bias."""
    return _row(value, 0.0, spread.error, spread.freedom, "spread of groups")


def eigenvalue_row(value: float, spread: Spread) -> DataRow:
    """Biased upward, as the largest of noisy values is."""
    error = hypot(spread.error, _DOUBT * spread.bias)
    return _row(value, spread.bias, error, spread.freedom, "jack-knife of groups")


def trace_row(found: TraceSpread) -> DataRow:
    """A mean over samples for any probes."""
    spread = found.spread
    method = "spread of groups, the same probes for all"
    return _row(
        found.value, 0.0, spread.error, spread.freedom, method, found.probe_error
    )


def gradient_row(found: GradientSpread) -> DataRow:
    """The root of ``‖ḡ‖² − tr Cov(ḡ)``, with that square's interval.

    Where noise is all there is, the interval begins at zero.
    """
    square, spread = found.square, found.spread
    corrected = square - spread.bias
    reach = student_quantile(CONFIDENCE, spread.freedom)
    low, high = map(_root, found.interval(reach))
    method = "jack-knife of the square"
    if corrected < -reach * spread.error:
        method += "; smaller than chance would have it: trained on these very data"
    return DataRow(
        value=sqrt(square),
        # not by a derivative: the root has none at zero
        error=(high - low) / (2 * reach),
        bias=sqrt(square) - _root(corrected),
        corrected=_root(corrected),
        low=low,
        high=high,
        freedom=spread.freedom,
        probe_error=0.0,
        method=method,
    )


def _root(square: float) -> float:
    return sqrt(max(0.0, square))


def _row(
    value: float,
    bias: float,
    error: float,
    freedom: int,
    method: str,
    probe_error: float = 0.0,
) -> DataRow:
    corrected = value - bias
    reach = student_quantile(CONFIDENCE, freedom) * hypot(error, probe_error)
    return DataRow(
        value=value,
        error=error,
        bias=bias,
        corrected=corrected,
        low=corrected - reach,
        high=corrected + reach,
        freedom=freedom,
        probe_error=probe_error,
        method=method,
    )
