"""The registry of a lane's models: versions, lineage, names, and a person's promotions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import onnx
import pytest

from scalper.compiled import source_digest
from scalper.errors import BadInput, DataUnavailable, Refused, ScalperError, TrackingFailed
from scalper.learn import Dataset, Model, Trained, tracking
from scalper.learn.digests import kernel_version
from scalper.learn.tracking import Entry, registry
from scalper.learn.tracking.store import experiment, local, opened
from scalper.settings import Home
from tests.conftest import Verb
from tests.lane.support import write_lane

pytestmark = pytest.mark.xdist_group("mlflow")

LANE = "toy"
Other = Callable[..., bytes]


@pytest.fixture(scope="module")
def other(trained: Trained) -> Other:
    """The trained model with other papers: other bytes, another digest."""

    def make(**papers: object) -> bytes:
        graph = onnx.load_model_from_string(trained.onnx)
        wanted = {"kernel_version": kernel_version()} | papers
        for one in graph.metadata_props:
            if (key := one.key.removeprefix("scalper.")) in wanted:
                one.value = json.dumps(wanted[key])
        return graph.SerializeToString()

    return make


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, other: Other, fit_rows: Dataset) -> Home:
    """A home with three versions of the lane's model: the first with a run and all lineage."""
    found = Home(root=tmp_path_factory.mktemp("home"))
    run = tracking.log_run(found, LANE, Entry("GO"))
    row = dict(zip(fit_rows.names, map(float, fit_rows.x[0]), strict=True))
    tags = {"verdict": "GO", "recipe": "r" * 64, "trials": "1 to 24 of ES.jsonl", "dagster_run": "d-1", "empty": ""}
    assert tracking.register(found, LANE, other(), tags, run, example=row, description="GO") == 1
    assert tracking.register(found, LANE, other(data_digest="b"), {"verdict": "NO-GO"}) == 2
    assert tracking.register(found, LANE, other(data_digest="c"), {}) == 3
    return found


@pytest.fixture
def nameless(home: Home) -> Home:
    """The home with no version named."""
    with opened(home, LANE) as store:
        for name in registry.aliases(store):
            store.client.delete_registered_model_alias(LANE, name)
    return home


def named(home: Home) -> dict[str, int]:
    return {name: one.number for one in tracking.versions(home, LANE) for name in one.aliases}


def folder(home: Home, number: int) -> Path:
    with opened(home, LANE) as store:
        return local(str(registry.found(store, number).source))


def test_a_version_knows_what_it_was_made_from(home: Home, other: Other, trained: Trained) -> None:
    newest, middle, first = tracking.versions(home, LANE)
    assert [newest.number, middle.number, first.number] == [3, 2, 1]
    papers = Model.load(other()).papers
    assert first.tags == {
        "onnx": Model.load(other()).digest,
        "data": papers.data_digest,
        "kernel": kernel_version(),
        "window": f"{papers.window[0]} to {papers.window[1]}",
        "features": "8",
        "code": source_digest(),
        "verdict": "GO",
        "recipe": "r" * 64,
        "trials": "1 to 24 of ES.jsonl",
        "dagster_run": "d-1",
        **({"git_commit": registry.commit()} if registry.commit() else {}),
    }
    assert (middle.tags["data"], middle.tags["verdict"], newest.tags["data"]) == ("b", "NO-GO", "c")
    assert first.run is not None and middle.run is None
    assert [one.aliases for one in (newest, middle, first)] == [(), (), ()]
    assert first.description.startswith("GO\n\n| made from | |\n|---|---|\n| window |")
    assert f"| data | {papers.data_digest} |" in first.description and "| dagster_run | d-1 |" in first.description
    assert first.as_dict()["version"] == 1


