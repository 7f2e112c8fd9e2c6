"""A hand-made trading day: bars in ticks, one prediction a bar, and what the core makes of them.

Money in the tests is worked out for MES: a tick is $1.25, a contract $0.42 a side, slippage one tick on market and stop
orders. At an ATR of 4 ticks the stop is ceil(1.5 x 4) = 6 and the target 12 ticks from the fill. The market is a usual
one: volatility 4 ticks and volume 100 at every bar and in every norm, a spread of a tick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from scalper.features import AUX
from scalper.market import BAR, Session, session
from scalper.market.bars import QUOTES
from scalper.policy import DECISION, FILL, MINUTES, NORM, PREDICTION, TRADE, Gate, open_account, rules
from scalper.policy.kernel import open_session, step
from scalper.policy.records import USUAL
from scalper.settings import Lane
from scalper.simulate.kernel import BOOK, MAX_FILLS, run_session
from scalper.simulate.session import market

MINUTE = 60_000_000_000
DAY = session("MES", date(2021, 7, 14))
"""A Wednesday: flat at 16:30 New York, no halt."""
P = 16_000
"""The price that hand-made days start from, in ticks."""


def lane(**changes: Any) -> Lane:
    """A one-minute MES lane with the specification's numbers; `changes` are sections or keys."""
    return Lane(
        **{"name": "hand", "symbol": "MES", "source": "import", "interval": "1m", "start": "2021-01-04"} | changes
    )


def quiet(n: int, price: int = P) -> list[tuple[int, int, int, int]]:
    """n bars that touch nothing."""
    return [(price, price + 1, price - 1, price)] * n


def bars(
    rows: Sequence[tuple[int, ...]], *, at: str = "09:30", day: Session = DAY, step_ns: int = MINUTE
) -> np.ndarray:
    """BAR rows from (open, high, low, close), one after the other from the New York time `at`."""
    made = np.zeros(len(rows), BAR)
    hour, minute = at.split(":")
    made["ts_ns"] = day.ny(int(hour), int(minute)) + np.arange(len(rows)) * step_ns
    for column, name in enumerate(("open", "high", "low", "close")):
        made[name] = [row[column] for row in rows]
    made["volume"], made["spread"], made["known"] = 100, 1, QUOTES
    return made


def mirrored(made: np.ndarray) -> np.ndarray:
    """The same bars upside down: what is a rise becomes a fall."""
    turned = made.copy()
    for name, source in (("open", "open"), ("high", "low"), ("low", "high"), ("close", "close")):
        turned[name] = 2 * P - made[source]
    return turned


def predictions(
    n: int, signals: Mapping[int, tuple[int, float]], *, move: float = 20.0, atr: float = 4.0
) -> np.ndarray:
    """FLAT for every bar but the signals: bar index to (side, confidence)."""
    made = np.zeros(n, PREDICTION)
    made["valid"], made["volatility_ticks"] = 1, atr
    made["flat"] = 1.0
    for index, (side, confidence) in signals.items():
        rest = (1 - confidence) / 2
        made[index] = (confidence if side < 0 else rest, rest, confidence if side > 0 else rest, side * move, atr, 1)
    return made


def auxes(n: int, *, atr: float = 4.0, high: int = 0, low: int = 0) -> np.ndarray:
    """AUX rows: the volatility, and the last confirmed swings."""
    made = np.zeros(n, AUX)
    made["volatility_ticks"], made["swing_high"], made["swing_low"] = atr, high, low
    return made


def norms(volatility: float = 4.0, volume: float = 100.0) -> np.ndarray:
    """The same norm for every minute of the session."""
    made = np.zeros(MINUTES, NORM)
    made["volatility_ticks"], made["volume"] = volatility, volume
    return made


