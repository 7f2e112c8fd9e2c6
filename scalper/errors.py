"""The errors a caller would treat differently; each carries the exit code the command line gives it."""

from __future__ import annotations

from typing import ClassVar, Literal

Severity = Literal["warning", "error", "critical"]


class ScalperError(Exception):
    """Something went wrong that a person has to read about.

    The message names what was wrong, where (file, row, key) and what to do. `retryable` says whether the same call may
    succeed later, `severity` how loud an alert should be, `exit_code` what a script sees.
    """

    retryable: ClassVar[bool] = False
    severity: ClassVar[Severity] = "error"
    exit_code: ClassVar[int] = 1


class BadInput(ScalperError):
    """A file, a row, an argument or a configuration key is wrong; nothing was written."""

    exit_code = 3


class DataUnavailable(ScalperError):
    """Data that a stage needs is not in the lake (yet)."""

    exit_code = 3


class VendorError(ScalperError):
    """A data vendor refused or failed a request."""

    exit_code = 3


class VendorBusy(VendorError):
    """A data vendor asked us to come back later, or did not answer."""

    retryable = True


class Refused(ScalperError):
    """A rule forbids the action: a bundle that does not verify, a second instance, a halted account."""

    severity = "critical"
    exit_code = 4


class NotEnoughMemory(Refused):
    """A training would not fit into the memory that is there now: another time it may."""


class TrackingFailed(ScalperError):
    """MLflow could not record or be read. A lane's verdict, bundle and ledger do not depend on it."""

    severity = "warning"
