"""A paper session: what it records, one instance, halts, kills and what survives them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalper import clock
from scalper.errors import BadInput, Refused, ScalperError, VendorBusy
from scalper.lake import Lake
from scalper.learn.recipe import session_input
from scalper.learn.session import prepare
from scalper.live import (
    Preflight,
    SessionReport,
    change_account,
    halt,
    preflight_bundle,
    read_journal,
    resume,
    run_bundle,
    run_session,
    status,
)
from scalper.live.account import opened, taking_shares
from scalper.live.desk import Desk
from scalper.live.preflight import COMPONENTS
from scalper.policy import Gate
from scalper.settings import Home
from scalper.simulate import simulate
from tests.live.conftest import World

REPOSITORY = Path(__file__).resolve().parents[2]


def checks_of(world: World, home: Home, lake: Lake | None = None, **changes: Any) -> Preflight:
    options: dict[str, Any] = {"mode": "paper", "broker": "sim", "feed": "replay:last", "pace": 0.0} | changes
    return Preflight(lambda: world.recipe, home, lake=lake or world.short, **options)


def paper(world: World, home: Home, lake: Lake | None = None, **changes: Any) -> SessionReport:
    return run_session(checks_of(world, home, lake, **changes), home, bundle="tests")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(root=tmp_path)


def journals(home: Home) -> list[Path]:
    return sorted((home.state / "journal" / "tiny").glob("*.jsonl"))


def kinds(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["kind"] == kind]


def test_a_session_is_recorded_and_agrees_with_the_simulation(world: World, home: Home) -> None:
    report = paper(world, home)
    ready = prepare(world.short, world.recipe.lane, world.day, world.before)
    expected = simulate(world.recipe.lane, [session_input(world.recipe, ready)]).sessions[0]
    records = read_journal(journals(home)[0])
    assert [record["kind"] for record in records[:2]] == ["preflight", "start"]
    assert records[-1]["kind"] == "stop"
    decisions = kinds(records, "decision")
    assert [one["ts_ns"] for one in decisions] == expected.decisions["ts_ns"].tolist()
    assert [one["equity_cents"] for one in decisions] == expected.decisions["equity_cents"].tolist()
    assert [one["net_cents"] for one in kinds(records, "trade")] == expected.trades["net_cents"].tolist()
    asked = [one for one in decisions if one["probabilities"]]
    assert asked
    assert all(sum(one["probabilities"]) == pytest.approx(1, abs=1e-5) for one in asked)
    assert all(len(one["features"]) == 16 and one["data"] == "traded" and one["gate"] for one in decisions)
    orders = kinds(records, "order")
    assert sum(order["action"] != "hold" for order in orders) == report.decisions
    moves = [order for order in orders if order["stop"]]
    assert len(moves) + report.decisions == len(orders) and {move["action"] for move in moves} == {"hold"}
    assert {fill["stop"] for fill in kinds(records, "fill") if fill["role"] == "amend"} <= {m["stop"] for m in moves}
    traced = {gate for one in decisions for gate, _, _ in one["trace"]}
    assert traced >= {"prediction", "in_position", "trailing", "size_market"}
    assert all(one["trace"][-1][0] == one["gate"] for one in decisions if one["gate"] != "passed")
    assert len({order["client_id"] for order in orders}) == len(orders)
    assert len(kinds(records, "heartbeat")) == 2
    assert (report.bars, report.trades) == (120, expected.trades.size)
    assert report.cash == expected.cash_after / 100
    assert sum(report.refusals.values()) + report.decisions == report.bars
    sized = [one["trace"] for one in decisions if one["action"] in ("enter", "reverse")]
    factors = Counter(factor for steps in sized for factor, _, _ in steps)
    assert factors == Counter(report.changed) and factors["size_market"] > 0
    assert f"size market {factors['size_market']}" in report.text()
    assert records[0]["version"] == 2
    saved = json.loads(journals(home)[0].with_suffix(".report.json").read_text())
    assert saved == report.as_dict()
    assert "trades, net $" in report.text()
    assert report.latency_ms["decide_p50"] > 0


def test_the_account_goes_on_in_the_next_session(world: World, home: Home) -> None:
    first = paper(world, home, feed=f"replay:{world.before.date}")
    second = paper(world, home)
    assert second.cash == pytest.approx(first.cash + second.net)
    seen = status(home, "tiny")
    assert seen["pid"] is None
    assert seen["account"]["cash"] == second.cash
    assert seen["account"]["complete"] is True
    assert seen["heartbeat"]["running"] is False
    assert seen["heartbeat"]["pid"] == os.getpid()


def test_shadow_sends_nothing_and_leaves_no_account(world: World, home: Home) -> None:
    report = paper(world, home, mode="shadow")
    assert report.decisions > 0
    records = read_journal(journals(home)[0])
    assert kinds(records, "trade") == []
    assert {fill["role"] for fill in kinds(records, "fill")} == {"lapse"}
    assert status(home, "tiny")["account"] is None


@pytest.mark.parametrize("mode", ["canary", "live"])
def test_real_money_is_refused_with_what_is_missing(world: World, home: Home, mode: str) -> None:
    with pytest.raises(Refused, match="no broker adapter"):
        paper(world, home, mode=mode)
    assert not (home.state / "journal").exists()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"mode": "yolo"}, "mode yolo"),
        ({"broker": "topstepx"}, "only `sim`"),
        ({"feed": "databento"}, "replay:last"),
        ({"feed": "replay:tomorrow"}, "write a date"),
        ({"pace": -1.0}, "pace -1.0"),
        ({"feed": "replay:2025-01-06"}, "the lake has no bars"),
        ({"feed": "replay:2025-01-04"}, "2025-01-04"),
    ],
)
def test_wrong_options_are_named(world: World, home: Home, change: dict[str, Any], error: str) -> None:
    with pytest.raises((BadInput, Refused), match=error):
        paper(world, home, **change)


def test_preflight_names_every_component(world: World, home: Home) -> None:
    results = checks_of(world, home).run()
    assert [one.id for one in results] == list(COMPONENTS)
    assert all(one.passed and one.detail for one in results)
    results = checks_of(world, home, feed="replay:2025-01-06").run()
    assert [one.id for one in results if not one.passed] == ["session", "data", "position", "halt"]
    assert results[-1].detail == "not reached: session failed"


def test_a_second_instance_is_refused_and_told_by_whom(world: World, home: Home) -> None:
    desk = Desk(home, "tiny")
    with desk.occupied():
        assert desk.runner() == os.getpid()
        with pytest.raises(Refused, match=f"run by process {os.getpid()}"):
            paper(world, home)
    assert desk.runner() is None
    paper(world, home)


class HaltingFeed:
    """The session's feed, in which a person halts the lane, and may resume it, at chosen bars."""

    def __init__(self, checks: Preflight, home: Home, halt_at: int, resume_at: int) -> None:
        self._feed, self._home, self._at = checks.feed, home, (halt_at, resume_at)
        self.session, self.contract, self.context = checks.feed.session, checks.feed.contract, checks.feed.context

    def __iter__(self) -> Iterator[np.ndarray]:
        for index, bar in enumerate(self._feed):
            if index == self._at[0]:
                halt(self._home, "tiny", "ann", "news")
            if index == self._at[1]:
                resume(self._home, "tiny", "ann", "calm again")
            yield bar


