"""The model as everything but training sees it: an ONNX file that knows what it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.learn.feed import windows
from scalper.learn.runtime import FEATURES, MOVES, PROBABILITIES, open_session
from scalper.policy import MINUTES, NORM, PREDICTION

SCHEMA = "model/3"
"""Version of the graph's inputs, outputs and papers."""
PREFIX = "scalper."
MINUTE_LISTS = ("minute_volatility", "minute_volume")
"""Papers that hold the norms, in the order of NORM."""


@dataclass(frozen=True, slots=True)
class Papers:
    """What a model carries in its metadata_props, one JSON value a key.

    class_moves: mean of move_ticks / volatility_ticks of each class in the train window; priors and counts: shares and
    rows of each class there; window: first and last session of training; span: rows in a row that it reads;
    row_by_row: whether a batch is asked row by row, so that it equals its rows bit for bit; members: horizon, seed,
    weight and rounds of each of the ensemble; calibration: its kind and numbers; minute_volatility and minute_volume:
    the norms of each minute of a session in the train window, None: unknown.
    """

    schema: str
    lane: str
    features: tuple[str, ...]
    kernel_version: str
    data_digest: str
    window: tuple[str, str]
    class_moves: tuple[float, float, float]
    priors: tuple[float, float, float]
    counts: tuple[int, int, int]
    estimator: str
    span: int
    row_by_row: bool
    members: tuple[dict[str, Any], ...]
    calibration: dict[str, Any]
    minute_volatility: tuple[float | None, ...]
    minute_volume: tuple[float | None, ...]

    def as_metadata(self) -> dict[str, str]:
        """As the flat strings that ONNX keeps."""
        return {PREFIX + key: json.dumps(value) for key, value in asdict(self).items()}

    @classmethod
    def read(cls, metadata: Mapping[str, str], where: str) -> Self:
        """From a model's metadata. Raises Refused if one is missing or of another schema, BadInput if unreadable."""
        names = [one.name for one in fields(cls)]
        missing = [name for name in names if PREFIX + name not in metadata]
        if missing:
            raise Refused(
                f"{where}: the model lacks {', '.join(missing)} in its metadata; use one that `scalper run` exported"
            )
        lists = ("features", "window", "class_moves", "priors", "counts", "members", *MINUTE_LISTS)
        try:
            values = {name: json.loads(metadata[PREFIX + name]) for name in names}
            if values["schema"] != SCHEMA:
                schema = values["schema"]
                raise Refused(f"{where}: a model of schema {schema}; this program runs {SCHEMA}: train it again")
            for name in lists:
                values[name] = tuple(values[name])
        except (ValueError, TypeError) as error:
            raise BadInput(f"{where}: the model's papers cannot be read ({error}); train and export it again") from None
        numbers = [one for name in ("class_moves", "priors", "counts", *MINUTE_LISTS) for one in values[name]]
        if not all(one is None or (isinstance(one, int | float) and not isinstance(one, bool)) for one in numbers):
            raise BadInput(
                f"{where}: the model's papers cannot be read (a text for a number); train and export it again"
            )
        for name in MINUTE_LISTS:
            if len(values[name]) != MINUTES:
                raise Refused(f"{where}: {name} of its papers has {len(values[name])} minutes, a model has {MINUTES}")
        return cls(**values)


