"""Random numbers of one's own, from a seed."""

from operator import index
from typing import Any

import torch

from theodolite.errors import ArgumentError


def generator(seed: Any) -> torch.Generator:
    """Torch's generator on the CPU, the same for the same seed.

    Raises
    ------
    ArgumentError
        When the seed is not a whole number of at most 63 bits.
    """
    try:
        number = index(seed)
        return torch.Generator().manual_seed(number)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ArgumentError(
            found=f"seed={seed!r}.",
            why="Everything random here comes from a seed, so that it can be repeated.",
            instead="Give a whole number from 0 to 2⁶³ − 1, like seed=0.",
        ) from error