class Halting(Preflight):
    """A preflight that puts a HaltingFeed in the place of the session's feed."""

    at = (0, 0)

    def demand(self) -> None:
        super().demand()
        self.feed = HaltingFeed(self, self._home, *self.at)  # type: ignore[assignment]


def entry_bar(world: World) -> int:
    """A bar at whose close, and at the next, the simulation holds a position and no order is under way."""
    ready = prepare(world.short, world.recipe.lane, world.day, world.before)
    found = simulate(world.recipe.lane, [session_input(world.recipe, ready)]).sessions[0].decisions
    holding = (Gate.IN_POSITION, Gate.BREAKEVEN, Gate.TRAILING, Gate.TOWARDS_CLOSE)
    held = (found["action"] == 0) & np.isin(found["gate"], holding)
    return int(np.flatnonzero(held[:-1] & held[1:])[0])


def test_a_halt_flattens_and_lets_nothing_in_until_resumed(world: World, home: Home) -> None:
    at = entry_bar(world)
    checks = Halting(
        lambda: world.recipe, home, mode="paper", broker="sim", feed="replay:last", pace=0.0, lake=world.short
    )
    checks.at = (at, at + 20)
    report = run_session(checks, home, bundle="tests")
    records = read_journal(journals(home)[0])
    decisions = kinds(records, "decision")
    assert decisions[at]["action"] == "flatten"
    assert decisions[at]["gate"] == "halted by a person" and decisions[at]["trace"] == [["halted by a person", 0, 0]]
    inside = decisions[at + 1 : at + 20]
    assert {one["action"] for one in inside} == {"hold"}
    assert {one["gate"] for one in inside} == {"halted by a person"}
    halted = [one for one in kinds(records, "trade") if one["exit_ns"] == decisions[at]["ts_ns"]]
    assert [one["reason"] for one in halted] == ["limit"]
    assert report.halts == 1
    assert kinds(records, "halt")[0]["who"] == "ann"
    assert len(kinds(records, "resume")) == 1
    assert any(one["action"] == "enter" for one in decisions[at + 20 :])
    history = [json.loads(line) for line in Desk(home, "tiny").halts.read_text().splitlines()]
    assert [(one["what"], one["why"]) for one in history] == [("halt", "news"), ("resume", "calm again")]


