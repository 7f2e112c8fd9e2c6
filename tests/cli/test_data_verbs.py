"""The verbs on the lake, in this process: documents, words, exit codes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest

from scalper.cli import shared as cli
from scalper.lake import Lake, bar_keys
from scalper.lake.files.readers import Stamps
from scalper.market import RollRule, sessions
from tests.conftest import Verb
from tests.lake.support import rows_of

HELD = sessions("MES", date(2026, 9, 14), date(2026, 9, 16))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of the first and the last of three sessions, in minutes; a roll on the first of them (Monday)."""
    root = tmp_path_factory.mktemp("home")
    lake = Lake(root / "data_lake")
    for one in (HELD[0], HELD[2]):
        lake.write("bars", bar_keys("import", "MES", "1m", one.date), rows_of(one, interval="1m"))
    return root


@pytest.fixture
def verb(home: Path, scalper: Verb) -> Verb:
    """Run a verb on the lake: exit code, stdout, stderr."""
    return partial(scalper, home=home)


def of(verb: Verb, *words: object) -> dict[str, Any]:
    code, out, err = verb(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_the_words_of_the_command_line_are_those_of_the_domain() -> None:
    assert set(get_args(cli.Roll)) == set(get_args(RollRule))
    assert set(get_args(cli.Stamps)) == set(get_args(Stamps))


def test_ls(verb: Verb) -> None:
    (table,) = of(verb, "lake", "ls")["tables"]
    assert (table["symbol"], table["interval"], table["sessions"], table["rows"]) == ("MES", "1m", 2, 2 * 1380)
    code, out, _ = verb("lake", "ls")
    assert (code, "import/MES/1m" in out) == (0, True)


def test_sql(verb: Verb) -> None:
    found = of(verb, "lake", "sql", "select count(*) as n, min(ts_ns) as first from bars")
    assert (found["columns"], found["rows"]) == (["n", "first"], [[2760, HELD[0].open_ns]])
    code, out, err = verb("lake", "sql", "select ts_ns from bars order by 1", "--limit", 1)
    assert code == 0
    assert str(HELD[0].open_ns) in out
    assert "--limit" in err
    assert verb("lake", "sql", "drop view bars")[0] == 3


def test_what_looks_like_markup_is_shown_as_it_is(verb: Verb) -> None:
    code, out, err = verb("lake", "sql", """select '[/x]' as "[/y]", '[red]a' as b, 1234.5 as c, ':boom:'""")
    assert code == 0, err
    assert all(text in out for text in ("[/x]", "[/y]", "[red]a", "1,234.5", ":boom:"))


def test_gaps(verb: Verb) -> None:
    found = of(verb, "lake", "gaps", "--symbol", "MES")
    assert found["counts"] == {"missing session": 1, "missing contract": 0, "hole": 0}
    assert found["gaps"][0]["session"] == HELD[1].date.isoformat()
    code, _, err = verb("lake", "gaps", "--symbol", "MES")
    assert (code, "1 missing sessions" in err) == (0, True)
    assert verb("lake", "gaps", "--symbol", "MES", "--start", "last")[0] == cli.USAGE


def test_rolls(verb: Verb) -> None:
    assert of(verb, "lake", "rolls", "--symbol", "MES")["rolls"] == []
    assert verb("lake", "rolls", "--symbol", "ES")[0] == 3


def test_derive(verb: Verb, home: Path) -> None:
    assert of(verb, "lake", "derive", "--symbol", "MES", "--interval", "1d")["made"] == 2
    again = of(verb, "lake", "derive", "--symbol", "MES", "--interval", "1d")
    assert (again["made"], again["fresh"]) == (0, 2)
    assert len(Lake(home / "data_lake").read("bars", bar_keys("import", "MES", "1d", HELD[0].date))) == 1
    for one in (HELD[0], HELD[2]):
        Lake(home / "data_lake").delete("bars", bar_keys("import", "MES", "1d", one.date))


def test_compact_says_what_it_would_do_and_does_not(verb: Verb, home: Path) -> None:
    left = home / "data_lake/bars/.left"
    left.write_text("half a file")
    os.utime(left, (0, 0))
    assert of(verb, "lake", "compact", "--dry-run")["files"] == 1
    assert left.exists()
    assert of(verb, "lake", "compact")["files"] == 1
    assert not left.exists()


def test_check_without_a_lane(verb: Verb) -> None:
    code, out, _ = verb("check", "--symbol", "MES", "--json")
    found = json.loads(out)
    assert (code, found["passed"], len(found["coverage"])) == (0, True, 2)
    assert Path(found["page"]).is_file()
    assert verb("check")[0] == cli.USAGE


def test_an_interruption_is_told_in_words_and_as_a_document(tmp_path: Path) -> None:
    """Ctrl-C while a vendor that took the call does not answer."""
    lane = tmp_path / "lane.yaml"
    lane.write_text("{name: waiting, symbol: MES, source: databento, interval: 1m, start: 2026-09-14, end: 2026-09-16}")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = os.environ | {
            "SCALPER_HOME": str(tmp_path),
            "DATABENTO_GATEWAY": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "DATABENTO_API_KEY": "db-silent",
        }
        command = [sys.executable, "-m", "scalper.cli", "download", "--config", str(lane), "--json"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        silent.settimeout(60)
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert process.returncode == cli.INTERRUPTED, err
    assert json.loads(out)["error"] == "Interrupted"
    assert "run the same command again" in err
