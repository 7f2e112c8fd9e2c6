"""Walk-forward folds over sessions: train, calibrate, search and test windows, and the hold-out behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scalper.errors import BadInput
from scalper.learn import timeline
from scalper.learn.timeline import Span
from scalper.settings import FoldSettings

Dates = tuple[date, ...]
WINDOWS = ("train", "calibrate", "search", "test")
CALIBRATION = 3
"""One part in so many of the validation window calibrates, the rest is searched."""
STUB = {"sessions": 0, "weeks": 3, "months": 11}
"""A first or last unit with fewer sessions than this, half of the usual, joins its neighbour. A constant: what came
later does not decide how the first folds are cut."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Sessions of one fold, in order of time; between two windows lies the embargo. Number 0 is the final recipe."""

    number: int
    train: Dates
    calibrate: Dates
    search: Dates
    test: Dates

    @property
    def name(self) -> str:
        """`fold_03`, or `final` for the recipe that meets the hold-out."""
        return f"fold_{self.number:02d}" if self.number else "final"

    def windows(self) -> dict[str, Dates]:
        """The windows that are not empty, by name, in order of time."""
        every = zip(WINDOWS, (self.train, self.calibrate, self.search, self.test), strict=True)
        return {name: dates for name, dates in every if dates}

    def row(self) -> dict[str, object]:
        """First and last session and length of each window: one row of a table."""
        found: dict[str, object] = {"fold": self.name}
        for name, dates in self.windows().items():
            found |= {f"{name}_from": dates[0], f"{name}_to": dates[-1], f"{name}_sessions": len(dates)}
        return found

    def spans(self) -> list[Span]:
        """Its windows for a picture."""
        return [Span(self.name, name, dates) for name, dates in self.windows().items()]

    def plot(self) -> Any:
        """A plotly figure: its windows on one line."""
        return timeline.figure(self.spans())


@dataclass(frozen=True, slots=True)
class Folds:
    """All folds of a lane in order of time, the final recipe (no test window) and the hold-out it meets once."""

    folds: tuple[Fold, ...]
    final: Fold
    holdout: Dates

    def all(self) -> tuple[Fold, ...]:
        """Every fold, the final one last."""
        return (*self.folds, self.final)

    def tested(self) -> Dates:
        """The sessions of the out-of-sample path, each once, in order."""
        return tuple(day for fold in self.folds for day in fold.test)

    def spans(self) -> list[Span]:
        """All windows for a picture, the hold-out in the row of the final recipe."""
        spans = [span for fold in self.all() for span in fold.spans()]
        return spans + ([Span(self.final.name, "holdout", self.holdout)] if self.holdout else [])

    def plot(self) -> Any:
        """A plotly figure: one line a fold, one colour a window, the hold-out at the end."""
        return timeline.figure(self.spans())

    def svg(self) -> str:
        """The same picture as an SVG."""
        return timeline.svg(f"{len(self.folds)} folds, {len(self.tested()):,} tested sessions", self.spans())


def walk_forward(dates: Sequence[date], settings: FoldSettings) -> Folds:
    """Cut sessions into walk-forward folds that end at the newest one before the hold-out.

    Windows count in `settings.unit` and touch each other; the embargo is the last sessions of the earlier one, which
    nothing uses. A rolling fold spans train + validate + test units; an expanding one begins at the first session
    instead, so its train window has `train` units or more. What a fold chooses it chose before its test began.
    The sessions of the validation window are calibrated on (the first third) and searched (the rest).

    With step 1, further sessions change no fold but those that reach into the last unit, and add folds behind. With a
    larger step that holds while the units grow by whole steps; else every fold moves, so that the last one ends at the
    newest unit. The final recipe and the hold-out always move.
    Raises BadInput for sessions out of order, a step below the test length, or too few sessions (it says how many).
    """
    if settings.step < settings.test:
        raise BadInput(
            f"folds.step {settings.step} is below folds.test {settings.test}: a session would be tested twice; "
            f"raise the step to {settings.test}"
        )
    usable, holdout = before_holdout(dates, settings)
    units, middle = _units(usable, settings.unit), settings.train + settings.validate_
    span = middle + settings.test
    if len(units) < span:
        raise _too_few(dates, units, span, settings)

    def cut(number: int, start: int, test: Dates) -> Fold:
        train = _flat(units[start if settings.kind == "rolling" else 0 : start + settings.train])
        return _fold(number, train, _flat(units[start + settings.train : start + middle]), test, settings)

    starts = range((len(units) - span) % settings.step, len(units) - span + 1, settings.step)
    folds = tuple(cut(at, start, _flat(units[start + middle : start + span])) for at, start in enumerate(starts, 1))
    return Folds(folds, cut(0, len(units) - middle, ()), holdout)


