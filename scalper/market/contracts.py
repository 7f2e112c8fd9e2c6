"""Contracts: their names, when they expire, and which one a session holds."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from scalper.errors import BadInput
from scalper.market.instruments import INSTRUMENTS, METALS, Instrument, instrument
from scalper.market.sessions import business_days, sessions

RollRule = Literal["monday", "thursday", "expiry", "volume", "open_interest"]
"""When the next contract is held: by the calendar (`monday`, `thursday`, `expiry`) or by the data."""

MONTHS = "FGHJKMNQUVXZ"
"""The exchange's letters for January to December."""

_NAME = re.compile(rf"([A-Z0-9]+?)([{MONTHS}])(\d{{1,2}}|\d{{4}})")


def parse_contract(text: str, near: date) -> str:
    """The lake's name of a contract: 'MESZ6', 'ESH15' or 'ESH2015' become 'MESZ26' and 'ESH15'.

    A year of one or two digits is the one nearest to `near`. Metals list every month, index futures only the
    quarterly ones. Raises BadInput when the text is not a contract of a known product.
    """
    match = _NAME.fullmatch(text.strip().upper())
    root, letter, digits = match.groups() if match else ("", "", "")
    if root not in INSTRUMENTS:
        known = ", ".join(INSTRUMENTS)
        raise BadInput(f"{text!r} is no contract we know: write one of {known}, a month letter and a year, as MESZ26")
    listed = _listed(instrument(root))
    if letter not in listed:
        raise BadInput(f"{text!r}: {root} has no {letter} contract, its months are {', '.join(listed)}")
    if len(digits) == 4:
        year = int(digits)
    else:
        cycle = 10 ** len(digits)
        month = MONTHS.index(letter) + 1
        first = near.year - (near.year - int(digits)) % cycle
        year = min((first, first + cycle), key=lambda y: abs((date(y, month, 15) - near).days))
    return f"{root}{letter}{year % 100:02d}"


def root_of(contract: str) -> str:
    """The product of a contract in the lake's form: 'MESZ26' gives 'MES'. Raises BadInput."""
    return _parts(contract)[0].symbol


def expiry(contract: str) -> date:
    """The last trading day: third Friday for index futures (the business day before, if that is a holiday),
    third last business day of the month for metals. Raises BadInput."""
    product, year, month = _parts(contract)
    if product.calendar == METALS:
        return _business_days_of(year, month)[-3]
    first = date(year, month, 1)
    third_friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
    return max(day for day in _business_days_of(year, month) if day <= third_friday)


@lru_cache(maxsize=4096)
def roll_date(contract: str, rule: RollRule) -> date:
    """The first session date on which the NEXT contract is held.

    'monday' is the Monday of the week of the anchor, 'thursday' the Thursday before that. The anchor is the expiry of
    an index future; for metals the last business day before first notice (last business day of the month before).
    'expiry' is the day after the last trading day, as Databento's continuous symbols of the calendar roll (MES.c.0);
    in metals that is past first notice. A day without a session gives the next one that has one.
    Raises BadInput for 'volume' and 'open_interest', which need the data.
    """
    if rule in ("volume", "open_interest"):
        dated = "ask for monday, thursday or expiry"
        raise BadInput(f"the {rule} rule rolls {contract} by what the market does, not by date: {dated}")
    anchor = _anchor(contract)
    if rule == "expiry":
        day = expiry(contract) + timedelta(days=1)
    else:
        day = anchor - timedelta(days=anchor.weekday() + (4 if rule == "thursday" else 0))
    return sessions(root_of(contract), day, day + timedelta(days=6))[0].date


def front_contract(symbol: str, session: date, rule: RollRule) -> str:
    """The contract that the session dated `session` holds by a calendar rule. Raises BadInput for the others."""
    months = instrument(symbol).months
    for year in (session.year, session.year + 1):
        for letter in months:
            contract = f"{symbol}{letter}{year % 100:02d}"
            if session < roll_date(contract, rule):
                return contract
    raise AssertionError("a contract of next year always rolls after a session of this year")


def _listed(product: Instrument) -> str:
    """Month letters the exchange lists; for metals more than those we would hold."""
    return MONTHS if product.calendar == METALS else product.months


def _parts(contract: str) -> tuple[Instrument, int, int]:
    """Product, year and month of a contract in the lake's form (two digits mean 2000 to 2099)."""
    match = _NAME.fullmatch(contract)
    root, letter, digits = match.groups() if match else ("", "", "")
    if root not in INSTRUMENTS or len(digits) != 2:
        raise BadInput(f"{contract!r} is no contract of the lake: write product, month letter, two digits, as MESZ26")
    return instrument(root), 2000 + int(digits), MONTHS.index(letter) + 1


def _anchor(contract: str) -> date:
    product, year, month = _parts(contract)
    if product.calendar != METALS:
        return expiry(contract)
    last = date(year, month, 1) - timedelta(days=1)
    return _business_days_of(last.year, last.month)[-2]


def _business_days_of(year: int, month: int) -> list[date]:
    return [day for day in business_days(year) if day.month == month]
