"""The drawing at the head of the page: four valleys, and balls that ran into them."""

from dataclasses import replace
from math import cos, pi, sin

import torch

from theodolite.exploring.drawing import function_landscape
from theodolite.exploring.engraving import Engraving, engraved, walked
from theodolite.exploring.lesson import Detail
from theodolite.exploring.lessons.himmelblau import SPAN, himmelblau
from theodolite.maps.descending.descent import descend
from theodolite.maps.plane import plane

BALLS, RATE, STEPS = 9, 0.004, 60


def frontispiece(detail: Detail) -> Engraving:
    """Contour lines of Himmelblau's function, and gradient descents from its summit."""
    land = function_landscape(himmelblau, (0.0, 0.0), "Himmelblau")
    around = plane(land, directions=(0, 1), steps=detail.steps + 20, span=SPAN)
    drawn = engraved(around.loss, levels=16)
    starts = [
        (0.9 * cos(angle) - 0.27, 0.9 * sin(angle) - 0.92)
        for angle in (2 * pi * (ball + 0.37) / BALLS for ball in range(BALLS))
    ]
    ends = [(-SPAN, SPAN), (-SPAN, SPAN)]
    walks = []
    for start in starts:
        point = torch.tensor(start, dtype=torch.float64)
        run = descend(land, RATE, start=point, steps=STEPS)
        walks.append(walked(run.path, ends))
    return replace(drawn, walks=tuple(walks))
