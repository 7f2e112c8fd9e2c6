"""Instruments as the vendor defines them, compared with our own table; and when it says that trading stood still."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.clock import from_ns, monotonic
from scalper.errors import BadInput
from scalper.lake.files.dbn import header, records
from scalper.lake.files.dbn_kernel import UNDEFINED
from scalper.lake.files.importing import ImportReport
from scalper.lake.files.readers import OTHER, SPREAD, classify
from scalper.lake.store import Keys, Lake
from scalper.market import NEW_YORK, Session, expiry, instrument
from scalper.market.contracts import MONTHS

UNSET_TIME = np.iinfo(np.uint64).max
DBN = (".dbn", ".dbn.zst")
NANO = Decimal(1_000_000_000)
UNTOLD = ("tick", "point_value", "currency", "expiration_ns")

DEFINITIONS: dict[str, pl.DataType] = {
    "ts_ns": pl.Int64(),  # when the vendor first told it
    "contract": pl.String(),
    "raw_symbol": pl.String(),
    "instrument_id": pl.Int64(),
    "tick": pl.Float64(),  # points; null here and below where the record does not tell
    "point_value": pl.Float64(),  # currency a point and contract
    "tick_value": pl.Float64(),
    "currency": pl.String(),
    "expiration_ns": pl.Int64(),
}
"""A contract a row, of one source and product."""

STATUS: dict[str, pl.DataType] = {
    "ts_ns": pl.Int64(),
    "contract": pl.String(),
    "action": pl.String(),  # Databento's words, such as `halt`
    "reason": pl.String(),
    "is_trading": pl.Boolean(),  # null where the venue does not tell
    "is_quoting": pl.Boolean(),
}
"""Changes of the trading status in one session."""


def are_definitions(paths: Sequence[Path]) -> bool:
    """Whether these are DBN files of definitions. Raises BadInput if only some are, or one cannot be read."""
    found = [path for path in paths if path.name.lower().endswith(DBN) and path.is_file()]
    found = [path for path in found if header(path).schema == "definition"]
    if found and len(found) < len(paths):
        other = next(path for path in paths if path not in found)
        raise BadInput(f"{found[0]} holds definitions, {other} does not; import them separately")
    return bool(found)


def import_definitions(lake: Lake, paths: Sequence[Path], *, symbol: str, source: str = "import") -> ImportReport:
    """Definition files into the lake, once they agree with our table of instruments; what a record does not tell is
    not compared, and a note says so.

    Raises BadInput naming file, contract, field, both values and the remedy; the lake then is as it was.
    """
    started = monotonic()
    dropped: dict[str, int] = {}
    every: list[pl.DataFrame] = []
    for path in paths:
        frame, left = open_definitions(path, symbol=symbol)
        for row in frame.iter_rows(named=True):
            compare(row, str(path))
        every.append(frame)
        dropped = {why: dropped.get(why, 0) + left.get(why, 0) for why in dropped | left}
    told = pl.concat(every)
    keep_definitions(lake, source, symbol, told)
    untold = {row["contract"]: [name for name in UNTOLD if row[name] is None] for row in told.iter_rows(named=True)}
    return ImportReport(
        rows_read=len(told) + sum(dropped.values()),
        rows_kept=len(told),
        dropped=dropped,
        contracts=sorted(untold),
        sessions=[],
        bars=0,
        enriched=0,
        volume=0,
        named_by=None,
        interval="definition",
        manifest=lake.root / lake.name("definitions", definition_keys(source, symbol)),
        seconds=monotonic() - started,
        notes=[
            f"{name} agrees with our table, except that {', '.join(gone)} is not told"
            for name, gone in untold.items()
            if gone
        ],
    )


def open_definitions(path: Path, *, symbol: str) -> tuple[pl.DataFrame, dict[str, int]]:
    """The outright contracts of a product in a DBN file of schema definition, a row a record (columns of DEFINITIONS),
    and how many records were left out, by reason. Raises BadInput."""
    _must_be(path, "definition")
    rows: list[dict[str, Any]] = []
    dropped: dict[str, int] = {}
    for array in records(path):
        for record in array:
            row, why = _row(record, symbol)
            if row is None:
                dropped[why] = dropped.get(why, 0) + 1
            else:
                rows.append(row)
    return pl.DataFrame(rows, schema=DEFINITIONS), dropped


def compare(row: dict[str, Any], where: str) -> None:
    """Compare a definition with our table. What it does not tell is not compared.

    Raises BadInput naming the contract, the field, both values and the remedy.
    """
    product = instrument(row["contract"][:-3])
    ours: dict[str, object] = {
        "tick": float(product.tick),
        "point_value": float(product.point_value),
        "tick_value": float(product.tick_value),
        "currency": "USD",
        "expiration": expiry(row["contract"]),
    }
    at = row["expiration_ns"]
    theirs = row | {"expiration": None if at is None else from_ns(at).astimezone(NEW_YORK).date()}
    wrong = [
        f"{name} is {theirs[name]}, ours {mine}" for name, mine in ours.items() if theirs[name] not in (None, mine)
    ]
    if wrong:
        raise BadInput(
            f"{where}: {row['contract']} is defined differently from our table: {'; '.join(wrong)}; "
            "see the exchange's contract specification and correct scalper/market/instruments.py or contracts.py, "
            "or leave the contract out"
        )


def keep_definitions(lake: Lake, source: str, symbol: str, told: pl.DataFrame) -> None:
    """Add to the source's definitions of a product: a row a contract, the first that was told."""
    keys = definition_keys(source, symbol)
    parts = [lake.read("definitions", keys)] if lake.exists("definitions", keys) else []
    merged = pl.concat([*parts, told]).sort("ts_ns", "contract").unique("contract", keep="first", maintain_order=True)
    if merged.height and not (parts and parts[0].equals(merged)):
        lake.write("definitions", keys, merged)


