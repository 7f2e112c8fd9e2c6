"""Settings: every mistake is one message with file, key and remedy; the environment wins; secrets stay secret."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.market import Session, session, sessions
from scalper.market.sessions import NEW_YORK
from scalper.settings import REPOSITORY, Environment, Lane, home, load_lane

GOOD = """
name: mine
symbol: MES
source: import
interval: 1m
start: 2021-01-04
"""
KEY = "db-very-secret-0123456789"


def written(folder: Path, extra: str = "", text: str = GOOD) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text + extra)
    return path


def refusal(path: Path, **overrides: object) -> str:
    with pytest.raises(BadInput) as caught:
        load_lane(path, **overrides)
    text = str(caught.value)
    assert str(path) in text and caught.value.exit_code == 3
    assert "\n" not in text.strip() or "not YAML" in text
    return text


@pytest.mark.parametrize("path", sorted((REPOSITORY / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_lanes_of_the_repository_load(path: Path) -> None:
    lane = load_lane(path)
    assert lane.name == path.stem
    assert lane.execution.costs is not None
    assert len(lane.digest()) == 64 and lane.digest() == load_lane(path).digest()


def test_defaults_are_the_specification_s(tmp_path: Path) -> None:
    lane = load_lane(written(tmp_path))
    policy, risk = lane.policy, lane.risk
    assert [(band.at, band.times) for band in policy.bands] == [(0.6, 0.5), (0.7, 1.0), (0.8, 1.5), (0.9, 2.0)]
    tiers = [(tier.to, tier.contracts, tier.risk) for tier in policy.tiers]
    assert tiers == [(1000, 1, 0.02), (1500, 2, 0.02), (2000, 3, 0.02), (3000, 4, 0.02), (None, 5, 0.015)]
    assert (policy.confidence, policy.reverse_confidence, policy.move_over_cost) == (0.60, 0.75, 2.0)
    assert (policy.stop.atr_multiple, policy.stop.min_ticks, policy.stop.max_ticks) == (1.5, 4, 16)
    assert (policy.cooldown_s, policy.max_trades, policy.max_reversals, policy.stale_s) == (30, 10, 2, 60)
    end = policy.end_of_day
    assert (end.flat, end.before_stop_min, end.half_size_min, end.no_entry_min, end.exit_min) == (
        time(16, 30),
        30,
        30,
        15,
        5,
    )
    shares = (risk.per_trade, risk.day_loss, risk.day_drawdown, risk.account_drawdown, risk.kill, risk.floor)
    assert shares == (0.025, 0.05, 0.075, 0.20, 0.30, 0.70)
    assert (risk.pause_losses, risk.pause_min, risk.long_pause_losses, risk.long_pause_min) == (3, 15, 5, 30)
    assert (lane.labels.horizon, lane.labels.threshold_ticks, lane.hold_bars, lane.roll) == (30, 3.0, 30, "monday")
    assert (lane.simulation.mode, lane.simulation.latency_bars, lane.simulation.slippage_ticks) == ("realistic", 0, 1)


@pytest.mark.parametrize(
    ("extra", "key", "remedy"),
    [
        ("polcy: {}\n", "`polcy`", "did you mean `policy`?"),
        ("policy: {max_trade: 3}\n", "`policy.max_trade`", "did you mean `max_trades`?"),
        ("policy: {stop: {atr_mult: 3}}\n", "`policy.stop.atr_mult`", "did you mean `atr_multiple`?"),
        ("folds: {validat: 3}\n", "`folds.validat`", "did you mean `validate`?"),
        ("folds: {zzz: 3}\n", "`folds.zzz`", "known keys: kind, unit, train, validate"),
        ("interval2: 1m\n", "`interval2`", "did you mean `interval`?"),
    ],
)
def test_unknown_key(tmp_path: Path, extra: str, key: str, remedy: str) -> None:
    text = refusal(written(tmp_path, extra))
    assert key in text and "unknown key" in text and remedy in text


@pytest.mark.parametrize(
    ("extra", "key", "says"),
    [
        ("end: 2020-01-01\n", "", "end is not after start"),
        ("policy: {bands: [{at: 0.7, times: 1}, {at: 0.6, times: 0.5}]}\n", "`policy`", "bands overlap"),
        ("policy: {bands: []}\n", "`policy.bands`", "at least 1"),
        ("policy: {bands: [{at: 0.6, times: -1}]}\n", "`policy.bands.0.times`", "greater than or equal to 0"),
        ("policy: {tiers: []}\n", "`policy.tiers`", "at least 1"),
        ("policy: {tiers: [{to: 1000, contracts: 1, risk: 0.02}]}\n", "`policy`", "tiers overlap or stop short"),
        ("policy: {stop: {min_ticks: 20}}\n", "`policy.stop`", "min_ticks is above max_ticks"),
        ("policy: {end_of_day: {no_entry_min: 40}}\n", "`policy.end_of_day`", "half size comes first"),
        ("policy: {reverse_confidence: 0.5}\n", "`policy`", "reverse_confidence is below confidence"),
        ("policy: {confidence: 1.5}\n", "`policy.confidence`", "less than 1 (found 1.5)"),
        ("risk: {pause_losses: 6}\n", "`risk`", "pause_losses is above long_pause_losses"),
        ("risk: {capital: -3}\n", "`risk.capital`", "greater than 0"),
        ("features: {ema: [9, 9]}\n", "`features.ema`", "rising order"),
        ("features: {macd: [26, 12, 9]}\n", "`features`", "macd"),
        ("features: {macd: [0, 12, 9]}\n", "`features.macd.0`", "greater than 0"),
        ("features: {higher: [5x]}\n", "", "unknown interval 5x"),
        ("features:\n", "`features`", "dictionary"),
        ("search: {confidence: {low: 0.8, high: 0.6}}\n", "`search.confidence`", "low is above high"),
        ("labels: {horizon: soon}\n", "`labels.horizon`", "found 'soon'"),
        ("simulation: {mode: lucky}\n", "`simulation.mode`", "found 'lucky'"),
        ("features: {higher: []}\n", "`features`", "higher needs an interval; give features.higher one"),
        ("features: {ema: [1, 9]}\n", "`features.ema`", "take 2 or more"),
        ("features: {volatility: [1, 9]}\n", "`features.volatility`", "take 2 or more"),
        ("features: {bollinger: 1}\n", "`features.bollinger`", "greater than or equal to 2"),
        ('features: {amd: {from: "20:00+02:00"}}\n', "`features.amd.from`", "leave the time zone out"),
        ('policy: {end_of_day: {flat: "16:30Z"}}\n', "`policy.end_of_day.flat`", "leave the time zone out"),
        ("features: {confluence: {weights: {amd: 1.0e+308}}}\n", "`features.confluence.weights.amd`", "equal to 1000"),
        ("features: {confluence: {regime: {hours: 1001}}}\n", "`features.confluence.regime.hours`", "equal to 1000"),
        ("search: {stop_atr: {low: 1, high: 1.0e+300}}\n", "`search.stop_atr.high`", "equal to 1000"),
        ("risk: {capital: 1.0e+300}\n", "`risk.capital`", "less than or equal to"),
        ("simulation: {cost_multiple: 1.0e+300}\n", "`simulation.cost_multiple`", "equal to 1000"),
        ("labels: {horizon: 1381}\n", "", "labels.horizon: 1381 bars are longer than a session; at most 1380"),
        ("labels: {threshold_ticks: 1001}\n", "`labels.threshold_ticks`", "equal to 1000"),
        ("labels: {stop: {ticks: 8}}\n", "`labels`", "stop: of kind barrier only"),
        ("labels: {target: {ticks: 8}}\n", "`labels`", "target: of kind barrier only"),
        ("labels: {kind: barrier, stop: {ticks: 8, max: 9}}\n", "`labels.stop`", "leave them out"),
        ("labels: {kind: barrier, target: {reward_to_risk: 2, min: 3}}\n", "`labels.target`", "leave them out"),
        ("labels: {kind: barrier, target: {reward_to_risk: 0.01}}\n", "`labels.target.reward_to_risk`", "to 0.1"),
        ("labels: {kind: barrier, stop: {atr: 101}}\n", "`labels.stop.atr`", "equal to 100"),
        ("policy: {end_of_day: {flat: 16:30:30}}\n", "`policy.end_of_day.flat`", "leave the seconds out"),
        ("policy: {times: [{from: 9:30, to: 10:00}]}\n", "`policy.times.0.times`", "missing; add it"),
        ("policy: {times: [{from: 9:30, to: 9:30, times: 0.5}]}\n", "`policy.times.0`", "the window is empty"),
        ("policy: {times: [{from: 17:00, to: 19:00, times: 0.5}]}\n", "`policy`", "goes over 18:00 New York"),
        (
            "policy: {times: [{from: 23:00, to: 3:00, times: 0}, {from: 2:59, to: 4:00, times: 1}]}\n",
            "`policy`",
            "windows overlap",
        ),
        ("policy: {times: [{from: 9:30, to: 10:00, times: 1.5}]}\n", "`policy.times.0.times`", "equal to 1"),
        ("policy: {stop: {kind: label}}\n", "", "policy.stop.kind: label needs labels.kind: barrier"),
        ("policy: {stop: {kind: swing}}\n", "", "swing needs the group structure"),
        ("policy: {stop: {kind: fixed, fixed_ticks: 17}}\n", "`policy.stop`", "17 is outside 4 to 16"),
        ("policy: {stop: {trail_from: 2}}\n", "`policy.stop`", "trail_from without trail_atr"),
        ("policy: {stop: {breakeven_ticks: 2}}\n", "`policy.stop`", "breakeven_ticks without breakeven_at"),
        ("policy: {stop: {breakeven_at: 2}}\n", "policy.stop.breakeven_at", "not below the target's 2"),
        ("policy: {partial: 0.1}\n", "`policy`", "0.1 of at most 5 contracts is less than one"),
        ("risk: {per_trade: 0.05}\n", "`risk`", "per_trade: 0.05 is not below day_loss"),
        ("risk: {day_loss: 0.35}\n", "`risk`", "day_loss: above kill"),
        ("risk: {share: 0.5}\n", "`risk`", "share: a part of which account?"),
        ("risk: {firm: {profile: topstep}}\n", "`risk.firm`", "maximum_loss: a firm's profile needs it"),
        ("risk: {firm: {maximum_loss: 100}}\n", "`risk.firm`", "an own account has none"),
        ("risk: {firm: {profile: apex, maximum_loss: 1000}}\n", "`risk`", "not below the capital of 1000"),
        ("simulation: {slippage_ticks: 3}\n", "`simulation`", "must not fall"),
    ],
)
def test_contradictions_and_wrong_values(tmp_path: Path, extra: str, key: str, says: str) -> None:
    text = refusal(written(tmp_path, extra))
    assert key in text and says in text


WHOLE = [
    "describe.rows", "features.atr", "features.bollinger", "features.ema", "features.flow", "features.macd",
    "features.obv", "features.returns", "features.rsi", "features.stochastic", "features.volatility",
    "features.volume", "features.vwap_slope", "features.regime.window", "features.structure.equal",
    "features.structure.lookback", "features.structure.memory", "features.structure.min_gap",
    "features.structure.swing", "folds.embargo_sessions", "folds.holdout_sessions", "folds.step", "folds.test",
    "folds.train", "folds.validate", "gate.audit_rows", "gate.bootstrap", "gate.folds", "gate.seed",
    "gate.trades_per_fold", "labels.horizon", "labels.stop.max", "labels.through", "model.depth", "model.every",
    "model.rounds", "model.seed", "policy.cooldown_s", "policy.end_of_day.before_stop_min",
    "policy.end_of_day.half_size_min", "policy.hold_bars", "policy.max_reversals", "policy.max_trades",
    "policy.stale_s", "policy.stop.fixed_ticks", "policy.stop.max_ticks", "risk.long_pause_min", "sandbox.seed",
    "search.seed", "search.trials", "simulation.latency_bars", "simulation.slippage_ticks",
    "policy.market.max_spread", "policy.market.spread_pause_s", "policy.stop.breakeven_ticks", "risk.firm.contracts",
    "simulation.monte_carlo.block_sessions", "simulation.monte_carlo.draws", "simulation.monte_carlo.seed",
    "simulation.slippage_most", "simulation.slippage_thin",
]  # fmt: skip


@pytest.mark.parametrize("value", [2**33, 2**55, 2**62, 2**70])
@pytest.mark.parametrize("key", WHOLE)
def test_no_whole_number_outgrows_the_kernels(tmp_path: Path, key: str, value: int) -> None:
    name = key.rsplit(".", 1)[-1]
    several = {"macd": [12, 26, value]}.get(name, [2, value])
    given = several if name in ("ema", "flow", "macd", "returns", "volatility", "volume") else value
    assert f"`{key}" in refusal(written(tmp_path), **{key: given})


@pytest.mark.parametrize("interval", ["1s", "1m", "5m", "1h"])
def test_the_longest_horizon_is_a_session(tmp_path: Path, interval: str) -> None:
    path, most = written(tmp_path), {"1s": 82_800, "1m": 1380, "5m": 276, "1h": 23}[interval]
    assert load_lane(path, interval=interval, **{"labels.horizon": most}).labels.horizon == most
    assert f"at most {most}" in refusal(path, interval=interval, **{"labels.horizon": most + 1})


def test_a_bundle_s_lane_names_every_key(tmp_path: Path) -> None:
    lane = load_lane(written(tmp_path, "labels: {kind: barrier, stop: {ticks: 8}}\n"))
    assert Lane(**lane.model_dump(mode="json", by_alias=True)) == lane
    lane = load_lane(written(tmp_path))
    assert Lane(**lane.model_dump(mode="json", by_alias=True)) == lane


def test_a_message_shows_the_wrong_value_and_nothing_beside_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    for text in (refusal(path, end="2020-01-01"), refusal(path, **{"features.macd": [26, 12, 9]})):
        assert "found" not in text and "2021" not in text.removeprefix(str(path)) and len(text) < len(str(path)) + 120
    assert len(refusal(path, **{"features.rsi": "x" * 5000})) < 300 + len(str(path))


def test_missing_key(tmp_path: Path) -> None:
    text = refusal(written(tmp_path, text=GOOD.replace("source: import\n", "")))
    assert "`source`: missing; add it" in text


def test_missing_file_names_the_lanes_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    text = refusal(tmp_path / "absent.yaml")
    assert "no such lane file" in text and "config/demo.yaml" in text


@pytest.mark.parametrize("text", ["name: [1, 2\n", "a: b: c\n", "\tname: x\n"])
def test_broken_yaml(tmp_path: Path, text: str) -> None:
    assert "line" in refusal(written(tmp_path, text=text))


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n", "1: 2\n"])
def test_no_mapping(tmp_path: Path, text: str) -> None:
    assert "mapping of keys to values" in refusal(written(tmp_path, text=text))


def test_no_text_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path)
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00name")
    assert "cannot be read" in refusal(path)


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        (("symbol: MES", "symbol: XYZ"), "`symbol`", "unknown symbol 'XYZ'"),
        (("symbol: MES", "symbol: MES\nexecution_symbol: QQ"), "`execution_symbol`", "unknown symbol 'QQ'"),
        (("symbol: MES", "symbol: ES"), "`execution_symbol`", "has no cost table"),
        (("symbol: MES", "symbol: NQ\nexecution_symbol: MES"), "`execution_symbol`", "MES is another market than NQ"),
    ],
)
def test_symbols(tmp_path: Path, change: tuple[str, str], key: str, says: str) -> None:
    text = refusal(written(tmp_path, text=GOOD.replace(*change)))
    assert key in text and says in text and "MES" in text


@pytest.mark.parametrize("spelled", ["15:10", '"15:10"', "15:10:00"])
def test_flat_time_as_people_write_it(tmp_path: Path, spelled: str) -> None:
    """YAML reads an unquoted 15:10 as the number 910."""
    lane = load_lane(written(tmp_path, f"policy: {{end_of_day: {{flat: {spelled}}}}}\n"))
    flat = lane.policy.end_of_day.flat
    assert (flat.hour, flat.minute) == (15, 10)


FIRM = "risk: {{capital: 50000, firm: {{profile: {firm}, maximum_loss: 2000}}}}\n"
CHICAGO = ZoneInfo("America/Chicago")
TEN_YEARS = sessions("MES", date(2016, 7, 1), date(2026, 6, 30))


@settings(max_examples=150)
@given(st.sampled_from(TEN_YEARS), st.sampled_from(["topstep", "apex", "own"]))
def test_flat_by_the_firm_s_time_on_any_day(tmp_path_factory: pytest.TempPathFactory, day: Session, firm: str) -> None:
    """16:30 New York, the firm's time, and 30 minutes before the next halt or close: whichever comes first."""
    path = written(tmp_path_factory.mktemp("firm"), FIRM.format(firm=firm) if firm != "own" else "")
    flat = int(load_lane(path).timetable(day)["flat_ns"][0])
    zone, at = {"topstep": (CHICAGO, time(15, 10)), "apex": (NEW_YORK, time(16, 59)), "own": (NEW_YORK, time.max)}[firm]
    ends = int(datetime.combine(day.date, at, zone).timestamp()) * 10**9
    assert flat == min(day.ny(16, 30), ends, day.next_stop_ns - 30 * 60 * 10**9)


