"""The small demo through its jobs: what they materialized, which checks they recorded, what starts an executor."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.stage import key
from pipelines.definitions import build_defs
from pipelines.demo import Demo, alive
from pipelines.sensors import DEMO_TAG
from scalper import clock
from scalper.errors import Refused
from scalper.gate import REGISTRY, Check, Evidence, decide, write_bundle
from scalper.lake import Lake
from scalper.lake.quality.check import rules
from scalper.lane import folds, models, search
from scalper.lane.stage import evidence_folder, models_root
from scalper.learn.fitting import recipe
from scalper.live.desk import status
from tests.pipelines.conftest import LANES, Ran


def test_the_last_line_is_the_verdict(ran: Ran) -> None:
    assert ran.code == 0
    word, verdict, _, bundle = ran.lines[-1].split(" ", 3)
    assert (word, verdict) == ("verdict", "NO-GO")
    assert Path(bundle, "checks.json").is_file()
    assert "launch: nothing starts on a NO-GO" in ran.lines


def test_every_partition_is_materialized_in_three_runs(ran: Ran) -> None:
    for stage, count in (("bars", 24), ("features", 24), ("labels", 24), ("models", 4), ("search", 4)):
        assert len(ran.instance.get_materialized_partitions(key(ran.lane, stage))) == count, stage
    jobs = [run.job_name for run in ran.instance.get_runs()]
    assert sorted(jobs) == ["demo_folds", "demo_sessions", "demo_verdict"]
    assert {run.status for run in ran.instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
    assert Path(ran.home.root, ".dagster", "history", "runs.db").is_file()


def test_checks_are_recorded_with_value_and_threshold(ran: Ran) -> None:
    for stage, names in (
        ("bars", [rule.id for rule in rules(ran.lane.quality)]),
        ("features", ["present", "finite"]),
        ("labels", ["present", "same_rows"]),
        ("gate", [rule.id.replace(".", "_") for rule in REGISTRY]),
    ):
        wanted = [dg.AssetCheckKey(key(ran.lane, stage), name) for name in names]
        found = ran.instance.event_log_storage.get_latest_asset_check_execution_by_key(wanted)
        assert set(found) == set(wanted)
        for record in found.values():
            assert record.event is not None and record.event.dagster_event is not None
            evaluation = record.event.dagster_event.asset_check_evaluation_data
            assert {"value", "threshold"} <= set(evaluation.metadata), evaluation.check_name
            assert stage in ("gate", "bars") or evaluation.passed, evaluation.description


def test_metadata_shows_rows_seconds_preview_and_picture(ran: Ran) -> None:
    assert {"rows", "seconds", "preview"} <= set(newest(ran, "bars"))
    assert str(newest(ran, "bars")["preview"].value).startswith("| session |")
    assert {"rows", "seconds", "preview", "picture"} <= set(newest(ran, "simulation"))
    assert "data:image/svg+xml;base64," in str(newest(ran, "simulation")["picture"].value)
    for stage in ("models", "search"):
        wanted = dg.AssetRecordsFilter(asset_key=key(ran.lane, stage), asset_partitions=["final"])
        made = ran.instance.fetch_materializations(wanted, limit=1).records[0].asset_materialization
        assert made is not None and "data:image/svg+xml;base64," in str(made.metadata["folds"].value)
    assert {"verdict", "bundle", "report", "reasons", "checks"} <= set(newest(ran, "gate"))
    pictures = {"equity", "monte carlo, sessions", "monte carlo, trades", "by hour", "by confidence", "refusals"}
    for stage in ("simulation", "gate"):
        shown = newest(ran, stage)
        assert pictures <= set(shown)
        assert all("data:image/svg+xml;base64," in str(shown[name].value) for name in pictures)


def newest(ran: Ran, stage: str) -> Mapping[str, dg.MetadataValue[Any]]:
    event = ran.instance.get_latest_materialization_event(key(ran.lane, stage))
    assert event is not None and event.asset_materialization is not None
    return event.asset_materialization.metadata


def test_a_fold_that_fell_away_is_empty_not_failed(ran: Ran) -> None:
    wider = {"demo": {"folds": ran.lane.folds.model_dump(by_alias=True) | {"holdout_sessions": 2}}}
    job = build_defs(wider, LANES).resolve_job_def("demo_folds")
    names = list(job.partitions_def.get_partition_keys()) if job.partitions_def else []
    assert names == ["fold_01", "fold_02", "fold_03", "fold_04", "final"]
    _forget(ran, 3)
    result = job.execute_in_process(
        instance=ran.instance,
        partition_key="fold_04",
        run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
    )
    made = result.asset_materializations_for_node("demo__models")[0]
    assert result.success and "no sessions are left" in str(made.metadata["empty"].value)


def _forget(ran: Ran, count: int) -> None:
    """Take the newest sessions' features away, as a quarantine does."""
    for folder in sorted((ran.home.lake / "features" / "lane=demo").iterdir())[-count:]:
        (folder / "part.parquet").rename(folder / "part.gone")


def test_a_no_go_launches_nothing(ran: Ran) -> None:
    with pytest.raises(Refused, match="NO-GO"):
        ran.defs.resolve_job_def("demo_launch").execute_in_process(instance=ran.instance)
    assert not (ran.home.state / "live" / "demo.ticket.json").exists()


def test_a_go_starts_an_executor_that_outlives_the_run(ran: Ran) -> None:
    bundle = pass_every_check(ran)
    job = ran.defs.resolve_job_def("demo_launch")
    result = job.execute_in_process(instance=ran.instance)
    found = result.asset_materializations_for_node("demo__launch")[0].metadata
    assert (found["lane"].value, found["mode"].value, found["bundle"].value) == ("demo", "paper", str(bundle))
    pid = int(str(found["pid"].value))
    began = clock.monotonic()
    while status(ran.home, "demo")["pid"] == pid and clock.monotonic() - began < 30:
        clock.sleep(0.1)
    beat = status(ran.home, "demo")["heartbeat"]
    assert beat["pid"] == pid and not beat["running"] and beat["bars"] > 300


def pass_every_check(ran: Ran) -> Path:
    """A GO for the small demo, which a real gate would not give, reported as the gate's materialization."""
    checks = [Check(rule.id, rule.stage, 0.0, 0.0, "PASS", "Set by a test.", rule.protects) for rule in REGISTRY]
    evidence = Evidence.load(evidence_folder(ran.lane, ran.home), ran.lane)
    for stage in (models, search):  # another test of this file may have changed the sessions
        stage(ran.lane, ran.home, ["final"])
    found = folds(ran.lane, ran.home).final
    final = recipe(ran.lane, Lake(ran.home.lake), found, models_root(ran.lane, ran.home) / found.name)
    bundle = write_bundle(ran.home.state / "bundles" / "demo", recipe=final, evidence=evidence, verdict=decide(checks))
    metadata = {"verdict": "GO", "bundle": dg.MetadataValue.path(str(bundle))}
    ran.instance.report_runless_asset_event(dg.AssetMaterialization(key(ran.lane, "gate"), metadata=metadata))
    return bundle


def test_a_killed_demos_run_is_closed(ran: Ran) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for run_id, pid in (("dead", 2**22 + 1), ("here", os.getpid())):
            tags = {DEMO_TAG: str(pid)}
            instance.add_run(dg.DagsterRun("demo_folds", run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=tags))
        Demo(ran.lane, ran.defs, instance).close_orphans()
        assert {run.run_id: run.status.value for run in instance.get_runs()} == {"dead": "FAILURE", "here": "STARTED"}
    assert alive(os.getpid()) and not alive(2**22 + 1)
