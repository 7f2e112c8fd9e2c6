"""The decorators of the compiled core, and the digest that says which core it was.

numba's cache notices an edit in the decorated file but not in the files it calls, so the cache folder is named by the
digest of every source that can be compiled in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any, cast

import numba
import numpy as np

_PACKAGE = Path(__file__).resolve().parent
_FLOORS = ("market", "features", "labels", "policy", "simulate", "sandbox")


@cache
def source_digest(*floors: str) -> str:
    """SHA-256 of the Python sources of the named folders of scalper/, or of all of scalper/."""
    found = hashlib.sha256()
    roots = [_PACKAGE / floor for floor in floors] or [_PACKAGE]
    for path in sorted(path for root in roots for path in root.rglob("*.py")):
        found.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


_OWN = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()  # its options are compiled in as well
_CACHE = _PACKAGE.parent / ".cache" / "numba" / f"{source_digest(*_FLOORS)[:16]}{_OWN[:8]}"
cast(Any, numba).config.CACHE_DIR = str(_CACHE)


class _Record(np.record):  # pyright: ignore[reportIncompatibleVariableOverride]  (numpy pins __module__)
    """A record whose fields come before numpy's own attributes (a prediction has a field `flat`)."""

    def __getattribute__(self, name: str) -> Any:
        fields: Any = super().__getattribute__("dtype").fields
        return self[name] if fields and name in fields else super().__getattribute__(name)


def _interpreted[F: Callable[..., Any]](function: F) -> F:
    """Plain Python, for NUMBA_DISABLE_JIT=1: there too the fields of records are read by name."""

    def seen(one: Any) -> Any:
        if isinstance(one, _Record) or not isinstance(one, np.ndarray | np.void):
            return one
        kind: Any = cast(Any, one).dtype
        return cast(Any, one).view(np.dtype((_Record, kind))) if kind.names else cast(Any, one)

    @wraps(function)
    def call(*given: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return function(*map(seen, given))

    return cast(F, call)


def kernel[F: Callable[..., Any]](function: F) -> F:
    """Compile a function of the core: cached on disk, without the GIL, without fast-math (the same bits everywhere)."""
    return _compiled(function)


def inlined[F: Callable[..., Any]](function: F) -> F:
    """The same, always made part of what calls it: for the few functions that a loop calls at every bar.

    A call that is given an array counts its references up and down, atomically: half of a simulated bar's time.
    """
    return _compiled(function, forceinline=True)


def _compiled[F: Callable[..., Any]](function: F, **options: bool) -> F:
    if cast(Any, numba).config.DISABLE_JIT:
        return _interpreted(function)
    return cast(F, cast(Any, numba).njit(cache=True, nogil=True, error_model="numpy", **options)(function))