def test_a_lane_s_own_earlier_flat_time_stays(tmp_path: Path) -> None:
    day = session("MES", date(2024, 3, 12))
    for spelled, ends in (("15:55", (15, 55)), ("16:10", (16, 10)), ("16:20", (16, 10))):
        end = f"policy: {{end_of_day: {{flat: {spelled}}}}}\n"
        lane = load_lane(written(tmp_path, FIRM.format(firm="topstep") + end))
        assert lane.timetable(day)["flat_ns"][0] == day.ny(*ends)
        assert lane.timetable(day)["exit_ns"][0] == day.ny(*ends) - 5 * 60 * 10**9


def test_times_of_day_reach_the_timetable(tmp_path: Path) -> None:
    times = "[{from: 18:00, to: 2:00, times: 0.5}, {from: 11:30, to: 13:00, times: 0}]"
    day = session("MES", date(2024, 3, 12))
    row = load_lane(written(tmp_path, f"policy: {{times: {times}}}\n")).timetable(day)[0]
    assert row["part_from"].tolist() == [day.open_ns, day.ny(11, 30), 0, 0]
    assert row["part_to"].tolist() == [day.ny(2, 0), day.ny(13, 0), 0, 0]
    assert row["part_times"].tolist() == [0.5, 0.0, 0.0, 0.0]


