"""The paper account between sessions: what a person changes, what is recorded of it, and how lanes share one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalper.errors import BadInput, Refused
from scalper.learn import ledger
from scalper.live import account_of, change_account, status
from scalper.live.account import AccountFile, Kept, opened, risks, taking_shares
from scalper.live.desk import Desk
from scalper.settings import Home, Lane
from tests.conftest import Verb

CONFIG = """
name: mine
symbol: MES
source: import
interval: 1m
start: 2021-01-04
"""
WHO = ("--who", "ann", "--why", "seen and understood")


def the_lane(name: str = "mine", **risk: Any) -> Lane:
    return Lane.model_validate(
        {"name": name, "symbol": "MES", "source": "import", "interval": "1m", "start": "2021-01-04", "risk": risk}
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "mine.yaml").write_text(CONFIG)
    return Home(root=tmp_path)


def saved(home: Home, lane: Lane | None = None, **state: int) -> Kept:
    """An account on disk after a session, with `state` set."""
    lane = lane or the_lane()
    kept = replace(opened(lane), session=date(2021, 7, 14))
    for name, value in state.items():
        kept.account[name] = value
    AccountFile(home, lane.name).keep(kept, sync=False)
    return kept


def lost(cents: int, **state: int) -> dict[str, int]:
    """Fields of an account of $1,000 that has lost so much."""
    left = 100_000 - cents
    return {"cash_cents": left, "equity_cents": left, "start_cents": left, "session_peak_cents": left} | state


def read(home: Home) -> Kept:
    kept = AccountFile(home, "mine").kept(the_lane().risk)
    assert kept is not None
    return kept


def on_disk(home: Home) -> dict[str, int]:
    row = read(home).account[0]
    return {name: int(row[name]) for name in ("cash_cents", "peak_cents", "kill", "review", "forgiven_cents")}


def test_flags_survive_and_a_person_clears_them_one_by_one(home: Home, scalper: Verb) -> None:
    saved(home, **lost(31_000, kill=1, review=1))
    code, out, _ = scalper("account", "clear-review", "-c", home.root / "mine.yaml", *WHO, "--json", home=home.root)
    assert code == 0
    assert json.loads(out)["moved"] == {"review": [1, 0], "peak_cents": [100_000, 69_000]}
    found = {"cash_cents": 69_000, "peak_cents": 69_000, "kill": 1, "review": 0, "forgiven_cents": 0}
    assert on_disk(home) == found
    assert scalper("account", "reset-kill", "-c", home.root / "mine.yaml", *WHO, home=home.root)[0] == 0
    assert on_disk(home) == found | {"kill": 0, "forgiven_cents": 31_000}


def test_money_moves_and_everything_stands_in_the_record(home: Home, scalper: Verb) -> None:
    saved(home)
    words = ("-c", home.root / "mine.yaml", *WHO)
    assert scalper("account", "deposit", *words, "--amount", "250.5", home=home.root)[0] == 0
    code, _, err = scalper("account", "withdraw", *words, "--amount", "100", home=home.root)
    assert code == 0 and "$1,250.50 -> $1,150.50" in err
    changes = ledger.read(AccountFile(home, "mine").record)
    assert [(one["what"], one["who"], one["why"]) for one in changes] == [
        ("deposit", "ann", "seen and understood"),
        ("withdraw", "ann", "seen and understood"),
    ]
    assert [one["moved"]["deposits_cents"] for one in changes] == [[0, 25_050], [25_050, 15_050]]
    seen = json.loads(scalper("status", "-c", home.root / "mine.yaml", "--json", home=home.root)[1])["account"]
    assert (seen["cash"], seen["deposits"], seen["changes"]) == (1150.5, 150.5, changes)
    code, out, _ = scalper("account", "show", "-c", home.root / "mine.yaml", "--json", home=home.root)
    shown = json.loads(out)
    assert code == 0 and shown["changes"] == changes
    assert shown["limits"][0] == {"limit": "kill", "value": 0.0, "bound": 300.0, "fired": False}
    assert "deposit by ann: seen" in scalper("account", "show", "-c", home.root / "mine.yaml", home=home.root)[2]


@pytest.mark.parametrize(
    ("verb", "state", "code", "says"),
    [
        (("clear-review", *WHO), {}, 4, "nothing to clear"),
        (("reset-kill", *WHO), {}, 4, "nothing to reset"),
        (("clear-review", *WHO), {"review": 1, "side": 1, "contracts": 1}, 4, "a position is open"),
        (("deposit", *WHO, "--amount", "1"), {"working": 1}, 4, "an order is under way"),
        (("withdraw", *WHO, "--amount", "300.01"), {}, 4, "$699.99 would be left"),
        (("withdraw", *WHO, "--amount", "1000.01"), {}, 4, "more than the cash of $1,000.00"),
        (("deposit", *WHO, "--amount", "0"), {}, 3, "amount of 0 cents"),
        (("deposit", *WHO, "--amount", "-5"), {}, 2, "write dollars and cents"),
        (("deposit", *WHO, "--amount", "1e3"), {}, 2, "write dollars and cents"),
        (("deposit", *WHO, "--amount", "0.001"), {}, 2, "write dollars and cents"),
        (("clear-review", "--who", " ", "--why", "x"), {"review": 1}, 3, "--who and --why"),
        (("clear-review", "--who", "ann"), {"review": 1}, 2, "--why"),
    ],
)
def test_what_does_not_fit_changes_and_records_nothing(
    home: Home, scalper: Verb, verb: tuple[str, ...], state: dict[str, int], code: int, says: str
) -> None:
    saved(home, **state)
    before = AccountFile(home, "mine").path.read_bytes()
    found, _, err = scalper("account", *verb, "-c", home.root / "mine.yaml", home=home.root)
    assert (found, says in " ".join(err.split())) == (code, True), err
    assert AccountFile(home, "mine").path.read_bytes() == before
    assert not AccountFile(home, "mine").record.exists()


def test_while_the_lane_runs_nothing_is_changed(home: Home) -> None:
    saved(home, review=1)
    with Desk(home, "mine").occupied(), pytest.raises(Refused, match="is run by process"):
        change_account(home, the_lane(), "clear-review", "ann", "seen")


def test_without_an_account_there_is_nothing_to_change(home: Home) -> None:
    with pytest.raises(Refused, match="no paper account yet"):
        change_account(home, the_lane(), "deposit", "ann", "more", 100)
    with pytest.raises(Refused, match="no paper account yet"):
        account_of(home, the_lane())


def test_an_account_of_version_1_is_refused_with_the_remedy(home: Home) -> None:
    saved(home)
    path = AccountFile(home, "mine").path
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 1}))
    with pytest.raises(
        BadInput,
        match=r"version 1, this program reads 2; move the file away, and its record .* to open a new paper account",
    ):
        change_account(home, the_lane(), "deposit", "ann", "more", 100)
    assert "move the file away" in status(home, "mine")["account"]["problem"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), Refused("edited")])
def test_a_change_that_was_saved_and_not_recorded_is_booked_and_recorded_once(
    home: Home, scalper: Verb, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """A full disk or Ctrl-C between the two files: nobody is told to repeat it, and the record gets it later."""
    saved(home)
    file = AccountFile(home, "mine")
    words = ("account", "deposit", "-c", home.root / "mine.yaml", *WHO, "--amount", "500")

    def dies(*_: object) -> int:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", dies)
        code, _, err = scalper(*words, home=home.root)
    said = " ".join(err.split())
    assert code == 0 and "booked, do not make it again" in said and "run the same command" not in said
    assert ledger.read(file.record) == [] and on_disk(home)["cash_cents"] == 150_000
    for _ in range(2):
        assert [one["who"] for one in status(home, "mine")["account"]["changes"]] == ["ann"]
    file.keep(read(home), sync=False)
    assert len(ledger.read(file.record)) == 1 and on_disk(home)["cash_cents"] == 150_000


def test_a_change_that_was_not_saved_is_an_error(home: Home, scalper: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(home)
    file = AccountFile(home, "mine")
    before = file.path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    words = ("account", "deposit", "-c", home.root / "mine.yaml", *WHO, "--amount", "500")
    with monkeypatch.context() as patch:
        patch.setattr("scalper.live.account.write_json", full)
        assert scalper(*words, home=home.root)[0] == 3
    file.record.unlink()
    file.record.mkdir()  # a record that cannot be written is found before anything is booked
    assert scalper(*words, home=home.root)[0] == 3
    assert file.path.read_bytes() == before


def test_a_change_whose_telling_fails_is_booked(home: Home, scalper: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document goes to a file on a full disk."""
    saved(home)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scalper.cli.account.show", full)
    words = ("account", "deposit", "-c", home.root / "mine.yaml", *WHO, "--amount", "500", "--json")
    code, _, err = scalper(*words, home=home.root)
    assert code == 0 and "booked, do not make it again" in err
    assert on_disk(home)["cash_cents"] == 150_000


