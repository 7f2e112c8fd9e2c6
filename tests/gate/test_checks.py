"""Every check passes on good evidence, fails on bad, and fails as well where it has nothing to judge by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from scalper.gate.case import Measured
from scalper.gate.check import Check
from scalper.gate.checks import REGISTRY, judge
from scalper.gate.evidence import Evidence
from scalper.gate.robustness import without_best
from tests.gate.sample import make_daily, make_evidence, make_lane, make_measured

Change = Callable[[Evidence], object]
Remeasure = Callable[[Measured], Measured]


def status(check_id: str, evidence: Evidence, measured: Measured | None = None) -> Check:
    return next(one for one in judge(evidence, measured or make_measured()) if one.id == check_id)


def retrade(evidence: Evidence, net: pl.Expr, **more: pl.Expr) -> None:
    """Change the trades, and the sessions and the equity with them."""
    trades = evidence.trades.with_columns(net=net, **more)
    evidence.trades = trades.with_columns(gross=pl.col("net") + pl.col("commission") + pl.col("slippage"))
    evidence.daily = make_daily(evidence.trades)
    evidence.equity = evidence.trades.select(ts_ns=pl.col("exit_ns"), equity=1000.0 + pl.col("net").cum_sum())


def no_trades(evidence: Evidence) -> None:
    evidence.trades = evidence.trades.clear()
    evidence.daily = evidence.daily.with_columns(net=pl.lit(0.0), cash=pl.lit(1000.0), trades=pl.lit(0, pl.Int64))


def nan_session(evidence: Evidence) -> None:
    evidence.daily = evidence.daily.with_columns(net=pl.when(pl.col("fold") == 3).then(float("nan")).otherwise("net"))


def put(part: str, key: str, value: object) -> Change:
    return lambda evidence: getattr(evidence, part).__setitem__(key, value)


def drop(part: str, key: str) -> Change:
    return lambda evidence: getattr(evidence, part).pop(key)


def rescore(**columns: Any) -> Change:
    def change(evidence: Evidence) -> None:
        evidence.scored = evidence.scored.with_columns(**columns)

    return change


def empty(frame: str) -> Change:
    return lambda evidence: setattr(evidence, frame, getattr(evidence, frame).clear())


def one_fold_thin(evidence: Evidence) -> None:
    first = pl.col("session").cum_count().over("fold") <= 90
    evidence.trades = evidence.trades.filter((pl.col("fold") != 4) | first)
    evidence.daily = make_daily(evidence.trades)


def few_folds(evidence: Evidence) -> None:
    evidence.trades = evidence.trades.filter(pl.col("fold") > 1)
    evidence.daily = make_daily(evidence.trades)


def losing_end(evidence: Evidence) -> None:
    last = pl.col("fold") > 6
    retrade(evidence, pl.when(last).then(-pl.col("net").abs()).otherwise("net"))


def short_path(evidence: Evidence) -> None:
    evidence.daily = evidence.daily.head(40)


def wild(evidence: Evidence) -> None:
    """Coins as large as the account's day limit: no figure survives it."""
    sign = np.where(np.random.default_rng(1).random(evidence.trades.height) < 0.5, 1.0, -1.0)
    retrade(evidence, pl.Series(sign * 15.0))


def bad_day(evidence: Evidence) -> None:
    first = pl.int_range(pl.len()) == 0
    retrade(evidence, pl.when(first).then(-90.0).otherwise("net"))


def deep_fall(evidence: Evidence) -> None:
    evidence.equity = pl.concat(
        [evidence.equity, pl.DataFrame({"ts_ns": [evidence.equity["ts_ns"][-1] + 1], "equity": [700.0]})]
    )


def few_winners(evidence: Evidence) -> None:
    first = pl.int_range(pl.len()) < 3
    retrade(evidence, pl.when(first).then(900.0).otherwise(-0.5))


def one_great_day(evidence: Evidence) -> None:
    first = pl.col("session") == pl.col("session").min()
    retrade(evidence, pl.when(first).then(40.0).otherwise(pl.lit(-0.05)))


def overnight(evidence: Evidence) -> None:
    late = pl.int_range(pl.len()) == 7
    evidence.trades = evidence.trades.with_columns(
        exit_ns=pl.when(late).then(pl.col("exit_ns") + 7 * 3_600_000_000_000).otherwise("exit_ns")
    )


def flipped(evidence: Evidence) -> None:
    evidence.scored = evidence.scored.with_columns(label=(2 - pl.col("label")).cast(pl.Int8))


def overconfident(evidence: Evidence) -> None:
    top = pl.lit(0.97)
    up = pl.col("up") > pl.col("down")
    rest = pl.lit(0.015)
    evidence.scored = evidence.scored.with_columns(
        up=pl.when(up).then(top).otherwise(rest), down=pl.when(up).then(rest).otherwise(top), flat=rest
    )


