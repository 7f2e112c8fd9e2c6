"""`scalper bench simulate`: sessions bar by bar through every rule of policy, risk and fills, in the compiled loop."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from bench import tape as tape_of
from bench.measure import rate, ratios, result, timed
from scalper.features import Block
from scalper.learn.session import tradable
from scalper.live.broker import SimBroker
from scalper.policy import ACCOUNT, DECISION, FILL, PREDICTION, TRADE, Action, Gate, Reason, open_account, rules
from scalper.policy import kernel as policy
from scalper.settings import Lane
from scalper.simulate import kernel, market, new_book

BARS = 10_000_000
PEER_BARS = 20_000
HORIZON = 90
"""Bars that the made-up predictions look ahead, and that a position is held at most."""
WRONG = 0.08
"""Share of the minutes in which they point the other way."""
_core, _policy = cast(Any, kernel), cast(Any, policy)


@dataclass(frozen=True, slots=True)
class Script:
    """A session to play: bars (n,) of BAR with the carried seconds, predictions (n,), timetable (1,)."""

    bars: np.ndarray
    predictions: np.ndarray
    timetable: np.ndarray

    def first(self, count: int) -> Script:
        """The first `count` bars from the regular open on."""
        begin = int(np.searchsorted(self.bars["ts_ns"], self.timetable["regular_open_ns"][0]))
        chosen = slice(begin, begin + count)
        return Script(self.bars[chosen], self.predictions[chosen], self.timetable)


class Played:
    """What a pass over the sessions left."""

    def __init__(self, lane: Lane) -> None:
        self.account = open_account(lane)
        self.trades = self.halts = self.bars = 0
        self.reasons: Counter[str] = Counter()
        self.gates: Counter[str] = Counter()

    @property
    def halted(self) -> bool:
        """Whether a limit ever stopped the account, for a session or for good."""
        return bool(self.halts or self.account["kill"][0] or self.account["review"][0])


def run(size: int | None = None) -> dict[str, Any]:
    """One-second bars, asked at every traded second of the whole session, with every rule on.

    The predictions look ahead (see `script`): only an account that earns is not halted, and a halted one is cheap. The
    figure says how fast the rules are, nothing about money. `exits` and `holds` tell which rule had the last word.
    """
    lane = tape_of.lane(
        hours="all", labels={"horizon": HORIZON}, policy={"max_trades": 100_000}, risk={"capital": 10_000}
    )
    every = scripts(lane, tape_of.SESSIONS)
    count = max(1, round((size or BARS) / np.mean([one.bars.size for one in every])))
    chosen = [every[index % len(every)] for index in range(count)]
    _compiled(lane, chosen[:1])
    seconds = timed(lambda: _compiled(lane, chosen))
    found = result("bars", sum(one.bars.size for one in chosen), seconds)
    played = _compiled(lane, chosen, tell=True)
    found |= {"trades": played.trades, "bars_per_trade": round(found["bars"] / played.trades, 1)}
    net = (int(played.account["cash_cents"][0]) - int(open_account(lane)["cash_cents"][0])) / 100
    found |= {
        "halted": played.halted,
        "net": net,
        "threads": 1,
        "exits": dict(played.reasons),
        "holds": dict(played.gates),
    }
    return found | _peers(lane, every[0], found["bars_per_second"])


def scripts(lane: Lane, count: int) -> list[Script]:
    """The first sessions of the market, each with its predictions."""
    random = np.random.default_rng(1)
    return [_script(lane, one, random) for one in tape_of.features(lane, tape_of.tapes(count))]


def _script(lane: Lane, prepared: tuple[tape_of.Tape, np.ndarray, Block], random: np.random.Generator) -> Script:
    """Predictions from the close a horizon later, the other way in some minutes, and noise.

    Right often enough for the account to live, wrong often enough for stops, signal exits, reversals and pauses;
    confidence is spread over all bands.
    """
    tape, bars, block = prepared
    close, table = bars["close"], lane.timetable(tape.session)
    later = close[np.minimum(np.arange(bars.size) + HORIZON, bars.size - 1)]
    turned = (random.random(bars.size // 60 + 1) < WRONG).repeat(60)[: bars.size]
    seen = (later - close) * np.where(turned, -1, 1) + random.normal(0.0, 0.7, bars.size)
    weights = np.exp(np.column_stack([-seen, np.full(bars.size, 1.0), seen]) / 2.0)
    shares = weights / weights.sum(axis=1, keepdims=True)
    made = np.zeros(bars.size, PREDICTION)
    made["down"], made["flat"], made["up"] = shares.T
    made["move_ticks"] = seen
    made["volatility_ticks"] = block.volatility
    made["valid"] = tradable(bars, table) & block.warm
    return Script(bars, made, table)


def _compiled(lane: Lane, every: list[Script], *, tell: bool = False) -> Played:
    """All sessions through one account; `tell` counts why, outside the clock."""
    played = Played(lane)
    longest = max(one.bars.size for one in every)
    limits, fill_model = rules(lane), market(lane.simulation)
    decisions, trades, fills = np.zeros(longest, DECISION), np.zeros(longest + 2, TRADE), np.zeros(4, FILL)
    for one in every:
        closed: int = _core.run_session(
            played.account,
            new_book(),
            limits,
            fill_model,
            one.bars,
            one.predictions,
            one.timetable,
            decisions,
            trades,
            fills,
        )
        played.trades += closed
        played.halts += int(played.account["day_halt"][0] != 0)
        if tell:
            played.reasons.update(Reason(code).name.lower() for code in trades["reason"][:closed])
            holds = decisions[: one.bars.size]
            codes, counts = np.unique(holds["gate"][holds["action"] == Action.HOLD], return_counts=True)
            played.gates.update({Gate(code).name.lower(): int(n) for code, n in zip(codes, counts, strict=True)})
    return played


# ---------------------------------------------------------------------- peers


def _peers(lane: Lane, script: Script, own: float) -> dict[str, Any]:
    part = script.first(PEER_BARS)
    live = [0]

    def by_bar() -> None:
        live[0] = bar_by_bar(lane, part)

    peers = {
        "the live path, bar by bar from Python": rate(part.bars.size, by_bar),
        "numpy, fixed horizon: no stop, target, size, limit or account": rate(
            script.bars.size, lambda: fixed_horizon(lane, script)
        ),
    }
    same = live[0] == _compiled(lane, [part]).trades
    return {"peers": peers, "ratios": ratios(own, peers), "live_path_trades_the_same": same}


def bar_by_bar(lane: Lane, one: Script) -> int:
    """What replay and live do with a bar, without features and model; returns the number of trades."""
    limits = rules(lane)
    broker = SimBroker(lane.simulation, one.timetable, limits)
    account, trade, closed = open_account(lane), np.zeros(1, TRADE), 0
    assert account.dtype == ACCOUNT
    _policy.open_session(account[0])
    for index in range(one.bars.size):
        bar = one.bars[index : index + 1]
        for fill in broker.advance(bar):
            closed += int(_policy.on_fill(account[0], limits[0], fill, trade[0]))
        decision = np.zeros(1, DECISION)
        _policy.step(account[0], limits[0], bar[0], one.predictions[index], one.timetable[0], decision[0])
        if decision["action"][0] != Action.HOLD:
            broker.submit(decision)
    for fill in broker.close_out(one.bars[-1:]):
        closed += int(_policy.on_fill(account[0], limits[0], fill, trade[0]))
    return closed


def fixed_horizon(lane: Lane, one: Script) -> float:
    """A vectorised backtest: each confident bar enters at the next open and leaves a horizon later; net dollars."""
    bars, asked, hold = one.bars, one.predictions, lane.hold_bars
    side = np.where(asked["up"] > asked["down"], 1, -1) * (asked["valid"] == 1)
    sure = np.maximum(asked["up"], asked["down"]) >= lane.policy.confidence
    entry, leave = bars["open"][1:-hold], bars["open"][hold + 1 :]
    taken = (side * sure)[: entry.size]
    cost = 2 * (lane.simulation.slippage_ticks * float(lane.execution.tick_value)) + 0.84
    gained = taken * (leave - entry) * float(lane.execution.tick_value) - cost * np.abs(taken)
    return float(np.cumsum(gained)[-1])
