"""The stages of a lane, in order, as plain functions: the command line and the Dagster assets call the same ones.

Every stage skips what it has done before with the same inputs, and leaves no half file: a run that was cut off is
resumed by running it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import SecretStr

from scalper import clock
from scalper import features as feature_floor
from scalper.compiled import source_digest
from scalper.errors import BadInput, DataUnavailable
from scalper.gate.bundle import write_bundle
from scalper.gate.checks import evaluate
from scalper.gate.evidence import Evidence
from scalper.gate.verdict import Verdict, decide
from scalper.lake import Lake, bar_keys
from scalper.lake.databento import DownloadReport, DownloadRequest, download
from scalper.lake.quality import QualityReport, check_sessions, read_report
from scalper.learn import ledger, tracking
from scalper.learn import walkforward as walking
from scalper.learn.folds import Fold, Folds, walk_forward
from scalper.learn.holdout import open_holdout
from scalper.learn.session import labels_of, prepare
from scalper.live.replay import ReplayReport
from scalper.live.replay import replay as replay_session
from scalper.log import progress
from scalper.market import Session
from scalper.market import sessions as market_sessions
from scalper.settings import Environment, Home, Lane
from scalper.simulate import Simulation, simulate
from scalper.simulate.metrics import summarise, sharpe_bound
from scalper.simulate.report import ReportData, write_report
from scalper.simulate.report_figures import equity_svg

Progress = Callable[[int, int], None]
STAGES = ("bars", "check", "features", "labels", "models", "search", "simulation", "gate")


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a stage did: rows written or held, items done and skipped, seconds, and things to look at."""

    stage: str
    rows: int = 0
    done: int = 0
    skipped: int = 0
    seconds: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict[str, Any])
    preview: pl.DataFrame | None = None
    picture: str | None = None


@contextmanager
def _bar(title: str, given: Progress | None) -> Iterator[Progress]:
    """The caller's progress callback, or a bar of our own."""
    if given is not None:
        yield given
        return
    with progress(title) as own:
        yield own


def calendar(lane: Lane) -> list[Session]:
    """The lane's sessions, from its start to its end or to the last one that has closed."""
    last = lane.end or clock.now().date()
    now = clock.now_ns()
    return [one for one in market_sessions(lane.symbol, lane.start, last) if one.close_ns <= now]


def _chosen(every: Sequence[Session], days: Sequence[date] | None) -> list[Session]:
    """The sessions of `days`, all if None. Raises BadInput for a day without a session."""
    if days is None:
        return list(every)
    at = {one.date: one for one in every}
    unknown = [day for day in days if day not in at]
    if unknown:
        raise BadInput(f"{unknown[0]} is no session of the lane; see its start and end, and the exchange's calendar")
    return [at[day] for day in days]


# ------------------------------------------------------------------ bars


def bars(
    lane: Lane,
    home: Home,
    days: Sequence[date] | None = None,
    *,
    gateway: str | None = None,
    key: SecretStr | str | None = None,
    progress: Progress | None = None,
) -> StageReport:
    """See that the lake holds the lane's sessions: downloaded where the source is a vendor, else what was imported.

    `gateway` and `key` default to the environment's. Raises BadInput without a key, VendorError over the spending cap.
    """
    started = clock.monotonic()
    lake, wanted = Lake(home.lake), _chosen(calendar(lane), days)
    detail: dict[str, Any] = {}
    if lane.source != "import":
        with _bar(f"{lane.name}: download", progress) as advance:
            detail = fetch(lane, home, wanted, gateway=gateway, key=key, progress=advance).as_dict()
    held = [one for one in wanted if lake.exists("bars", bar_keys(lane.source_key, lane.symbol, lane.interval, one.date))]
    if not held:
        how = "scalper import" if lane.source == "import" else "scalper download"
        raise DataUnavailable(f"lane {lane.name}: the lake has no {lane.interval} bars of {lane.symbol}; run {how} first")
    rows, preview = _bar_table(lane, lake, held)
    lake.views()
    detail |= {"sessions": len(held), "missing": len(wanted) - len(held)}
    return StageReport("bars", rows, len(held), 0, clock.monotonic() - started, detail, preview.tail(8))


