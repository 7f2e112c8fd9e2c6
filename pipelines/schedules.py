"""What runs by the clock: each lane's sessions job, after the session's close.

Every schedule is stopped until a person turns it on in the UI: a night can cost money at a vendor, and a lane with an
end has nothing new to fetch.
"""

import dagster as dg

from assets.stage import key
from pipelines.jobs import job_name
from pipelines.partitions import NEW_YORK, closed_keys, span
from scalper import lane as stages
from scalper.settings import Lane, home

AFTER_CLOSE = "30 18 * * 1-5"
"""An hour and a half after the close at 17:00 New York, by when the vendor has the session."""


def build_schedule(lane: Lane) -> dg.ScheduleDefinition:
    """The nightly run: every session from the first one that is not labelled, or was never downloaded though later ones
    were (the vendor did not have it yet), to the one that has just closed."""

    @dg.schedule(
        name=nightly_name(lane),
        job_name=job_name(lane, "sessions"),
        cron_schedule=AFTER_CLOSE,
        execution_timezone=NEW_YORK,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"{lane.name}: the sessions that are not there yet, at 18:30 New York. By a sensor follows the "
        "retrain of the approved recipe, or the folds and the gate while the lane has none.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        late = [day.isoformat() for day in stages.gaps(lane, home())]
        first = min(missing_sessions(context.instance, lane)[:1] + late[:1], default="9999")
        due = [one for one in closed_keys(lane) if one >= first]
        if not due:
            return dg.SkipReason("every closed session is there")
        night = context.scheduled_execution_time.date()
        return dg.RunRequest(run_key=f"{lane.name}-{night}", tags=span(due))

    return nightly


def nightly_name(lane: Lane) -> str:
    """`<lane>_nightly`; Dagster tags the schedule's runs with it."""
    return f"{lane.name}_nightly"


def missing_sessions(instance: dg.DagsterInstance, lane: Lane) -> list[str]:
    """Closed sessions from the first that has no labels on; those that are there cost a run next to nothing."""
    there = instance.get_materialized_partitions(key(lane, "labels"))
    every = closed_keys(lane)
    first = next((i for i, one in enumerate(every) if one not in there), len(every))
    return every[first:]