def test_a_halted_lane_does_not_start(world: World, home: Home) -> None:
    halt(home, "tiny", "ann", "holiday")
    with pytest.raises(Refused, match=r"halted by ann .* holiday"):
        paper(world, home)
    assert status(home, "tiny")["halt"]["why"] == "holiday"
    resume(home, "tiny", "ann", "back")
    assert paper(world, home).bars == 120
    with pytest.raises(Refused, match="not halted"):
        resume(home, "tiny", "ann", "again")


def test_a_damaged_halt_flag_is_a_halt(world: World, home: Home) -> None:
    desk = Desk(home, "tiny")
    desk.flag.parent.mkdir(parents=True)
    desk.flag.write_text("{")
    with pytest.raises(Refused, match="is damaged"):
        paper(world, home)


@pytest.mark.parametrize(
    ("flag", "remedy"),
    [("kill", "scalper account reset-kill"), ("review", "scalper account clear-review"), ("firm", "a new account")],
)
def test_a_fired_limit_survives_and_keeps_the_lane_from_starting(
    world: World, home: Home, flag: str, remedy: str
) -> None:
    kept = opened(world.recipe.lane)
    kept.account[flag] = 1
    Desk(home, "tiny").account.keep(kept, sync=False)
    with pytest.raises(Refused, match=f"preflight limits: the account's {flag} limit has fired.*{remedy}"):
        paper(world, home)


def test_a_cleared_review_lets_the_lane_start_again(world: World, home: Home) -> None:
    lane = world.recipe.lane
    kept = opened(lane)
    kept.account["review"], kept.account["peak_cents"] = 1, 2_500_000
    Desk(home, "tiny").account.keep(kept, sync=False)
    change_account(home, lane, "clear-review", "ann", "seen")
    assert paper(world, home).trades > 0
    assert [one["what"] for one in status(home, "tiny")["account"]["changes"]] == ["clear-review"]


def test_a_record_that_does_not_verify_keeps_the_lane_from_starting(world: World, home: Home) -> None:
    lane, file = world.recipe.lane, Desk(home, "tiny").account
    file.keep(opened(lane), sync=False)
    change_account(home, lane, "deposit", "ann", "more", 100)
    kept = file.kept(lane.risk)
    assert kept is not None
    file.keep(kept, sync=False)
    file.record.write_text(file.record.read_text().replace("ann", "bob"))
    with pytest.raises(Refused, match=r"preflight account: .*edited, removed or exchanged"):
        paper(world, home)


