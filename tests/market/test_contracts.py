"""Contracts: names, expiries and rolls."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.market import RollRule, expiry, front_contract, parse_contract, roll_date, root_of, sessions


@pytest.mark.parametrize(
    ("text", "near", "contract"),
    [
        ("MESZ6", date(2026, 11, 21), "MESZ26"),
        ("MESZ3", date(2013, 10, 1), "MESZ13"),
        ("ESH15", date(2026, 1, 1), "ESH15"),
        ("ESH2015", date(2026, 1, 1), "ESH15"),
        ("esu4", date(2024, 7, 1), "ESU24"),
        ("ESH0", date(2029, 12, 1), "ESH30"),  # the nearest decade, forwards
        ("ESZ9", date(2020, 1, 2), "ESZ19"),  # and backwards
        ("GCX3", date(2013, 10, 7), "GCX13"),  # a metal's serial month is listed, though never held
        ("MNQM7", date(2026, 11, 21), "MNQM27"),
    ],
)
def test_parse(text: str, near: date, contract: str) -> None:
    assert parse_contract(text, near) == contract


@pytest.mark.parametrize("text", ["", "MES", "Z26", "MESZ", "MESZ123", "CLZ6", "MESA6", "ESZ6-ESH7", "MES.c.0"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(BadInput, match="MES, ES, MNQ"):
        parse_contract(text, date(2026, 1, 1))


def test_parse_refuses_a_month_that_is_not_listed() -> None:
    with pytest.raises(BadInput, match="its months are H, M, U, Z"):
        parse_contract("ESF15", date(2015, 1, 1))


@given(
    root=st.sampled_from(["MES", "ES", "NQ", "MNQ"]),
    letter=st.sampled_from("HMUZ"),
    near=st.dates(date(2010, 1, 1), date(2090, 12, 31)),
    years=st.integers(-4, 4),
)
def test_one_digit_finds_its_decade(root: str, letter: str, near: date, years: int) -> None:
    year = near.year + years
    assert parse_contract(f"{root}{letter}{year % 10}", near) == f"{root}{letter}{year % 100:02d}"


def test_root() -> None:
    assert root_of("MESZ26") == "MES"
    assert root_of("ESZ26") == "ES"
    with pytest.raises(BadInput, match="two digits"):
        root_of("MESZ6")


@pytest.mark.parametrize(
    ("contract", "last"),
    [
        ("MESZ26", date(2026, 12, 18)),
        ("ESH15", date(2015, 3, 20)),
        ("ESM26", date(2026, 6, 18)),  # the third Friday is Juneteenth
        ("GCZ24", date(2024, 12, 27)),
        ("GCM21", date(2021, 6, 28)),
    ],
)
def test_expiry(contract: str, last: date) -> None:
    assert expiry(contract) == last


@pytest.mark.parametrize(
    ("contract", "rule", "day"),
    [
        ("MESZ26", "monday", date(2026, 12, 14)),
        ("MESZ26", "thursday", date(2026, 12, 10)),
        ("MESH26", "monday", date(2026, 3, 16)),
        ("MESM26", "monday", date(2026, 6, 15)),
        ("GCM21", "monday", date(2021, 5, 24)),  # first notice on Friday 05-28: Monday the 31st is no business day
        ("GCG22", "monday", date(2022, 1, 24)),  # first notice on Monday 01-31: out the week before
        ("MESZ26", "expiry", date(2026, 12, 21)),  # expires on Friday the 18th
        ("ESM26", "expiry", date(2026, 6, 19)),  # expires on Thursday; Juneteenth has a short session
        ("GCZ24", "expiry", date(2024, 12, 30)),
    ],
)
def test_roll(contract: str, rule: RollRule, day: date) -> None:
    assert roll_date(contract, rule) == day


@pytest.mark.parametrize("rule", ["volume", "open_interest"])
def test_rules_that_need_data_have_no_date(rule: RollRule) -> None:
    with pytest.raises(BadInput, match=f"the {rule} rule .* ask for monday, thursday or expiry"):
        roll_date("MESZ26", rule)


def test_front_contract_around_a_roll() -> None:
    assert front_contract("MES", date(2026, 12, 11), "monday") == "MESZ26"
    assert front_contract("MES", date(2026, 12, 14), "monday") == "MESH27"
    assert front_contract("MES", date(2026, 12, 10), "thursday") == "MESH27"
    assert front_contract("GC", date(2026, 12, 31), "monday") == "GCG27"
    assert front_contract("ES", date(2013, 9, 3), "monday") == "ESU13"


@settings(max_examples=100, deadline=None)
@given(
    day=st.dates(date(2013, 1, 1), date(2030, 12, 31)),
    symbol=st.sampled_from(["MES", "GC"]),
    rule=st.sampled_from(["monday", "thursday"]),
)
def test_front_contract_is_held_before_its_roll_and_rolls_once(day: date, symbol: str, rule: RollRule) -> None:
    front = front_contract(symbol, day, rule)
    rolls = roll_date(front, rule)
    assert day < rolls < expiry(front)
    assert sessions(symbol, rolls, rolls), "the roll falls on a session"
    assert front_contract(symbol, rolls, rule) != front


@settings(max_examples=100, deadline=None)
@given(day=st.dates(date(2013, 1, 1), date(2030, 12, 31)), symbol=st.sampled_from(["MES", "GC"]))
def test_by_expiry_a_contract_is_held_to_its_last_day(day: date, symbol: str) -> None:
    front = front_contract(symbol, day, "expiry")
    rolls = roll_date(front, "expiry")
    assert day < rolls
    assert front_contract(symbol, expiry(front), "expiry") == front
    assert sessions(symbol, expiry(front) + timedelta(days=1), rolls)[0].date == rolls
    assert front_contract(symbol, rolls, "expiry") != front
