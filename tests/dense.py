"""Dense references, and how far something is from one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from problems import labels, normal

F64 = torch.float64


def relative(found: Tensor, wanted: Tensor) -> float:
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


def close(found: Any, wanted: Any) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-11)


def uneven(*shape: int, dtype: torch.dtype = F64) -> list[tuple[Tensor, Tensor]]:
    x, y = normal(20, *shape, dtype=dtype), labels(3, 20)
    return list(zip(x.split([8, 8, 4]), y.split([8, 8, 4]), strict=True))


def by_name(model: nn.Module, flat: Tensor) -> dict[str, Tensor]:
    weights = dict(model.named_parameters())
    pieces = flat.split([weight.numel() for weight in weights.values()])
    return {n: p.view_as(w) for (n, w), p in zip(weights.items(), pieces, strict=True)}


def dense(average: Callable[[Tensor], Tensor], point: Tensor) -> Tensor:
    return torch.autograd.functional.hessian(average, point)
