"""The command line: documents, exit codes, and messages that name file, key and remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scalper.sandbox.databento import DatabentoServer
from tests.conftest import Verb
from tests.lane.support import Ran, write_lane

pytestmark = pytest.mark.xdist_group("lane")


def document(stdout: str) -> dict[str, Any]:
    """The one JSON document on stdout, which has nothing else."""
    return json.loads(stdout)


def small_parquet(path: Path, **changes: Any) -> Path:
    """Three one-minute bars of one session."""
    columns: dict[str, Any] = {
        "timestamp": [1_767_366_000_000_000_000 + 60_000_000_000 * i for i in range(3)],  # 2026-01-02 10:00 New York
        "open": [6900.0, 6900.25, 6900.5],
        "high": [6900.5, 6900.75, 6901.0],
        "low": [6899.75, 6900.0, 6900.25],
        "close": [6900.25, 6900.5, 6900.75],
        "volume": [10, 11, 12],
        "symbol": ["MESH6"] * 3,
    }
    pl.DataFrame(columns | changes).write_parquet(path)
    return path


def test_run_and_gate_print_the_verdict_document(scalper: Verb, ran: Ran) -> None:
    code, out, err = scalper("gate", "--config", ran.path, "--json", home=ran.home.root)
    found = document(out)
    assert code == 0, err
    assert set(found) >= {"verdict", "stage", "checks", "bundle", "seconds"}
    assert (found["verdict"], found["stage"]) == ("NO-GO", "PAPER")
    assert all(set(one) >= {"id", "stage", "value", "threshold", "status"} for one in found["checks"])
    assert Path(found["bundle"]) == ran.verdict.bundle


def test_replay_counts_and_finds_no_difference(scalper: Verb, ran: Ran) -> None:
    code, out, _ = scalper("replay", "--config", ran.path, "--session", "last", "--json", home=ran.home.root)
    found = document(out)
    assert (code, found["differences"], found["rows"]) == (0, 0, [])
    assert min(found["bars"], found["decisions"], found["trades"]) > 0


def test_audit_and_check_pass(scalper: Verb, ran: Ran) -> None:
    for verb in ("audit", "check"):
        code, out, err = scalper(verb, "--config", ran.path, "--json", home=ran.home.root)
        found = document(out)
        assert (code, found["passed"]) == (0, True), err
        assert all(set(one) >= {"id", "passed", "detail"} for one in found["results"])


def test_before_the_simulation_the_audit_says_what_it_leaves_out(scalper: Verb, ran: Ran, tmp_path: Path) -> None:
    shutil.copytree(ran.home.lake, tmp_path / "data_lake")
    code, out, err = scalper("audit", "--config", ran.path, "--json", home=tmp_path)
    found = document(out)
    assert (code, found["passed"], found["left_out"]) == (0, True, ["joins", "folds", "fits"]), err
    assert len(found["results"]) == 7


def test_bundle_show_and_verify(scalper: Verb, ran: Ran, tmp_path: Path) -> None:
    assert ran.verdict.bundle is not None
    code, out, _ = scalper("bundle", "show", ran.verdict.bundle, "--json", home=ran.home.root)
    assert (code, document(out)["verdict"]) == (0, "NO-GO")
    code, out, _ = scalper("bundle", "verify", ran.verdict.bundle, "--json", home=ran.home.root)
    assert (code, document(out)["problems"]) == (0, [])
    code, _, _ = scalper("bundle", "verify", tmp_path, home=ran.home.root)
    assert code == 4


def test_live_refuses_a_bundle_that_is_no_go(scalper: Verb, ran: Ran) -> None:
    code, out, err = scalper("live", "--bundle", ran.verdict.bundle, "--json", home=ran.home.root)
    assert code == 4
    assert document(out)["error"] == "Refused"
    assert "NO-GO" in err


def test_import_counts_every_row_and_imports_once(scalper: Verb, tmp_path: Path) -> None:
    path = small_parquet(tmp_path / "bars.parquet")
    code, out, err = scalper("import", path, "--symbol", "MES", "--json", home=tmp_path)
    found = document(out)
    assert code == 0, err
    assert (found["rows_read"], found["rows_kept"], found["bars"], found["volume"]) == (3, 3, 3, 33)
    assert (found["contracts"], found["sessions"]) == (["MESH26"], 1)
    again = document(scalper("import", path, "--symbol", "MES", "--json", home=tmp_path)[1])
    assert again["rows_read"] == again["rows_kept"] + sum(again["dropped"].values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"high": [6900.5, 6899.0, 6901.0]}, "row 2"),
        ({"close": [6900.25, 6900.5, 6900.80]}, "row 3"),
        ({"timestamp": [1_767_366_000_000_000_000] * 3}, "row 2"),
        ({"timestamp": [1_767_366_120_000_000_000, 1_767_366_060_000_000_000, 1_767_366_000_000_000_000]}, "row 2"),
    ],
    ids=["high below low", "off the grid", "duplicate stamps", "unsorted"],
)
def test_bad_rows_are_named_and_the_lake_stays_as_it_was(
    scalper: Verb, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = small_parquet(tmp_path / "bad.parquet", **changes)
    code, out, err = scalper("import", path, "--symbol", "MES", "--interval", "1m", "--json", home=tmp_path)
    assert code == 3
    assert document(out)["error"] == "BadInput"
    assert "bad.parquet" in err.replace("\n", "")
    assert message in err
    assert not list((tmp_path / "data_lake").rglob("part.parquet"))


def test_bad_input_exits_with_3_and_a_remedy(scalper: Verb, tmp_path: Path) -> None:
    path = small_parquet(tmp_path / "bars.parquet")
    for words, part in (
        (("import", tmp_path / "none.parquet", "--symbol", "MES"), "none.parquet"),
        (("import", path, "--symbol", "XYZ"), "MES"),
        (("run", "--config", tmp_path / "none.yaml"), "none.yaml"),
        (("run", "--config", write_lane(tmp_path, name="typo", polcy={})), "policy"),
        (("run", "--config", write_lane(tmp_path, name="empty", source="import")), "scalper import"),
        (("download", "--config", write_lane(tmp_path, name="keyless", source="databento")), "DATABENTO_API_KEY"),
    ):
        code, out, err = scalper(*words, home=tmp_path)
        assert (code, out) == (3, ""), err
        assert part in err.replace("\n", " ")
        assert "Traceback" not in err


def test_usage_exits_with_2(scalper: Verb, tmp_path: Path) -> None:
    assert scalper("replay", home=tmp_path)[0] == 2
    assert scalper("nonsense", home=tmp_path)[0] == 2
    assert scalper("download", "--config", write_lane(tmp_path), "--start", "tomorrow", home=tmp_path)[0] == 2


def test_a_secret_is_in_no_output(scalper: Verb, tmp_path: Path, server: DatabentoServer) -> None:
    lane = write_lane(tmp_path, source="databento")
    secret = "db-0123456789abcdefSECRET"
    code, out, err = scalper(
        *("download", "--config", lane, "--json"),
        home=tmp_path,
        DATABENTO_API_KEY=secret,
        DATABENTO_GATEWAY=server.url,  # which has another key
    )
    assert code == 3
    assert secret not in out + err
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_halt_status_resume(scalper: Verb, ran: Ran) -> None:
    for words, part in (
        (("halt", "--why", "news"), "news"),
        (("status",), "news"),
        (("resume", "--why", "calm"), "calm"),
    ):
        code, out, err = scalper(*words, "--config", ran.path, "--json", home=ran.home.root)
        assert code == 0, err
        assert part in out
    assert scalper("resume", "--why", "again", "--config", ran.path, home=ran.home.root)[0] == 4
