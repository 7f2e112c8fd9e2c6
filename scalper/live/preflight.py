"""Before the first decision: every component by name, in the order in which the later ones need the earlier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np

from scalper import features
from scalper.errors import BadInput, DataUnavailable, Refused, ScalperError
from scalper.lake import Lake
from scalper.learn.recipe import Recipe
from scalper.live.account import Kept, opened, risks, taking_shares
from scalper.live.broker import NoBroker, SimBroker
from scalper.live.desk import Desk
from scalper.live.feed import ReplayFeed, open_feed
from scalper.live.protocols import Broker, Mode
from scalper.policy import open_account, rules
from scalper.policy.budget import budget
from scalper.settings import Home

REAL_MONEY = (
    "mode {mode} trades real money and this program has no broker adapter that can: it would also need a LIVE bundle, "
    "an acknowledgement in the environment and an allow-listed account id; run --mode shadow or --mode paper"
)
COMPONENTS = (
    "mode", "bundle", "configuration", "model", "account", "budget", "limits", "session", "data", "position", "halt",
)  # fmt: skip
"""Each is the name of a method `_check_…` below, which says what it found or raises."""
RESETS = {
    "kill": "`scalper account reset-kill`",
    "review": "`scalper account clear-review`",
    "firm": "a new account (move the old one's file and its record away)",
}
"""Limits that survive a session, and what a person does about one that has fired."""


@dataclass(frozen=True, slots=True)
class Result:
    """One component, whether it is fit to start, and why."""

    id: str
    passed: bool
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {"id": self.id, "passed": self.passed, "detail": self.detail}


class Preflight:
    """Checks the components one after the other and keeps what they opened; the first failure ends it.

    `load` opens and verifies the bundle. After a run without failure all that is declared here is set.
    """

    mode: Mode
    recipe: Recipe
    desk: Desk
    feed: ReplayFeed
    broker: Broker
    kept: Kept | None
    rehearsal: bool
    """The account has traded this session before: it is traded again on a new account, which is not kept."""

    def __init__(
        self, load: Callable[[], Recipe], home: Home, *, mode: str, broker: str, feed: str, pace: float, lake: Lake
    ) -> None:
        self._load, self._home, self._mode_name = load, home, mode
        self._broker_name, self._feed_name, self._pace, self._lake = broker, feed, pace, lake
        self.results: list[Result] = []

    def run(self) -> list[Result]:
        """A result a component; those behind a failure were not reached and have not passed."""
        self.results = []
        for index, name in enumerate(COMPONENTS):
            try:
                detail: str = getattr(self, f"_check_{name}")()
            except ScalperError as error:
                self.results.append(Result(name, False, str(error)))
                behind = COMPONENTS[index + 1 :]
                self.results += [Result(late, False, f"not reached: {name} failed") for late in behind]
                break
            self.results.append(Result(name, True, detail))
        return self.results

    def open(self) -> None:
        """Mode and bundle only: enough to know whose lane it is. Raises what they raise."""
        self._check_mode()
        self._check_bundle()

    def demand(self) -> None:
        """Run it. Raises Refused with the component that failed."""
        for result in self.run():
            if not result.passed:
                raise Refused(f"preflight {result.id}: {result.detail}")

    def take_share(self) -> None:
        """Open the paper account of a lane that has none, so that others see its share.

        Raises Refused if another lane has taken it since the preflight.
        """
        if self.mode == "shadow" or self.rehearsal or self.kept is not None:
            return
        with taking_shares(self._home):
            try:
                self._check_budget()
            except BadInput as error:
                raise Refused(f"preflight budget: {error}") from None
            self.desk.account.keep(opened(self.recipe.lane), sync=True)

    # ------------------------------------------------------------- components

    def _check_mode(self) -> str:
        if self._mode_name not in get_args(Mode):
            raise BadInput(f"mode {self._mode_name}: one of {', '.join(get_args(Mode))}")
        self.mode = cast(Mode, self._mode_name)
        if self.mode in ("canary", "live"):
            raise Refused(REAL_MONEY.format(mode=self.mode))
        if self._broker_name != "sim":
            raise Refused(f"broker {self._broker_name}: only `sim` has an adapter in this program; run --broker sim")
        return f"{self.mode}, {'orders are not sent' if self.mode == 'shadow' else 'simulated fills'}"

    def _check_bundle(self) -> str:
        self.recipe = self._load()
        self.desk = Desk(self._home, self.recipe.lane.name)
        return f"lane {self.recipe.lane.name}, confidence {self.recipe.choice.confidence:g}"

    def _check_configuration(self) -> str:
        lane = self.recipe.lane
        self._rules = rules(lane, self.recipe.choice)
        features.params(lane.features, lane.interval_ns)
        return f"{lane.symbol} {lane.interval}, trades {lane.execution.symbol}, capital ${lane.capital:,.2f}"

    def _check_model(self) -> str:
        lane, model = self.recipe.lane, self.recipe.model
        names = tuple(feature.name for feature in features.catalogue(lane.features, lane.interval_ns))
        if model.papers.features != names:
            raise Refused("the model's features are not those of this lane; train it again with this program")
        asked = model.predict(np.zeros((1, len(names)), np.float32), np.ones(1))[0]
        total = float(asked["down"] + asked["flat"] + asked["up"])
        if not abs(total - 1) < 1e-3:
            raise Refused(f"the model's probabilities of an empty row add up to {total}; train it again")
        return f"{len(names)} features, kernel {model.papers.kernel_version}"

    def _check_account(self) -> str:
        if self.mode == "shadow":
            self.kept = None
            return "shadow: a fresh account that nothing moves"
        self.kept = self.desk.account.kept(self.recipe.lane.risk)
        account = open_account(self.recipe.lane) if self.kept is None else self.kept.account
        return f"cash ${int(account['cash_cents'][0]) / 100:,.2f}" + ("" if self.kept else ", new")

    def _check_budget(self) -> str:
        risk = self.recipe.lane.risk
        if self.mode == "shadow" or risk.account is None:
            return "an account of the lane's own"
        taken = risks(self._home) | {self.desk.account.path.name: risk}
        budget(taken)
        others = sum(one.account == risk.account for one in taken.values()) - 1
        return f"{risk.share:g} of account {risk.account}, beside {others} other lane{'' if others == 1 else 's'}"

    def _check_limits(self) -> str:
        row = None if self.kept is None else self.kept.account[0]
        fired = [] if row is None else [name for name in RESETS if row[name] != 0]
        if fired and row is not None and row["side"] == 0:
            remedies = ", ".join(RESETS[name] for name in fired)
            raise Refused(
                f"the account's {' and '.join(fired)} limit has fired; a person looks at it, then: {remedies}"
            )
        return "no account limit has fired" if not fired else f"{fired[0]}: only the open position is closed"

    def _check_session(self) -> str:
        self.feed = open_feed(self._lake, self.recipe.lane, self._feed_name, pace=self._pace)
        kept, day = self.kept, self.feed.session.date
        if kept is not None and not kept.complete and kept.account["side"][0] != 0 and kept.session != day:
            raise Refused(
                f"session {kept.session} was interrupted with an open position; finish it first: --feed "
                f"replay:{kept.session}"
            )
        self.rehearsal = kept is not None and kept.complete and kept.session is not None and day <= kept.session
        if self.rehearsal:
            self.kept = None
            return f"{day} {self.feed.contract}, traded before: a rehearsal on a new account that is not kept"
        goes_on = kept is not None and not kept.complete and kept.session == day
        return f"{day} {self.feed.contract}" + (", goes on after an interruption" if goes_on else "")

    def _check_data(self) -> str:
        if len(self.feed) == 0:
            raise DataUnavailable(f"{self.feed.session.date}: no bars of {self.feed.contract}; import or download them")
        seeded = "seeded by the session before" if self.feed.context is not None else "no session before it"
        return f"{len(self.feed)} bars from the lake ({self.recipe.lane.source_key}), {seeded}"

    def _check_position(self) -> str:
        lane = self.recipe.lane
        if self.mode == "shadow":
            self.broker = NoBroker()
        else:
            goes_on = self.kept is not None and not self.kept.complete and self.kept.session == self.feed.session.date
            book = self.kept.book if goes_on and self.kept is not None else None
            self.broker = SimBroker(lane.simulation, lane.timetable(self.feed.session), self._rules, book=book)
        held = self.broker.position()
        row = None if self.kept is None else self.kept.account[0]
        known = (0, 0) if row is None else (int(row["side"]), int(row["contracts"]))
        if (held.side, held.contracts) != known:
            raise Refused(f"the broker holds {held}, the account knows of side {known[0]}, {known[1]} contracts")
        return f"{self.broker.name}: {held}"

    def _check_halt(self) -> str:
        found = self.desk.halted()
        if found is None:
            return "nobody halted the lane"
        text = f"halted by {found.get('who')} at {found.get('at')}: {found.get('why')}"
        if self.broker.position().side == 0:
            raise Refused(f"{text}; `scalper resume` takes it back")
        return f"{text}; only the open position is closed"
