"""`scalper bench simulate`: sessions bar by bar through every rule of policy, risk and fills, in the compiled loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from bench import simulate_versus
from bench import tape as tape_of
from bench.measure import PASSES, processor_s, result, timed
from scalper.features import Block
from scalper.learn.norms import medians, seen
from scalper.learn.session import tradable
from scalper.market.bars import QUOTES
from scalper.policy import DECISION, FILL, PREDICTION, TRADE, Action, Gate, Reason, open_account, rules
from scalper.settings import Lane
from scalper.simulate import SessionInput, kernel, market, new_book

BARS = 10_000_000
HORIZON = 90
"""Bars that the made-up predictions look ahead, and that a position is held at most."""
WRONG = 0.08
"""Share of the minutes in which they point the other way."""
WIDE = 0.002
"""Share of the traded seconds whose spread is too wide."""
_core = cast(Any, kernel)


class Played:
    """What a pass over the sessions left."""

    def __init__(self, lane: Lane) -> None:
        self.account = open_account(lane)
        self.trades = self.halts = self.bars = 0
        self.reasons: Counter[str] = Counter()
        self.gates: Counter[str] = Counter()
        self.moved: Counter[str] = Counter()

    @property
    def halted(self) -> bool:
        """Whether a limit ever stopped the account, for a session or for good."""
        return bool(self.halts or any(self.account[name][0] for name in ("kill", "review", "firm")))


def every_rule() -> Lane:
    """A one-second lane with all that policy, risk and simulation can be asked for.

    A share of a firm's account whose loss trails open equity; sizes by time of day and by market; stops that go to
    breakeven, trail and close up; partial targets; orders that take at most half of a bar's volume.
    """
    stop = {"breakeven_at": 0.5, "trail_from": 1.0, "trail_atr": 1.5, "late_share": 0.5}
    parts = [{"from": "09:30", "to": "09:45", "times": 0.6}, {"from": "12:00", "to": "13:30", "times": 0.8}]
    return tape_of.lane(
        hours="all",
        labels={"horizon": HORIZON},
        policy={"max_trades": 100_000, "stop": stop, "partial": 0.5, "times": parts},
        risk={
            "capital": 40_000, "account": "bench", "share": 0.5, "firm": {"profile": "apex", "maximum_loss": 20_000},
        },
        simulation={"volume_share": 0.5},
    )  # fmt: skip


def run(size: int | None = None) -> dict[str, Any]:
    """One-second bars, asked at every traded second of the whole session, with every rule on.

    The predictions look ahead (see `_script`): only an account that earns is not halted, and a halted one is cheap. The
    figure says how fast the rules are, nothing about money. `exits` and `holds` tell which rule had the last word.
    """
    lane = every_rule()
    every = scripts(lane)
    count = max(1, round((size or BARS) / np.mean([one.bars.size for one in every])))
    chosen = [every[index % len(every)] for index in range(count)]
    compiled(lane, chosen[:1])
    seconds = timed(lambda: compiled(lane, chosen))
    found = result("bars", sum(one.bars.size for one in chosen), seconds)
    found["processor_seconds"] = _least(lambda: compiled(lane, chosen))
    played = compiled(lane, chosen, tell=True)
    found |= {"trades": played.trades, "bars_per_trade": round(found["bars"] / max(played.trades, 1), 1)}
    net = (int(played.account["cash_cents"][0]) - int(open_account(lane)["cash_cents"][0])) / 100
    found |= {"halted": played.halted, "net": net, "threads": 1}
    found |= {"exits": dict(played.reasons), "holds": dict(played.gates), "moved_stops": dict(played.moved)}
    return found | simulate_versus.peers(
        lane, every, compiled, found["bars_per_second"], found["bars"] / found["processor_seconds"]
    )


def _least(work: Callable[[], Any]) -> float:
    """Processor seconds of the best of three passes: what it costs, however busy the machine is."""
    taken: list[float] = []
    for _ in range(PASSES):
        start = processor_s()
        work()
        taken.append(processor_s() - start)
    return round(min(taken), 6)


def scripts(lane: Lane, count: int = tape_of.SESSIONS) -> list[SessionInput]:
    """The first sessions of the market, each with its predictions, and with what is usual in all of them."""
    random = np.random.default_rng(1)
    prepared = list(tape_of.features(lane, tape_of.tapes(tape_of.SESSIONS)))
    usual = medians([seen(bars, block.aux, lane.timetable(tape.session)) for tape, bars, block in prepared])
    return [_script(lane, one, usual, random) for one in prepared[:count]]


def _script(
    lane: Lane, prepared: tuple[tape_of.Tape, np.ndarray, Block], usual: np.ndarray, random: np.random.Generator
) -> SessionInput:
    """Predictions from the close a horizon later, the other way in some minutes, and noise; quotes now and then wide.

    Right often enough for the account to live, wrong often enough for stops, signal exits, reversals and pauses;
    confidence is spread over all bands.
    """
    tape, bars, block = prepared
    close, table = bars["close"], lane.timetable(tape.session)
    later = close[np.minimum(np.arange(bars.size) + HORIZON, bars.size - 1)]
    turned = (random.random(bars.size // 60 + 1) < WRONG).repeat(60)[: bars.size]
    seen_ = (later - close) * np.where(turned, -1, 1) + random.normal(0.0, 0.7, bars.size)
    weights = np.exp(np.column_stack([-seen_, np.full(bars.size, 1.0), seen_]) / 2.0)
    made = np.zeros(bars.size, PREDICTION)
    made["down"], made["flat"], made["up"] = (weights / weights.sum(axis=1, keepdims=True)).T
    made["move_ticks"] = seen_
    made["volatility_ticks"] = block.volatility
    made["valid"] = tradable(bars, table) & block.warm
    bars["known"] |= QUOTES
    bars["spread"] = np.where(random.random(bars.size) < WIDE, lane.policy.market.max_spread + 1, 1)
    return SessionInput(tape.session.date, tape.contract, bars, block.aux, made, table, usual)


def compiled(
    lane: Lane, every: list[SessionInput], *, tell: bool = False, decisions: np.ndarray | None = None
) -> Played:
    """All sessions through one account; `tell` counts why, outside the clock. `decisions` gets those of the last."""
    played = Played(lane)
    longest = max(one.bars.size for one in every)
    limits, fill_model = rules(lane), market(lane.simulation)
    decisions = np.zeros(longest, DECISION) if decisions is None else decisions
    trades = np.zeros(longest + 2, TRADE)
    fills = np.zeros(kernel.MAX_FILLS, FILL)
    for one in every:
        closed: int = _core.run_session(
            played.account,
            new_book(),
            limits,
            fill_model,
            one.bars,
            one.aux,
            one.predictions,
            one.timetable,
            one.norms,
            decisions,
            trades,
            fills,
        )
        played.trades += closed
        played.halts += int(played.account["day_halt"][0] != 0)
        if tell:
            _tell(played, decisions[: one.bars.size], trades[:closed])
    return played


def _tell(played: Played, decisions: np.ndarray, trades: np.ndarray) -> None:
    """Count the reasons of exits, the gates of bars without an order, and the rules that moved a stop."""
    played.reasons.update(Reason(code).name.lower() for code in trades["reason"])
    played.reasons["with a partial"] += int((trades["exits"] > 1).sum())
    moved = decisions["stop"] != 0
    for counts, rows in ((played.gates, (decisions["action"] == Action.HOLD) & ~moved), (played.moved, moved)):
        codes, numbers = np.unique(decisions["gate"][rows], return_counts=True)
        counts.update({Gate(code).name.lower(): int(n) for code, n in zip(codes, numbers, strict=True)})