def test_environment_wins_over_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "policy: {max_trades: 5, cooldown_s: 7}\n")
    monkeypatch.setenv("SCALPER_LANE__POLICY__MAX_TRADES", "9")
    monkeypatch.setenv("SCALPER_LANE__FEATURES__EMA", "[3, 5]")
    lane = load_lane(path)
    assert (lane.policy.max_trades, lane.policy.cooldown_s, lane.features.ema) == (9, 7, (3, 5))


def test_mistakes_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    monkeypatch.setenv("SCALPER_LANE__POLICY__MAX_TRADEZ", "9")
    assert "`policy.max_tradez`" in refusal(path)
    monkeypatch.delenv("SCALPER_LANE__POLICY__MAX_TRADEZ")
    monkeypatch.setenv("SCALPER_LANE__FEATURES__EMA", "3,5")
    text = refusal(path)
    assert "features" in text and "JSON" in text


def test_overrides(tmp_path: Path) -> None:
    path = written(tmp_path, "sandbox: {seed: 5, edge: 0.5}\nrisk:\n")
    lane = load_lane(path, **{"sandbox.seed": 3, "risk.capital": 2000, "interval": "5m", "policy.stop.kind": "fixed"})
    assert (lane.sandbox.seed, lane.sandbox.edge, lane.risk.capital) == (3, 0.5, 2000)
    assert (lane.interval, lane.policy.stop.kind) == ("5m", "fixed")
    assert "`sandbox.sed`" in refusal(path, **{"sandbox.sed": 3})


