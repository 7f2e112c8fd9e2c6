"""The features asset shows a session: the page's path and a small picture, on the newest partition of a run."""

from pathlib import Path

from assets.stage import key
from tests.pipelines.conftest import Ran


def test_the_features_asset_shows_its_newest_session(ran: Ran) -> None:
    event = ran.instance.get_latest_materialization_event(key(ran.lane, "features"))
    assert event is not None and event.asset_materialization is not None
    found, day = event.asset_materialization.metadata, event.asset_materialization.partition
    page = Path(str(found["page"].value))
    assert page == ran.home.state / "shown" / ran.lane.name / str(day) / "features.html"
    assert f"session of {day}" in page.read_text()
    assert "data:image/svg+xml;base64," in str(found["structure"].value)
    assert len(str(found["structure"].value)) < 400_000, "it lies in Dagster's event log"