class Model:
    """A calibrated three-class model on one thread; a row's prediction does not depend on the rows beside it."""

    def __init__(self, content: bytes, where: str = "model") -> None:
        self.content = content
        self._session = open_session(content, where)
        self.papers = Papers.read(self._session.get_modelmeta().custom_metadata_map, where)
        shape = self._session.get_inputs()[0].shape
        wanted = [len(self.papers.features)] if self.papers.span == 1 else [self.papers.span, len(self.papers.features)]
        if list(shape[1:]) != wanted:
            raise Refused(f"{where}: the graph takes rows of {shape[1:]} and its papers speak of {wanted}")
        self.digest = hashlib.sha256(content).hexdigest()
        self.norms = np.zeros(MINUTES, NORM)
        """What is usual in each minute of a session, (MINUTES,) of NORM; NaN where that is unknown."""
        for name, paper in zip(NORM.names or (), MINUTE_LISTS, strict=True):
            self.norms[name] = np.array(getattr(self.papers, paper), np.float64)
        outputs = {one.name: one.shape[-1] for one in self._session.get_outputs()}
        if outputs not in ({PROBABILITIES: 3}, {PROBABILITIES: 3, MOVES: 2}):
            raise Refused(
                f"{where}: the graph gives {outputs}; a model gives {PROBABILITIES} (3) and perhaps {MOVES} (2)"
            )
        self._moves = [float(move) for move in self.papers.class_moves]
        self._outputs = [one.name for one in self._session.get_outputs()]

    @classmethod
    def load(
        cls,
        source: Path | bytes,
        *,
        expect_features: Sequence[str] | None = None,
        expect_kernel: str | int | None = None,
        expect_lane: str | None = None,
    ) -> Self:
        """Open a model and hold its papers against what the caller will feed it.

        Raises DataUnavailable if there is no such file, Refused (with the difference) if it is not what is expected.
        """
        where = "model" if isinstance(source, bytes) else str(source)
        if isinstance(source, Path):
            if not source.is_file():
                raise DataUnavailable(f"{source}: no such model; run the lane first")
            source = source.read_bytes()
        model = cls(source, where)
        papers = model.papers
        wrong: list[str] = []
        if expect_features is not None and tuple(expect_features) != papers.features:
            wrong.append(_difference(papers.features, tuple(expect_features)))
        if expect_kernel is not None and str(expect_kernel) != papers.kernel_version:
            wrong.append(f"its features come from kernel {papers.kernel_version}, this is kernel {expect_kernel}")
        if expect_lane is not None and expect_lane != papers.lane:
            wrong.append(f"it was trained for lane {papers.lane}, not {expect_lane}")
        if wrong:
            raise Refused(
                f"{where}: the model does not fit: {'; '.join(wrong)}; train it again with this program and lane"
            )
        return model

    @property
    def metadata(self) -> dict[str, Any]:
        """The papers as a plain mapping."""
        return asdict(self.papers)

    def probabilities(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Calibrated probabilities (n, 3) of DOWN, FLAT, UP for consecutive rows x (n, f) of a session."""
        return self._ask(windows(x, self.papers.span))[0]

    def predict(self, x: npt.NDArray[np.float32], volatility_ticks: npt.ArrayLike) -> npt.NDArray[Any]:
        """PREDICTION records (n,) for x (n, f) float32, consecutive rows of one session that the model may be asked
        about, and the volatility (n,) of the same rows in ticks.

        The expected move is volatility × Σ p × class move, in float64 and in this order, and the volatility the present
        one; of a model with regressors both are foreseen (Moves.raw). A row without a finite volatility has no
        prediction: valid 0.
        """
        return self._records(windows(x, self.papers.span), np.asarray(volatility_ticks, np.float64))

    def _records(self, x: npt.NDArray[np.float32], volatility: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        """PREDICTION (n,) of rows as the graph reads them."""
        asked = self._ask(x)
        found = asked[0].astype(np.float64)
        out = np.zeros(len(found), PREDICTION)
        out["down"], out["flat"], out["up"] = found[:, 0], found[:, 1], found[:, 2]
        if MOVES in self._outputs:
            moves = asked[1].astype(np.float64)
            out["move_ticks"], out["volatility_ticks"] = volatility * moves[:, 0], volatility * moves[:, 1]
        else:
            down, flat, up = self._moves
            out["move_ticks"] = volatility * (found[:, 0] * down + found[:, 1] * flat + found[:, 2] * up)
            out["volatility_ticks"] = volatility
        out["valid"] = np.isfinite(volatility)
        return out

    def _ask(self, x: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """The graph's outputs, in the order of `_outputs`."""
        if not self.papers.row_by_row or len(x) == 1:
            return self._session.run(self._outputs, {FEATURES: x})
        rows = [self._session.run(self._outputs, {FEATURES: x[i : i + 1]}) for i in range(len(x))]
        empty = np.zeros((0, 3), np.float32), np.zeros((0, 2), np.float32)
        return [np.concatenate([empty[j], *(row[j] for row in rows)]) for j in range(len(self._outputs))]

    def scorer(self) -> Scorer:
        """Asks the model row after row, from the session's first one on."""
        return Scorer(self)


class Scorer:
    """A model that is asked row by row as a session goes on, and remembers as many rows as it reads."""

    def __init__(self, model: Model) -> None:
        self._model, self._span = model, model.papers.span
        self._rows = np.full((self._span, len(model.papers.features)), np.nan, np.float32)

    def push(self, row: npt.NDArray[np.float32]) -> None:
        """Take a row (1, f) that the model may be asked about."""
        if self._span > 1:
            self._rows[:-1] = self._rows[1:]
            self._rows[-1] = row[0]

    def predict(self, row: npt.NDArray[np.float32], volatility_ticks: float) -> npt.NDArray[Any]:
        """PREDICTION (1,) of the next row (1, f): what Model.predict gives for it among the session's rows."""
        self.push(row)
        asked = row if self._span == 1 else self._rows[np.newaxis]
        return self._model._records(asked, np.array([volatility_ticks]))  # pyright: ignore[reportPrivateUsage]

    def save(self) -> bytes:
        """What it remembers."""
        return self._rows.tobytes() if self._span > 1 else b""

    def restore(self, saved: bytes) -> None:
        """Remember it again. Raises BadInput if another model saved it."""
        if self._span == 1 and not saved:
            return
        if len(saved) != self._rows.nbytes:
            raise BadInput(f"saved rows: {len(saved)} bytes, this model reads {self._rows.nbytes}; start from new ones")
        self._rows[:] = np.frombuffer(saved, np.float32).reshape(self._rows.shape)


def _difference(has: tuple[str, ...], wants: tuple[str, ...]) -> str:
    """Two lists of features, in words."""
    lacks = [name for name in wants if name not in has]
    extra = [name for name in has if name not in wants]
    parts = [f"it lacks {', '.join(lacks)}"] * bool(lacks) + [f"it also wants {', '.join(extra)}"] * bool(extra)
    if not parts:
        place = next(i for i, (a, b) in enumerate(zip(has, wants, strict=True)) if a != b)
        parts = [f"the same features stand in another order, from column {place} on ({has[place]}, not {wants[place]})"]
    return "features: " + ", ".join(parts)
