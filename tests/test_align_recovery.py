"""Units in random order are put back into theirs."""

import pytest

from permutable import CASES, scrambled
from theodolite.maps.align import align
from theodolite.maps.alignment.answers import in_double

BY_ACTIVATIONS = ("MLP", "ResNet", "padded shortcut", "ViT", "GPT", "mixer", "LSTM")


@pytest.mark.parametrize(
    ("name", "method"),
    [
        *((name, "weights") for name in CASES),
        *((name, "activations") for name in BY_ACTIVATIONS),
    ],
)
def test_a_scrambled_copy_is_put_back_exactly(name: str, method: str) -> None:
    case = CASES[name]
    model, inputs = in_double(case.model(), case.inputs)
    found = align(model, scrambled(model, inputs), inputs, method=method)
    assert found.distance_before > 1
    assert found.distance_after == 0
    assert found.deviation < 1e-12
    assert found.outcome.name == "converged"