def before_holdout(dates: Sequence[date], settings: FoldSettings) -> tuple[Dates, Dates]:
    """The sessions that may be learned from and tested on, and the hold-out; the embargo between them is in neither.

    Raises BadInput for sessions out of order.
    """
    days = tuple(dates)
    if any(a >= b for a, b in pairwise(days)):
        raise BadInput(
            "the sessions of the folds are out of order, or one is there twice; sort them and keep each once"
        )
    if settings.holdout_sessions == 0:
        return days, ()
    first = max(0, len(days) - settings.holdout_sessions)
    return days[: max(0, first - settings.embargo_sessions)], days[first:]


def purge(end_ns: npt.NDArray[np.int64], limit_ns: int) -> npt.NDArray[np.bool_]:
    """Rows to keep: their label was known when the next window's first bar opened, at `limit_ns`."""
    return end_ns <= limit_ns


def _units(days: Dates, unit: str) -> list[Dates]:
    """Sessions grouped by unit; a stub at either end joins its neighbour."""
    groups: dict[tuple[int, ...], list[date]] = {}
    for position, day in enumerate(days):
        key = {"sessions": (position,), "weeks": tuple(day.isocalendar()[:2]), "months": (day.year, day.month)}[unit]
        groups.setdefault(key, []).append(day)
    units = [tuple(group) for group in groups.values()]
    if len(units) > 1 and len(units[0]) < STUB[unit]:
        units[:2] = [units[0] + units[1]]
    if len(units) > 1 and len(units[-1]) < STUB[unit]:
        units[-2:] = [units[-2] + units[-1]]
    return units


def _flat(units: Sequence[Dates]) -> Dates:
    return tuple(day for unit in units for day in unit)


def _fold(number: int, train: Dates, validate: Dates, test: Dates, settings: FoldSettings) -> Fold:
    """A fold of windows that touch: the embargo is cut from the end of each that has a later one beside it."""
    gap = settings.embargo_sessions
    validate = validate[:-gap] if test else validate  # the hold-out lies an embargo behind already
    where = f"fold {number}" if number else "final"
    return Fold(number, *_checked(where, settings, train[:-gap], *_validation(validate, gap)), test=test)


def _validation(days: Dates, gap: int) -> tuple[Dates, Dates]:
    """Calibration and search, with the embargo between."""
    third = max(1, round(len(days) / CALIBRATION))
    return days[:third], days[third + gap :]


def _checked(
    where: str, settings: FoldSettings, train: Dates, calibrate: Dates, search: Dates
) -> tuple[Dates, Dates, Dates]:
    """The train, calibrate and search windows. Raises BadInput if the embargo leaves nothing of one."""
    windows = (train, calibrate, search)
    sizes = {"train": settings.train, "calibrate": settings.validate_, "search": settings.validate_}
    for (name, size), dates in zip(sizes.items(), windows, strict=True):
        if not dates:
            key = "train" if name == "train" else "validate"
            raise BadInput(
                f"{where}: an embargo of {settings.embargo_sessions} sessions leaves nothing of the {name} window; "
                f"raise folds.{key} (now {size} {settings.unit})"
            )
    return train, calibrate, search


def _too_few(days: Sequence[date], units: Sequence[Dates], span: int, settings: FoldSettings) -> BadInput:
    tail = settings.holdout_sessions + (settings.embargo_sessions if settings.holdout_sessions else 0)
    need = f"{span + tail} sessions" if settings.unit == "sessions" else f"{span} {settings.unit} and {tail} sessions"
    found = f"{days[0]} to {days[-1]}" if days else "none"
    return BadInput(
        f"one fold needs {need} (train {settings.train}, validate {settings.validate_}, test {settings.test} "
        f"{settings.unit}; hold-out {settings.holdout_sessions} and its embargo); there are {len(days)} sessions "
        f"({found}), {len(units)} {settings.unit} of them before the hold-out: add data or shorten the windows"
    )
