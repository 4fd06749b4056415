"""All lessons, in the order of a story."""

import time
from collections.abc import Callable
from math import inf

from theodolite.exploring.lesson import Detail, Lesson
from theodolite.exploring.lessons.bowl import bowl_lesson
from theodolite.exploring.lessons.canyon import canyon_lesson
from theodolite.exploring.lessons.deep_linear import deep_linear_lesson
from theodolite.exploring.lessons.himmelblau import himmelblau_lesson
from theodolite.exploring.lessons.losses import losses_lesson
from theodolite.exploring.lessons.minima import minima_lesson
from theodolite.exploring.lessons.networks import networks_lesson
from theodolite.exploring.lessons.saddles import saddles_lesson
from theodolite.exploring.lessons.spin_glass import spin_glass_lesson
from theodolite.exploring.lessons.steps import steps_lesson
from theodolite.exploring.lessons.symmetry import symmetry_lesson
from theodolite.exploring.lessons.training import training_lesson
from theodolite.progress import Silent, Watcher

# what a lesson is called while it is measured, and its share of the time
COURSE: tuple[tuple[str, Callable[[Detail], Lesson], float], ...] = (
    ("the bowl", bowl_lesson, 1.0),
    ("step sizes", steps_lesson, 2.0),
    ("saddles", saddles_lesson, 1.0),
    ("flat and sharp", minima_lesson, 3.0),
    ("the canyon", canyon_lesson, 2.0),
    ("the choice of the loss", losses_lesson, 2.0),
    ("a symmetry", symmetry_lesson, 1.0),
    ("deep linear networks", deep_linear_lesson, 2.0),
    ("four valleys", himmelblau_lesson, 1.0),
    ("a spin glass", spin_glass_lesson, 2.0),
    ("trained networks", networks_lesson, 15.0),
    ("a training run", training_lesson, 4.0),
)


def lessons(detail: Detail, watcher: Watcher | None = None) -> tuple[Lesson, ...]:
    """Measure every lesson; the trained networks only where they are asked for.

    Parameters
    ----------
    detail : Detail
        How finely.
    watcher : Watcher, optional
        Who is told how far it is.
    """
    tell, began = watcher or Silent(), time.perf_counter()
    chosen = [part for part in COURSE if detail.networks or part[1] != networks_lesson]
    whole = sum(share for *_, share in chosen)
    done, made = 0.0, []
    try:
        for name, make, share in chosen:
            spent = time.perf_counter() - began
            left = spent * (whole - done) / done if done else inf
            tell.update(name, done / whole, left)
            made.append(make(detail))
            done += share
    finally:
        tell.close()
    return tuple(made)
