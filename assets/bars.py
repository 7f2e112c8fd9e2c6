"""The bars of a lane, and the quality rules that decide which sessions may be used."""

from collections.abc import Iterator

import dagster as dg

from assets.stage import key, labels, progress, report, sessions_of, some_days
from resources import DatabentoResource, HomeResource
from scalper import lane as stages
from scalper.errors import BadInput
from scalper.lake.quality.check import RuleResult, rules
from scalper.settings import Lane

BROKEN = "schema"
"""The rule whose failure stops the lane."""
EXAMPLES = 10

SOURCES = {
    "databento": "downloaded from Databento (what the lake has is never paid for twice)",
    "sandbox": "downloaded by the real Databento client from a simulated market that is served on loopback",
    "import": "imported from files by `scalper import`; this asset reports what the lake holds",
}


def build_bars(lane: Lane, sessions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """`<lane>/bars`: one Parquet file a session."""

    @dg.asset(
        **labels(
            lane,
            "bars",
            f"{lane.interval} bars of {lane.symbol}, one Parquet file a session, {SOURCES[lane.source]}. "
            "Its checks are the quality rules: a session that fails one is quarantined and not used.",
            {"databento" if lane.source != "import" else "file", "parquet"},
        ),
        partitions_def=sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def bars(
        context: dg.AssetExecutionContext, home: HomeResource, databento: DatabentoResource
    ) -> dg.MaterializeResult:
        with databento.open(lane) as gateway:
            done = stages.bars(
                lane,
                home.folders(),
                sessions_of(context, lane),
                gateway=gateway.url,
                key=gateway.key,
                progress=progress(context),
            )
        return dg.MaterializeResult(metadata=report(context, done))

    return bars


def build_quality(lane: Lane) -> dg.AssetChecksDefinition:
    """A check of `<lane>/bars` for each quality rule; features wait for them.

    Only a broken file stops them: a session that fails another rule is quarantined and harms no other. A run over some
    partitions judges those and shows the verdicts on all.
    """
    me = key(lane, "bars")
    chosen = rules(lane.quality)
    specs = [
        dg.AssetCheckSpec(rule.id, asset=me, description=f"Protects against {rule.text}.", blocking=rule.id == BROKEN)
        for rule in chosen
    ]

    @dg.multi_asset_check(name=f"{lane.name}__quality", specs=specs, pool=lane.name, can_subset=True)
    def quality(context: dg.AssetCheckExecutionContext, home: HomeResource) -> Iterator[dg.AssetCheckResult]:
        folders, selected = home.folders(), context.selected_asset_check_keys
        some = context.has_partition_key or context.has_partition_key_range
        try:
            now = stages.check(lane, folders, sessions_of(context, lane) if some else None, progress=progress(context))
        except BadInput as error:
            if dg.AssetCheckKey(me, BROKEN) in selected:
                yield _stopped(me, error)
            raise
        lake = stages.judged(lane, folders) or now
        lately = {one.id: one for one in now.results}
        for one in lake.results:
            if dg.AssetCheckKey(me, one.id) in selected:
                yield _row(me, one, lately[one.id], stages.quality_page(lane, folders))

    return quality


def _row(me: dg.AssetKey, one: RuleResult, lately: RuleResult, page: str) -> dg.AssetCheckResult:
    """A rule over all sessions of the lane that were judged so far, and what this run found."""
    bad, judged = len(lately.failed_sessions), lately.checked
    return dg.AssetCheckResult(
        asset_key=me,
        check_name=one.id,
        passed=one.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=one.detail,
        metadata={
            "value": len(one.failed_sessions),
            "threshold": f"0 sessions outside: {one.rule.figure} {one.rule.bound()}",
            "sessions checked": one.checked,
            "this run": f"{bad} of {judged} sessions fail",
            "failed sessions": some_days(one.failed_sessions),
            "report": dg.MetadataValue.path(page),
        }
        | ({"examples": dg.MetadataValue.md(_examples(one))} if one.reasons else {}),
    )


def _examples(one: RuleResult) -> str:
    """The first sessions that fail, with what they have."""
    rows = [f"| {day} | {why.removeprefix(one.id + ': ')} |" for day, why in list(one.reasons.items())[:EXAMPLES]]
    return "\n".join(["| session | found |", "| --- | --- |", *rows])


def _stopped(me: dg.AssetKey, error: BadInput) -> dg.AssetCheckResult:
    """The row of a file that stops the lane."""
    return dg.AssetCheckResult(
        asset_key=me,
        check_name=BROKEN,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=str(error),
        metadata={"value": 1, "threshold": "0 broken files"},
    )
