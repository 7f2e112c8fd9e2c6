"""The schedule and the sensors, evaluated without a daemon."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from assets.stage import key
from pipelines.definitions import build_defs
from pipelines.sensors import DEMO_TAG
from resources.executor import ticket_path
from scalper.files import write_json
from scalper.lane.approved import keep
from scalper.settings import Lane, home
from tests.pipelines.conftest import Ran

LANES = Path(__file__).parent / "lanes"
NIGHT = datetime(2025, 4, 4, 18, 30, tzinfo=ZoneInfo("America/New_York"))


@pytest.fixture
def repository() -> dg.RepositoryDefinition:
    return build_defs(folder=LANES).get_repository_def()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as found:
        yield found


def materialize(instance: dg.DagsterInstance, lane: Lane, stage: str, keys: list[str]) -> None:
    for one in keys:
        instance.report_runless_asset_event(dg.AssetMaterialization(key(lane, stage), partition=one))


def sessions_of(repository: dg.RepositoryDefinition) -> list[str]:
    partitions = repository.get_job("demo_sessions").partitions_def
    assert partitions is not None
    return list(partitions.get_partition_keys())


def nightly(repository: dg.RepositoryDefinition, instance: dg.DagsterInstance) -> dg.RunRequest | str | None:
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=NIGHT, repository_def=repository)
    ticked = repository.get_schedule_def("demo_nightly").evaluate_tick(context)
    return ticked.run_requests[0] if ticked.run_requests else ticked.skip_message


def test_a_night_asks_for_what_is_missing(
    repository: dg.RepositoryDefinition, instance: dg.DagsterInstance, tiny: Lane
) -> None:
    keys = sessions_of(repository)
    materialize(instance, tiny, "labels", keys[:20])
    asked = nightly(repository, instance)
    assert isinstance(asked, dg.RunRequest)
    assert asked.run_key == "demo-2025-04-04"
    assert asked.tags["dagster/asset_partition_range_start"] == keys[20]
    assert asked.tags["dagster/asset_partition_range_end"] == keys[-1]


def test_a_night_without_anything_new_is_skipped(
    repository: dg.RepositoryDefinition, instance: dg.DagsterInstance, tiny: Lane
) -> None:
    materialize(instance, tiny, "labels", sessions_of(repository))
    assert nightly(repository, instance) == "every closed session is there"
    schedule = repository.get_schedule_def("demo_nightly")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 18 * * 1-5", "America/New_York")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def chained(
    repository: dg.RepositoryDefinition, instance: dg.DagsterInstance, job: str, tags: dict[str, str] | None = None
) -> dg.RunRequest | dg.SkipReason:
    run = instance.add_run(dg.DagsterRun(job, tags=tags or {}))
    event = dg.DagsterEvent("PIPELINE_SUCCESS", job)
    context = dg.build_run_status_sensor_context("demo_chain", event, instance, run)
    found = repository.get_sensor_def("demo_chain")(context)
    assert isinstance(found, dg.RunRequest | dg.SkipReason)
    return found


def test_sessions_then_folds_then_verdict(
    repository: dg.RepositoryDefinition, instance: dg.DagsterInstance, tiny: Lane
) -> None:
    materialize(instance, tiny, "labels", sessions_of(repository))
    folds = chained(repository, instance, "demo_sessions")
    assert isinstance(folds, dg.RunRequest) and folds.job_name == "demo_folds"
    assert folds.tags["dagster/asset_partition_range_start"] == "fold_01"
    assert folds.tags["dagster/asset_partition_range_end"] == "final"
    verdict = chained(repository, instance, "demo_folds")
    assert isinstance(verdict, dg.RunRequest) and verdict.job_name == "demo_verdict"


def test_a_night_repeats_the_approved_recipe_and_a_person_asks_for_the_verdict(
    repository: dg.RepositoryDefinition,
    instance: dg.DagsterInstance,
    ran: Ran,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    materialize(instance, ran.lane, "labels", sessions_of(repository))
    night = {"dagster/schedule_name": "demo_nightly"}
    keep(ran.lane, ran.home)  # as a GO does, which so small a market does not get
    monkeypatch.setenv("SCALPER_HOME", str(ran.home.root))
    for tags, job in ((night, "demo_retrain"), ({"dagster/schedule_name": "other"}, "demo_folds"), ({}, "demo_folds")):
        asked = chained(repository, instance, "demo_sessions", tags)
        assert isinstance(asked, dg.RunRequest) and asked.job_name == job
    monkeypatch.setenv("SCALPER_HOME", str(tmp_path))  # nothing is approved there
    asked = chained(repository, instance, "demo_sessions", night)
    assert isinstance(asked, dg.RunRequest) and asked.job_name == "demo_folds"


def test_the_chain_waits_for_all_sessions_and_leaves_the_demo_alone(
    repository: dg.RepositoryDefinition, instance: dg.DagsterInstance
) -> None:
    waiting = chained(repository, instance, "demo_sessions")
    assert isinstance(waiting, dg.SkipReason) and "24 sessions from 2025-03-03" in (waiting.skip_message or "")
    left = chained(repository, instance, "demo_folds", {DEMO_TAG: "1"})
    assert isinstance(left, dg.SkipReason)


def seen(
    repository: dg.RepositoryDefinition, instance: dg.DagsterInstance, lane: Lane, verdict: str
) -> dg.RunRequest | str | None:
    metadata = {"verdict": verdict, "bundle": dg.MetadataValue.path("/bundles/b1")}
    instance.report_runless_asset_event(dg.AssetMaterialization(key(lane, "gate"), metadata=metadata))
    context = dg.build_sensor_context(instance=instance, repository_def=repository, sensor_name="demo_go")
    ticked = repository.get_sensor_def("demo_go").evaluate_tick(context)
    return ticked.run_requests[0] if ticked.run_requests else ticked.skip_message


def test_a_go_is_launched_once(
    repository: dg.RepositoryDefinition,
    instance: dg.DagsterInstance,
    tiny: Lane,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCALPER_HOME", str(tmp_path))
    assert "NO-GO" in str(seen(repository, instance, tiny, "NO-GO"))
    asked = seen(repository, instance, tiny, "GO")
    assert isinstance(asked, dg.RunRequest) and asked.run_key == "demo:/bundles/b1"
    write_json(ticket_path(home(), "demo"), {"bundle": "/bundles/b1", "at": "2025-04-04T22:30:00Z"})
    assert "was launched at 2025-04-04T22:30:00Z" in str(seen(repository, instance, tiny, "GO"))
