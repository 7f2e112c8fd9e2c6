"""What the demo left in MLflow: lineage back to Dagster's runs, and no pickle in anything that it wrote."""

from assets.stage import key
from scalper.learn import tracking
from tests.pipelines.conftest import Ran


def test_the_version_leads_back_to_the_runs_that_trained_and_judged_it(ran: Ran) -> None:
    version = next(one for one in tracking.versions(ran.home, ran.lane.name) if "verdict" in one.tags)
    runs = {run.job_name: run.run_id for run in ran.instance.get_runs()}
    assert version.tags["dagster_run"] == runs["demo_folds"]
    assert version.tags["dagster_run_gate"] == runs["demo_verdict"]
    told = ran.instance.fetch_materializations(key(ran.lane, "gate"), limit=10).records
    made = [one.asset_materialization.metadata for one in told if one.asset_materialization is not None]
    (own,) = (one["mlflow"].value for one in made if "mlflow" in one)  # another test reports a gate without a run
    assert own == f"run {version.run}, version {version.number} of model demo"


def test_nothing_that_the_lane_keeps_is_pickled(ran: Ran) -> None:
    files = [one for part in (ran.home.mlruns, ran.home.state) for one in part.rglob("*") if one.is_file()]
    assert len([one for one in files if one.suffix == ".onnx"]) >= 5
    for one in files:
        assert one.suffix not in (".pkl", ".pickle", ".joblib", ".npy", ".npz"), one
        start = one.read_bytes()[:2]
        assert not (start[:1] == b"\x80" and start[1:] in (b"\x02", b"\x03", b"\x04", b"\x05")), one
