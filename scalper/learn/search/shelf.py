"""A study on its shelf: what was tried is looked up, what is being tried by others is left to them.

A point is claimed by a running trial in the storage. Nobody waits and nobody is watched: a worker takes the first point
of the batch that nobody has claimed, and where all are claimed it makes one of those itself. A trial gives the same
figures whoever makes it, so a worker that died costs nothing, and one that was only slow finds its trial made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scalper.errors import Refused
from scalper.learn.search.draws import Direction, key
from scalper.learn.search.space import Point, Space
from scalper.learn.search.trial import PRUNED, Found

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

NUMBER, POINT, FOUND = "number", "point", "found"


class Shelf:
    """The trials of one study in a storage; other processes may work on the same."""

    def __init__(self, storage: BaseStorage, name: str, directions: Sequence[Direction], space: Space) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
        self._storage, self._name = self._study._storage, name  # pyright: ignore[reportPrivateUsage]
        self._distributions = {axis.name: axis.distribution() for axis in space.axes}

    def settle(self, batch: Sequence[tuple[int, Point]], make: Callable[[int, Point], Found]) -> list[Found]:
        """What the points of a batch came to, in their order; `make` makes those that nobody has made."""
        points = dict(batch)
        while True:
            made, claimed = self._look(points)
            if not (left := [number for number in points if number not in made]):
                return [made[number] for number in points]
            number = next((one for one in left if one not in claimed), left[0])
            mine = self._claim(number, points[number])
            if number not in claimed and min(self._look(points)[1].get(number, [mine])) < mine:
                self._end(mine, None)  # another worker claimed it in the same moment
                continue
            self._keep(mine, number, points, make(number, points[number]))

    def close(self) -> None:
        """At the end: running trials are those of workers that died, or that make what is made already."""
        from optuna.trial import TrialState

        for one in self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            self._end(one._trial_id, None)  # pyright: ignore[reportPrivateUsage]

    def _look(self, points: dict[int, Point]) -> tuple[dict[int, Found], dict[int, list[int]]]:
        """What is made of these points, and the running trials of each. Raises Refused if other points were made."""
        from optuna.trial import TrialState

        made: dict[int, Found] = {}
        claimed: dict[int, list[int]] = {}
        for one in self._study.get_trials(deepcopy=False):
            number: int = one.user_attrs[NUMBER]
            if number not in points:
                continue
            if one.state == TrialState.RUNNING:
                claimed.setdefault(number, []).append(one._trial_id)  # pyright: ignore[reportPrivateUsage]
            elif FOUND in one.user_attrs:
                self._same(one, points[number])
                made.setdefault(number, Found.of(one.user_attrs[FOUND]))
        return made, claimed

    def _same(self, one: FrozenTrial, point: Point) -> None:
        if key(one.user_attrs[POINT]) != key(point):
            raise Refused(
                f"study {self._name}: its trial {one.user_attrs[NUMBER]} is {one.user_attrs[POINT]}, and now it is "
                f"{dict(point)}: another version of Optuna has drawn it; remove the study and search again"
            )

    def _claim(self, number: int, point: Point) -> int:
        """A running trial of a point; returns its id."""
        from optuna.trial import TrialState, create_trial

        template = create_trial(
            state=TrialState.RUNNING,
            params=dict(point),
            distributions=self._distributions,
            user_attrs={NUMBER: number, POINT: dict(point)},
        )
        return self._storage.create_new_trial(self._study._study_id, template)  # pyright: ignore[reportPrivateUsage]

    def _keep(self, mine: int, number: int, points: dict[int, Point], found: Found) -> None:
        """What a trial came to, unless another worker was faster."""
        if number in self._look(points)[0]:
            self._end(mine, None)
            return
        self._end(mine, found)

    def _end(self, trial: int, found: Found | None) -> None:
        """Tell the storage; a trial that another worker has ended at the study's end stays as it is."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        state = TrialState.FAIL
        if found is not None and (found.complete or found.status == PRUNED):
            state = TrialState.COMPLETE if found.complete else TrialState.PRUNED
        values: Any = list(found.scores) if found is not None and found.complete else None
        with suppress(UpdateFinishedTrialError):
            if found is not None:
                self._storage.set_trial_user_attr(trial, FOUND, found.document())
            self._storage.set_trial_state_values(trial, state, values)
