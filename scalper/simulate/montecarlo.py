"""Monte Carlo: what else the account could have lived through with the same sessions or the same trades.

`bootstrap` draws whole sessions with replacement in circular blocks: other futures, in which runs of neighbouring
sessions stay together. `shuffle` puts the trades into another order: the same net, other drawdowns.
A path is a chain of elements (sessions or trades), each known by its net and by how far it fell on the way, so the
largest drawdown of a path is exact to the bar without storing the bars of every path.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scalper.errors import ScalperError
from scalper.policy import rules
from scalper.policy.records import FIRM_DAY_END, FIRM_NONE
from scalper.settings import Lane
from scalper.simulate.elements import Elements, Floats, orders, sessions
from scalper.simulate.metrics import sharpes
from scalper.simulate.resample import MOST, blocks, shuffles

LEVELS = (0.05, 0.25, 0.50, 0.75, 0.95)
BANDS = ("p5", "p25", "p50", "p75", "p95")
POINTS = 250
"""Most points of a band along the path; equity of every draw is kept at these only."""
_CENT = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A fall of equity that ends an account: `dollars` below a peak that trails."""

    name: str
    dollars: float
    trails: Literal["open", "close"] = "open"
    """`open`: the highest equity at any bar close so far; `close`: the highest cash at a session's end.

    The starting capital is the first peak of both.
    """
    extremes: bool = False
    """Whether bars' extremes count (a firm watches in real time) or only their closes (our own limits)."""
    lock: float = math.inf
    """Dollars over the starting capital at which the level, `dollars` below the peak, stops to rise."""


