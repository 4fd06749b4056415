"""Handwritten digits, 8 × 8 pixels: the data of the built-in networks."""

from importlib.resources import as_file, files

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

TRAINING = 1437


def digits() -> tuple[Float[Tensor, "n 1 8 8"], Int[Tensor, " n"]]:
    """All 1,797 images, scaled to [0, 1], and their labels.

    References
    ----------
    Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998, doi:10.24432/C50P49 (CC BY 4.0).
    """
    with as_file(files("theodolite.models") / "data" / "digits.npz") as path:
        arrays = np.load(path, allow_pickle=False)
        images = torch.from_numpy(arrays["images"]).float() / 16
        labels = torch.from_numpy(arrays["labels"]).long()
    return images[:, None], labels


def split_digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """1,437 training pairs and 360 test pairs, always the same ones."""
    images, labels = digits()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    train, test = order[:TRAINING], order[TRAINING:]
    return (images[train], labels[train]), (images[test], labels[test])
