"""What the sections of a lane say against one another about trading: rules that could never act, or let nothing trade.

Each sentence begins with the key to mend. What a section says against itself is found by the section.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import TYPE_CHECKING

from scalper.market.timetable import since_open
from scalper.settings.base import SESSION_NS
from scalper.settings.trading import PolicySettings, RiskSettings, StopSettings

if TYPE_CHECKING:
    from scalper.settings.lane import Lane

MINUTE_NS = 60_000_000_000
SESSION_MIN = SESSION_NS // MINUTE_NS
CLOSES = time(17, 0)
"""A session's end, New York."""


def contradictions(lane: Lane, firm_flat: time | None) -> Iterator[str]:
    """All of them; `firm_flat` is when the lane's firm wants nothing open any more."""
    yield from _times(lane, firm_flat)
    yield from _exits(lane)
    yield from _stop(lane.policy.stop)
    yield from _sizes(lane.policy, lane.risk)
    yield from _limits(lane.risk)
    yield from _firm(lane.risk)
    if lane.labels.horizon in lane.model.horizons:
        yield f"model.horizons: {lane.labels.horizon} is the lane's own, which is a member already; leave it out"


def _times(lane: Lane, firm_flat: time | None) -> Iterator[str]:
    """In minutes since 18:00 New York, on a day without an early close."""
    end = lane.policy.end_of_day
    if end.flat > CLOSES:
        yield f"policy.end_of_day.flat: {end.flat:%H:%M} is after the session's end at {CLOSES:%H:%M}"
        return
    begins = since_open(time(9, 30)) if lane.hours == "regular" else 0
    flat = min(since_open(one) for one in (end.flat, firm_flat, CLOSES) if one is not None)
    if flat <= begins:
        yield f"policy.end_of_day.flat: {end.flat:%H:%M} is not after the first bar that may be traded"
        return
    if (flat := min(flat, SESSION_MIN - end.before_stop_min)) <= begins:
        yield f"policy.end_of_day.before_stop_min: {end.before_stop_min} minutes leave nothing of the session"
        return
    way = (1 + lane.simulation.latency_bars) * lane.interval_ns / MINUTE_NS
    last = min(flat - end.no_entry_min, flat - max(end.exit_min, way) - way)
    if flat - max(end.exit_min, end.no_entry_min) <= begins:
        yield f"policy.end_of_day.no_entry_min: {end.no_entry_min} minutes leave no time for an entry"
    elif last <= begins:
        yield f"simulation.latency_bars: {lane.simulation.latency_bars} bars leave no time for an entry and its exit"
    elif flat - end.half_size_min <= begins:
        yield f"policy.end_of_day.half_size_min: {end.half_size_min} minutes are the whole session"
    if lane.hours == "regular":
        last = min(last, since_open(time(16, 0)))
    for index, one in enumerate(lane.policy.times):
        if one.minutes[0] >= max(last, begins):
            yield f"policy.times.{index}: from {one.from_:%H:%M} on nothing is entered any more"


def _exits(lane: Lane) -> Iterator[str]:
    """What acts on the way to the target must lie before it."""
    stop, reward = lane.policy.stop, _reward(lane)
    if lane.exits_by_label and lane.policy.target_ticks is not None:
        yield "policy.target_ticks: the label's barriers place the target; leave it out, or name policy.stop.kind"
    if reward is None:
        return
    if lane.policy.partial and reward <= 1:
        yield f"policy.partial: is taken at a gain of one stop, but the target is at {reward:g} stops already"
    if (stop.breakeven_at or 0) >= reward:
        yield f"policy.stop.breakeven_at: {stop.breakeven_at:g} stops are not below the target's {reward:g}"
    if stop.trail_atr is not None and stop.trail_from >= reward:
        yield f"policy.stop.trail_from: {stop.trail_from:g} stops are not below the target's {reward:g}"


def _reward(lane: Lane) -> float | None:
    """The target in stops, None where it depends on the market."""
    if not lane.exits_by_label:
        ticks, own = lane.policy.target_ticks, lane.policy.stop
        if ticks is None:
            return lane.policy.reward_to_risk
        return ticks / own.fixed_ticks if own.kind == "fixed" else None
    stop, target = lane.labels.stop, lane.labels.target
    if target.ticks is not None and stop.ticks is not None:
        return target.ticks / stop.ticks
    return target.reward_to_risk


def _stop(stop: StopSettings) -> Iterator[str]:
    fields = StopSettings.model_fields
    # a bundle's lane names every key, so what counts is whether one differs from its default
    if stop.kind != "fixed" and stop.fixed_ticks != fields["fixed_ticks"].default:
        yield "policy.stop.fixed_ticks: of kind fixed only; write kind: fixed, or leave it out"
    widest = stop.fixed_ticks if stop.kind == "fixed" else stop.max_ticks
    if stop.breakeven_at is not None and stop.kind != "label" and stop.breakeven_ticks >= stop.breakeven_at * widest:
        yield f"policy.stop.breakeven_ticks: {stop.breakeven_ticks} are not below the gain that asks for them"


def _sizes(policy: PolicySettings, risk: RiskSettings) -> Iterator[str]:
    most = max(tier.contracts for tier in policy.tiers)
    if int(most * max(band.times for band in policy.bands) + 1e-9) == 0:
        yield f"policy.bands: no band makes a contract of the {most} of the largest tier"
    for index, tier in enumerate(policy.tiers):
        if tier.to is not None and not _whole_cents(tier.to):
            yield f"policy.tiers.{index}.to: {tier.to:g} is not a whole number of cents"
    if risk.firm.contracts is not None and int(risk.firm.contracts * risk.share + 1e-9) == 0:
        yield f"risk.firm.contracts: a share of {risk.share:g} of {risk.firm.contracts} is less than one"


def _limits(risk: RiskSettings) -> Iterator[str]:
    if not _whole_cents(risk.capital):
        yield f"risk.capital: {risk.capital} is not a whole number of cents"
    if risk.capital * risk.share * risk.per_trade < 0.01:
        yield f"risk.capital: {risk.per_trade:g} of it, the risk of a trade, is less than a cent"
    if risk.pause_min > risk.long_pause_min:
        yield f"risk.pause_min: {risk.pause_min} minutes are longer than long_pause_min"
    for key in ("day_loss", "day_drawdown"):
        if getattr(risk, key) > risk.account_drawdown:
            yield f"risk.{key}: above account_drawdown, so it never ends a session first"


def _firm(risk: RiskSettings) -> Iterator[str]:
    firm = risk.firm
    if firm.profile != "apex" and firm.lock != type(firm).model_fields["lock"].default:
        yield "risk.firm.lock: of profile apex only; leave it out"
    if firm.maximum_loss is None:
        return
    if not _whole_cents(firm.maximum_loss):
        yield f"risk.firm.maximum_loss: {firm.maximum_loss} is not a whole number of cents"
    if risk.per_trade * risk.capital >= firm.maximum_loss:
        yield f"risk.firm.maximum_loss: {firm.maximum_loss:g} is not above the risk of a trade, per_trade x capital"


def _whole_cents(dollars: float) -> bool:
    return round(dollars, 2) == dollars