def edited(record: Path) -> None:
    record.write_text(record.read_text().replace("ann", "bob"))


def removed(record: Path) -> None:
    record.unlink()
    record.with_name(record.name + ".head").unlink()


def no_text(record: Path) -> None:
    record.with_name(record.name + ".head").write_bytes(b"1 \xff\xfe\n")


def of_another_shape(record: Path) -> None:
    ledger.append(record, [{"a": 1}])


@pytest.mark.parametrize("later", [False, True], ids=["at once", "after a session"])
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (edited, "edited, removed or exchanged"),
        (removed, "add up to deposits_cents 0, the account has 10000"),
        (no_text, "not what was written there"),
        (of_another_shape, "not every line is a change"),
    ],
)
def test_a_record_that_does_not_fit_stops_everything_and_books_nothing(
    home: Home, scalper: Verb, damage: Callable[[Path], None], says: str, later: bool
) -> None:
    saved(home)
    change_account(home, the_lane(), "deposit", "ann", "more", 5_000)
    change_account(home, the_lane(), "deposit", "ann", "more", 5_000)
    file = AccountFile(home, "mine")
    if later:
        file.keep(read(home), sync=False)
    damage(file.record)
    if damage is removed and not later:
        says = "add up to deposits_cents 5000, the account has 10000"  # the last one travels inside the account
    before = file.path.read_bytes()
    for words in (("deposit", *WHO, "--amount", "1"), ("show",), ("show", "--json")):
        code, out, err = scalper("account", *words, "-c", home.root / "mine.yaml", home=home.root)
        assert (code, says in " ".join(err.split())) == (4, True), err
        assert not out or json.loads(out)["exit"] == 4
    with pytest.raises(Refused, match=says):
        file.kept(the_lane().risk)
    assert file.path.read_bytes() == before
    assert says in status(home, "mine")["account"]["problem"]


