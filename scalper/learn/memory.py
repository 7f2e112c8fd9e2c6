"""What memory there is, and whether a training fits into it: asked before it starts, not found out by the kernel."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from scalper.errors import NotEnoughMemory
from scalper.settings import ModelSettings

if TYPE_CHECKING:
    from scalper.learn.estimators import Estimator
    from scalper.learn.feed import Survey

PROGRAM = 1 << 30
"""What the program itself holds when it trains: its libraries, and the rows that a feed's Reader keeps."""
MIB = 1 << 20


def require(
    kind: Estimator, found: Survey, features: int, settings: ModelSettings, where: str, root: Path = Path("/")
) -> int:
    """The memory that a training on these rows needs, in bytes. Raises NotEnoughMemory if it is not there.

    `settings.threads` trainings of this size run side by side. `root` is where the machine's /proc and /sys are.
    """
    watched = math.ceil(found.rows * settings.early_stopping_share)
    learned = math.ceil((found.rows - watched) / settings.every)
    need = kind.needs_bytes(learned, watched, features, settings, missing=found.missing)
    if settings.memory_mib is not None:
        there, source = settings.memory_mib * MIB, "model.memory_mib allows"
    elif (free := available(root)) is not None:
        there, source = free // settings.threads, f"the machine has for each of {settings.threads} side by side"
    else:
        return need
    if need > there:
        raise NotEnoughMemory(
            f"{where}: training {kind.name} on {learned + watched:,} rows of {features} features needs up to "
            f"{_mib(need)}, and {_mib(there)} is what {source}; {_advice(settings)}"
        )
    return need


def _advice(settings: ModelSettings) -> str:
    """What to change, the cheapest first."""
    fewer = ["lower model.threads (folds side by side)"] * (settings.threads > 1 and settings.memory_mib is None)
    disk = ["set model.memory: disk"] * (settings.memory == "ram")
    every = [f"raise model.every above {settings.every}", "shorten the train windows (folds.train, folds.kind)"]
    return " or ".join([*fewer, *disk, *every])


def _mib(count: int) -> str:
    return f"{count / MIB:,.0f} MiB"


def available(root: Path = Path("/")) -> int | None:
    """Bytes that trainings of this process may take in all, None where the system does not tell (no /proc).

    That is what the machine or the process's control group has left, and what this process holds already (other
    trainings, most of all), less PROGRAM.
    """
    try:
        free = _field(root / "proc/meminfo", "MemAvailable:") * 1024
        held = _field(root / "proc/self/status", "VmRSS:") * 1024
    except FileNotFoundError:
        return None
    return max(0, min([free, *_groups(root)]) + held - PROGRAM)


def _field(path: Path, name: str) -> int:
    """The number after a name in a file of the kernel's, 0 if it is not there."""
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def _groups(root: Path) -> list[int]:
    """Bytes left in the control groups that hold the process, of version 2 or 1; none without a limit.

    Pages of files that nobody has used of late are counted as used by the kernel, and given back when memory is short.
    """
    listed = root / "proc/self/cgroup"
    left: list[int] = []
    for line in listed.read_text().splitlines() if listed.is_file() else []:
        _, controllers, name = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        old = controllers == "memory"
        top = root / "sys/fs/cgroup" / ("memory" if old else "")
        most, used = ("memory.limit_in_bytes", "memory.usage_in_bytes") if old else ("memory.max", "memory.current")
        for part in (Path(name), *Path(name).parents):
            group = top / str(part).lstrip("/")
            if not (group / most).is_file() or (limit := (group / most).read_text().strip()) == "max":
                continue
            spare = _field(group / "memory.stat", "total_inactive_file" if old else "inactive_file")
            left.append(int(limit) - int((group / used).read_text()) + spare)
    return left
