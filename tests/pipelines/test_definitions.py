"""What Dagster loads: every lane of config/, and what becomes of a file that gives no lane."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import build_defs
from scalper.gate.checks import REGISTRY
from scalper.lake.quality.check import rules
from scalper.settings import REPOSITORY, Lane, load_lane

LANES = Path(__file__).parent / "lanes"
STAGES = (
    *("bars", "features", "labels", "description", "models", "search", "simulation", "gate"),
    *("retrained", "launch"),
)


@pytest.fixture(scope="module")
def every() -> dg.Definitions:
    return build_defs()


def test_every_lane_of_the_repository_loads(every: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(every)
    lanes = [load_lane(path).name for path in (REPOSITORY / "config").glob("*.yaml")]
    keys = {key.to_user_string() for key in every.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {f"{lane}/{stage}" for lane in lanes for stage in STAGES}
    repository = every.get_repository_def()
    parts = ("sessions", "folds", "verdict", "retrain", "launch")
    assert {f"{lane}_{part}" for lane in lanes for part in parts} <= set(repository.job_names)
    assert {one.name for one in repository.schedule_defs} == {f"{lane}_nightly" for lane in lanes}
    assert {one.name for one in repository.sensor_defs} == {
        f"{lane}_{one}" for lane in lanes for one in ("chain", "go")
    }


def test_each_rule_and_each_gate_check_is_a_row(every: dg.Definitions, tiny: Lane) -> None:
    checks = {str(key.asset_key.path[-1]) + ":" + key.name for key in every.resolve_asset_graph().asset_check_keys}
    assert {f"bars:{rule.id}" for rule in rules(tiny.quality)} <= checks
    assert {f"gate:{rule.id.replace('.', '_')}" for rule in REGISTRY} <= checks


def test_every_asset_tells_a_newcomer_what_it_is(every: dg.Definitions) -> None:
    graph = every.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name == key.path[0]
        assert node.owners and node.kinds and len(node.description or "") > 60, key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: other\nsymbols: ES\n", "symbol"),
        ("name: [unclosed\n", "not YAML"),
        ("just words\n", "mapping"),
        ("\x00\x01", "broken.yaml"),
        ("1: one\n", ""),
    ],
)
def test_a_broken_file_is_shown_and_harms_no_other_lane(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    shutil.copy(LANES / "demo.yaml", tmp_path)
    (tmp_path / "broken.yaml").write_text(text)
    graph = build_defs(folder=tmp_path).resolve_asset_graph()
    assert dg.AssetKey(["demo", "gate"]) in graph.get_all_asset_keys()
    shown = graph.get(dg.AssetKey(["broken", "broken_file"]))
    assert "broken.yaml gives no lane" in (shown.description or "")
    assert said in (shown.description or "")
    assert "left out" in capsys.readouterr().err


def test_two_files_of_one_name_are_one_lane(tmp_path: Path) -> None:
    for name in ("demo.yaml", "zwei.yaml"):
        shutil.copy(LANES / "demo.yaml", tmp_path / name)
    graph = build_defs(folder=tmp_path).resolve_asset_graph()
    assert "taken by demo.yaml" in (graph.get(dg.AssetKey(["zwei", "broken_file"])).description or "")


def test_lanes_that_give_out_an_account_twice_are_shown_as_broken(tmp_path: Path) -> None:
    text = (REPOSITORY / "config" / "demo.yaml").read_text()
    for name, share in (("one", 0.6), ("two", 0.6), ("three", 0.4)):
        risk = f"risk: {{account: main, share: {share}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text.replace("name: demo", f"name: {name}") + risk)
    graph = build_defs(folder=tmp_path).resolve_asset_graph()
    broken = graph.get(dg.AssetKey(["two", "broken_file"])).description or ""
    assert "risk.share" in broken and "1.6 times" in broken and "one.yaml 0.6" in broken
    assert graph.has(dg.AssetKey(["one", "bars"])) and graph.has(dg.AssetKey(["three", "bars"]))


def test_overrides_stand_over_the_file() -> None:
    graph = build_defs({"demo": {"symbol": "ES", "execution_symbol": "MES"}}, LANES).resolve_asset_graph()
    assert graph.get(dg.AssetKey(["demo", "bars"])).tags["symbol"] == "ES"