def definition_keys(source: str, symbol: str) -> Keys:
    """The keys of a product's definitions."""
    return {"source": source, "symbol": symbol}


def open_status(path: Path, *, contracts: dict[int, str]) -> pl.DataFrame:
    """Changes of status of known instruments in a DBN file of schema status (columns of STATUS). Raises BadInput."""
    from databento_dbn import StatusAction, StatusReason

    _must_be(path, "status")
    rows = [
        {
            "ts_ns": int(record["ts_event"]),
            "contract": contracts[int(record["instrument_id"])],
            "action": _word(StatusAction, record["action"]),
            "reason": _word(StatusReason, record["reason"]),
            "is_trading": _flag(record["is_trading"]),
            "is_quoting": _flag(record["is_quoting"]),
        }
        for array in records(path)
        for record in array
        if int(record["instrument_id"]) in contracts
    ]
    return pl.DataFrame(rows, schema=STATUS).sort("ts_ns", "contract")


def keep_status(lake: Lake, source: str, symbol: str, told: pl.DataFrame, sessions: Sequence[Session]) -> None:
    """Put the changes of status into their sessions; those in the lake already are not doubled."""
    for one in sessions:
        mine = told.filter((pl.col("ts_ns") >= one.open_ns) & (pl.col("ts_ns") < one.close_ns))
        keys = status_keys(source, symbol, one.date)
        parts = [lake.read("status", keys)] if lake.exists("status", keys) else []
        merged = pl.concat([*parts, mine]).unique(maintain_order=True).sort("ts_ns", "contract")
        if merged.height and not (parts and parts[0].equals(merged)):
            lake.write("status", keys, merged)


def status_keys(source: str, symbol: str, day: date) -> Keys:
    """The keys of a session's changes of status."""
    return {"source": source, "symbol": symbol, "date": day.isoformat()}


def _row(record: npt.NDArray[Any], symbol: str) -> tuple[dict[str, Any] | None, str]:
    """A definition as a row of DEFINITIONS, or None with the reason to leave it out."""
    raw, kind = _text(record["raw_symbol"]), _text(record["instrument_class"])
    if kind != "F":
        return None, SPREAD if kind in ("S", "M") else OTHER
    seen, ends = int(record["ts_recv"]), int(record["expiration"])
    near = from_ns(seen if ends == UNSET_TIME else ends).date()
    contract, why = classify(raw, symbol, near, any_product=True)
    if contract is None:
        return None, why or OTHER
    _listed_month(contract, record, raw)
    tick = _decimal(record["min_price_increment"])
    point = _decimal(record["unit_of_measure_qty"])
    amount, display = _decimal(record["min_price_increment_amount"]), _decimal(record["display_factor"])
    if point is None and amount and display and tick:
        point = amount / display / tick
    row = {
        "ts_ns": seen,
        "contract": contract,
        "raw_symbol": raw,
        "instrument_id": int(record["instrument_id"]),
        "tick": _float(tick),
        "point_value": _float(point),
        "tick_value": _float(None if point is None or tick is None else tick * point),
        "currency": _text(record["currency"]) or None,
        "expiration_ns": None if ends == UNSET_TIME else ends,
    }
    return row, ""


def _listed_month(contract: str, record: npt.NDArray[Any], raw: str) -> None:
    """Raise BadInput if the record's month of maturity is not the one that the symbol names."""
    month, year = int(record["maturity_month"]), int(record["maturity_year"])
    named = MONTHS.index(contract[-3]) + 1, 2000 + int(contract[-2:])
    if month <= 12 and year < 3000 and (month, year) != named:
        raise BadInput(
            f"{raw} is defined with maturity {year}-{month:02d}, its name says {named[1]}-{named[0]:02d}: "
            "see the exchange's specification and correct scalper/market/contracts.py"
        )


def _must_be(path: Path, schema: str) -> None:
    found = header(path).schema
    if found != schema:
        raise BadInput(f"{path}: holds {found}, not {schema}; import it as what it is")


def _decimal(value: Any) -> Decimal | None:
    return None if int(value) == UNDEFINED else Decimal(int(value)) / NANO


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _text(value: Any) -> str:
    return bytes(value).decode("ascii", "replace").rstrip("\0")


def _word(names: Any, value: Any) -> str:
    """Databento's name of a number in lower case; the number where this client does not know it."""
    try:
        return str(names.from_int(int(value)).name).lower()
    except ValueError:
        return str(int(value))


def _flag(value: Any) -> bool | None:
    return {"Y": True, "N": False}.get(_text(value))