def test_a_kill_that_was_forgiven_must_stand_in_the_record(home: Home) -> None:
    saved(home, **lost(31_000, kill=1))
    change_account(home, the_lane(), "reset-kill", "ann", "seen")
    AccountFile(home, "mine").keep(read(home), sync=False)
    removed(AccountFile(home, "mine").record)
    with pytest.raises(Refused, match="add up to forgiven_cents 0, the account has 31000"):
        read(home)


def test_a_new_account_does_not_go_on_with_the_record_of_another(home: Home) -> None:
    saved(home)
    change_account(home, the_lane(), "deposit", "ann", "more", 100)
    file = AccountFile(home, "mine")
    file.path.unlink()
    with pytest.raises(Refused, match=r"add up to deposits_cents 100, the account has 0: .*and its record"):
        file.kept(the_lane().risk)
    removed(file.record)
    assert file.kept(the_lane().risk) is None


CHANGE = {"what": "deposit", "who": "ann", "why": "more", "at": "now", "moved": {}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda found: found["account"].update(cash_cents=10**30), "cash_cents 1000"),
        (lambda found: found["account"].update(cash_cents=1.5), "cash_cents 1.5"),
        (lambda found: found["account"].update(cash_cents="100000"), "cash_cents '100000'"),
        (lambda found: found["account"].update(cash_cents=True), "cash_cents True"),
        (lambda found: found["account"].update(confidence="0.5"), "confidence '0.5'"),
        (lambda found: found["account"].update(side=7), "side 7"),
        (lambda found: found["account"].update(kill=300), "kill 300"),
        (lambda found: found["account"].update(working=5), "working 5"),
        (lambda found: found["book"].update(order_side=-2), "order_side -2"),
        (lambda found: found.update(complete="no"), "complete"),
        (lambda found: found.update(last_ns=0.5), "last_ns 0.5"),
        (lambda found: found.pop("saved"), "saved"),
        (lambda found: found.update(change=5), "change"),
        (lambda found: found.update(change={"a": 1}), "change: what"),
        (lambda found: found.update(change=CHANGE | {"moved": {"cash_cents": [1]}}), "change: moved.cash_cents"),
        (lambda found: found.update(change=CHANGE | {"more": 1}), "change: more"),
    ],
)
def test_a_damaged_account_is_refused_with_the_remedy_and_nothing_is_recorded(
    home: Home, scalper: Verb, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    saved(home)
    file = AccountFile(home, "mine")
    document = json.loads(file.path.read_text())
    change(document)
    file.path.write_text(json.dumps(document))
    code, _, err = scalper("account", "show", "-c", home.root / "mine.yaml", home=home.root)
    said = " ".join(err.split())
    assert code == 3 and says in said and "move the file away" in said
    assert says in status(home, "mine")["account"]["problem"]
    assert not file.record.exists()


def test_what_an_account_cannot_say_in_numbers_comes_back(home: Home) -> None:
    """A ratio to a norm that is not known is NaN, which JSON lacks."""
    kept = replace(opened(the_lane()), session=date(2021, 7, 14))
    kept.account["unusual"] = np.nan
    AccountFile(home, "mine").keep(kept, sync=False)
    assert np.isnan(read(home).account["unusual"][0])


@pytest.mark.parametrize(("key", "value"), [("capital", 2000.0), ("account", "other"), ("share", 0.5)])
def test_what_an_account_was_opened_with_stays(home: Home, key: str, value: Any) -> None:
    terms: dict[str, Any] = {"account": "main", "share": 0.25}
    saved(home, the_lane(**terms))
    file = AccountFile(home, "mine")
    with pytest.raises(Refused, match=f"opened with `risk.{key}`"):
        file.kept(the_lane(**terms | {key: value}).risk)
    kept = file.kept(the_lane(**terms, kill=0.5).risk)
    assert kept is not None and kept.risk.kill == 0.5


def test_a_share_of_the_capital_is_what_an_account_opens_with(home: Home) -> None:
    kept = opened(the_lane(account="main", share=0.25))
    assert kept.account["cash_cents"][0] == kept.account["peak_cents"][0] == 25_000


def test_the_accounts_on_disk_are_found_by_file(home: Home) -> None:
    saved(home, the_lane("one", account="main", share=0.25))
    saved(home, the_lane("two"))
    with taking_shares(home):
        found = risks(home)
    assert {file: (risk.account, risk.share) for file, risk in found.items()} == {
        "one.json": ("main", 0.25),
        "two.json": (None, 1.0),
    }