def test_the_same_model_is_one_version_and_keeps_what_it_was_made_from(home: Home, other: Other) -> None:
    again = {"verdict": "GO", "recipe": "other", "dagster_run": "d-2", "git_commit": "other", "note": "new"}
    with ThreadPoolExecutor(2) as pool:
        numbers = list(pool.map(lambda _: tracking.register(home, LANE, other(data_digest="b"), again), range(2)))
    assert numbers == [2, 2]
    assert [one.number for one in tracking.versions(home, LANE)] == [3, 2, 1]
    middle = tracking.versions(home, LANE)[1]
    # what the first registration did not say may be added, what it said stays, and the verdict is the newest
    assert (middle.tags["verdict"], middle.tags["note"], middle.tags["recipe"]) == ("GO", "new", "other")
    tracking.register(home, LANE, other(data_digest="b"), {"recipe": "third", "verdict": "NO-GO"})
    middle = tracking.versions(home, LANE)[1]
    assert (middle.tags["verdict"], middle.tags["recipe"], middle.tags["dagster_run"]) == ("NO-GO", "other", "d-2")
    assert middle.tags["code"] == source_digest()


def test_the_model_lies_there_with_signature_and_example_and_as_it_was_exported(
    home: Home, other: Other, fit_rows: Dataset
) -> None:
    from mlflow.models import Model as Described

    place = folder(home, 1)
    assert (place / "model.onnx").read_bytes() == other()
    found = Described.load(str(place))
    assert found.signature is not None
    assert found.signature.inputs.input_names() == list(fit_rows.names)
    assert {str(one.type) for one in found.signature.inputs.inputs} == {"DataType.float"}
    assert "probabilities" in found.signature.outputs.input_names()
    row = json.loads((place / "input_example.json").read_text())
    assert row["columns"] == list(fit_rows.names)
    seen = np.array(row["data"], np.float32)
    assert np.array_equal(seen, fit_rows.x[:1], equal_nan=True)
    assert Model.load(place / "model.onnx").probabilities(seen).shape == (1, 3)
    needs = (place / "requirements.txt").read_text()
    assert "onnxruntime==" in needs and "xgboost" not in needs


def test_nothing_is_pickled(home: Home) -> None:
    files = [file for file in home.mlruns.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".db", ".json", ".onnx", ".yaml", ".txt", ""}
    assert len(files) > 15
    for file in files:
        start = file.read_bytes()[:64]
        # a pickle of protocol 2 and later opens with 0x80 and its number, one of joblib or numpy with these words
        assert not (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05"), file
        assert not start.startswith((b"\x93NUMPY", b"ZF", b"PK\x03\x04", b"\x1f\x8b")), file
        if file.name == "MLmodel":
            assert "pickle" not in file.read_text()


def test_a_candidate_becomes_champion_by_a_person_and_goes_back(nameless: Home, other: Other) -> None:
    home = nameless
    assert tracking.candidate(home, LANE) is tracking.champion(home, LANE) is tracking.previous(home, LANE) is None
    tracking.set_candidate(home, LANE, 1)
    assert tracking.candidate(home, LANE) == (1, other())
    made = tracking.promote(home, LANE, who=" anna ", why="GO on\n six folds")
    assert (made.version, made.before, made.who, made.why) == (1, None, "anna", "GO on six folds")
    assert named(home) == {"champion": 1}
    tracking.set_candidate(home, LANE, 2)
    made = tracking.promote(home, LANE, who="bo", why="newer")
    assert (made.version, made.before) == (2, 1)
    assert named(home) == {"champion": 2, "previous": 1}
    assert tracking.champion(home, LANE) == (2, other(data_digest="b"))
    tracking.rollback(home, LANE, who="anna", why="it lost")
    assert named(home) == {"champion": 1, "previous": 2}
    second, first = tracking.versions(home, LANE)[1:]
    assert {key: one for key, one in first.tags.items() if key.startswith("promoted")} == {
        "promoted_by": "anna",
        "promoted_why": "it lost",
        "promoted_at": first.tags["promoted_at"],
    }
    assert datetime.fromisoformat(first.tags["promoted_at"])
    assert [words in first.description for words in ("GO on six folds", "bo promoted version 2: newer", "it lost")] == [
        True
    ] * 3
    assert "anna promoted version 1: it lost" in second.description


def test_a_version_may_be_named_and_the_candidate_stays(nameless: Home) -> None:
    tracking.set_candidate(nameless, LANE, 3)
    tracking.promote(nameless, LANE, 2, who="anna", why="it was first")
    assert named(nameless) == {"candidate": 3, "champion": 2}
    tracking.set_candidate(nameless, LANE, 2)  # the champion is no candidate
    assert named(nameless) == {"candidate": 3, "champion": 2}
    tracking.withdraw(nameless, LANE, 2)
    assert named(nameless) == {"candidate": 3, "champion": 2}
    tracking.withdraw(nameless, LANE, 3)
    assert named(nameless) == {"champion": 2}


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"who": " ", "why": "x"}, BadInput, "--who is empty"),
        ({"who": "anna", "why": "\n"}, BadInput, "--why is empty"),
        ({"who": "anna", "why": "x"}, Refused, "no version is the candidate"),
        ({"version": 9, "who": "anna", "why": "x"}, DataUnavailable, "no version 9 in the registry, only 1, 2, 3"),
    ],
)
def test_promotions_that_are_refused_change_nothing(
    nameless: Home, asked: dict[str, Any], error: type[ScalperError], words: str
) -> None:
    before = tracking.versions(nameless, LANE)
    with pytest.raises(error, match=words):
        tracking.promote(nameless, LANE, **asked)
    assert tracking.versions(nameless, LANE) == before


