"""Databento's DBN files of versions 1 to 3, plain or zstd: their records as numpy arrays, and who the instruments are.

The client's own reader is not used: it takes a file that was cut off for a shorter one, with a warning at best.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from scalper.compiled import kernel
from scalper.errors import BadInput
from scalper.lake.files.readers import DAY_NS, OTHER, SPREAD, classify

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
PREFIX = struct.Struct("<3sBI")
"""How a DBN file begins: `DBN`, the version, and how many bytes of metadata follow."""

MESSAGES = {
    "ohlcv": "OHLCVMsg",
    "trades": "TradeMsg",
    "tbbo": "MBP1Msg",
    "mbp-1": "MBP1Msg",
    "mbp-10": "MBP10Msg",
    "mbo": "MBOMsg",
    "definition": "InstrumentDefMsg",
    "status": "StatusMsg",
    "statistics": "StatMsg",
}
"""Schema to the vendor's record; `ohlcv` stands for all of its intervals."""

OLDER = {
    ("InstrumentDefMsg", 1): "InstrumentDefMsgV1",
    ("InstrumentDefMsg", 2): "InstrumentDefMsgV2",
    ("StatMsg", 1): "StatMsgV1",
    ("StatMsg", 2): "StatMsgV1",
}
"""Records that versions before 3 laid out otherwise."""

DIGITS = 10
"""An instrument id has no more: it is an unsigned number of 32 bits."""
FAR = np.iinfo(np.int64).max
"""Nanoseconds; the dates of a mapping may lie further away."""

ROWS = 1 << 18
"""Records read at once."""

OTHER_CODE, SPREAD_CODE, UNKNOWN = -1, -2, -3
"""What stands for a contract where a record has none of ours."""

Names = list[tuple[int, date, date, str]]
"""Instrument id, first date, end date (not included), raw symbol."""

Records = npt.NDArray[Any]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Header:
    """What a DBN file says of itself. `mappings`: symbol asked for to its spans (start_date, end_date, symbol);
    `not_found` and `partial` are symbols that the vendor does not know, or not for the whole range."""

    version: int
    schema: str
    stype_in: str
    stype_out: str
    mappings: Mapping[str, list[dict[str, Any]]]
    kind: np.dtype[Any]
    not_found: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()


class _Stream(Protocol):
    def read(self, nbytes: int, /) -> bytes: ...
    def read_buffer(self, nbytes: int, /) -> Any: ...


def header(path: Path) -> Header:
    """The metadata of a file. Raises BadInput if it is no DBN, is cut off, or holds records of several schemas."""
    with _opened(path) as (head, _, _):
        return head


def records(path: Path, rows: int = ROWS) -> Iterator[Records]:
    """The records as read-only structured arrays in the layout of the file's own version, so many at a time.

    Raises BadInput, after the last whole piece, for a file that is cut off or damaged.
    """
    for array, _ in pieces(path, rows):
        yield array


def pieces(path: Path, rows: int = ROWS) -> Iterator[tuple[Records, float]]:
    """As `records`, each with the share of the file that was read by then."""
    total = max(path.stat().st_size, 1)
    with _opened(path) as (head, stream, raw):
        count = 0
        while True:
            with _clear(path):
                buffer = stream.read_buffer(rows * head.kind.itemsize)
            if len(buffer) == 0:
                return
            if len(buffer) % head.kind.itemsize:
                raise _cut(path, f"record {count + len(buffer) // head.kind.itemsize + 1} is not whole")
            array = np.frombuffer(buffer, head.kind)
            _same_kind(path, array, head, count)
            count += len(array)
            yield array, min(raw.tell() / total, 1.0)


def count_records(path: Path) -> int:
    """How many records a file holds; it is read to its end. Raises BadInput if it is cut off or damaged."""
    return sum(len(array) for array in records(path))


def names_of(path: Path, head: Header) -> Names:
    """Instrument ids to raw symbols, from the file's own mappings. Raises BadInput if they name no raw symbols, or what
    is no instrument id."""
    found = [
        (key, one["start_date"], one["end_date"], str(one["symbol"]))
        for key, spans in head.mappings.items()
        for one in spans
    ]
    if head.stype_in == "instrument_id" and head.stype_out == "raw_symbol":
        return [(_number(path, key), start, end, symbol) for key, start, end, symbol in found]
    if head.stype_in not in ("raw_symbol", "parent") or any("." in key for key in head.mappings):
        raise BadInput(
            f"{path}: its mappings go from {head.stype_in} to {head.stype_out} and name no contract; "
            "ask Databento for raw symbols (stype_in raw_symbol), or use `scalper download`"
        )
    return [(_number(path, symbol), start, end, key) for key, start, end, symbol in found if symbol]


def _number(path: Path, text: str) -> int:
    """An instrument id. Raises BadInput."""
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS):
        raise BadInput(f"{path}: {text!r} in its mappings is no instrument id; the file is damaged, fetch it again")
    return int(text)


