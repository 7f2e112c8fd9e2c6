"""The search itself: points are drawn, made and told, until all are made."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scalper.learn.search.draws import Draws, directions
from scalper.learn.search.shelf import Shelf
from scalper.learn.search.space import Point, Space
from scalper.learn.search.storage import answering, open_storage
from scalper.learn.search.trial import Found, Trial, medians
from scalper.settings import SearchSettings

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

WARM = 4
"""Trials that must have got to a window before the first is pruned there."""
Stop = Callable[[int, float], bool]
"""Asked after each window but the last, with its number and the first score so far: whether to stop there."""
Make = Callable[[int, Point, Stop], Found]
"""Try a point, the trial of this number."""
Heard = Callable[[int, int], None]
"""Told how many draws were settled, of how many."""


def run(
    settings: SearchSettings, space: Space, make: Make, name: str, storage: BaseStorage, heard: Heard | None = None
) -> list[Trial]:
    """Every trial of the study `name`, in the order drawn, made here or by other workers on the same storage.

    The same settings and the same `make` give the same trials, wherever and however often the search was interrupted
    and with however many workers.
    """
    draws, shelf = Draws(settings, space), Shelf(storage, name, directions(settings), space)
    trials: list[Trial] = []
    while batch := draws.batch():
        before = tuple(trials)

        def stop(step: int, score: float, before: tuple[Trial, ...] = before) -> bool:
            median = medians(before, step, WARM) if settings.prune else None
            return median is not None and score < median

        def one(number: int, point: Point, stop: Stop = stop) -> Found:
            found = make(number, point, stop)
            if heard is not None:
                heard(min(number + 1, settings.trials), settings.trials)
            return found

        found = shelf.settle(batch, one)
        trials += [Trial(number, point, what) for (number, point), what in zip(batch, found, strict=True)]
        draws.tell(found)
    shelf.close()
    return trials


@contextmanager
def storage_of(settings: SearchSettings, journal: Path | None) -> Generator[BaseStorage]:
    """Where the study lies, which is memory without a place for a journal.

    Raises DataUnavailable, then or later, for a database that does not answer.
    """
    where = "memory" if journal is None else settings.storage
    with answering(where):
        yield open_storage(where, journal or Path())