def test_who_is_champion_already_is_not_promoted_again_and_nobody_goes_back_to_nothing(nameless: Home) -> None:
    tracking.promote(nameless, LANE, 1, who="anna", why="x")
    with pytest.raises(Refused, match="version 1 is the champion already"):
        tracking.promote(nameless, LANE, 1, who="anna", why="x")
    with pytest.raises(Refused, match="no version is the previous"):
        tracking.rollback(nameless, LANE, who="anna", why="x")
    with pytest.raises(DataUnavailable, match="no version 9"):
        tracking.set_candidate(nameless, LANE, 9)
    assert named(nameless) == {"champion": 1}


def test_a_model_of_another_lane_kernel_or_content_is_not_taken(nameless: Home, other: Other) -> None:
    home = nameless
    with pytest.raises(Refused, match="trained for lane other, not toy"):
        tracking.register(home, LANE, other(lane="other"), {})
    with pytest.raises(BadInput, match="not an ONNX model"):
        tracking.register(home, LANE, b"\x80\x04no model", {})
    old = tracking.register(home, LANE, other(kernel_version="0-old"), {})
    with pytest.raises(Refused, match="kernel 0-old"):
        tracking.promote(home, LANE, old, who="anna", why="x")
    tracking.set_candidate(home, LANE, old)
    with pytest.raises(Refused, match="kernel 0-old"):
        tracking.candidate(home, LANE)
    path = folder(home, 3) / "model.onnx"
    whole = path.read_bytes()
    path.write_bytes(other(data_digest="forged"))
    with pytest.raises(Refused, match="not the one that was registered"):
        tracking.promote(home, LANE, 3, who="anna", why="x")
    path.unlink()
    with pytest.raises(DataUnavailable, match="the file is gone"):
        tracking.promote(home, LANE, 3, who="anna", why="x")
    path.write_bytes(whole)
    assert named(home) == {"candidate": old}