def sharing(world: World, name: str, share: float, **risk: Any) -> World:
    """The same lane under another name, with a share of the account `main`."""
    lane = world.recipe.lane
    limits = lane.risk.model_copy(update={"account": "main", "share": share} | risk)
    return replace(world, recipe=replace(world.recipe, lane=lane.model_copy(update={"name": name, "risk": limits})))


def test_lanes_share_an_account_up_to_the_whole_of_it(world: World, home: Home) -> None:
    one, two = sharing(world, "one", 0.6), sharing(world, "two", 0.5)
    assert paper(one, home).trades > 0
    with pytest.raises(Refused, match=r"preflight budget: .*1\.1 times \(one.json 0.6, two.json 0.5\)"):
        paper(two, home)
    assert not (home.state / "account" / "two.json").exists()
    with pytest.raises(Refused, match=r"preflight budget: .*`risk.kill`"):
        paper(sharing(world, "two", 0.4, kill=0.9), home)
    assert paper(sharing(world, "two", 0.4), home).cash < 20_000 * 0.5
    assert "0.4 of account main, beside 1 other lane" in str(checks_of(sharing(world, "two", 0.4), home).run())


def test_lanes_take_their_shares_one_after_the_other(world: World, home: Home) -> None:
    """Both have made their preflight before either has an account; the second waits, looks again and is refused."""
    first, second = (checks_of(sharing(world, name, 0.6), home) for name in ("one", "two"))
    first.demand()
    second.demand()
    with ThreadPoolExecutor(1) as pool:
        with taking_shares(home):
            waiting = pool.submit(second.take_share)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            first.desk.account.keep(opened(first.recipe.lane), sync=False)
        with pytest.raises(Refused, match=r"preflight budget: .*1\.2 times"):
            waiting.result(timeout=60)


def test_a_share_is_taken_before_the_first_bar(world: World, home: Home) -> None:
    one = sharing(world, "one", 0.6)
    checks = checks_of(one, home)
    checks.demand()
    checks.take_share()
    assert status(home, "one")["account"]["session"] is None
    with pytest.raises(Refused, match="preflight budget"):
        paper(sharing(world, "two", 0.6), home)
    assert paper(one, home).bars == 120
    assert status(home, "one")["account"]["session"] == "2025-03-06"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda found: found.update(version=9), "version 9"),
        (lambda found: found.update(version=1), "version 1, this program reads 2; move the file away"),
        (lambda found: found["risk"].update(capital=1), "opened with `risk.capital` 1.0"),
        (lambda found: found["risk"].update(account="other"), "opened with `risk.account` other"),
        (lambda found: found["risk"].update(kill=-1), "risk: kill"),
        (lambda found: found["account"].pop("kill"), "kill"),
        (lambda found: found.pop("last_ns"), "last_ns"),
    ],
)
def test_an_account_that_does_not_fit_is_refused(world: World, home: Home, change: Any, error: str) -> None:
    desk = Desk(home, "tiny")
    desk.account.keep(opened(world.recipe.lane), sync=False)
    document = json.loads(desk.account.path.read_text())
    change(document)
    desk.account.path.write_text(json.dumps(document))
    with pytest.raises(Refused, match=error):
        paper(world, home)


