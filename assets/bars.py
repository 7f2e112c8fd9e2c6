"""The bars of a lane, and the quality rules that decide which sessions may be used."""

from collections.abc import Iterator

import dagster as dg

from assets.stage import key, labels, progress, report, sessions_of, some_days
from resources import DatabentoResource, HomeResource
from scalper import lane as stages
from scalper.lake.quality import QualityReport, Rule, rules
from scalper.settings import Lane

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
    """A check of `<lane>/bars` for each quality rule; features wait for them."""
    me = key(lane, "bars")
    specs = [
        dg.AssetCheckSpec(rule.id, asset=me, description=f"Protects against {rule.text}.", blocking=True)
        for rule in rules(lane.quality)
    ]
    bounds = {rule.id: outside(rule) for rule in rules(lane.quality)}

    @dg.multi_asset_check(name=f"{lane.name}__quality", specs=specs, pool=lane.name, can_subset=True)
    def quality(context: dg.AssetCheckExecutionContext, home: HomeResource) -> Iterator[dg.AssetCheckResult]:
        found: QualityReport = stages.check(lane, home.folders(), progress=progress(context))
        for one in found.results:
            if dg.AssetCheckKey(me, one.id) not in context.selected_asset_check_keys:
                continue
            yield dg.AssetCheckResult(
                asset_key=me,
                check_name=one.id,
                passed=one.passed,
                severity=dg.AssetCheckSeverity.WARN,
                description=one.detail,
                metadata={
                    "value": len(one.failed_sessions),
                    "threshold": f"0 sessions with {bounds[one.id]}",
                    "sessions checked": one.checked,
                    "failed sessions": some_days(one.failed_sessions),
                },
            )

    return quality


def outside(rule: Rule) -> str:
    """The threshold of a rule in words: what a session that fails it has."""
    return f"{rule.figure} below {rule.least:g}" if rule.least is not None else f"{rule.figure} above {rule.most:g}"
