"""The retrain through its job: what it reports, and that the lane's record of trials and the registry have it."""

import dagster as dg

from scalper.lane.approved import keep
from scalper.lane.stage import ledger_path
from scalper.learn import tracking
from scalper.learn.trials import Trials
from tests.pipelines.conftest import Ran


def test_a_night_is_compared_registered_and_promotes_nothing(ran: Ran) -> None:
    keep(ran.lane, ran.home)  # as a GO does, which so small a market does not get
    before = Trials.read(ledger_path(ran.lane, ran.home)).number
    job = ran.defs.resolve_job_def("demo_retrain")
    with dg.DagsterInstance.ephemeral() as instance:
        made, again = (
            job.execute_in_process(instance=instance).asset_materializations_for_node("demo__retrained")[0].metadata
            for _ in range(2)
        )
    assert (made["done"].value, made["skipped"].value) == (1, 0)
    assert "| candidate |" in str(made["preview"].value) and "| approved recipe |" in str(made["preview"].value)
    assert "data:image/svg+xml;base64," in str(made["picture"].value)
    assert "against approved recipe" in str(made["judged"].value)
    assert "nothing was promoted" in str(made["next"].value)
    assert (again["done"].value, again["skipped"].value) == (0, 1)
    assert again["preview"].value == made["preview"].value
    assert Trials.read(ledger_path(ran.lane, ran.home)).of_kind("retrain").number == 1
    assert Trials.read(ledger_path(ran.lane, ran.home)).number == before + 1
    version = tracking.versions(ran.home, ran.lane.name)[0]
    assert (version.number, version.aliases) == (made["version"].value, ("candidate",))
    assert tracking.champion(ran.home, ran.lane.name) is None
