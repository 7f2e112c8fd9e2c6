"""Checks of the machinery: the data, the parity of every path to a decision, no look-ahead, fast enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from scalper.gate.case import Case
from scalper.gate.check import CannotEvaluate, Finding, Rule, number


def _data(case: Case) -> Finding:
    quality, need = case.evidence.quality, case.thresholds
    sessions = int(number(quality, "sessions"))
    used, coverage = int(number(quality, "used_quarantined")), number(quality, "coverage")
    bad: object = quality.get("quarantined")
    if not isinstance(bad, dict) or sessions <= 0:
        raise CannotEvaluate("the quality report has no sessions, or no list of quarantined ones")
    days = cast(dict[str, list[str]], bad)
    share = len(days) / sessions
    detail = (
        f"{len(days)} of {sessions} sessions ({share:.1%}) are quarantined (needed: at most {need.quarantined:.0%}), "
        f"{used} of them were used all the same (needed: none); the others have {coverage:.2%} of their bars "
        f"(needed: at least {need.coverage:.0%})."
    )
    passed = used == 0 and share <= need.quarantined and coverage >= need.coverage
    value = {"used": used, "quarantined": share, "coverage": coverage}
    return Finding(value, passed, detail, {"quarantined": {str(day): list(why) for day, why in sorted(days.items())}})


def _onnx(case: Case) -> Finding:
    value, need = number(case.evidence.parity, "onnx", "the difference of ONNX to XGBoost"), case.thresholds.parity
    detail = (
        f"The exported models and the trained ones differ by at most {value:.1e} in a probability (needed: {need:g})."
    )
    return Finding(value, 0 <= value <= need, detail)


def _stream(case: Case) -> Finding:
    found = _measured(case, case.measured.stream, "stream")
    rows, differences = int(number(found, "rows")), int(number(found, "differences"))
    if rows == 0 or number(found, "restarts") == 0:
        raise CannotEvaluate("no row, or no restart, was compared")
    detail = (
        f"Over {rows} bars of {found['sessions']} sessions the features of the batch, of the stream and of streams "
        f"restarted from a saved state differ in {differences} numbers (needed: 0)."
    )
    if found.get("first"):
        detail += f" First: {found['first']}."
    return Finding(differences, differences == 0, detail, dict(found))


def _replay(case: Case) -> Finding:
    found: object = case.evidence.parity.get("replay")
    if not isinstance(found, dict):
        raise CannotEvaluate("no session was replayed")
    replay = cast(dict[str, Any], found)
    differences, decisions = int(number(replay, "differences")), int(number(replay, "decisions"))
    if decisions == 0:
        raise CannotEvaluate("the replayed session has no decision to compare")
    detail = (
        f"Session {replay.get('session')}, replayed bar by bar through the live path, made {decisions} decisions and "
        f"{replay.get('trades', 0)} trades; {differences} differ from the simulation (needed: 0)."
    )
    return Finding(
        differences, differences == 0, detail, {"decisions": decisions, "session": str(replay.get("session"))}
    )


def _audit(case: Case) -> Finding:
    results = case.measured.audit
    if not results:
        raise CannotEvaluate(case.measured.missing.get("audit", "the look-ahead audit was not run"))
    leaks = [one for one in results if not one["passed"]]
    if leaks:
        detail = "Look-ahead found. " + " ".join(f"{one['id']}: {one['detail']}" for one in leaks)
    else:
        parts = ", ".join(str(one["id"]).removeprefix("audit.") for one in results)
        detail = f"Changing the future changed nothing of the past, in each of {len(results)} audits: {parts}."
    return Finding(len(leaks), not leaks, detail, {str(one["id"]): dict(one) for one in results})


def _latency(case: Case) -> Finding:
    found, need = _measured(case, case.measured.latency, "latency"), case.thresholds.inference_ms
    value, rows = number(found, "p99_ms"), int(number(found, "rows"))
    if rows == 0 or value <= 0:
        raise CannotEvaluate("no bar was timed")
    detail = (
        f"From the bar to the decision it took less than {value:.3f} ms in 99 of 100 of {rows} bars "
        f"(needed: below {need:g} ms)."
    )
    return Finding(value, value < need, detail, dict(found))


def _measured(case: Case, part: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    if part is None:
        raise CannotEvaluate(case.measured.missing.get(name, "it was not measured"))
    return part


DATA = Rule(
    "data",
    "From conclusions drawn from broken data, and from leaving out the days that do not suit.",
    lambda case: {
        "used": "0",
        "quarantined": f"≤ {case.thresholds.quarantined:.0%}",
        "coverage": f"≥ {case.thresholds.coverage:.0%}",
    },
    _data,
)
PARITY = (
    Rule(
        "parity.onnx",
        "From trading another model than the one that was tested.",
        lambda case: f"≤ {case.thresholds.parity:g}",
        _onnx,
    ),
    Rule("parity.stream", "From features that differ between the test and the live stream.", lambda _: "0", _stream),
    Rule("parity.replay", "From a live path that decides otherwise than the simulation did.", lambda _: "0", _replay),
)
AUDIT = Rule(
    "audit", "From features, labels, folds or decisions that know the future.", lambda _: "no look-ahead", _audit
)
LATENCY = Rule(
    "latency",
    "From decisions that come too late for the price they were made on.",
    lambda case: f"p99 < {case.thresholds.inference_ms:g} ms",
    _latency,
    measured=True,
)
