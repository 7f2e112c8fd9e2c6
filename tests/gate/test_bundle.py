"""A bundle is whole or refused: every byte, every file, its kernel, its lane and its verdict."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalper.errors import DataUnavailable, Refused
from scalper.features import VERSION
from scalper.gate import bundle as bundling
from scalper.gate import manifest
from scalper.gate.bundle import load_recipe, show_bundle, verify_bundle, write_bundle
from scalper.gate.checks import judge
from scalper.gate.evidence import Evidence
from scalper.gate.manifest import BESIDE, CONTENT, MANIFEST
from scalper.gate.verdict import Verdict, decide
from scalper.lake import Lake
from scalper.learn.recipe import Recipe
from tests.gate.sample import DAYS, make_evidence, make_lane, make_measured, make_recipe


@pytest.fixture
def copy(go_bundle: Path, tmp_path: Path) -> Path:
    """A bundle to break; it keeps its name."""
    return Path(shutil.copytree(go_bundle, tmp_path / go_bundle.name))


def write(root: Path, recipe: Recipe, evidence: Evidence | None = None, **changes: Any) -> Path:
    given = evidence or make_evidence(recipe.lane)
    verdict = changes.pop("verdict", None) or decide(judge(given, changes.pop("measured", make_measured())))
    return write_bundle(root, recipe=recipe, evidence=given, verdict=verdict, **changes)


def forge(path: Path, change: Callable[[dict[str, Any]], object], name: str = "checks.json") -> Path:
    """Change a JSON file and make the manifest, its digest and the folder's name agree with it."""
    document = json.loads((path / name).read_text())
    change(document)
    (path / name).write_bytes(manifest.canonical(document) + b"\n")
    return reseal(path)


def reseal(path: Path) -> Path:
    papers = json.loads((path / MANIFEST).read_text())
    papers["files"] = {name: manifest.sha256((path / name).read_bytes()) for name in CONTENT}
    papers["digest"] = manifest.digest(papers)
    (path / MANIFEST).write_text(json.dumps(papers))
    return path.rename(path.with_name(papers["digest"][:16]))


def test_a_go_bundle_verifies_and_gives_its_recipe(go_bundle: Path, recipe: Recipe) -> None:
    assert verify_bundle(go_bundle) == []
    assert sorted(path.name for path in go_bundle.iterdir()) == sorted((*CONTENT, *BESIDE, MANIFEST))
    found = load_recipe(go_bundle)
    assert found.lane == recipe.lane
    assert found.choice == recipe.choice
    assert found.model.content == recipe.model.content
    x = np.zeros((1, len(found.model.papers.features)), np.float32)
    assert found.model.predict(x, [4.0]).tobytes() == recipe.model.predict(x, [4.0]).tobytes()


def test_the_same_inputs_give_the_same_digest_whatever_the_machine_measured(
    go_bundle: Path, recipe: Recipe, tmp_path: Path
) -> None:
    measured = make_measured()
    slower = replace(measured, latency={**(measured.latency or {}), "p99_ms": 3.3})
    evidence = make_evidence(recipe.lane)
    evidence.holdout |= {"opened_at": "2027-09-09T09:09:09Z", "first_opening": False}
    other = write(tmp_path, recipe, evidence, measured=slower, report=lambda path: path.write_text("another page"))
    assert other.name == go_bundle.name
    assert verify_bundle(other) == []
    assert (other / "measured.json").read_bytes() != (go_bundle / "measured.json").read_bytes()


def test_the_same_bundle_is_written_once(recipe: Recipe, tmp_path: Path) -> None:
    first = write(tmp_path, recipe)
    stamp = (first / MANIFEST).stat().st_mtime_ns
    assert write(tmp_path, recipe) == first
    assert (first / MANIFEST).stat().st_mtime_ns == stamp
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    (first / "choice.json").write_text("{}")
    with pytest.raises(Refused, match="delete the folder"):
        write(tmp_path, recipe)


@pytest.mark.parametrize("change", ["choice", "trades", "digest", "check"])
def test_other_inputs_give_another_digest(change: str, go_bundle: Path, recipe: Recipe, tmp_path: Path) -> None:
    evidence = make_evidence(recipe.lane)
    if change == "choice":
        recipe = replace(recipe, choice=replace(recipe.choice, stop_atr=2.0))
    elif change == "trades":
        evidence.trades = evidence.trades.reverse()
    elif change == "digest":
        evidence.digests["trials"] = "u" * 64
    else:
        evidence.stress["costs"] += 1
    assert write(tmp_path, recipe, evidence).name != go_bundle.name


