"""The one decorator of the compiled core, and the digest that says which core it was.

numba's cache notices an edit in the decorated file but not in the files it calls, so the cache folder is named by the
digest of every source that can be compiled in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import numba

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


_CACHE = _PACKAGE.parent / ".cache" / "numba" / source_digest(*_FLOORS)[:16]
cast(Any, numba).config.CACHE_DIR = str(_CACHE)


def kernel[F: Callable[..., Any]](function: F) -> F:
    """Compile a function of the core: cached on disk, without the GIL, no fast-math (bit for bit the same everywhere)."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
