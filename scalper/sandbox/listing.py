"""What the exchange says of its contracts: definitions once a UTC day, and when trading starts, stops and ends."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal

import databento_dbn as dbn
import numpy as np

from scalper.clock import NS
from scalper.market import NEW_YORK, Session, expiry
from scalper.market.contracts import MONTHS
from scalper.market.instruments import EQUITY
from scalper.sandbox.dbn import DEFINITION, PUBLISHER, STATUS, Records
from scalper.sandbox.market import SimulatedMarket, legs
from scalper.sandbox.symbology import instrument_id, raw_symbol

DAY_NS = 86_400 * NS
PRE_OPEN_NS = 15 * 60 * NS
DELAY_NS = 120_000
"""From the exchange's stamp to that of receipt."""

PRE_OPEN, TRADING, HALT, CLOSE = 1, 7, 8, 12
"""Of databento_dbn.StatusAction."""

SCHEDULED, EXPIRED = 1, 5
"""Of databento_dbn.StatusReason: by timetable, and because the contract has expired."""

LISTED_BEFORE = timedelta(days=455)
"""How long before its expiry a contract is listed."""


def definitions(market: SimulatedMarket, contract: str, session: Session) -> Records:
    """The contract's definition at every UTC midnight inside a session, and at the open of one that opens on Sunday."""
    midnights = range(-(-session.open_ns // DAY_NS) * DAY_NS, session.close_ns, DAY_NS)
    stamps = np.array([*([session.open_ns] if session.date.weekday() == 0 else []), *midnights], np.uint64)
    one = np.frombuffer(bytes(_definition(market, contract, session)), DEFINITION)
    out = np.repeat(one, len(stamps))
    out["ts_event"] = session.open_ns
    out["ts_recv"] = stamps
    return out


def statuses(market: SimulatedMarket, contract: str, session: Session) -> Records:
    """Changes of a contract's status: pre-open, trading, halts and close."""
    last = session.regular_open_ns if session.date == expiry(legs(contract)[0]) else session.close_ns
    told = [(session.open_ns - PRE_OPEN_NS, PRE_OPEN), (session.open_ns, TRADING)]
    for start, end in session.halts:
        if end <= last:
            told += [(start, HALT), (end, TRADING)]
    told.append((last, CLOSE))
    out = np.zeros(len(told), STATUS)
    for row, (ts_ns, action) in zip(out, told, strict=True):
        row["ts_event"], row["ts_recv"], row["action"] = ts_ns, ts_ns + DELAY_NS, action
        row["is_trading"] = b"Y" if action == TRADING else b"N"
        row["is_quoting"] = b"N" if action == CLOSE else b"Y"
    ended = last < session.close_ns
    out["reason"] = SCHEDULED
    out["reason"][-1:] = EXPIRED if ended else SCHEDULED
    out["length"], out["rtype"] = STATUS.itemsize // 4, 18
    out["publisher_id"], out["instrument_id"] = PUBLISHER, instrument_id(contract)
    out["is_short_sell_restricted"] = b"~"
    return out


def _definition(market: SimulatedMarket, contract: str, session: Session) -> dbn.InstrumentDefMsg:
    """As CME's records of index and gold futures are; prices in 1e-9 points, amounts in hundredths of them.

    A calendar spread is dated by its near contract.
    """
    near, *far = legs(contract)
    product, equity = market.instrument, market.instrument.calendar == EQUITY
    ends = datetime.combine(expiry(near), time(9, 30) if equity else time(13, 30), NEW_YORK)
    display = Decimal("0.01") if equity else Decimal("0.1")
    return dbn.InstrumentDefMsg(
        publisher_id=PUBLISHER,
        instrument_id=instrument_id(contract),
        raw_instrument_id=instrument_id(contract),
        ts_event=session.open_ns,
        ts_recv=session.open_ns,
        raw_symbol=raw_symbol(contract),
        asset=product.symbol,
        group=product.symbol,
        exchange="XCME" if equity else "XCEC",
        cfi="FFIXSX" if equity else "FCEPSO",
        security_type="FUT",
        instrument_class=dbn.InstrumentClass.FUTURE_SPREAD if far else dbn.InstrumentClass.FUTURE,  # pyright: ignore[reportArgumentType]
        security_update_action=dbn.SecurityUpdateAction.ADD,  # pyright: ignore[reportArgumentType]
        user_defined_instrument=dbn.UserDefinedInstrument.NO,  # pyright: ignore[reportArgumentType]
        match_algorithm=dbn.MatchAlgorithm.FIFO,  # pyright: ignore[reportArgumentType]
        currency="USD",
        min_price_increment=_nano(product.tick),
        min_price_increment_amount=_nano(product.tick_value * display),
        display_factor=_nano(display),
        unit_of_measure="IPNT" if equity else "TRYOZ",
        unit_of_measure_qty=_nano(product.point_value),
        expiration=int(ends.timestamp()) * NS,
        activation=int((ends - LISTED_BEFORE).timestamp()) * NS,
        maturity_year=2000 + int(near[-2:]),
        maturity_month=MONTHS.index(near[-3]) + 1,
        market_depth=10,
        market_depth_implied=0,
        market_segment_id=64,
        max_trade_vol=3000,
        min_trade_vol=1,
        min_lot_size=0,
        min_lot_size_block=0,
        min_lot_size_round_lot=0,
        underlying_product=5 if equity else 17,
        appl_id=310,
        channel_id=0,
    )


def _nano(value: Decimal) -> int:
    return int(value * NS)
