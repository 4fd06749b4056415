"""Lines go from end to end, and say what rises between."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from networks import CNN, MLP
from theodolite.errors import ArgumentError, ParameterError, RunFolderError

F64 = torch.float64


def matrix() -> Tensor:
    source = torch.Generator().manual_seed(3)
    half = torch.randn(10, 10, generator=source, dtype=F64)
    return half @ half.T + torch.diag(torch.arange(10.0, dtype=F64))


def quadratic(w: Tensor) -> Tensor:
    return 0.5 * w @ matrix() @ w + w.sum() + 3.0


def bowl() -> td.Landscape:
    return td.Landscape.from_function(quadratic, torch.linspace(-1, 1, 10, dtype=F64))


def other() -> Tensor:
    return torch.randn(10, generator=torch.Generator().manual_seed(4), dtype=F64)


def along(f: Callable[[Tensor], Tensor], **settings: Any) -> td.Line:
    """The line of a function of one number, from 0 to 1."""
    land = td.Landscape.from_function(lambda w: f(w[0]), torch.zeros(1, dtype=F64))
    return td.line(land, None, torch.ones(1, dtype=F64), **settings)


def trained(seed: int, kind: type[nn.Module] = CNN) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind() if kind is CNN else kind(4, 5, 3)
        if kind is CNN:
            model(3 * torch.randn(20, 2, 4, 4) + seed)
    return model.eval()


def network(**settings: Any) -> td.Landscape:
    source = torch.Generator().manual_seed(0)
    inputs = torch.randn(30, 2, 4, 4, generator=source)
    labels = torch.randint(0, 3, (30,), generator=source)
    return td.Landscape(trained(0), nn.CrossEntropyLoss(), (inputs, labels), **settings)


@pytest.mark.parametrize("steps", [2, 3, 6, 51])
def test_both_ends_are_on_it_to_the_last_bit(steps: int) -> None:
    land, b = network(), trained(1)
    place = {n: t for n, t in b.state_dict().items() if t.is_floating_point()}
    line = td.line(land, None, b, steps=steps)
    end = land.parameters.flatten(place[name] for name in land.parameters.names)
    assert float(line.t[0]) == 0.0
    assert float(line.t[-1]) == 1.0
    assert float(line.loss[0]) == land.loss()
    assert float(line.loss[-1]) == land.loss(end)
    assert torch.equal(line.point(0.0), land.point)
    assert torch.equal(line.point(1.0), end)
    # what the exact end is for: in float32 the sum does not lead there
    assert not torch.equal(line.start + line.axis.vector, end)


@pytest.mark.parametrize("steps", [4, 5])
@pytest.mark.parametrize(
    "direction",
    ["filter", "layer", "random", "eigen", "eigen-bottom", "tensor", "number", "pairs"],
)
def test_every_point_of_a_quadratic_equals_the_formula(
    direction: str, steps: int
) -> None:
    land = bowl()
    way: Any = {
        "tensor": other,
        "number": lambda: 3,
        "pairs": lambda: td.eigsh(land.hessian(), 2),
    }.get(direction, lambda: direction)()
    line = td.line(land, direction=way, steps=steps)
    assert len(line.t) == steps
    (centre,) = (line.t == 0).nonzero()
    assert float(line.loss[centre]) == land.loss()
    for t, loss in zip(line.t.tolist(), line.loss.tolist(), strict=True):
        exact = float(quadratic(land.point + t * line.axis.vector))
        assert loss == pytest.approx(exact, rel=1e-12, abs=1e-12)


def test_the_eigenvector_is_the_one_that_was_asked_for() -> None:
    values = torch.linalg.eigvalsh(matrix())
    for kind, value in (("eigen", values[-1]), ("eigen-bottom", values[0])):
        line = td.line(bowl(), direction=kind, steps=3)
        assert line.axis.curvature == pytest.approx(float(value), rel=1e-5)
        # along a unit vector the second difference is the curvature
        first, middle, last = line.loss.tolist()
        bend = (first - 2 * middle + last) / float(line.t[2]) ** 2
        assert bend == pytest.approx(float(value), rel=1e-5)


@pytest.mark.parametrize("steps", [4, 7, 50, 51])
@pytest.mark.parametrize("span", [(-0.5, 1.5), (-0.3, 1.2), (0.0, 2.0), 1.0])
def test_a_line_beyond_its_ends_still_holds_both(span: Any, steps: int) -> None:
    land, b = bowl(), other()
    line = td.line(land, None, b, span=span, steps=steps)
    assert len(line.t) == steps
    for t, place in ((0.0, land.point), (1.0, b)):
        (number,) = (line.t == t).nonzero()
        assert float(line.loss[number]) == land.loss(place)
    low, high = (-span, span) if isinstance(span, float) else span
    width = float(line.t[1] - line.t[0])
    assert abs(float(line.t[0]) - low) <= 1.0001 * width
    assert abs(float(line.t[-1]) - high) <= 1.0001 * width


def test_a_line_that_is_asked_for_elsewhere_is_drawn_there() -> None:
    line = td.line(bowl(), None, other(), span=(0.25, 0.75), steps=3)
    assert line.t.tolist() == [0.25, 0.5, 0.75]
    assert line.barrier != line.barrier


def bump(t: Tensor) -> Tensor:
    """0 at one end, 3 at the other, 5 in the middle."""
    return 3 * t + 3.5 * (1 - (2 * t - 1).abs())


@pytest.mark.parametrize(
    ("f", "barrier"),
    [
        (bump, 2.0),
        (lambda t: 3 * t, 0.0),
        (lambda t: -bump(t), 0.0),
        (lambda t: (t - 0.5) ** 2, 0.0),
        # what rises beyond the ends is no barrier between them
        (lambda t: 3 * t + 100 * (t > 1), 0.0),
        (lambda t: torch.sqrt((t - 0.5) ** 2 - 0.01), float("nan")),
    ],
)
def test_the_barrier_is_what_rises_above_the_higher_end(
    f: Callable[[Tensor], Tensor], barrier: float
) -> None:
    for span in (None, (-0.5, 1.5)):
        line = along(f, steps=21, span=span)
        assert line.barrier == pytest.approx(barrier, nan_ok=True, abs=1e-14)


@pytest.mark.parametrize("span", [None, (-0.3, 1.2)])
def test_few_points_give_the_line_to_its_error(span: Any) -> None:
    def wavy(t: Tensor) -> Tensor:
        return torch.sin(4 * t) + torch.exp(t)

    line = along(wavy, steps=200, rtol=1e-3, span=span)
    assert line.outcome.name == "converged"
    assert line.evaluations < 40
    off = (line.loss - wavy(line.t)).abs().max()
    reach = float(line.loss.max() - line.loss.min())
    assert float(off) <= line.error <= 1e-3 * reach * 1.01


def test_test_data_and_quantities_are_measured_along() -> None:
    source = torch.Generator().manual_seed(9)
    inputs = torch.randn(12, 2, 4, 4, generator=source)
    labels = torch.randint(0, 3, (12,), generator=source)
    land, b = network(test=(inputs, labels)), trained(1)
    line = td.line(land, None, b, steps=5, quantities=("error", "gradient_norm"))
    assert land.test is not None
    assert line.test_loss is not None
    assert float(line.test_loss[0]) == land.test.loss()
    assert float(line.test_loss[-1]) == land.test.loss(line.point(1.0))
    norms = line["test gradient_norm"]
    assert norms.every == 5
    assert float(norms.values[0]) == pytest.approx(
        float(land.test.gradient().norm()), rel=1e-6
    )
    with torch.no_grad():
        wrong = (land.model(inputs).argmax(1) != labels).double().mean()
    assert float(line["test error"].values[0]) == pytest.approx(float(wrong))
    with pytest.raises(ArgumentError, match="'error'"):
        line["eror"]


def test_models_state_dicts_and_wrapped_names_are_the_same_end() -> None:
    land, b = network(), trained(1)
    state = b.state_dict()
    wrapped = {f"module._orig_mod.{name}": t for name, t in state.items()}
    lines = [td.line(land, None, end, steps=4) for end in (b, state, wrapped)]
    assert all(torch.equal(line.loss, lines[0].loss) for line in lines)


def test_checkpoints_in_a_narrower_type_are_taken_in_the_landscapes() -> None:
    land, b = network(), trained(1)
    state = {
        name: t.half() if t.is_floating_point() else t
        for name, t in b.state_dict().items()
    }
    line = td.line(land, None, state, steps=3)
    assert line.point(1.0).dtype == torch.float32
    there = land.parameters.flatten(
        state[name].float() for name in land.parameters.names
    )
    assert float(line.loss[-1]) == land.loss(there)
    from_half = td.line(land, state, b, steps=3)
    assert from_half.start.dtype == torch.float32
    assert float(from_half.loss[0]) == land.loss(there)


def test_tied_weights_are_found_under_the_name_that_was_kept() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
            self.second.weight = self.first.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x).tanh())

    model = Tied()
    land = td.Landscape(model, nn.MSELoss(), (torch.ones(2, 3), torch.ones(2, 3)))
    state = {n: t + 1 for n, t in model.state_dict().items() if n != "first.weight"}
    line = td.line(land, None, state, steps=2)
    torch.testing.assert_close(line.point(1.0), land.point + 1)


def refused() -> dict[str, tuple[dict[str, Any], type[Exception], str]]:
    land = bowl()
    nan = other()
    nan[3] = float("nan")
    short: Any = torch.ones(3, dtype=F64)
    return {
        "both": ({"b": other(), "direction": 1}, ArgumentError, "Both an end b"),
        "neither": ({}, ArgumentError, "Neither an end b"),
        "short": ({"b": short}, ParameterError, "10 parameters"),
        "whole numbers": ({"b": torch.ones(10).long()}, ParameterError, "float"),
        "nan": ({"b": nan}, ArgumentError, "NaN or infinity in 'point'"),
        "nan start": ({"a": nan, "b": other()}, ArgumentError, "NaN or infinity"),
        "the same": ({"b": land.point}, ArgumentError, "the same point"),
        "model": ({"b": nn.Linear(2, 2)}, ParameterError, "no parameter 'point'"),
        "kind": ({"direction": "fliter"}, ArgumentError, "Did you mean 'filter'"),
        "zero": ({"direction": torch.zeros(10)}, ArgumentError, "not all zero"),
        "two": ({"direction": [0, 1]}, ArgumentError, "2 directions"),
        "number": ({"direction": 10}, ArgumentError, "counted from 0"),
        "one step": ({"b": other(), "steps": 1}, ArgumentError, "two at least"),
        "many steps": ({"b": other(), "steps": 10**8}, ArgumentError, "in memory"),
        "span": ({"b": other(), "span": (1.0, 0.0)}, ArgumentError, "higher"),
        "resume": ({"b": other(), "resume": True}, ArgumentError, "out="),
    }


@pytest.mark.parametrize("name", refused())
def test_what_is_no_line_is_refused_with_advice(name: str) -> None:
    settings, kind, said = refused()[name]
    with pytest.raises(kind, match=said):
        td.line(bowl(), **{"steps": 3, **settings})


def test_checkpoints_of_another_architecture_are_refused_by_name() -> None:
    land, state = network(), trained(1).state_dict()
    with pytest.raises(ParameterError, match=r"'conv\.weight'"):
        td.line(land, None, trained(0, MLP))
    for broken in ({"head.bias": torch.ones(2)}, {"norm.running_var": torch.ones(5)}):
        with pytest.raises(ParameterError, match=next(iter(broken))):
            td.line(land, None, {**state, **broken})


def test_a_line_says_what_was_measured_and_saves_all_of_it(tmp_path: Path) -> None:
    land, b = network(), trained(1)
    line = td.line(land, None, b, steps=6, quantities="error", out=tmp_path / "out")
    assert "Line: 6 points, loss" in repr(line)
    assert "from a to b" in repr(line)
    assert f"barrier above the higher end: {line.barrier:.4g}" in repr(line)
    line.save(tmp_path / "saved")
    for name in ("out", "saved"):
        back = td.maps.read_map(tmp_path / name)
        assert isinstance(back, td.Line)
        assert repr(back) == repr(line)
        assert back.to_dict() == line.to_dict()
        assert torch.equal(back.point(1.0), line.point(1.0))
    assert json.loads(json.dumps(line.to_dict()))["t"] == line.t.tolist()


def test_a_line_is_gone_on_with_and_not_mixed_with_another(tmp_path: Path) -> None:
    land = bowl()
    cut = td.line(land, None, other(), steps=21, out=tmp_path, budget=7)
    assert cut.evaluations == 7
    assert cut.outcome.name == "budget"
    ended = td.line(land, None, other(), steps=21, out=tmp_path, resume=True)
    assert ended.evaluations == 14
    assert torch.equal(ended.loss, td.line(land, None, other(), steps=21).loss)
    with pytest.raises(RunFolderError, match="must not be mixed"):
        td.line(land, None, -other(), steps=21, out=tmp_path, resume=True)


NOTE = "running statistics are the landscape's model's own"


def test_whose_statistics_were_used_between_checkpoints_is_said() -> None:
    land, b = network(), trained(1)
    line = td.line(land, None, b, steps=3)
    assert any(NOTE in note for note in line.run["notes"])
    assert NOTE in repr(line)
    assert any(NOTE in note for note in line.to_dict()["notes"])
    plane = td.plane(land, directions=(b, trained(2)), steps=3)
    assert NOTE in repr(plane)
    assert NOTE in repr(td.plane(land, b, steps=3, span=0.1))
    for policy in ("interpolated", "re-estimated"):
        assert NOTE not in repr(td.line(land, None, b, steps=3, batch_norm=policy))
    # around the model itself they are what they should be
    assert NOTE not in repr(td.line(land, direction="filter", steps=3))
    assert NOTE not in repr(td.line(bowl(), None, other(), steps=3))


def test_that_it_was_measured_in_training_mode_is_said() -> None:
    land = network()
    land.model.train()
    line = td.line(land, direction="filter", steps=3)
    assert "training mode, in which BatchNorm2d" in repr(line)