class Contracts:
    """Which contract of `symbol` a record belongs to, by its instrument id and date.

    `names` are the contracts, in the lake's form; codes are indices into it, or OTHER_CODE, SPREAD_CODE.
    """

    def __init__(self, path: Path, symbol: str, names: Names) -> None:
        """Raises BadInput for a raw symbol that looks like our product and is no contract of it."""
        self._path = path
        self.names: list[str] = []
        rows: list[tuple[int, int, int, int]] = []
        for number, start, end, text in names:
            days = (int(np.datetime64(day, "D").astype(np.int64)) for day in (start, end))
            since, until = (max(-FAR, min(day * DAY_NS, FAR)) for day in days)
            rows.append((number, since, until, self._code(text, symbol, start)))
        self._spans = np.array(sorted(rows), np.int64).reshape(-1, 4)

    def codes(self, ids: npt.NDArray[np.uint32], ts_ns: npt.NDArray[np.int64], first: int) -> Codes:
        """For each record its code (int32). `first` is the number of the first record, for messages.

        Raises BadInput naming the first record whose instrument id the file does not explain.
        """
        out = np.empty(len(ids), np.int32)
        at = int(code_of(ids, ts_ns, self._spans, out))
        if at >= 0:
            raise BadInput(
                f"{self._path}: row {first + at}: instrument id {ids[at]} is not in the file's symbol mappings on its "
                "date; download the file again with its symbology"
            )
        return out

    @staticmethod
    def dropped(codes: Codes) -> dict[str, int]:
        """How many records are none of ours, by reason."""
        found = {OTHER: int((codes == OTHER_CODE).sum()), SPREAD: int((codes == SPREAD_CODE).sum())}
        return {why: count for why, count in found.items() if count}

    def _code(self, text: str, symbol: str, near: date) -> int:
        contract, why = classify(text, symbol, near, any_product=True)
        if contract is None:
            return SPREAD_CODE if why == SPREAD else OTHER_CODE
        if contract not in self.names:
            self.names.append(contract)
        return self.names.index(contract)


@kernel
def code_of(ids: Any, ts_ns: Any, spans: Any, out: Any) -> int:
    """Fill `out` with the codes of `spans` (id, since, until, code; sorted); -1, or the first record that has none."""
    last = 0
    for i in range(len(ids)):
        number, ts = np.int64(ids[i]), ts_ns[i]
        if len(spans) == 0:
            return i
        if spans[last, 0] != number or ts < spans[last, 1] or ts >= spans[last, 2]:
            low, high = 0, len(spans)  # the last span of this id that begins at or before the stamp
            while low < high:
                middle = (low + high) // 2
                if spans[middle, 0] < number or (spans[middle, 0] == number and spans[middle, 1] <= ts):
                    low = middle + 1
                else:
                    high = middle
            last = max(low - 1, 0)
            if spans[last, 0] != number or ts < spans[last, 1] or ts >= spans[last, 2]:
                return i
        out[i] = spans[last, 3]
    return -1


@contextmanager
def _opened(path: Path) -> Generator[tuple[Header, _Stream, Any]]:
    """The header, the stream behind it, and the file itself, which knows how far it was read."""
    arrow = _arrow()
    with path.open("rb") as file:
        packed = file.read(4) == ZSTD_MAGIC
    with arrow.OSFile(str(path)) as raw:
        with _clear(path):
            stream: _Stream = arrow.CompressedInputStream(raw, "zstd") if packed else raw
            start = stream.read(PREFIX.size)
            if len(start) < PREFIX.size or start[:3] != b"DBN":
                raise BadInput(f"{path}: cannot be read as DBN (it does not begin as one); fetch it again")
            size = PREFIX.unpack(start)[2]
            rest = stream.read(size)
        if len(rest) < size:
            raise _cut(path, "its header is not whole")
        yield _header(path, start + rest), stream, raw


def _header(path: Path, raw: bytes) -> Header:
    import databento_dbn

    version = raw[3]
    try:
        told: Any = databento_dbn.Metadata.decode(raw)
    except (databento_dbn.DBNError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as DBN ({error}); the file is damaged, fetch it again") from None
    if told.schema is None:
        raise BadInput(f"{path}: holds records of several schemas (a live recording); import files of one schema")
    schema = str(told.schema)
    message = MESSAGES.get("ohlcv" if schema.startswith("ohlcv-") else schema)
    if message is None:
        raise BadInput(f"{path}: schema {schema} is not read; files of {', '.join(MESSAGES)} are")
    layout: Any = getattr(databento_dbn, OLDER.get((message, version), message))
    kind = np.dtype(layout._dtypes + ([("ts_out", "u8")] if told.ts_out else []))  # as the client's to_ndarray does
    types = str(told.stype_in), str(told.stype_out)
    missed = tuple(told.not_found), tuple(told.partial)
    return Header(version, schema, *types, told.mappings, kind, *missed)


def _same_kind(path: Path, array: Records, head: Header, before: int) -> None:
    """Every record has the length that its schema has. Raises BadInput naming the first that has not."""
    other = array["length"] != head.kind.itemsize // 4  # the vendor counts in words of four bytes
    if other.any():
        at = before + int(other.argmax()) + 1
        raise BadInput(f"{path}: row {at}: no record of {head.schema}; the file is damaged, fetch it again")


@contextmanager
def _clear(path: Path) -> Generator[None]:
    """pyarrow's errors as ours."""
    try:
        yield
    except OSError as error:
        if "Truncated" in str(error):
            raise _cut(path, "its compressed stream does not end") from None
        what = str(error).splitlines()[0]
        raise BadInput(f"{path}: cannot be read as DBN ({what}); the file is damaged, fetch it again") from None


def _cut(path: Path, what: str) -> BadInput:
    return BadInput(f"{path}: the file was cut off ({what}); fetch it again")


def _arrow() -> Any:
    """pyarrow, which has no types, loaded when it is needed."""
    return import_module("pyarrow")