def account_limits(lane: Lane) -> list[Limit]:
    """The account's drawdown limit, and the maximum loss of a firm whose account is traded, by the lane's rules."""
    row = rules(lane)[0]
    found = [Limit(name="account drawdown", dollars=int(row["account_drawdown_cents"]) / 100)]
    if row["firm"] != FIRM_NONE:
        lock = (int(row["firm_lock_cents"]) - int(row["capital_cents"])) / 100
        trails = "close" if row["firm"] == FIRM_DAY_END else "open"
        loss = int(row["firm_loss_cents"]) / 100
        found.append(Limit(name="firm's maximum loss", dollars=loss, trails=trails, extremes=True, lock=lock))
    return found


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """What the draws came to."""

    kind: Literal["sessions", "trades"]
    draws: int
    block: int
    """Sessions a block; 1 for shuffled trades."""
    seed: int
    bands: pl.DataFrame
    """session (0: the start), p5, p25, p50, p75, p95: quantiles of equity after so many sessions."""
    net: Floats
    """Final net of each draw, in dollars."""
    drawdown: Floats
    """Largest fall of equity below its peak in each draw, in dollars, the falls inside an element included."""
    sharpe: Floats
    """Yearly Sharpe ratio of daily net over capital in each draw."""
    reached: dict[str, float]
    """Share of the draws in which a limit was reached, by its name."""

    def table(self) -> pl.DataFrame:
        """figure, p5, p25, p50, p75, p95 of net, drawdown and Sharpe ratio over the draws."""
        rows = [
            (name, *np.quantile(getattr(self, name), LEVELS).tolist())
            for name in ("net", "drawdown", "sharpe")
            if self.net.size
        ]
        kinds = {"figure": pl.String} | dict.fromkeys(BANDS, pl.Float64)
        return pl.DataFrame(rows, schema=kinds, orient="row")

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it: quantiles of the figures, chances of the limits."""
        quantiles = {row["figure"]: {name: row[name] for name in BANDS} for row in self.table().iter_rows(named=True)}
        head = {"kind": self.kind, "draws": self.draws, "block": self.block, "seed": self.seed}
        return head | quantiles | {"reached": self.reached}


def drawn(
    lane: Lane, daily: pl.DataFrame, trades: pl.DataFrame, equity: pl.DataFrame, *, draws: int | None = None
) -> tuple[MonteCarlo, MonteCarlo]:
    """Sessions in blocks and trades in other orders, by the lane's settings and limits.

    The frames are a simulation's; `draws` replaces the lane's number of them.
    """
    how, limits = lane.simulation.monte_carlo, account_limits(lane)
    draws = how.draws if draws is None else draws
    whole = sessions(daily, trades, equity)
    futures = bootstrap(whole, lane.capital, draws=draws, block=how.block_sessions, seed=how.seed, limits=limits)
    counts = daily["trades"].to_numpy().astype(np.int64)
    return futures, shuffle(orders(trades), counts, lane.capital, draws=draws, seed=how.seed, limits=limits)


def bootstrap(
    elements: Elements,
    capital: float,
    *,
    draws: int = 2000,
    block: int = 5,
    seed: int = 1,
    length: int | None = None,
    limits: Sequence[Limit] = (),
    most: int = MOST,
) -> MonteCarlo:
    """Paths of `length` sessions (default: as many as there are), drawn in circular blocks of `block` neighbours.

    elements: of sessions, flat ones too. Each path starts with `capital` and its peak there.
    """
    n = elements.net.size
    length = n if length is None else length
    picks = blocks(n, draws, seed, block=block, length=length, most=most) if n and length else iter(())
    ends = np.arange(1, length + 1) if n else np.zeros(0, np.int64)
    return _collect("sessions", picks, elements, ends, capital, (draws, block, seed), limits)


def shuffle(
    elements: Elements,
    counts: NDArray[np.int64],
    capital: float,
    *,
    draws: int = 2000,
    seed: int = 1,
    limits: Sequence[Limit] = (),
    most: int = MOST,
) -> MonteCarlo:
    """The trades in other orders; each session keeps the number of trades that it had.

    elements: of trades; counts (sessions,): trades of each session, in order.
    """
    n = elements.net.size
    if n != counts.sum():
        raise ScalperError(
            f"{n} trades, but the sessions count {counts.sum()}; give both of one and the same simulation"
        )
    picks = shuffles(n, draws, seed, most=most) if n else iter(())
    return _collect("trades", picks, elements, np.cumsum(counts), capital, (draws, 1, seed), limits)


def _collect(
    kind: Literal["sessions", "trades"],
    picks: Iterable[NDArray[np.int64]],
    elements: Elements,
    ends: NDArray[np.int64],
    capital: float,
    made: tuple[int, int, int],
    limits: Sequence[Limit],
) -> MonteCarlo:
    """Walk every drawn path; ends (sessions,): how many elements are over at the end of each session."""
    drawn = made[0] if elements.net.size and ends.size else 0
    shown = np.unique(np.linspace(0, ends.size, min(ends.size, POINTS) + 1).astype(np.int64))
    paths, figures, done = np.empty((shown.size, drawn)), np.empty((3, drawn)), 0
    reached = {limit.name: 0 for limit in limits}
    for rows in picks:
        after = np.cumsum(elements.net[rows], axis=1)
        cash = np.concatenate([np.zeros((len(rows), 1)), after], axis=1)[:, np.concatenate([[0], ends])]
        daily, here = np.diff(cash, axis=1) / capital, slice(done, done := done + len(rows))
        paths[:, here] = cash[:, shown].T + capital
        figures[0, here] = after[:, -1]
        figures[1, here] = _falls(elements, rows, after, extremes=False).max(axis=1)
        figures[2, here] = sharpes(daily) if ends.size > 1 else 0.0
        for limit in limits:
            reached[limit.name] += int(_reaches(limit, elements, rows, after, cash, ends).sum())
    quantiles = [np.quantile(one, LEVELS).tolist() for one in paths] if drawn else []
    bands = pl.DataFrame(quantiles, schema=dict.fromkeys(BANDS, pl.Float64), orient="row")
    bands = bands.insert_column(0, pl.Series("session", shown if drawn else shown[:0], dtype=pl.Int64))
    chances = {name: count / drawn if drawn else 0.0 for name, count in reached.items()}
    return MonteCarlo(kind, drawn, made[1], made[2], bands, figures[0], figures[1], figures[2], chances)


def _before(after: Floats) -> Floats:
    """What held before each element, of what held (draws, n) after each; 0 at first."""
    return np.concatenate([np.zeros((len(after), 1)), after[:, :-1]], axis=1)


def _falls(elements: Elements, rows: NDArray[np.int64], after: Floats, *, extremes: bool) -> Floats:
    """Largest fall (draws, n) within each element, below the highest equity before it or below its own."""
    high, low, fall = (
        (elements.extreme_high, elements.extreme_low, elements.extreme_fall)
        if extremes
        else (elements.high, elements.low, elements.fall)
    )
    begin = _before(after)
    peaks = np.maximum.accumulate(begin + high[rows], axis=1)
    return np.maximum(_before(peaks) - begin - low[rows], fall[rows])


def _reaches(
    limit: Limit, elements: Elements, rows: NDArray[np.int64], after: Floats, cash: Floats, ends: NDArray[np.int64]
) -> NDArray[np.bool]:
    """Which draws reach the limit: an element that falls far enough, and below the level's last stand if it locks."""
    lowest = _before(after) + (elements.extreme_low if limit.extremes else elements.low)[rows]
    if limit.trails == "open":
        fall = _falls(elements, rows, after, extremes=limit.extremes)
    else:
        peak = np.maximum.accumulate(cash[:, :-1], axis=1)
        session: NDArray[np.int64] = np.searchsorted(ends, np.arange(len(after.T)), side="right")
        fall = peak[:, session] - lowest
    return ((fall >= limit.dollars - _CENT) & (lowest <= limit.lock + _CENT)).any(axis=1)
