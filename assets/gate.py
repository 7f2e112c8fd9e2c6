"""The verdict of a lane."""

from collections.abc import Mapping, Sequence

import dagster as dg

from assets.simulation import drawn
from assets.stage import key, labels, progress, value
from resources import HomeResource
from scalper import lane as stages
from scalper.gate.check import Check
from scalper.gate.checks import REGISTRY
from scalper.settings import Lane


def build_gate(lane: Lane) -> dg.AssetsDefinition:
    """`<lane>/gate`: GO or NO-GO, with a check for each of the gate's."""
    me = key(lane, "gate")

    @dg.asset(
        **labels(
            lane,
            "gate",
            "GO or NO-GO. Each check is a row here, with its value and its threshold; one that cannot be evaluated "
            "fails. A NO-GO is an answer, not an error. The bundle is all that the executor takes.",
            {"json", "mlflow"},
        ),
        deps=[key(lane, "simulation")],
        check_specs=[
            dg.AssetCheckSpec(check_name(rule.id), asset=me, description=f"{rule.id} ({rule.stage}): {rule.protects}")
            for rule in REGISTRY
        ],
    )
    def gate(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        verdict = stages.gate(lane, home.folders(), progress=progress(context))
        tracked = stages.track(lane, home.folders(), verdict, origin=origin(context, lane))
        made = {check_name(one.id): result(me, one) for one in verdict.checks}
        return dg.MaterializeResult(
            metadata={
                "verdict": verdict.verdict,
                "stage": verdict.stage,
                "bundle": dg.MetadataValue.path(str(verdict.bundle)),
                "report": dg.MetadataValue.path(f"{verdict.bundle}/report.html"),
                "reasons": dg.MetadataValue.md("\n".join(f"- {one}" for one in verdict.reasons)),
                "checks": dg.MetadataValue.md(scores(verdict.checks)),
                "seconds": value(dict(verdict.seconds)),
                "mlflow": tracked.problem or f"run {tracked.run}, version {tracked.version} of model {lane.name}",
                **drawn(lane, home),
            },
            check_results=[made.get(check_name(rule.id)) or missing(me, rule.id) for rule in REGISTRY],
        )

    return gate


def origin(context: dg.AssetExecutionContext, lane: Lane) -> dict[str, str]:
    """The Dagster runs that trained the lane's models and judged them: tags of the model's version."""
    trained = context.instance.get_latest_materialization_event(key(lane, "models"))
    runs = {"dagster_run": trained.run_id if trained is not None else "", "dagster_run_gate": context.run.run_id}
    return {name: run for name, run in runs.items() if run}


def check_name(identity: str) -> str:
    """A check's id as Dagster takes names: `wf.sharpe` is `wf_sharpe`."""
    return identity.replace(".", "_")


def result(asset: dg.AssetKey, check: Check) -> dg.AssetCheckResult:
    """A gate check as a row; what only stage LIVE needs warns, it does not fail."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check_name(check.id),
        passed=check.passed,
        severity=dg.AssetCheckSeverity.ERROR if check.stage == "PAPER" else dg.AssetCheckSeverity.WARN,
        description=check.detail,
        metadata={
            "value": text(check.value),
            "threshold": text(check.threshold),
            "status": check.status,
            "stage": check.stage,
            "protects against": check.protects,
        },
    )


def scores(checks: Sequence[Check]) -> str:
    """All checks as one markdown table."""
    rows = (f"| {one.id} | {text(one.value)} | {text(one.threshold)} | {one.status} |" for one in checks)
    return "\n".join(("| check | value | threshold | status |", "| --- | --- | --- | --- |", *rows))


def missing(asset: dg.AssetKey, identity: str) -> dg.AssetCheckResult:
    """A check that the gate did not make has failed."""
    why = "the gate did not make this check, so it fails"
    return dg.AssetCheckResult(asset_key=asset, check_name=check_name(identity), passed=False, description=why)


def text(one: object) -> str | float | int:
    """A figure or a few with their names, as one cell."""
    if one is None:
        return "none"
    if isinstance(one, Mapping):
        return ", ".join(f"{name} {text(part)}" for name, part in one.items())
    return value(one)
