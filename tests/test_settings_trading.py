"""A configuration of trading that contradicts itself is refused with the key named; its nearest neighbour is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalper.errors import BadInput
from scalper.settings import REPOSITORY, Lane, load_lane

GOOD = """
name: mine
symbol: MES
source: import
interval: 1m
start: 2021-01-04
"""
APEX = "profile: apex, maximum_loss"
BARRIER = "labels: {kind: barrier, stop: {ticks: 8}, target: "

CASES = [
    # key, refused, said, taken
    # ---- times of day
    ("policy.times.0", "policy: {times: [{from: 16:45, to: 17:00, times: 0.5}]}", "from 16:45 on nothing is entered",
     "policy: {times: [{from: 15:59, to: 17:00, times: 0.5}]}"),
    ("policy.times.1", "policy: {times: [{from: 9:30, to: 10:00, times: 1}, {from: 16:00, to: 16:10, times: 0}]}",
     "nothing is entered", "hours: all\npolicy: {times: [{from: 16:14, to: 16:20, times: 0}]}"),
    ("policy.times.0", "hours: all\npolicy: {times: [{from: 16:15, to: 16:20, times: 0}]}", "nothing is entered",
     "hours: all\npolicy: {times: [{from: 16:14, to: 16:15, times: 0}]}"),
    ("policy", "policy: {times: [{from: 9:00, to: 10:00, times: 1}, {from: 9:59, to: 11:00, times: 0}]}",
     "windows overlap", "policy: {times: [{from: 9:00, to: 10:00, times: 1}, {from: 10:00, to: 11:00, times: 0}]}"),
    ("policy.times.0", "policy: {times: [{from: 9:30, to: 9:30, times: 1}]}", "the window is empty",
     "policy: {times: [{from: 9:30, to: 9:31, times: 1}]}"),
    ("policy", "policy: {times: [{from: 17:00, to: 19:00, times: 1}]}", "goes over 18:00",
     "policy: {times: [{from: 15:00, to: 18:00, times: 1}]}"),
    # ---- the end of the day
    ("policy.end_of_day", "policy: {end_of_day: {half_size_min: 14}}", "half size comes first",
     "policy: {end_of_day: {half_size_min: 15}}"),
    ("policy.end_of_day", "policy: {end_of_day: {no_entry_min: 4}}", "then the exits",
     "policy: {end_of_day: {no_entry_min: 5}}"),
    ("policy.end_of_day.flat", "policy: {end_of_day: {flat: 17:01}}", "after the session's end at 17:00",
     "policy: {end_of_day: {flat: 17:00}}"),
    ("policy.end_of_day.flat", "policy: {end_of_day: {flat: 20:00}}", "after the session's end",
     "policy: {end_of_day: {flat: 16:00}}"),
    ("policy.end_of_day.flat", "policy: {end_of_day: {flat: 9:30}}", "not after the first bar",
     "policy: {end_of_day: {flat: 10:01}}"),
    ("policy.end_of_day.before_stop_min", "policy: {end_of_day: {before_stop_min: 450}}", "leave nothing",
     "policy: {end_of_day: {before_stop_min: 419}}"),
    ("policy.end_of_day.no_entry_min", "policy: {end_of_day: {no_entry_min: 420, half_size_min: 420}}", "no time for",
     "policy: {end_of_day: {no_entry_min: 419, half_size_min: 419}}"),
    ("policy.end_of_day.half_size_min", "policy: {end_of_day: {half_size_min: 420}}", "the whole session",
     "policy: {end_of_day: {half_size_min: 419}}"),
    ("simulation.latency_bars", "simulation: {latency_bars: 209}", "no time for an entry and its exit",
     "simulation: {latency_bars: 208}"),
    # ---- exits
    ("policy.stop", "policy: {stop: {min_ticks: 17}}", "min_ticks is above", "policy: {stop: {min_ticks: 16}}"),
    ("policy.stop", "policy: {stop: {kind: fixed, fixed_ticks: 3}}", "outside 4 to 16",
     "policy: {stop: {kind: fixed, fixed_ticks: 4}}"),
    ("policy.stop.fixed_ticks", "policy: {stop: {fixed_ticks: 9}}", "of kind fixed only",
     "policy: {stop: {kind: fixed, fixed_ticks: 9}}"),
    ("policy.stop", "policy: {stop: {trail_from: 0.5}}", "trail_from without trail_atr",
     "policy: {stop: {trail_from: 0.5, trail_atr: 1}}"),
    ("policy.stop", "policy: {stop: {breakeven_ticks: 2}}", "without breakeven_at",
     "policy: {stop: {breakeven_ticks: 2, breakeven_at: 1}}"),
    ("policy.stop.breakeven_at", "policy: {stop: {breakeven_at: 2}}", "not below the target's 2",
     "policy: {stop: {breakeven_at: 1.9}}"),
    ("policy.stop.breakeven_at", f"{BARRIER}{{ticks: 12}}}}\npolicy: {{stop: {{breakeven_at: 1.5}}}}", "target's 1.5",
     f"{BARRIER}{{ticks: 12}}}}\npolicy: {{stop: {{breakeven_at: 1.4}}}}"),
    ("policy.stop.breakeven_ticks", "policy: {stop: {breakeven_at: 0.5, breakeven_ticks: 8}}", "not below the gain",
     "policy: {stop: {breakeven_at: 0.5, breakeven_ticks: 7}}"),
    ("policy.stop.breakeven_ticks",
     "policy: {stop: {kind: fixed, fixed_ticks: 6, breakeven_at: 1, breakeven_ticks: 6}}", "not below the gain",
     "policy: {stop: {kind: fixed, fixed_ticks: 6, breakeven_at: 1, breakeven_ticks: 5}}"),
    ("policy.stop.trail_from", "policy: {stop: {trail_atr: 1, trail_from: 2}}", "not below the target's 2",
     "policy: {stop: {trail_atr: 1, trail_from: 1.9}}"),
    ("policy.partial", "policy: {partial: 0.5, reward_to_risk: 1}", "the target is at 1 stops already",
     "policy: {partial: 0.5, reward_to_risk: 1.1}"),
    ("policy.partial", f"{BARRIER}{{reward_to_risk: 1}}}}\npolicy: {{partial: 0.5}}", "the target is at 1 stops",
     f"{BARRIER}{{atr: 1}}}}\npolicy: {{partial: 0.5}}"),
    ("policy", "policy: {partial: 0.5, tiers: [{to: null, contracts: 1, risk: 0.02}]}", "less than one",
     "policy: {partial: 0.5, tiers: [{to: null, contracts: 2, risk: 0.02}]}"),
    # ---- sizes
    ("policy", "policy: {bands: [{at: 0.7, times: 1}, {at: 0.7, times: 2}]}", "bands overlap",
     "policy: {bands: [{at: 0.7, times: 1}, {at: 0.71, times: 2}]}"),
    ("policy.bands", "policy: {bands: [{at: 0.6, times: 0.1}]}", "no band makes a contract",
     "policy: {bands: [{at: 0.6, times: 0.2}]}"),
    ("policy", "policy: {tiers: [{to: 1500, contracts: 1, risk: 0.02}, {to: 1500, contracts: 2, risk: 0.02},"
     " {to: null, contracts: 3, risk: 0.02}]}", "tiers overlap",
     "policy: {tiers: [{to: 1500, contracts: 1, risk: 0.02}, {to: 1501, contracts: 2, risk: 0.02},"
     " {to: null, contracts: 3, risk: 0.02}]}"),
    ("policy.tiers.0.to",
     "policy: {tiers: [{to: 999.999, contracts: 1, risk: 0.1}, {to: null, contracts: 2, risk: 0.1}]}", "whole number",
     "policy: {tiers: [{to: 999.99, contracts: 1, risk: 0.1}, {to: null, contracts: 2, risk: 0.1}]}"),
    ("policy", "policy: {reverse_confidence: 0.59}", "below confidence", "policy: {reverse_confidence: 0.6}"),
    # ---- limits
    ("risk", "risk: {per_trade: 0.05}", "per_trade: 0.05 is not below day_loss", "risk: {per_trade: 0.049}"),
    ("risk", "risk: {day_loss: 0.31, day_drawdown: 0.31, account_drawdown: 0.5}", "above kill",
     "risk: {day_loss: 0.3, day_drawdown: 0.31, account_drawdown: 0.5}"),
    ("risk.day_loss", "risk: {day_loss: 0.21}", "above account_drawdown", "risk: {day_loss: 0.2}"),
    ("risk.day_drawdown", "risk: {day_drawdown: 0.21}", "above account_drawdown", "risk: {day_drawdown: 0.2}"),
    ("risk", "risk: {pause_losses: 6}", "above long_pause_losses", "risk: {pause_losses: 5}"),
    ("risk.pause_min", "risk: {pause_min: 31}", "longer than long_pause_min", "risk: {pause_min: 30}"),
    ("risk.capital", "risk: {capital: 1000.005}", "not a whole number of cents", "risk: {capital: 1000.01}"),
    ("risk.capital", "risk: {capital: 0.39}", "less than a cent", "risk: {capital: 0.4}"),
    ("risk.kill", "risk: {kill: 1}", "less than 1", "risk: {kill: 0.99}"),
    ("risk", "risk: {share: 0.5}", "share: a part of which account?", "risk: {share: 0.5, account: main}"),
    ("risk.share", "risk: {share: 1.1, account: main}", "less than or equal to 1", "risk: {share: 1, account: main}"),
    # ---- firms
    ("risk.firm", "risk: {firm: {profile: topstep}}", "needs it", "risk: {firm: {profile: topstep, maximum_loss: 99}}"),
    ("risk.firm", "risk: {firm: {maximum_loss: 100}}", "an own account has none", "risk: {firm: {profile: own}}"),
    ("risk", f"risk: {{firm: {{{APEX}: 1000}}}}", "not below the capital", f"risk: {{firm: {{{APEX}: 999}}}}"),
    ("risk.firm.maximum_loss", f"risk: {{firm: {{{APEX}: 25}}}}", "not above the risk of a trade",
     f"risk: {{firm: {{{APEX}: 26}}}}"),
    ("risk.firm.maximum_loss", f"risk: {{firm: {{{APEX}: 99.999}}}}", "not a whole number of cents",
     f"risk: {{firm: {{{APEX}: 99.99}}}}"),
    ("risk.firm.lock", "risk: {firm: {profile: topstep, maximum_loss: 99, lock: 50}}", "of profile apex only",
     f"risk: {{firm: {{{APEX}: 99, lock: 50}}}}"),
    ("risk.firm.contracts", f"risk: {{account: main, share: 0.3, firm: {{{APEX}: 99, contracts: 3}}}}",
     "less than one", f"risk: {{account: main, share: 0.3, firm: {{{APEX}: 99, contracts: 4}}}}"),
    # ---- fills
    ("simulation", "simulation: {slippage_ticks: 3}", "must not fall", "simulation: {slippage_ticks: 2}"),
    ("simulation", "simulation: {slippage_thin: 5}", "must not fall", "simulation: {slippage_thin: 4}"),
]  # fmt: skip


def written(folder: Path, extra: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(GOOD + extra + "\n")
    return path


@pytest.mark.parametrize(("key", "refused", "says", "taken"), CASES, ids=[f"{one[0]} {one[2]}" for one in CASES])
def test_a_contradiction_is_refused_with_its_key(tmp_path: Path, key: str, refused: str, says: str, taken: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_lane(written(tmp_path, refused))
    text = str(caught.value)
    assert text.startswith(str(tmp_path / "mine.yaml"))
    assert f"`{key}`" in text or f"{key}: " in text
    assert says in text
    load_lane(written(tmp_path, taken))


def test_all_contradictions_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"risk.pause_min.*risk.firm.lock") as caught:
        load_lane(written(tmp_path, "risk: {pause_min: 31, firm: {profile: topstep, maximum_loss: 99, lock: 5}}"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("interval", ["1s", "5s", "15s", "1m", "5m", "15m", "1h"])
@pytest.mark.parametrize("hours", ["regular", "all"])
def test_defaults_contradict_nothing(tmp_path: Path, interval: str, hours: str) -> None:
    lane = load_lane(written(tmp_path, "labels: {horizon: 5}"), interval=interval, hours=hours)
    assert Lane(**lane.model_dump(mode="json", by_alias=True)) == lane


@pytest.mark.parametrize("path", sorted((REPOSITORY / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_repository_s_lanes_contradict_nothing(path: Path) -> None:
    load_lane(path)