def test_a_home_without_mlflow_has_no_versions(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    assert tracking.versions(home, LANE) == []
    assert tracking.champion(home, LANE) is None
    assert list(tmp_path.iterdir()) == []


def test_the_commit_is_told_where_there_is_git_and_left_out_where_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "REPOSITORY", tmp_path)
    registry.commit.cache_clear()
    assert registry.commit() == ""

    def git(*words: str) -> None:
        who = ("-c", "user.name=anna", "-c", "user.email=anna@example.org")
        subprocess.run(["git", *who, "-C", str(tmp_path), *words], check=True, capture_output=True)

    git("init")
    registry.commit.cache_clear()
    assert registry.commit() == ""  # nothing is committed yet
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    registry.commit.cache_clear()
    clean = registry.commit()
    assert len(clean) == 40
    (tmp_path / "a").write_text("2")
    registry.commit.cache_clear()
    assert registry.commit() == clean + "+"
    monkeypatch.setenv("PATH", "")
    registry.commit.cache_clear()
    assert registry.commit() == ""
    registry.commit.cache_clear()


def test_a_registration_that_was_cut_off_leaves_no_version_and_is_made_good(home: Home, other: Other) -> None:
    before = len(tracking.versions(home, LANE))
    models = home.mlruns / "artifacts" / LANE / "models"
    models.rename(models.with_name("away"))
    models.write_text("no place for a model")
    with pytest.raises(TrackingFailed, match="MLflow cannot work there"):
        tracking.register(home, LANE, other(data_digest="cut"), {})
    models.unlink()
    models.with_name("away").rename(models)
    assert len(tracking.versions(home, LANE)) == before
    number = tracking.register(home, LANE, other(data_digest="cut"), {})
    with opened(home, LANE) as store:
        states = [str(model.status) for model in store.client.search_logged_models([experiment(store)])]
    assert (states.count("FAILED"), states.count("PENDING")) == (1, 0)
    assert tracking.versions(home, LANE)[0].number == number


def test_the_page_of_the_run_leads_to_the_version(home: Home) -> None:
    with opened(home, LANE) as store:
        one = registry.found(store, 1)
        models = store.client.search_logged_models([experiment(store)])
        run = store.client.get_run(str(one.run_id))
    mine = next(model for model in models if model.source_run_id == one.run_id)
    assert json.loads(mine.tags["mlflow.modelVersions"]) == [{"name": LANE, "version": 1}]
    assert mine.status == "READY"
    assert run.outputs is not None
    assert [output.model_id for output in run.outputs.model_outputs] == [mine.model_id]
    assert urlparse(str(one.source)).path.startswith(str(home.mlruns))


def test_the_verbs_list_promote_and_go_back(nameless: Home, scalper: Verb, tmp_path: Path) -> None:
    asked = ("--config", write_lane(tmp_path, name=LANE))
    why = ("--who", "anna", "--why", "a good week")

    def document(*words: object) -> tuple[int, dict[str, Any]]:
        code, out, _ = scalper(*words, *asked, "--json", home=nameless.root)
        return code, json.loads(out)

    tracking.set_candidate(nameless, LANE, 1)
    assert document("promote", *why)[1] | {"at": ""} == {
        "lane": LANE,
        "version": 1,
        "before": None,
        "who": "anna",
        "why": "a good week",
        "at": "",
    }
    assert document("promote", "--version", 2, *why)[1]["before"] == 1
    code, found = document("models")
    assert (code, found["aliases"]) == (0, {"champion": 2, "previous": 1})
    assert [one["version"] for one in found["versions"]] == sorted(one["version"] for one in found["versions"])[::-1]
    assert found["versions"][-1]["tags"]["trials"] == "1 to 24 of ES.jsonl"
    assert document("promote", "--rollback", *why)[1]["version"] == 1
    assert document("promote", "--version", 9, *why)[0] == 3
    assert document("promote", "--version", 1, *why)[0] == 4
    assert document("promote", "--version", 2, "--who", "anna", "--why", " ")[0] == 3
    assert document("promote", "--rollback", "--version", 2, *why)[0] == 2
    assert scalper("promote", *asked, "--who", "anna", home=nameless.root)[0] == 2
    code, _, err = scalper("models", *asked, home=nameless.root)
    assert code == 0
    assert "champion" in err and "by anna: a good week" in err
    code, _, err = scalper("models", *asked, home=tmp_path)
    assert (code, "no model in the registry yet" in err) == (0, True)
