"""Reading the lake as a lane does: one session, one contract, in ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from scalper.errors import DataUnavailable
from scalper.lake.schema import FRONT_KEYS
from scalper.lake.store import Lake, bar_keys
from scalper.market import Bars, RollRule, Session, front_contract, instrument, sessions, to_ticks

LOOK_BACK = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class SessionBars:
    """The bars of one session in the contract that the roll rule holds; `dropped` counts rows of other contracts."""

    session: Session
    contract: str
    bars: Bars
    dropped: int


def read_session(
    lake: Lake, *, source: str, symbol: str, interval: str, session: Session, roll: RollRule
) -> SessionBars:
    """Read one session's traded bars (BAR, ticks of the instrument, none carried).

    Raises DataUnavailable if the session, or its contract in it, has no rows: the lane is flat that session.
    """
    frame = lake.read("bars", bar_keys(source, symbol, interval, session.date), whole=False)
    contract = contract_of(lake, source=source, symbol=symbol, interval=interval, session=session, roll=roll)
    held = frame["contract"] == contract
    mine = frame if held.all() else frame.filter(held)
    if mine.is_empty():
        others = ", ".join(sorted(frame["contract"].unique().to_list()))
        raise DataUnavailable(
            f"{symbol} {session.date}: the {roll} rule holds {contract}, the lake has {others or 'no rows'}; "
            f"import or download {contract} for that session"
        )
    return SessionBars(session, contract, to_ticks(mine, instrument(symbol).tick), len(frame) - len(mine))


def contract_of(lake: Lake, *, source: str, symbol: str, interval: str, session: Session, roll: RollRule) -> str:
    """The contract that the roll rule holds in this session.

    By volume it is the vendor's choice, where its continuous symbol was downloaded (it ranks by the day before), else
    the one with the largest volume in the session before, of those in the lake within ten days. By open interest it is
    always the vendor's. Our own choice never looks at the session itself;
    the vendor's switches at midnight UTC, an hour or two into it. Raises DataUnavailable where neither is in the lake.
    """
    if roll not in ("volume", "open_interest"):
        return front_contract(symbol, session.date, roll)
    letter = "v" if roll == "volume" else "n"
    here = bar_keys(source, symbol, interval, session.date)
    front = lake.metadata("bars", here).get(FRONT_KEYS[letter]) if lake.exists("bars", here) else None
    if front is None and roll == "open_interest":
        raise DataUnavailable(
            f"{symbol} {session.date}: open interest is known only where {symbol}.n.0 was downloaded; download that "
            "session with roll: open_interest, or use roll: volume"
        )
    return front or _largest(lake, source, symbol, interval, session)


def _largest(lake: Lake, source: str, symbol: str, interval: str, session: Session) -> str:
    earlier: Sequence[Session] = sessions(symbol, session.date - LOOK_BACK, session.date - timedelta(days=1))
    for before in reversed(earlier):
        keys = bar_keys(source, symbol, interval, before.date)
        if lake.exists("bars", keys):
            volumes = lake.read("bars", keys).group_by("contract").agg(pl.col("volume").sum())
            return volumes.sort("volume", "contract", descending=[True, False])["contract"][0]
    raise DataUnavailable(
        f"{symbol} {session.date}: the volume rule needs the session before it, and the lake has none within "
        f"{LOOK_BACK.days} days; start the lane a session later, or use roll: monday"
    )
