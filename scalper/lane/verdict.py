"""The gate's stage: replay, checks, verdict, bundle and report; and the whole lane in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from pydantic import SecretStr

from scalper import clock
from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.gate.audit import Made
from scalper.gate.audit import audit as look_ahead
from scalper.gate.bundle import write_bundle
from scalper.gate.checks import evaluate
from scalper.gate.evidence import Evidence
from scalper.gate.verdict import Verdict, decide
from scalper.lake import Lake
from scalper.lane.approved import keep
from scalper.lane.bars import bars
from scalper.lane.learning import folds, learnable, models
from scalper.lane.quality import check
from scalper.lane.report import evidence_report
from scalper.lane.rows import labels, materialise
from scalper.lane.searched import search
from scalper.lane.simulation import digests, simulation
from scalper.lane.stage import Progress, bar, calendar, evidence_folder, ledger_path, models_root
from scalper.lane.tracked import track
from scalper.learn import fitting, ledger
from scalper.learn.digests import recipe_digest
from scalper.live.replay import ReplayReport
from scalper.live.replay import replay as replay_session
from scalper.settings import Home, Lane
from scalper.simulate.report import write_report


def _opened(lane: Lane, home: Home) -> bool:
    """Whether the lane's last simulation opened the hold-out, with the recipe as it is now."""
    folder = evidence_folder(lane, home)
    if not folder.exists():
        return False
    record = Evidence.load(folder, lane).holdout
    return record.get("refused") is None and record.get("recipe") == recipe_digest(lane)


def _last_with_rows(lane: Lane, home: Home, days: Sequence[date]) -> date:
    """The newest of the days that is not flat; the newest if all are."""
    lake = Lake(home.lake)
    rows = (one for one in reversed(days) if lake.read("features", {"lane": lane.name, "date": one.isoformat()}).height)
    return next(rows, days[-1])


def replay(lane: Lane, home: Home, day: date | None = None) -> ReplayReport:
    """Stream a stored session bar by bar through the live path and compare it with the simulation.

    `day` None is the last session that can be learned from. The final recipe trades it.
    """
    days = learnable(lane, home)
    if not days:
        raise DataUnavailable(f"lane {lane.name}: no session has features; run the lane first")
    shut = () if _opened(lane, home) else folds(lane, home).holdout
    chosen = day or _last_with_rows(lane, home, [one for one in days if one not in shut])
    if chosen not in days:
        raise BadInput(f"{chosen} is no usable session of lane {lane.name}; the last one is {days[-1]}")
    every = calendar(lane)
    at = {one.date: index for index, one in enumerate(every)}
    lake, found = Lake(home.lake), folds(lane, home)
    if chosen in found.holdout and not _opened(lane, home):
        raise Refused(
            f"{chosen} lies in the hold-out, which this recipe has not opened; replay one up to {found.tested()[-1]}"
        )
    final = fitting.recipe(lane, lake, found.final, models_root(lane, home) / found.final.name)
    before = every[at[chosen] - 1] if at[chosen] else None
    return replay_session(lake, final, every[at[chosen]], before)


def audit(lane: Lane, home: Home) -> list[dict[str, Any]]:
    """Whether anything of the lane sees the future: features, labels, fits, decisions, folds; one result each.

    Of a lane that was not simulated yet, all but what needs its models (gate.audit.MODELS). Raises DataUnavailable
    without features.
    """
    folder = evidence_folder(lane, home)
    made = _made(lane, home, Evidence.load(folder, lane)) if folder.exists() else None
    return look_ahead(Lake(home.lake), lane, made)


def _made(lane: Lane, home: Home, evidence: Evidence) -> Made:
    """What the audit looks at besides the lake."""
    made = folds(lane, home), models_root(lane, home)
    return Made(*made, evidence.daily, evidence.scored, ledger_path(lane, home))


def gate(lane: Lane, home: Home, *, progress: Progress | None = None) -> Verdict:
    """Judge the evidence: replay, every check, the verdict, and its bundle with the report."""
    started = clock.monotonic()
    lake, found = Lake(home.lake), folds(lane, home)
    evidence = Evidence.load(evidence_folder(lane, home), lane)
    now, then = digests(lane, home, lake, found), evidence.digests
    if changed := [name for name in ("data", "models", "config", "recipe") if now[name] != then.get(name)]:
        raise Refused(f"lane {lane.name}: {', '.join(changed)} changed since the simulation; run `scalper run` again")
    if problem := ledger.verify(ledger_path(lane, home), head=then.get("trials")).problem:
        raise Refused(f"the trial ledger: {problem}; restore it from a copy")
    final = fitting.recipe(lane, lake, found.final, models_root(lane, home) / found.final.name)
    with bar(f"{lane.name}: gate", progress) as advance:
        evidence.parity["replay"] = replay(lane, home).summary()
        advance(1, 4)
        results = look_ahead(lake, lane, _made(lane, home, evidence), choice=final.choice)
        advance(2, 4)
        checks = evaluate(evidence, lake, final, results)
        advance(3, 4)
        verdict = decide(checks)
        data = evidence_report(lane, home, evidence, verdict)
        bundle = write_bundle(
            home.state / "bundles" / lane.name,
            recipe=final,
            evidence=evidence,
            verdict=verdict,
            report=lambda path: write_report(path, data),
        )
        if verdict.verdict == "GO":
            keep(lane, home)
        advance(4, 4)
    return verdict.at(bundle, {"gate": clock.monotonic() - started})


def run(lane: Lane, home: Home, *, gateway: str | None = None, key: SecretStr | str | None = None) -> Verdict:
    """The whole lane, in order; the verdict carries the seconds of every stage."""
    seconds: dict[str, float] = {}

    def timed[T](stage: str, work: Callable[[], T]) -> T:
        started = clock.monotonic()
        result = work()
        seconds[stage] = round(clock.monotonic() - started, 3)
        return result

    timed("bars", lambda: bars(lane, home, gateway=gateway, key=key))
    timed("check", lambda: check(lane, home))
    timed("features", lambda: materialise(lane, home))  # and the labels, in the same pass
    timed("labels", lambda: labels(lane, home))
    timed("models", lambda: models(lane, home))
    timed("search", lambda: search(lane, home))
    timed("simulation", lambda: simulation(lane, home))
    verdict = timed("gate", lambda: gate(lane, home))
    timed("track", lambda: track(lane, home, verdict))
    return verdict.at(verdict.bundle, seconds)
