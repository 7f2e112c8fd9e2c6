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
from scalper.settings import FoldSettings

Dates = tuple[date, ...]
COLOURS = {"train": "#9aa5b1", "calibrate": "#c9a227", "search": "#3a7ca5", "test": "#2a9d5c", "holdout": "#b23a48"}
WINDOWS = ("train", "calibrate", "search", "test")
CALIBRATION = 3
"""One part in so many of the validation window calibrates, the rest is searched."""


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

    def plot(self) -> Any:
        """A plotly figure: one line a fold, one colour a window, the hold-out at the end."""
        import plotly.graph_objects as go  # pyright: ignore[reportMissingTypeStubs]

        spans = [(fold.name, name, dates) for fold in self.all() for name, dates in fold.windows().items()]
        if self.holdout:
            spans.append((self.final.name, "holdout", self.holdout))
        figure: Any = go.Figure()
        for name, colour in COLOURS.items():
            rows = [(label, dates) for label, window, dates in spans if window == name]
            figure.add_bar(
                name=name,
                orientation="h",
                y=[label for label, _ in rows],
                base=[dates[0].isoformat() for _, dates in rows],
                x=[((dates[-1] - dates[0]).days + 1) * 86_400_000 for _, dates in rows],
                customdata=[[dates[0].isoformat(), dates[-1].isoformat(), len(dates)] for _, dates in rows],
                hovertemplate="%{customdata[0]} to %{customdata[1]}, %{customdata[2]} sessions",
                marker_color=colour,
            )
        figure.update_layout(
            barmode="overlay",
            template="plotly_white",
            height=140 + 26 * (len(self.folds) + 1),
            margin={"l": 60, "r": 20, "t": 30, "b": 30},
            legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
            xaxis={"type": "date"},
            yaxis={"autorange": "reversed"},
        )
        return figure


def walk_forward(dates: Sequence[date], settings: FoldSettings) -> Folds:
    """Cut sessions into walk-forward folds that end at the newest one before the hold-out.

    Windows count in `settings.unit` and touch each other; the embargo is the last sessions of the earlier one, which
    nothing uses. So a fold spans train + validate + test units, and what it chooses it chose before its test began.
    The sessions of the validation window are calibrated on (the first third) and searched (the rest).
    Raises BadInput for sessions out of order, a step below the test length, or too few sessions (it says how many).
    """
    days = tuple(dates)
    if any(a >= b for a, b in pairwise(days)):
        raise BadInput(
            "the sessions of the folds are out of order, or one is there twice; sort them and keep each once"
        )
    if settings.step < settings.test:
        raise BadInput(
            f"folds.step {settings.step} is below folds.test {settings.test}: a session would be tested twice; "
            f"raise the step to {settings.test}"
        )
    gap, span = settings.embargo_sessions, settings.train + settings.validate_ + settings.test
    usable, holdout = _before_holdout(days, settings)
    units = _units(usable, settings.unit)
    if len(units) < span:
        raise _too_few(days, units, span, settings)
    starts = range((len(units) - span) % settings.step, len(units) - span + 1, settings.step)
    folds = tuple(_fold(number, units[start : start + span], settings) for number, start in enumerate(starts, start=1))
    newest = _flat(units[len(units) - settings.train - settings.validate_ :])
    size = len(_flat(units[-settings.validate_ :]))
    train, validate = newest[: len(newest) - size - gap], newest[len(newest) - size :]
    return Folds(folds, Fold(0, *_checked("final", settings, train, *_validation(validate, gap)), test=()), holdout)


def purge(end_ns: npt.NDArray[np.int64], limit_ns: int) -> npt.NDArray[np.bool_]:
    """Rows to keep: their label was known when the next window's first bar opened, at `limit_ns`."""
    return end_ns <= limit_ns


def _before_holdout(days: Dates, settings: FoldSettings) -> tuple[Dates, Dates]:
    """The sessions that folds may use, and the hold-out; the embargo between them is in neither."""
    if settings.holdout_sessions == 0:
        return days, ()
    first = max(0, len(days) - settings.holdout_sessions)
    return days[: max(0, first - settings.embargo_sessions)], days[first:]


def _units(days: Dates, unit: str) -> list[Dates]:
    """Sessions grouped by unit. A first or last unit with less than half the usual sessions joins its neighbour."""
    groups: dict[tuple[int, ...], list[date]] = {}
    for position, day in enumerate(days):
        key = {"sessions": (position,), "weeks": tuple(day.isocalendar()[:2]), "months": (day.year, day.month)}[unit]
        groups.setdefault(key, []).append(day)
    units = [tuple(group) for group in groups.values()]
    usual = float(np.median([len(group) for group in units])) if units else 0.0
    if len(units) > 1 and len(units[0]) < usual / 2:
        units[:2] = [units[0] + units[1]]
    if len(units) > 1 and len(units[-1]) < usual / 2:
        units[-2:] = [units[-2] + units[-1]]
    return units


def _flat(units: Sequence[Dates]) -> Dates:
    return tuple(day for unit in units for day in unit)


def _fold(number: int, units: Sequence[Dates], settings: FoldSettings) -> Fold:
    gap, middle = settings.embargo_sessions, settings.train + settings.validate_
    train = _flat(units[: settings.train])[:-gap]
    validate = _flat(units[settings.train : middle])[:-gap]
    test = _flat(units[middle:])
    return Fold(number, *_checked(f"fold {number}", settings, train, *_validation(validate, gap)), test=test)


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


def _too_few(days: Dates, units: Sequence[Dates], span: int, settings: FoldSettings) -> BadInput:
    tail = settings.holdout_sessions + (settings.embargo_sessions if settings.holdout_sessions else 0)
    need = f"{span + tail} sessions" if settings.unit == "sessions" else f"{span} {settings.unit} and {tail} sessions"
    found = f"{days[0]} to {days[-1]}" if days else "none"
    return BadInput(
        f"one fold needs {need} (train {settings.train}, validate {settings.validate_}, test {settings.test} "
        f"{settings.unit}; hold-out {settings.holdout_sessions} and its embargo); there are {len(days)} sessions "
        f"({found}), {len(units)} {settings.unit} of them before the hold-out: add data or shorten the windows"
    )
