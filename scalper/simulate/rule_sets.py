"""Rule sets: the combinations of a grid's axes, each a lane of its own that was checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from scalper.errors import BadInput
from scalper.policy import Choice, default_choice, rules
from scalper.settings import Lane, vary
from scalper.simulate.session import market

Axes = Mapping[str, Sequence[object]]
"""Keys of a lane, such as `policy.stop.atr_multiple`, to the values that each takes."""
SECTIONS = ("policy", "risk", "simulation")
CHOSEN = {
    "policy.confidence": "confidence",
    "policy.stop.atr_multiple": "stop_atr",
    "policy.stop.fixed_ticks": "stop_ticks",
    "policy.target_ticks": "target_ticks",
    "risk.per_trade": "risk",
    "policy.reward_to_risk": "reward_to_risk",
}
"""What the search chooses a fold: a set that varies it has its own value in every fold."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One point of a grid: what it varies, by key, and the lane with these values."""

    values: Mapping[str, object]
    lane: Lane

    @property
    def name(self) -> str:
        return name_of(self.values)

    def choice(self, searched: Choice | None) -> Choice:
        """A session's choice with this set's own values in place of what was searched."""
        own = default_choice(self.lane)
        kept = [field for key, field in CHOSEN.items() if not any(f"{key}.".startswith(f"{v}.") for v in self.values)]
        return own if searched is None else replace(own, **{field: getattr(searched, field) for field in kept})


def name_of(values: Mapping[str, object]) -> str:
    """A set in words."""
    return ", ".join(f"{key} {value}" for key, value in values.items())


def rule_sets(lane: Lane, axes: Axes) -> list[RuleSet]:
    """Every combination of the axes, each checked as a whole lane.

    Raises BadInput naming the key, and the set where only the combination is wrong.
    """
    for key, values in axes.items():
        if key.split(".")[0] not in SECTIONS or key == "policy.stale_s":
            raise BadInput(
                f"key `{key}`: a grid varies {', '.join(SECTIONS)} over predictions that are there; for what a model "
                "learns from, change the lane's file and run it again"
            )
        if not values or any(one in values[:i] for i, one in enumerate(values)):
            raise BadInput(f"key `{key}`: give at least one value, each once")
    found: list[RuleSet] = []
    known: dict[str, str] = {}
    for number, values in enumerate(product(*axes.values()), 1):
        changes = dict(zip(axes, values, strict=True))
        name = f"set {number} ({name_of(changes)})"
        one = RuleSet(changes, vary(lane, changes, name))
        if (twin := known.setdefault(one.lane.digest(), name)) != name:
            raise BadInput(f"{name}: the same as {twin}, its values are only spelled otherwise; give each once")
        found.append(one)
    _refuse_idle(found, axes)
    return found


def _refuse_idle(sets: Sequence[RuleSet], axes: Axes) -> None:
    """A key that changes nothing, whatever the others are, would only spend trials."""
    made = [(rules(one.lane).tobytes(), market(one.lane.simulation).tobytes(), times_of(one.lane)) for one in sets]
    seen: dict[object, int] = {}
    same = np.array([seen.setdefault((*one, sets[i].lane.simulation.risk), i) for i, one in enumerate(made)])
    table = same.reshape([len(values) for values in axes.values()])
    for axis, (key, values) in enumerate(axes.items()):
        if len(values) > 1 and (table == table.take([0], axis)).all():
            raise BadInput(f"key `{key}`: changes nothing in this lane, whatever the other keys are; leave it out")


def times_of(lane: Lane) -> str:
    """Whatever a lane's timetable may depend on, as text: sets that are equal here share one."""
    policy, firm = lane.policy, lane.risk.firm
    parts = (policy.end_of_day, firm, *policy.times)
    return " ".join([str(lane.simulation.latency_bars), *(one.model_dump_json() for one in parts)])