def fetch(
    lane: Lane,
    home: Home,
    wanted: Sequence[Session],
    *,
    gateway: str | None = None,
    key: SecretStr | str | None = None,
    progress: Progress | None = None,
) -> DownloadReport:
    """Download sessions through Databento's client; what the lake or the raw folder has is not asked again."""
    environment = Environment()
    request = DownloadRequest(
        symbol=lane.symbol,
        schema="ohlcv-1s" if lane.interval == "1s" else "ohlcv-1m",
        sessions=tuple(wanted),
        roll=lane.roll,
        source=lane.source_key,
        dataset=lane.databento.dataset,
        chunk_sessions=lane.databento.chunk_sessions,
    )
    return download(
        Lake(home.lake),
        request,
        key=key or environment.databento_api_key,
        gateway=gateway or environment.databento_gateway,
        cap_usd=lane.databento.cap_usd,
        progress=progress,
    )


def _bar_table(lane: Lane, lake: Lake, held: Sequence[Session]) -> tuple[int, pl.DataFrame]:
    """Rows held, and a row a session: contract, bars, volume, close."""
    files = [lake.path("bars", bar_keys(lane.source_key, lane.symbol, lane.interval, one.date)) for one in held]
    frame = (
        pl.scan_parquet(files, include_file_paths="path", hive_partitioning=False)
        .group_by("path", "contract")
        .agg(pl.len().alias("bars"), pl.col("volume").sum(), pl.col("close").last())
        .with_columns(pl.col("path").str.extract(r"date=(\d{4}-\d{2}-\d{2})").str.to_date().alias("session"))
        .sort("session", "contract")
        .collect()
    )
    return int(frame["bars"].sum()), frame.select("session", "contract", "bars", "volume", "close")


def check(
    lane: Lane, home: Home, days: Sequence[date] | None = None, *, progress: Progress | None = None
) -> QualityReport:
    """Run the data-quality rules over the lane's sessions; what fails is quarantined."""
    with _bar(f"{lane.name}: quality", progress) as advance:
        return check_sessions(
            Lake(home.lake),
            source=lane.source_key,
            symbol=lane.symbol,
            interval=lane.interval,
            roll=lane.roll,
            sessions=_chosen(calendar(lane), days),
            limits=lane.quality,
            progress=advance,
        )


def quality(lane: Lane, home: Home) -> QualityReport:
    """The quality report on the lane's sessions as it was last written; made now if there is none that fits."""
    found = read_report(Lake(home.lake), lane.source_key, lane.symbol, lane.interval)
    every = calendar(lane)
    span = {"roll": lane.roll, "start": every[0].date.isoformat(), "end": every[-1].date.isoformat()}
    wanted = span | lane.quality.model_dump()
    if found is not None and all(found.request.get(key) == value for key, value in wanted.items()):
        return found
    return check(lane, home)


def usable(lane: Lane, home: Home) -> list[Session]:
    """The sessions that are in the lake and not quarantined, in order."""
    lake, bad = Lake(home.lake), quality(lane, home).quarantined
    keys = {"source": lane.source_key, "symbol": lane.symbol, "interval": lane.interval}
    there = set(lake.dates("bars", keys))
    return [one for one in calendar(lane) if one.date in there and one.date not in bad]


# ------------------------------------------------------------------ features and labels