def test_frozen_and_digest(tmp_path: Path) -> None:
    path = written(tmp_path)
    lane, other = load_lane(path), load_lane(path, **{"policy.max_trades": 11})
    with pytest.raises(ValueError, match="frozen"):
        lane.name = "other"
    assert lane.digest() != other.digest()
    assert lane.digest("features", "labels") == other.digest("features", "labels")
    assert load_lane(path, source="sandbox", end="2021-12-31").source_key == "sandbox-7-1"


def test_secrets_are_in_no_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    found = Environment()
    assert found.databento_api_key is not None and found.databento_api_key.get_secret_value() == KEY
    lane = load_lane(written(tmp_path))
    for text in (
        repr(found),
        str(found),
        found.model_dump_json(),
        str(found.model_dump()),
        repr(lane),
        lane.model_dump_json(),
    ):
        assert KEY not in text


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCALPER_HOME", str(tmp_path))
    found = home()
    assert found.lake == tmp_path / "data_lake"
    assert (found.mlruns, found.state) == (tmp_path / "mlruns", tmp_path / "state")
    assert home(tmp_path / "other").lake == tmp_path / "other" / "data_lake"


def test_the_lake_may_be_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCALPER_LAKE", str(tmp_path / "lake"))
    assert home().lake == tmp_path / "lake"
    monkeypatch.setenv("SCALPER_LAKE", "s3://bucket/lake?region=eu-central-1")
    assert home().lake == home(tmp_path).lake == "s3://bucket/lake?region=eu-central-1"
    assert home().state == home().root / "state"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("risk: {capital: 5}\nrisk: {capital: 5000}", "`risk` is there twice|key risk is there twice"),
        ("risk: {capital: .inf}", "risk.capital"),
        ("source: sandbox", "has an end"),
        ("start: 0001-01-01", "1990"),
        ("start: 2024-13-45", "not YAML"),
    ],
)
def test_what_would_pass_silently_is_refused(tmp_path: Path, lines: str, says: str) -> None:
    path = written(tmp_path)
    kept = [one for one in path.read_text().splitlines() if one.split(":")[0] not in lines.split("\n")[0].split(":")[0]]
    path.write_text("\n".join(kept) + "\n" + lines + "\n")
    with pytest.raises(BadInput, match=says):
        load_lane(path)


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCALPER_LANE__RSIK__CAPITAL", "5")
    with pytest.raises(BadInput, match="SCALPER_LANE__RSIK__CAPITAL"):
        load_lane(written(tmp_path))
