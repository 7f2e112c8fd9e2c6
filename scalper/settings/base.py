"""What every section of a lane's configuration is made of: strict, frozen, with bounded numbers."""

from __future__ import annotations

from datetime import time
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, lt=1)]
MOST = 1_000_000
"""No count of bars, ticks or seconds is larger: the kernels reckon in 64 bits, and in nanoseconds."""
Positive = Annotated[int, Field(gt=0, le=MOST)]
NotNegative = Annotated[int, Field(ge=0, le=MOST)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
SESSION_NS = 82_800_000_000_000  # 23 hours


class Section(BaseModel):
    """A part of a lane's configuration: frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _wall_minute(at: time) -> time:
    if at.tzinfo is not None:
        raise ValueError("a wall time of New York; leave the time zone out")
    if at.second or at.microsecond:
        raise ValueError("a wall time of whole minutes; leave the seconds out")
    return at


def _wall_time(value: object) -> object:
    """YAML reads an unquoted 16:30 as the number 990, minutes since midnight, and 16:30:00 as 59400 seconds."""
    if not isinstance(value, int) or not 0 <= value < 86_400:
        return value
    seconds = value * 60 if value < 1440 else value
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60)


WallTime = Annotated[time, BeforeValidator(_wall_time), AfterValidator(_wall_minute)]
