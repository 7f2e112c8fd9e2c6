"""The executor of a lane, started on paper."""

from pathlib import Path

import dagster as dg

from assets.stage import key, labels, value
from resources import ExecutorResource, HomeResource
from scalper.errors import Refused
from scalper.settings import Lane


def build_launch(lane: Lane) -> dg.AssetsDefinition:
    """`<lane>/launch`: a paper session of the newest bundle that got a GO."""

    @dg.asset(
        **labels(
            lane,
            "launch",
            "Starts the executor on the newest GO: verifies the bundle, leaves a ticket, starts a process of its own "
            "(paper, simulated fills, the last stored session as its feed), waits for its heartbeat. Dagster starts it "
            "and never supervises it; nothing here can trade real money.",
            {"python"},
        ),
        deps=[key(lane, "gate")],
    )
    def launch(
        context: dg.AssetExecutionContext, home: HomeResource, executor: ExecutorResource
    ) -> dg.MaterializeResult:
        bundle = newest_go(context.instance, lane)
        made = executor.launch(home.folders(), lane.name, bundle, context.run.run_id)
        return dg.MaterializeResult(
            metadata={
                "bundle": dg.MetadataValue.path(str(bundle)),
                "log": dg.MetadataValue.path(str(made.log)),
                "ticket": value(made.ticket),
                **{name: value(one) for name, one in made.heartbeat.items()},
            }
        )

    return launch


def newest_go(instance: dg.DagsterInstance, lane: Lane) -> Path:
    """The bundle of the gate's last materialisation. Raises Refused unless it is a GO."""
    event = instance.get_latest_materialization_event(key(lane, "gate"))
    found = event.asset_materialization if event is not None else None
    if found is None:
        raise Refused(f"lane {lane.name}: the gate has not run; materialize {lane.name}/gate first")
    if found.metadata["verdict"].value != "GO":
        raise Refused(f"lane {lane.name}: the gate's last verdict is {found.metadata['verdict'].value}; nothing starts")
    return Path(str(found.metadata["bundle"].value))
