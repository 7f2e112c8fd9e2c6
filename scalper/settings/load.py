"""Reading a lane: YAML, overrides, environment; every mistake is one message with file, key and remedy."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from scalper.errors import BadInput
from scalper.market import costs_of, instrument
from scalper.settings.lane import Lane


def _where(error: Any) -> str:
    """The key of one of pydantic's errors; what the whole lane contradicts names its keys itself."""
    return f"key `{'.'.join(str(part) for part in error['loc'])}`: " if error["loc"] else ""


def _remedy(error: Any) -> str:
    """A sentence for one of pydantic's errors, with the nearest known key where a key is unknown."""
    if error["type"] == "missing":
        return "missing; add it"
    if error["type"] != "extra_forbidden":
        said, found = error["msg"].removeprefix("Value error, "), repr(error["input"])
        whole = isinstance(error["input"], dict | BaseModel)  # a section, whose contradiction the sentence tells
        return said if whole else f"{said} (found {found[:60]}{'…' if len(found) > 60 else ''})"
    model: Any = Lane
    for part in error["loc"][:-1]:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        model = field.annotation if field is not None else None
    known = [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]
    near = difflib.get_close_matches(str(error["loc"][-1]), known, 1)
    return "unknown key" + (f"; did you mean `{near[0]}`?" if near else f"; known keys: {', '.join(known)}")


def _override(document: dict[str, Any], dotted: str, value: object) -> bool:
    """Put a value at `section.key`; an empty section is made. False if one is no mapping: then nothing is changed."""
    *sections, key = dotted.split(".")
    for section in sections:
        inner: object = document.get(section) or {}
        if not isinstance(inner, dict):
            return False
        document[section] = inner
        document = cast(dict[str, Any], inner)
    document[key] = value
    return True


class _Unique(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises ConstructorError naming the key that is there twice."""
        keys = [one.value for one, _ in node.value if isinstance(one, yaml.ScalarNode)]
        if twice := sorted({one for one in keys if keys.count(one) > 1} - {"<<"}):
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _known_variables() -> None:
    """Raise BadInput for a variable SCALPER_LANE__… whose first key no lane has."""
    for name in os.environ:
        if name.upper().startswith("SCALPER_LANE__"):
            key = name.upper().removeprefix("SCALPER_LANE__").split("__")[0].lower()
            if key not in Lane.model_fields:
                raise BadInput(f"variable {name}: unknown key `{key}`; known keys: {', '.join(Lane.model_fields)}")


def _read(path: Path) -> dict[str, Any]:
    """The mapping that a lane's file holds. Raises BadInput."""
    try:
        document: object = yaml.load(path.read_text(), _Unique)
    except FileNotFoundError:
        here = ", ".join(sorted(str(found) for found in Path("config").glob("*.yaml"))) or "none in config/"
        raise BadInput(f"{path}: no such lane file; lanes here: {here}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); give the path of a lane's YAML file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not YAML: {error}; mend the line it names") from None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in cast(dict[object, object], document)):
        raise BadInput(f"{path}: a lane is a mapping of keys to values; see config/demo.yaml")
    return cast(dict[str, Any], document)


def _made(document: dict[str, Any], name: str) -> Lane:
    """The lane that a document describes. Raises BadInput, whose message begins with `name`."""
    try:
        return Lane(**document)
    except ValidationError as error:
        lines = "; ".join(f"{_where(one)}{_remedy(one)}" for one in error.errors())
        raise BadInput(f"{name}: {lines}") from None
    except SettingsError as error:
        raise BadInput(f"{name}: a variable SCALPER_LANE__…: {error}; write lists and mappings as JSON") from None


def load_lane(path: Path, **overrides: object) -> Lane:
    """Read a lane from YAML, with overrides (`{"sandbox.seed": 3}`) and the environment on top.

    Raises BadInput naming file and key: unknown key, wrong value, a contradiction, a product without costs.
    """
    _known_variables()
    document = _read(path)
    for dotted, value in overrides.items():
        _override(document, dotted, value)  # into what is no section: the validation says so
    lane = _made(document, str(path))
    _refuse_unknown(path, "symbol", lane.symbol, instrument)
    if lane.source == "sandbox" and lane.end is None:
        raise BadInput(f"{path}: key `end`: a simulated market has an end; give the last session")
    traded = lane.execution_symbol or lane.symbol
    _refuse_unknown(path, "execution_symbol", traded, costs_of)
    if traded.removeprefix("M") != lane.symbol.removeprefix("M"):
        why = f"{traded} is another market than {lane.symbol}; trade {lane.symbol} or its micro"
        raise BadInput(f"{path}: key `execution_symbol`: {why}")
    return lane


def vary(lane: Lane, changes: Mapping[str, object], name: str) -> Lane:
    """The lane with other values at `section.key`, checked as a whole; `name` is what the message calls it.

    Raises BadInput naming the key: an unknown one, a wrong value, a contradiction, or a variable of the environment,
    which would win over every change.
    """
    document = lane.model_dump(by_alias=True)
    for dotted, value in changes.items():
        parts = dotted.upper().split(".")
        above = {"SCALPER_LANE__" + "__".join(parts[: i + 1]) for i in range(len(parts))}
        if there := next((one for one in os.environ if one.upper() in above), None):
            raise BadInput(f"{name}: key `{dotted}`: variable {there} sets it and would win; unset it")
        if not _override(document, dotted, value):
            raise BadInput(f"{name}: key `{dotted}`: it stands below a key that is no section")
    return _made(document, name)


def _refuse_unknown(path: Path, key: str, symbol: str, known: Callable[[str], object]) -> None:
    try:
        known(symbol)
    except BadInput as error:
        raise BadInput(f"{path}: key `{key}`: {error}") from None
