"""Who made which version the champion, when and why. A person does it; nothing promotes itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from scalper import clock
from scalper.errors import BadInput, Refused
from scalper.learn.tracking.registry import CANDIDATE, CHAMPION, PREVIOUS, PROMOTIONS, aliases, found, loaded
from scalper.learn.tracking.store import Store, opened
from scalper.settings import Home


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version that became the champion, and the one that it follows."""

    lane: str
    version: int
    before: int | None
    who: str
    why: str
    at: str

    def as_dict(self) -> dict[str, Any]:
        """As `scalper promote --json` prints it."""
        return asdict(self)


def set_candidate(home: Home, lane_name: str, version: int) -> None:
    """Name the version that a person may promote. Raises DataUnavailable if there is none, TrackingFailed."""
    with opened(home, lane_name) as store:
        found(store, version)
        if aliases(store).get(CHAMPION) != version:  # it is promoted already
            store.client.set_registered_model_alias(lane_name, CANDIDATE, str(version))


def withdraw(home: Home, lane_name: str, version: int) -> None:
    """Take the name of candidate from a version that has it. Raises TrackingFailed."""
    with opened(home, lane_name) as store:
        if aliases(store).get(CANDIDATE) == version:
            store.client.delete_registered_model_alias(lane_name, CANDIDATE)


def promote(home: Home, lane_name: str, version: int | None = None, *, who: str, why: str) -> Promotion:
    """Make a version (None: the candidate) the champion, and the champion the previous one.

    Who, why and when stand in the version's tags and description. Raises BadInput without a who or a why; Refused if
    there is no candidate, if the version is the champion, or does not fit this lane and kernel; DataUnavailable if it
    does not exist; TrackingFailed.
    """
    return _promote(home, lane_name, version, CANDIDATE, who, why)


def rollback(home: Home, lane_name: str, *, who: str, why: str) -> Promotion:
    """Make the previous champion the champion again. Raises what `promote` raises."""
    return _promote(home, lane_name, None, PREVIOUS, who, why)


def _promote(home: Home, lane_name: str, version: int | None, alias: str, who: str, why: str) -> Promotion:
    who, why = _said("who", who), _said("why", why)
    with opened(home, lane_name) as store:
        named = aliases(store)
        number, before = named.get(alias) if version is None else version, named.get(CHAMPION)
        if number is None:
            raise Refused(f"lane {lane_name}: no version is the {alias}; name one with --version (scalper models)")
        if number == before:
            raise Refused(f"lane {lane_name}: version {number} is the champion already")
        loaded(store, number)
        made = Promotion(lane_name, number, before, who, why, clock.iso(clock.now_ns()))
        # Said first, then done, and the champion's name last: whatever is cut off, a name points to one of the two.
        _record(store, made)
        if before is not None:
            store.client.set_registered_model_alias(lane_name, PREVIOUS, str(before))
        store.client.set_registered_model_alias(lane_name, CHAMPION, str(number))
        if named.get(CANDIDATE) == number:
            store.client.delete_registered_model_alias(lane_name, CANDIDATE)
        return made


def _record(store: Store, made: Promotion) -> None:
    """Tags for the newest promotion, and a line in the description of both versions, which keeps them all."""
    name, client = made.lane, store.client
    for key, value in (("promoted_by", made.who), ("promoted_why", made.why), ("promoted_at", made.at)):
        client.set_model_version_tag(name, str(made.version), key, value)
    lines = {made.version: f"champion from {made.at}, promoted by {made.who}: {made.why}"}
    if made.before is not None:
        lines[made.before] = f"champion until {made.at}, when {made.who} promoted version {made.version}: {made.why}"
    for number, line in lines.items():
        there = found(store, number)
        said = "\n\n".join(filter(None, (there.tags.get(PROMOTIONS), line)))
        client.set_model_version_tag(name, str(number), PROMOTIONS, said)
        client.update_model_version(name, str(number), description=f"{there.description}\n\n{line}")


def _said(key: str, text: str) -> str:
    """A person's words on one line. Raises BadInput if there are none."""
    words = " ".join(text.split())
    if not words:
        raise BadInput(f"--{key} is empty: say {'who promotes' if key == 'who' else 'why'}, it stands in the registry")
    return words