def seen_before(evidence: Evidence) -> None:
    shift = (evidence.holdout_daily["session"][0] - evidence.daily["session"][-1]).days + 1
    evidence.holdout_daily = evidence.holdout_daily.with_columns(pl.col("session") - timedelta(days=shift))


def lost_holdout(evidence: Evidence) -> None:
    for frame in ("holdout_daily", "holdout_trades"):
        setattr(evidence, frame, getattr(evidence, frame).with_columns(net=-pl.col("net")))


FAILS: list[tuple[str, Change]] = [
    ("wf.sharpe", wild),
    ("wf.sharpe", lambda e: retrade(e, -pl.col("net"))),
    ("wf.calmar", wild),
    ("wf.profit_factor", wild),
    ("wf.folds", one_fold_thin),
    ("wf.folds", few_folds),
    ("wf.folds", losing_end),
    ("wf.recent", losing_end),
    ("oos.skill", flipped),
    (
        "oos.skill",
        rescore(down=pl.col("prior_down"), flat=pl.col("prior_flat"), up=pl.col("prior_up"), threshold=pl.lit(0.3)),
    ),
    ("risk.day", bad_day),
    ("risk.drawdown", deep_fall),
    ("risk.drawdown", put("account", "review", 1)),
    ("risk.drawdown", put("account", "kill", 1)),
    ("risk.drawdown", put("account", "firm", 1)),
    ("risk.drawdown", put("account", "blocked", 21)),
    ("holdout", lost_holdout),
    ("holdout", put("holdout", "refused", "another recipe has opened it")),
    ("stress", put("stress", "latency", -0.01)),
    ("stress", put("stress", "costs", 0.0)),
    ("concentration", few_winners),
    ("concentration", one_great_day),
    ("calibration", overconfident),
    ("data", put("quality", "used_quarantined", 1)),
    ("data", put("quality", "coverage", 0.98)),
    ("data", put("quality", "sessions", 20)),
    ("parity.onnx", put("parity", "onnx", 2e-6)),
    ("parity.replay", lambda e: e.parity["replay"].update(differences=1)),
    ("eod", overnight),
    ("eod", put("account", "late", 1)),
    ("eod", lambda e: setattr(e, "trades", e.trades.with_columns(reason=pl.lit("session_end")))),
]

BLIND: list[tuple[str, Change]] = [
    *((name, no_trades) for name in ("wf.sharpe", "wf.calmar", "wf.profit_factor", "wf.folds", "wf.recent")),
    *((name, no_trades) for name in ("risk.day", "risk.drawdown", "stress", "concentration", "eod")),
    *((name, nan_session) for name in ("wf.sharpe", "wf.calmar", "wf.profit_factor", "wf.folds", "wf.recent")),
    ("wf.profit_factor", lambda e: retrade(e, pl.col("net").abs())),
    ("wf.sharpe", lambda e: setattr(e, "daily", pl.concat([e.daily, e.daily.tail(1)]))),
    ("wf.sharpe", lambda e: setattr(e, "trades", e.trades.with_columns(pl.col("net") + 1))),
    ("wf.folds", lambda e: setattr(e, "trades", e.trades.head(500))),
    ("wf.recent", short_path),
    ("oos.skill", empty("scored")),
    ("oos.skill", rescore(up=pl.lit(float("nan")))),
    ("oos.skill", rescore(threshold=pl.lit(0.99))),
    ("oos.skill", rescore(label=pl.lit(-1, pl.Int8))),
    ("oos.skill", lambda e: setattr(e, "scored", e.scored.drop("prior_up"))),
    ("calibration", empty("scored")),
    ("calibration", rescore(up=pl.col("up") * 2)),
    ("risk.drawdown", drop("account", "kill")),
    ("risk.drawdown", drop("account", "firm")),
    ("holdout", drop("holdout", "sessions")),
    ("holdout", put("holdout", "recipe", "another")),
    ("holdout", empty("holdout_daily")),
    ("holdout", lambda e: setattr(e, "holdout_daily", e.holdout_daily.head(59))),
    ("holdout", lambda e: setattr(e, "holdout_trades", e.holdout_trades.clear())),
    ("holdout", seen_before),
    ("stress", drop("stress", "slippage")),
    ("stress", put("stress", "slippage", float("nan"))),
    ("data", drop("quality", "quarantined")),
    ("data", put("quality", "coverage", float("nan"))),
    ("parity.onnx", drop("parity", "onnx")),
    ("parity.onnx", put("parity", "onnx", float("nan"))),
    ("parity.replay", drop("parity", "replay")),
    ("parity.replay", lambda e: e.parity["replay"].update(decisions=0)),
    ("eod", put("account", "sessions", 5)),
]