def test_a_killed_session_goes_on_where_it_was(world: World, home: Home, tmp_path: Path) -> None:
    """SIGKILL with a position open: journal readable, lock free, and the rest of the session as if nothing happened."""
    model = tmp_path / "model.onnx"
    model.write_bytes(world.recipe.model.content)
    command = [sys.executable, "-m", "tests.live.worker", str(tmp_path), str(world.short.root), str(model), "0.02"]
    with subprocess.Popen(command, cwd=REPOSITORY) as worker:
        desk = Desk(home, "tiny")
        began = clock.monotonic()
        while clock.monotonic() - began < 120 and worker.poll() is None:
            account = status(home, "tiny")["account"]
            if account and account["side"] != 0:
                break
            clock.sleep(0.005)
        assert desk.runner() == worker.pid
        with pytest.raises(Refused, match=f"run by process {worker.pid}"):
            paper(world, home)
        worker.send_signal(signal.SIGKILL)
    assert worker.returncode == -signal.SIGKILL
    assert desk.runner() is None
    before = read_journal(journals(home)[0])
    assert before[-1]["kind"] != "stop"
    assert status(home, "tiny")["account"]["complete"] is False
    with pytest.raises(Refused, match="interrupted with an open position"):
        paper(world, home, feed=f"replay:{world.before.date}")

    report = paper(world, home)
    after = read_journal(journals(home)[-1])
    ready = prepare(world.short, world.recipe.lane, world.day, world.before)
    expected = simulate(world.recipe.lane, [session_input(world.recipe, ready)]).sessions[0]
    assert report.cash == expected.cash_after / 100
    resumed = kinds(after, "start")[0]["resumed_after_ns"]
    early = [one for one in kinds(before, "decision") if one["bar_ns"] <= resumed]
    decided = early + kinds(after, "decision")
    assert [one["equity_cents"] for one in decided] == expected.decisions["equity_cents"].tolist()
    trades = {one["entry_ns"]: one["net_cents"] for one in kinds(before, "trade") + kinds(after, "trade")}
    assert list(trades.values()) == expected.trades["net_cents"].tolist()


def test_an_error_is_journaled_frees_the_lane_and_can_be_gone_on_from(world: World, home: Home) -> None:
    at = entry_bar(world)

    class Breaking(Preflight):
        def demand(self) -> None:
            super().demand()
            feed = self.feed

            class Feed:
                session, contract, context = feed.session, feed.contract, feed.context

                def __iter__(self) -> Iterator[np.ndarray]:
                    for index, bar in enumerate(feed):
                        if index > at:
                            raise VendorBusy("the line is dead")
                        yield bar

            self.feed = Feed()  # type: ignore[assignment]

    checks = Breaking(
        lambda: world.recipe, home, mode="paper", broker="sim", feed="replay:last", pace=0.0, lake=world.short
    )
    with pytest.raises(VendorBusy):
        run_session(checks, home, bundle="tests")
    last = read_journal(journals(home)[0])[-1]
    assert (last["kind"], last["clean"], last["why"]) == ("stop", False, "VendorBusy: the line is dead")
    seen = status(home, "tiny")
    assert (seen["pid"], seen["account"]["complete"], abs(seen["account"]["side"])) == (None, False, 1)

    halt(home, "tiny", "ann", "dead line")  # with a position open the lane starts, to close it
    report = paper(world, home)
    trades = kinds(read_journal(journals(home)[-1]), "trade")
    assert [one["reason"] for one in trades] == ["limit"]
    assert (report.trades, status(home, "tiny")["account"]["side"]) == (1, 0)


def test_what_is_no_bundle_is_refused(world: World, home: Home, tmp_path: Path) -> None:
    with pytest.raises(ScalperError, match="nowhere"):
        run_bundle(tmp_path / "nowhere", home, mode="paper", lake=world.short)
    results = preflight_bundle(tmp_path / "nowhere", home, mode="paper", lake=world.short)
    assert [one.id for one in results if one.passed] == ["mode"]


def test_a_stopped_session_ends_flat_and_reported(world: World, home: Home) -> None:
    """SIGTERM: what is open is closed, the account is complete."""
    at = entry_bar(world)

    class Stopping(Halting):
        def demand(self) -> None:
            Preflight.demand(self)
            feed = self.feed

            class Feed:
                session, contract, context = feed.session, feed.contract, feed.context

                def __iter__(self) -> Iterator[np.ndarray]:
                    for index, bar in enumerate(feed):
                        if index == at:
                            os.kill(os.getpid(), signal.SIGTERM)
                        yield bar

            self.feed = Feed()  # type: ignore[assignment]

    checks = Stopping(
        lambda: world.recipe, home, mode="paper", broker="sim", feed="replay:last", pace=0.0, lake=world.short
    )
    report = run_session(checks, home, bundle="tests")
    assert (report.why, report.bars) == ("stopped", at + 1)
    kept = status(home, "tiny")["account"]
    assert (kept["side"], kept["complete"]) == (0, True)
    assert kinds(read_journal(journals(home)[0]), "trade")[-1]["reason"] == "session_end"