def features(
    lane: Lane, home: Home, days: Sequence[date] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Write the feature rows of each usable session: traded, in the lane's hours, warm."""
    names = [one.name for one in feature_floor.catalogue(lane.features, lane.interval_ns)]
    feature_floor.params(lane.features, lane.interval_ns)

    def make(ready: walking.Prepared) -> pl.DataFrame:
        rows = ready.rows
        columns = {name: ready.block.x[rows, index] for index, name in enumerate(names)}
        volatility = ready.block.volatility[rows].astype(np.float32)
        return pl.DataFrame({"ts_ns": ready.bars["ts_ns"][rows], **columns, "volatility_ticks": volatility})

    config = lane.digest("features", "interval", "hours", "roll", "symbol")
    code = source_digest("market", "features")
    return _session_files(lane, home, "features", days, f"{config} {code}", make, progress)


def labels(
    lane: Lane, home: Home, days: Sequence[date] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Write the label of every feature row of each usable session."""

    def make(ready: walking.Prepared) -> pl.DataFrame:
        label, move, end_ns = labels_of(lane, ready)
        rows = ready.rows
        return pl.DataFrame(
            {
                "ts_ns": ready.bars["ts_ns"][rows],
                "label": label[rows],
                "move_ticks": move[rows].astype(np.float32),
                "end_ns": end_ns[rows],
            }
        )

    config = lane.digest("features", "interval", "hours", "roll", "symbol", "labels", "policy")
    code = source_digest("market", "features", "labels")
    return _session_files(lane, home, "labels", days, f"{config} {code}", make, progress)


def _session_files(
    lane: Lane,
    home: Home,
    kind: str,
    days: Sequence[date] | None,
    recipe: str,
    make: Callable[[walking.Prepared], pl.DataFrame],
    given: Progress | None,
) -> StageReport:
    """Make one file a session from its prepared bars, where the inputs have changed since the last time."""
    started = clock.monotonic()
    lake, every = Lake(home.lake), calendar(lane)
    before = dict(zip([one.date for one in every[1:]], every, strict=False))
    wanted = set(days) if days is not None else None
    todo = [one for one in usable(lane, home) if wanted is None or one.date in wanted]
    rows = done = skipped = flat = 0
    last: pl.DataFrame | None = None
    with _bar(f"{lane.name}: {kind}", given) as advance:
        for index, one in enumerate(todo, 1):
            keys = {"lane": lane.name, "date": one.date.isoformat()}
            stamp = _input_digest(lane, lake, one, before.get(one.date), recipe)
            if lake.exists(kind, keys) and lake.metadata(kind, keys).get("scalper.input") == stamp:
                skipped += 1
            else:
                try:
                    last = make(prepare(lake, lane, one, before.get(one.date)))
                except DataUnavailable:  # no bars of the contract that the roll rule holds: the session is flat
                    flat += 1
                    lake.path(kind, keys).unlink(missing_ok=True)
                else:
                    lake.write(kind, keys, last, {"scalper.input": stamp})
                    rows += last.height
                    done += 1
            advance(index, len(todo))
    if days is None:
        _forget(lake, lane, kind, {one.date for one in todo})
    detail = {"sessions": len(todo), "without the contract": flat}
    preview = last.tail(5) if last is not None else None
    return StageReport(kind, rows, done, skipped, clock.monotonic() - started, detail, preview)


def _forget(lake: Lake, lane: Lane, kind: str, keep: set[date]) -> None:
    """Remove files of sessions that the lane no longer uses, such as newly quarantined ones."""
    for day in lake.dates(kind, {"lane": lane.name}):
        if day not in keep:
            lake.path(kind, {"lane": lane.name, "date": day.isoformat()}).unlink(missing_ok=True)


def _input_digest(lane: Lane, lake: Lake, one: Session, before: Session | None, recipe: str) -> str:
    """SHA-256 over what a session's file is made from: its bars, those of the session before, settings and code."""
    found = hashlib.sha256(recipe.encode())
    for session in (before, one):
        keys = bar_keys(lane.source_key, lane.symbol, lane.interval, session.date) if session else None
        found.update(lake.digest("bars", keys).encode() if keys and lake.exists("bars", keys) else b"none")
    return found.hexdigest()


# ------------------------------------------------------------------ folds, models, search


def learnable(lane: Lane, home: Home) -> list[date]:
    """The sessions that have features and labels."""
    lake, keys = Lake(home.lake), {"lane": lane.name}
    return sorted(set(lake.dates("features", keys)) & set(lake.dates("labels", keys)))


def folds(lane: Lane, home: Home) -> Folds:
    """The walk-forward folds over the sessions that can be learned from."""
    return walk_forward(learnable(lane, home), lane.folds)


def _named(found: Folds, names: Sequence[str] | None) -> list[Fold]:
    """The folds of these names that exist; a fold that fell away for missing sessions is left out."""
    return [fold for fold in found.all() if names is None or fold.name in names]


def _models_root(lane: Lane, home: Home) -> Path:
    return home.state / "models" / lane.name


def _trials(lane: Lane, home: Home) -> Path:
    return home.state / "ledger" / f"{lane.symbol}-{lane.source_key}.jsonl"


def models(
    lane: Lane, home: Home, names: Sequence[str] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Train, calibrate and export one model a fold; every export is compared with XGBoost."""
    started = clock.monotonic()
    lake, chosen = Lake(home.lake), _named(folds(lane, home), names)
    records: list[dict[str, Any]] = []
    with _bar(f"{lane.name}: models", progress) as advance:
        for index, fold in enumerate(chosen, 1):
            records.append(walking.fit(lane, lake, fold, _models_root(lane, home) / fold.name))
            advance(index, len(chosen))
    columns = ("fold", "rows", "best_round", "parity", "seconds")
    table = pl.DataFrame([{key: one[key] for key in columns} for one in records])
    skipped = sum(bool(one["skipped"]) for one in records)
    rows = sum(int(one["rows"]) for one in records)
    return StageReport("models", rows, len(records) - skipped, skipped, clock.monotonic() - started, {}, table)


def search(
    lane: Lane, home: Home, names: Sequence[str] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Search threshold, stop and target of each fold on its own search window."""
    started = clock.monotonic()
    lake, chosen = Lake(home.lake), _named(folds(lane, home), names)
    sessions = walking.Sessions(lane, lake, calendar(lane))
    records: list[dict[str, Any]] = []
    with _bar(f"{lane.name}: search", progress) as advance:
        for index, fold in enumerate(chosen, 1):
            folder = _models_root(lane, home) / fold.name
            found = walking.choose(lane, sessions, fold, folder, _trials(lane, home))
            records.append({"fold": fold.name, "score": found["score"], **found["choice"], "skipped": found["skipped"]})
            advance(index, len(chosen))
    skipped = sum(bool(one["skipped"]) for one in records)
    trials = (len(records) - skipped) * lane.search.trials
    detail = {"trials": trials, "ledger": str(_trials(lane, home))}
    seconds = clock.monotonic() - started
    return StageReport("search", trials, len(records) - skipped, skipped, seconds, detail, pl.DataFrame(records))


# ------------------------------------------------------------------ simulation


def simulation(lane: Lane, home: Home, *, progress: Progress | None = None) -> StageReport:
    """Run the out-of-sample path, the hold-out and the stress; the evidence for the gate is saved."""
    started = clock.monotonic()
    found, root, lake = folds(lane, home), _models_root(lane, home), Lake(home.lake)
    sessions = walking.Sessions(lane, lake, calendar(lane), keep=8)
    with _bar(f"{lane.name}: simulation", progress) as advance:
        path = walking.walk(lane, sessions, [(fold.number, root / fold.name, fold.test) for fold in found.folds])
        advance(1, 3)
        result = simulate(lane, path.inputs)
        shocks = walking.stress(lane, sessions, path)
        advance(2, 3)
        opening, after = _holdout(lane, home, lake, sessions, found)
        advance(3, 3)
    report = quality(lane, home)
    evidence = Evidence(
        lane=lane,
        folds=walking.fold_table(found.folds, result, root, path.scored),
        daily=result.daily(),
        trades=result.trades(),
        equity=result.equity(),
        refusals=result.refusals(),
        scored=path.scored,
        holdout_daily=after.daily(),
        holdout_trades=after.trades(),
        holdout=opening,
        stress=shocks,
        quality={
            "sessions": len(report.coverage),
            "quarantined": {day.isoformat(): why for day, why in report.quarantined.items()},
            "coverage": float(np.mean([report.coverage[day] for day in learnable(lane, home)])),
            "used_quarantined": len(set(learnable(lane, home)) & set(report.quarantined)),
        },
        account={
            "review": int(result.account["review"][0] or after.account["review"][0]),
            "kill": int(result.account["kill"][0] or after.account["kill"][0]),
            "late": sum(one.late for one in (*result.sessions, *after.sessions)),
            "sessions": len(result.sessions) + len(after.sessions),
        },
        parity={"onnx": max(walking.read_json(root / fold.name / "model.json")["parity"] for fold in found.all())},
        digests=_digests(lane, home, lake, found),
    )
    evidence.save(_evidence_folder(lane, home))
    metrics = summarise(evidence.daily, evidence.trades, evidence.equity, lane.risk.capital)
    detail = {"net": metrics.net, "sharpe": metrics.sharpe, "trades": metrics.trades, "stress": shocks}
    table = evidence.folds
    return StageReport(
        "simulation",
        evidence.equity.height,
        len(path.inputs),
        0,
        clock.monotonic() - started,
        detail,
        table,
        equity_svg(evidence.daily),
    )


def _evidence_folder(lane: Lane, home: Home) -> Path:
    return home.state / "evidence" / lane.name


def _holdout(
    lane: Lane, home: Home, lake: Lake, sessions: walking.Sessions, found: Folds
) -> tuple[dict[str, Any], Simulation]:
    """Open the hold-out for the final recipe, once, and run it; empty when there is none or it is refused."""
    if not found.holdout:
        return {"refused": "the lane keeps no hold-out (folds.holdout_sessions is 0)"}, simulate(lane, [])
    opening = open_holdout(
        home.state / "holdout" / f"{lane.symbol}-{lane.source_key}-{lane.interval}.jsonl",
        found.holdout,
        lane=lane.name,
        recipe=walking.recipe_digest(lane),
        data=walking.data_digest(lake, lane, found.holdout),
        now=clock.iso(clock.now_ns()),
    )
    detail = {key: getattr(opening, key) for key in opening.__slots__}
    if opening.refused is not None:
        return detail, simulate(lane, [])
    path = walking.walk(lane, sessions, [(0, _models_root(lane, home) / found.final.name, found.holdout)])
    return detail, simulate(lane, path.inputs)


def _digests(lane: Lane, home: Home, lake: Lake, found: Folds) -> dict[str, str]:
    """Digests of everything that the verdict rests on."""
    trials = _trials(lane, home)
    return {
        "data": walking.data_digest(lake, lane, learnable(lane, home)),
        "features": walking.kernel_version(),
        "code": source_digest(),
        "config": lane.digest(),
        "recipe": walking.recipe_digest(lane),
        "trials": hashlib.sha256(trials.read_bytes()).hexdigest() if trials.exists() else "none",
    }


# ------------------------------------------------------------------ gate


def replay(lane: Lane, home: Home, day: date | None = None) -> ReplayReport:
    """Stream a stored session bar by bar through the live path and compare it with the simulation.

    `day` None is the last session that can be learned from. The final recipe trades it.
    """
    days = learnable(lane, home)
    if not days:
        raise DataUnavailable(f"lane {lane.name}: no session has features; run the lane first")
    chosen = day or days[-1]
    if chosen not in days:
        raise BadInput(f"{chosen} is no usable session of lane {lane.name}; the last one is {days[-1]}")
    every = calendar(lane)
    at = {one.date: index for index, one in enumerate(every)}
    final = walking.recipe(lane, _models_root(lane, home) / "final")
    before = every[at[chosen] - 1] if at[chosen] else None
    return replay_session(Lake(home.lake), final, every[at[chosen]], before)


def gate(lane: Lane, home: Home, *, progress: Progress | None = None) -> Verdict:
    """Judge the evidence: replay, every check, the verdict, and its bundle with the report."""
    started = clock.monotonic()
    lake, found = Lake(home.lake), folds(lane, home)
    evidence = Evidence.load(_evidence_folder(lane, home), lane)
    final = walking.recipe(lane, _models_root(lane, home) / found.final.name)
    with _bar(f"{lane.name}: gate", progress) as advance:
        evidence.parity["replay"] = replay(lane, home).summary()
        advance(1, 3)
        checks = evaluate(evidence, lake, final, calendar(lane))
        advance(2, 3)
        verdict = decide(checks, evidence)
        data = _report_data(lane, home, evidence, verdict)
        bundle = write_bundle(
            home.state / "bundles" / lane.name,
            recipe=final,
            evidence=evidence,
            verdict=verdict,
            report=lambda path: write_report(path, data),
        )
        advance(3, 3)
    return verdict.at(bundle, {"gate": clock.monotonic() - started})


def _report_data(lane: Lane, home: Home, evidence: Evidence, verdict: Verdict) -> ReportData:
    """What the HTML report shows of the evidence and the verdict."""
    capital = lane.risk.capital
    holdout = None
    if evidence.holdout_daily.height:
        empty = evidence.equity.clear()
        holdout = summarise(evidence.holdout_daily, evidence.holdout_trades, empty, capital)
    simulated = lane.source == "sandbox"
    kind = "Simulated" if simulated else "Real"
    minutes = {"1s": "one-second", "1m": "one-minute", "5m": "five-minute"}[lane.interval]
    traded = "" if lane.execution.symbol == lane.symbol else f", trading {lane.execution.symbol}"
    notes = [_edge_note(lane)] if simulated else ["Past bars cannot prove that a strategy will earn money."]
    return ReportData(
        lane=lane.name,
        title=f"{kind} {lane.symbol}, {minutes} bars{traded}",
        verdict=verdict.verdict,
        stage=verdict.stage,
        simulated=simulated,
        source=lane.source_key,
        mode=lane.simulation.mode,
        reasons=verdict.reasons,
        checks=[one.as_dict() for one in verdict.checks],
        metrics=summarise(evidence.daily, evidence.trades, evidence.equity, capital),
        sharpe_bound=sharpe_bound(evidence.daily["net"].to_numpy(), capital, lane.gate.bootstrap, lane.gate.seed),
        daily=evidence.daily,
        trades=evidence.trades,
        equity=evidence.equity,
        folds=evidence.folds,
        refusals=evidence.refusals,
        example=_example(lane, home, evidence),
        holdout=holdout,
        notes=notes,
        digests=evidence.digests,
    )


def _edge_note(lane: Lane) -> str:
    """A sentence on what a simulated market proves."""
    if lane.sandbox.edge == 0:
        return "This market is a martingale: nothing can beat it, and the gate must say NO."
    return "The edge of this market was planted; it shows that the machine finds what is there, not that markets have it."


def _example(lane: Lane, home: Home, evidence: Evidence) -> pl.DataFrame:
    """Bars of the regular hours of the out-of-sample session with the most trades."""
    empty = pl.DataFrame(schema={"ts_ns": pl.Int64} | dict.fromkeys(("open", "high", "low", "close"), pl.Float64))
    if evidence.trades.is_empty():
        return empty
    day: date = evidence.daily.sort("trades", "session", descending=[True, False])["session"][0]
    at = {one.date: one for one in calendar(lane)}
    ready = prepare(Lake(home.lake), lane, at[day], None)
    rows = ready.bars[walking.tradable(ready.bars, ready.timetable)]
    tick = float(lane.instrument.tick)
    prices = {name: rows[name] * tick for name in ("open", "high", "low", "close")}
    return pl.DataFrame({"ts_ns": rows["ts_ns"], **prices}, schema=empty.schema)


def track(lane: Lane, home: Home, verdict: Verdict) -> None:
    """Log the finished walk-forward in MLflow: a run a lane run, folds nested, trials as one table, the ONNX model."""
    evidence = Evidence.load(_evidence_folder(lane, home), lane)
    root = _models_root(lane, home)
    tracking.log_walk_forward(
        home,
        lane,
        folds=evidence.folds,
        trials=ledger.read(_trials(lane, home)),
        onnx=(root / "final" / "model.onnx").read_bytes(),
        metrics={one.id: float(one.value) for one in verdict.checks if isinstance(one.value, (int, float))},
        tags={"verdict": verdict.verdict, **evidence.digests},
    )


def run(
    lane: Lane, home: Home, *, gateway: str | None = None, key: SecretStr | str | None = None
) -> Verdict:
    """The whole lane, in order; the verdict carries the seconds of every stage."""
    seconds: dict[str, float] = {}

    def timed[T](stage: str, work: Callable[[], T]) -> T:
        started = clock.monotonic()
        result = work()
        seconds[stage] = round(clock.monotonic() - started, 3)
        return result

    timed("bars", lambda: bars(lane, home, gateway=gateway, key=key))
    timed("check", lambda: check(lane, home))
    timed("features", lambda: features(lane, home))
    timed("labels", lambda: labels(lane, home))
    timed("models", lambda: models(lane, home))
    timed("search", lambda: search(lane, home))
    timed("simulation", lambda: simulation(lane, home))
    verdict = timed("gate", lambda: gate(lane, home))
    timed("track", lambda: track(lane, home, verdict))
    return verdict.at(verdict.bundle, seconds)



__all__ = [
    "STAGES",
    "StageReport",
    "bars",
    "calendar",
    "check",
    "features",
    "fetch",
    "folds",
    "gate",
    "labels",
    "learnable",
    "models",
    "quality",
    "replay",
    "run",
    "search",
    "simulation",
    "track",
    "usable",
]