MEASURED_FAILS: list[tuple[str, Remeasure]] = [
    ("parity.stream", lambda m: replace(m, stream={**(m.stream or {}), "differences": 1, "first": "rsi at noon"})),
    ("latency", lambda m: replace(m, latency={**(m.latency or {}), "p99_ms": 10.0})),
    (
        "audit",
        lambda m: replace(m, audit=(*m.audit, {"id": "audit.folds", "passed": False, "detail": "fold_02 leaks"})),
    ),
]
MEASURED_BLIND: list[tuple[str, Remeasure]] = [
    ("parity.stream", lambda m: replace(m, stream=None, missing={"stream": "the lake is empty"})),
    ("parity.stream", lambda m: replace(m, stream={**(m.stream or {}), "rows": 0})),
    ("latency", lambda m: replace(m, latency=None)),
    ("latency", lambda m: replace(m, latency={**(m.latency or {}), "p99_ms": float("nan")})),
    ("audit", lambda m: replace(m, audit=())),
]


def test_good_evidence_passes_every_check_in_the_order_of_the_specification(evidence: Evidence) -> None:
    checks = judge(evidence, make_measured())
    assert [one.id for one in checks if not one.passed] == []
    assert [one.id for one in checks] == [rule.id for rule in REGISTRY]
    for one in checks:
        assert one.detail.endswith(".") and one.protects.startswith("From"), one
        assert one.value is not None


@pytest.mark.parametrize(("check_id", "change"), FAILS)
def test_a_check_fails(check_id: str, change: Change, evidence: Evidence) -> None:
    change(evidence)
    found = status(check_id, evidence)
    assert found.status == "FAIL", found.detail


@pytest.mark.parametrize(("check_id", "change"), BLIND)
def test_what_cannot_be_evaluated_fails(check_id: str, change: Change, evidence: Evidence) -> None:
    change(evidence)
    found = status(check_id, evidence)
    assert found.status == "CANNOT EVALUATE", found.detail
    assert not found.passed


@pytest.mark.parametrize(("check_id", "change"), MEASURED_FAILS)
def test_a_measured_check_fails(check_id: str, change: Remeasure, evidence: Evidence) -> None:
    assert status(check_id, evidence, change(make_measured())).status == "FAIL"


@pytest.mark.parametrize(("check_id", "change"), MEASURED_BLIND)
def test_an_unmeasured_check_cannot_be_evaluated(check_id: str, change: Remeasure, evidence: Evidence) -> None:
    assert status(check_id, evidence, change(make_measured())).status == "CANNOT EVALUATE"


def test_every_check_of_the_registry_has_a_case_of_each_kind() -> None:
    every = {rule.id for rule in REGISTRY}
    assert every == {name for name, _ in FAILS} | {name for name, _ in MEASURED_FAILS}
    assert every == {name for name, _ in BLIND} | {name for name, _ in MEASURED_BLIND}


def test_thresholds_come_from_the_lane() -> None:
    strict = make_evidence(make_lane(gate={"sharpe": 99.0, "bootstrap": 50}))
    found = status("wf.sharpe", strict)
    assert found.status == "FAIL"
    assert found.threshold == {"sharpe": "> 99", "bound": "> 0"}


def gapped(evidence: Evidence, net: float, exit_price: float) -> None:
    """The first trade, a short stopped at 5002, filled at `exit_price` and lost `net`."""
    first = pl.int_range(pl.len()) == 0
    retrade(
        evidence,
        pl.when(first).then(-net).otherwise("net"),
        exit=pl.when(first).then(exit_price).otherwise("exit"),
        reason=pl.when(first).then(pl.lit("stop")).otherwise("reason"),
    )


def test_a_gap_through_a_stop_is_excepted_and_listed(evidence: Evidence) -> None:
    gapped(evidence, net=90.0, exit_price=5018.0)  # 15 points beyond the stop and four ticks: $75 of the $90
    found = status("risk.day", evidence)
    assert found.status == "PASS"
    assert "Excepted" in found.detail
    [gap] = found.figures["gaps"]
    assert gap["excess"] == pytest.approx((5018 - 5002 - 4 * 0.25) * 5)


def test_a_gap_does_not_excuse_a_loss_that_it_does_not_explain(evidence: Evidence) -> None:
    gapped(evidence, net=190.0, exit_price=5003.0)
    assert status("risk.day", evidence).status == "FAIL"


def test_the_slippage_of_a_stop_is_no_gap(evidence: Evidence) -> None:
    gapped(evidence, net=90.0, exit_price=5003.0)
    assert status("risk.day", evidence).status == "FAIL"


def test_at_least_one_of_the_best_is_left_out() -> None:
    assert without_best(np.array([5.0, -1.0, 2.0]), 0.01) == 1.0
    assert without_best(np.arange(201.0), 0.01) == np.arange(198.0).sum()


def test_the_same_hold_out_answered_again_still_counts(evidence: Evidence) -> None:
    evidence.holdout["first_opening"] = False
    assert status("holdout", evidence).status == "PASS"