@dataclass(frozen=True, slots=True)
class Played:
    """What a session left: decisions, closed trades, and the account."""

    decisions: np.ndarray
    trades: np.ndarray
    account: np.ndarray

    @property
    def cash(self) -> int:
        """Cash in cents."""
        return int(self.account["cash_cents"][0])

    def gate(self, index: int) -> Gate:
        """The gate that had the last word at the close of bar `index`."""
        return Gate(int(self.decisions["gate"][index]))

    def when(self, action: int) -> list[int]:
        """Indices of the bars at whose close `action` was decided."""
        return np.flatnonzero(self.decisions["action"] == action).tolist()

    def ledger(self, index: int = 0) -> tuple[int, int, int, int]:
        """Gross, slippage, commission and net of a trade in cents."""
        row = self.trades[index]
        gross, slippage, commission, net = (int(row[f"{name}_cents"]) for name in MONEY)
        return gross, slippage, commission, net

    def ticks(self, side: int, index: int = 0) -> tuple[float, float, int, int]:
        """Average entry and exit, last stop and target of a trade, as ticks from 16,000 in the trade's favour."""
        row = self.trades[index]
        entry, exit_ = (side * (int(row[name]) / int(row["contracts"]) - P) for name in ("entry_value", "exit_value"))
        return entry, exit_, side * (int(row["stop"]) - P), side * (int(row["target"]) - P)


MONEY = ("gross", "slippage", "commission", "net")


def play(
    made: np.ndarray,
    forecast: np.ndarray,
    by: Lane | None = None,
    *,
    account: np.ndarray | None = None,
    day: Session = DAY,
    aux: np.ndarray | None = None,
    usual: np.ndarray | None = None,
) -> Played:
    """Run one session through the compiled loop, the account copied."""
    by = by or lane()
    account = (open_account(by) if account is None else account).copy()
    decisions, trades = np.zeros(made.size, DECISION), np.zeros(made.size + 2, TRADE)
    found = run_session(
        account, np.zeros(1, BOOK), rules(by), market(by.simulation), made,
        auxes(made.size) if aux is None else aux, forecast, by.timetable(day), norms() if usual is None else usual,
        decisions, trades, np.zeros(MAX_FILLS, FILL),
    )  # fmt: skip
    assert account["side"][0] == 0
    return Played(decisions, trades[:found].copy(), account)


def with_cash(cents: int, by: Lane | None = None, **fields: int) -> np.ndarray:
    """An account whose cash, session start and peaks are `cents`, in a usual market; `fields` are set afterwards."""
    account: np.ndarray = open_account(by or lane())
    for name in ("cash", "start", "peak", "session_peak", "equity", "firm_peak"):
        account[f"{name}_cents"] = cents
    account["slippage"], account["unusual"], account["last_minute"] = 1, USUAL, -1
    for name, value in fields.items():
        account[name] = value
    return account


def holding(
    side: int = 1, cash: int = 100_000, contracts: int = 1, by: Lane | None = None, **fields: Any
) -> np.ndarray:
    """An account with an open position from `P`, stop 6 and target 12 ticks; the entry's commission is paid."""
    stop = P - 6 * side
    extra = {
        "side": side, "contracts": contracts, "filled": contracts, "entry": P, "entry_value": P * contracts,
        "first_stop": stop, "stop": stop, "target": P + 12 * side, "best": P, "worst": P,
    }  # fmt: skip
    return with_cash(cash, by, **(extra | fields))


def decide(
    account: np.ndarray,
    signal: tuple[int, float],
    *,
    by: Lane | None = None,
    at: str = "10:30",
    price: int = P,
    day: Session = DAY,
    aux: np.ndarray | None = None,
    usual: np.ndarray | None = None,
    bar: Mapping[str, int] | None = None,
    **prediction: float,
) -> np.ndarray:
    """The decision at the close of one bar that starts at `at`; the account is changed in place. Returns a record.

    `bar` overrides fields of the bar, `prediction` those of the prediction (its volatility is that of AUX, too).
    """
    by = by or lane()
    made = bars([(price, price, price, price)], at=at, day=day)
    for name, number in (bar or {}).items():
        made[name] = number
    forecast = predictions(1, {0: signal} if signal[0] else {})
    for name, value in prediction.items():
        forecast[name] = value
    if aux is None:
        aux = auxes(1, atr=float(forecast["volatility_ticks"][0]))
    if usual is None:
        usual = norms(volatility=float(aux["volatility_ticks"][0]))
    decision = np.zeros(1, DECISION)
    step(account[0], rules(by)[0], made[0], aux[0], forecast[0], by.timetable(day)[0], usual, decision[0])
    return decision[0]


def opened(account: np.ndarray, by: Lane | None = None) -> np.ndarray:
    """The account at a session's start."""
    open_session(account[0], rules(by or lane())[0])
    return account