@pytest.mark.parametrize("name", [*CONTENT, *BESIDE])
@pytest.mark.parametrize("where", ["first", "middle", "last", "longer"])
def test_a_changed_byte_is_found(name: str, where: str, copy: Path) -> None:
    content = bytearray((copy / name).read_bytes())
    if where == "longer":
        content += b" "
    else:
        content[{"first": 0, "middle": len(content) // 2, "last": -1}[where]] ^= 1
    (copy / name).write_bytes(content)
    assert verify_bundle(copy) == [f"{name} was changed: its digest is not that of the manifest"]
    with pytest.raises(Refused, match=name):
        load_recipe(copy)


def test_a_changed_manifest_is_found(copy: Path) -> None:
    content = bytearray((copy / MANIFEST).read_bytes())
    for at in range(0, len(content), 101):
        changed = content.copy()
        changed[at] ^= 1
        (copy / MANIFEST).write_bytes(changed)
        if json.loads(content) != _read(copy / MANIFEST):  # white space is no content
            assert verify_bundle(copy), at


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


@pytest.mark.parametrize("name", [*CONTENT, *BESIDE])
def test_a_missing_file_is_found(name: str, copy: Path) -> None:
    (copy / name).unlink()
    assert verify_bundle(copy) == [f"{name} is missing"]


def test_what_does_not_belong_there_is_found(copy: Path) -> None:
    (copy / "extra.txt").write_text("hello")
    assert verify_bundle(copy) == ["extra.txt does not belong there"]
    (copy / "extra.txt").unlink()
    (copy / "folder").mkdir()
    assert verify_bundle(copy) == ["folder does not belong there"]


def test_a_renamed_bundle_is_found(copy: Path) -> None:
    assert "folder renamed" in verify_bundle(copy.rename(copy.with_name("0" * 16)))[0]


def test_no_manifest_is_no_bundle(copy: Path, tmp_path: Path) -> None:
    (copy / MANIFEST).unlink()
    assert "it is no bundle" in verify_bundle(copy)[0]
    with pytest.raises(Refused, match="does not verify"):
        load_recipe(copy)
    with pytest.raises(DataUnavailable, match="no bundle there"):
        show_bundle(tmp_path / "none")


def test_a_file_moved_out_of_the_digest_is_found(copy: Path) -> None:
    papers = json.loads((copy / MANIFEST).read_text())
    papers["beside"]["choice.json"] = papers["files"].pop("choice.json")
    papers["digest"] = manifest.digest(papers)
    (copy / MANIFEST).write_text(json.dumps(papers))
    problems = verify_bundle(copy.rename(copy.with_name(papers["digest"][:16])))
    assert problems == [f"{MANIFEST} lists other files than a bundle has"]


def test_a_forged_check_does_not_make_a_go(recipe: Recipe, tmp_path: Path) -> None:
    evidence = make_evidence(recipe.lane)
    evidence.stress["costs"] = -5.0

    def say_go(document: dict[str, Any]) -> None:
        document["verdict"] = "GO"

    def leave_out(document: dict[str, Any]) -> None:
        document["verdict"] = "GO"
        document["checks"] = [one for one in document["checks"] if one["status"] == "PASS"]

    def blind(document: dict[str, Any]) -> None:
        document["verdict"] = "GO"
        document["checks"] = []

    for index, (change, words) in enumerate(
        (
            (say_go, "stress did not pass"),
            (leave_out, "are not the gate's checks"),
            (blind, "are not the gate's checks"),
        )
    ):
        path = forge(write(tmp_path / str(index), recipe, evidence), change)
        problems = " ".join(verify_bundle(path))
        assert words in problems
        assert "manifest says verdict NO-GO" in problems
        with pytest.raises(Refused):
            load_recipe(path, any_verdict=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("choice.json", b'{"confidence": 0.1}'),
        ("choice.json", b'{"confidence": "0.7", "stop_atr": 1, "reward_to_risk": 1}'),
        ("choice.json", b"[]"),
        ("checks.json", b"no"),
        ("lane.yaml", b"name: tiny\nwings: 2"),
        ("lane.yaml", b"{"),
        ("model.onnx", b"no model"),
    ],
)
def test_a_sealed_file_that_makes_no_sense_is_refused(name: str, content: bytes, copy: Path) -> None:
    (copy / name).write_bytes(content)
    sealed = reseal(copy)
    assert len(verify_bundle(sealed)) == 1
    with pytest.raises(Refused, match="does not verify"):
        load_recipe(sealed)


def test_a_manifest_that_says_go_over_a_no_go_is_found(recipe: Recipe, tmp_path: Path) -> None:
    evidence = make_evidence(recipe.lane)
    evidence.stress["costs"] = -5.0
    path = write(tmp_path, recipe, evidence)
    papers = json.loads((path / MANIFEST).read_text())
    papers["verdict"] = "GO"
    (path / MANIFEST).write_text(json.dumps(papers))
    assert verify_bundle(reseal(path)) == ["its manifest says verdict GO, its checks say NO-GO"]


def test_a_no_go_bundle_may_be_replayed_and_nothing_else(recipe: Recipe, tmp_path: Path) -> None:
    evidence = make_evidence(recipe.lane)
    evidence.stress["costs"] = -5.0
    path = write(tmp_path, recipe, evidence)
    assert verify_bundle(path) == []
    with pytest.raises(Refused, match="NO-GO: stress: The same path makes"):
        load_recipe(path)
    assert load_recipe(path, any_verdict=True).choice == recipe.choice


def test_a_bundle_of_an_older_kernel_is_refused(go_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundling, "kernel_version", lambda: "2-feedfeedfeedfeed")
    problems = verify_bundle(go_bundle)
    assert f"it was made with feature kernel {VERSION}-" in problems[0]
    assert "2-feedfeedfeedfeed" in problems[0]
    with pytest.raises(Refused, match="kernel"):
        load_recipe(go_bundle)


def test_a_model_of_another_lane_kernel_or_features_is_refused(
    lake: Lake, recipe: Recipe, copy: Path, tmp_path: Path
) -> None:
    other = make_recipe(lake, recipe.lane, DAYS[:2], {"lane": "other"})
    older = make_recipe(lake, recipe.lane, DAYS[:2], {"kernel_version": "0-old"})
    for wrong, words in ((other, "trained for lane other"), (older, "kernel 0-old")):
        with pytest.raises(Refused, match=words):
            write(tmp_path / "bundles", replace(recipe, model=wrong.model))
        (copy / "model.onnx").write_bytes(wrong.model.content)
        copy = reseal(copy)
        assert words in verify_bundle(copy)[0]
    wider = make_lane(features={"ema": (9, 21, 33), "volatility": (10, 30, 60), "higher": ("5m",), "macd": (6, 13, 5)})
    with pytest.raises(Refused, match="ema_33"):
        write(tmp_path / "bundles", Recipe(wider, recipe.model, recipe.choice), make_evidence(wider))
    assert not list((tmp_path / "bundles").glob("*"))


def test_a_lane_that_the_environment_changes_is_refused(go_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALPER_LANE__RISK__CAPITAL", "50000")
    assert "SCALPER_LANE__" in verify_bundle(go_bundle)[0]
    with pytest.raises(Refused, match="another configuration"):
        load_recipe(go_bundle)


def test_nothing_is_written_that_does_not_fit_together(recipe: Recipe, tmp_path: Path) -> None:
    evidence = make_evidence(recipe.lane)
    checks = judge(evidence, make_measured())
    lie = Verdict("NO-GO", "PAPER", tuple(checks), ())
    with pytest.raises(Refused, match="every check passed"):
        write(tmp_path, recipe, verdict=lie)
    with pytest.raises(Refused, match="not the gate's checks"):
        write(tmp_path, recipe, verdict=decide(checks[1:]))
    with pytest.raises(Refused, match="different configurations"):
        write(tmp_path, recipe, make_evidence(make_lane(gate={"sharpe": 0.1})))
    evidence.digests.pop("trials")
    with pytest.raises(Refused, match="digest of trials"):
        write(tmp_path, recipe, evidence)
    assert not list(tmp_path.iterdir())


def test_a_report_that_fails_leaves_no_half_bundle(recipe: Recipe, tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write(tmp_path, recipe, report=broken)
    assert not list(tmp_path.iterdir())


def test_a_secret_in_a_file_stops_the_bundle(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABENTO_API_KEY", "db-a-secret-of-this-test")
    write(tmp_path / "clean", recipe)
    with pytest.raises(Refused, match=r"secret of the environment stands in report\.html") as caught:
        write(tmp_path / "leak", recipe, report=lambda path: path.write_text("key db-a-secret-of-this-test"))
    assert "db-a-secret" not in str(caught.value)


def test_show_tells_what_a_person_asks(go_bundle: Path, copy: Path) -> None:
    shown = show_bundle(go_bundle)
    assert (shown["verdict"], shown["stage"], shown["lane"], shown["problems"]) == ("GO", "PAPER", "tiny", [])
    assert shown["digest"].startswith(go_bundle.name)
    assert shown["choice"] == {"confidence": 0.7, "stop_atr": 1.5, "reward_to_risk": 2.0}
    assert len(shown["reasons"]) == 3
    assert shown["measured"]["checks"][0]["figures"]["p99_ms"] == 0.09
    assert json.dumps(shown)
    (copy / "checks.json").write_text("{")
    assert show_bundle(copy)["problems"] == ["checks.json was changed: its digest is not that of the manifest"]
