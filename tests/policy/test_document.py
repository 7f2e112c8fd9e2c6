"""docs/policy.md names every key with its default, every gate and every factor of the size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time
from typing import Any

import pytest
from pydantic import BaseModel

from scalper.policy import Gate
from scalper.policy.trace import SIZES
from scalper.settings import REPOSITORY, PolicySettings, RiskSettings, SimulationSettings

PAGE = (REPOSITORY / "docs" / "policy.md").read_text()
SECTIONS: dict[str, BaseModel] = {
    "policy": PolicySettings(),
    "risk": RiskSettings(),
    "simulation": SimulationSettings(),
}


def leaves(name: str, section: BaseModel) -> Iterator[tuple[str, Any]]:
    """Every key below a section, with its default."""
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            yield from leaves(f"{name}.{key}", value)
        else:
            yield f"{name}.{key}", value


KEYS = dict(pair for name, section in SECTIONS.items() for pair in leaves(name, section))


def written(value: Any) -> str:
    """A default as the page writes it."""
    match value:
        case None | ():
            return "none"
        case time():
            return f"{value:%H:%M}"
        case str():
            return value
        case tuple():
            return ", ".join(": ".join(written(one) for one in list(part.model_dump().values())[:2]) for part in value)
        case _:
            return f"{value:g}"


def rows(head: str) -> dict[str, list[str]]:
    """First cell (without its quotes) to the others, of the tables whose head begins so."""
    found: dict[str, list[str]] = {}
    for table in re.findall(rf"^\| {head}.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE):
        for line in table.splitlines():
            first, *others = (cell.strip() for cell in line.strip("|").split("|"))
            found[first.strip("`")] = others
    return found


@pytest.mark.parametrize("key", KEYS)
def test_every_key_stands_there_with_its_default(key: str) -> None:
    assert rows("key")[key][0] == written(KEYS[key])


def test_no_key_stands_there_that_is_none() -> None:
    assert set(rows("key")) == set(KEYS)
    named = set(re.findall(r"`((?:policy|risk|simulation)\.[a-z_.]+)`", PAGE))
    assert named <= set(KEYS)


def test_every_gate_stands_there() -> None:
    assert set(rows("gate")) == {gate.name.lower() for gate in Gate}


def test_every_factor_of_the_size_stands_there_in_order() -> None:
    assert list(rows("factor")) == [name for name, _, _ in SIZES]


@pytest.mark.parametrize("verb", ["show", "clear-review", "reset-kill", "deposit", "withdraw"])
def test_every_verb_on_the_account_stands_there(verb: str) -> None:
    assert f"scalper account {verb} " in PAGE
