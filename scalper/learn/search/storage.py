"""Where studies lie: a journal beside the state, a database for several machines, or memory."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from scalper.errors import BadInput, DataUnavailable
from scalper.files import lock

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def open_storage(where: str, journal: Path) -> BaseStorage:
    """`where` as search.storage says it; a journal lies in the file `journal`.

    Raises BadInput for what is no URL, DataUnavailable for a database that does not answer. A password is in no
    message.
    """
    from optuna import storages

    if where == "memory":
        return storages.InMemoryStorage()
    if where == "journal":
        journal.parent.mkdir(parents=True, exist_ok=True)
        return storages.JournalStorage(_journal(journal))
    with answering(where):
        try:
            return storages.RDBStorage(where)
        except ImportError as error:
            raise DataUnavailable(
                f"search.storage {masked(where)}: {_told(where, error)}; install the database's driver"
            ) from None


def _journal(path: Path) -> Any:
    """Optuna's journal under a lock that ends with its process, and whose last line a killed writer may have torn."""
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    class Backend(JournalFileBackend):
        def read_logs(self, log_number_from: int) -> Generator[dict[str, Any]]:
            try:
                for one in super().read_logs(log_number_from):
                    if not isinstance(one, dict) or not {"op_code", "worker_id"} <= set(one):  # pyright: ignore[reportUnnecessaryIsInstance]
                        raise ValueError("a line is no entry of a study")
                    yield one
            except ValueError as error:  # no JSON, or no text
                raise BadInput(f"{path}: damaged ({error}); remove it; its trials stay in the ledger") from None

    class Lock(JournalFileOpenLock):
        def acquire(self) -> bool:
            self._held = lock(path)
            _mend(path)
            return True

        def release(self) -> None:
            self._held.close()

    return Backend(str(path), Lock(str(path)))


def _mend(path: Path) -> None:
    """Remove a last line without an end: its writer was killed, for nobody else writes now."""
    with path.open("rb+") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - 1))
        if end and file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


@contextmanager
def answering(where: str) -> Generator[None]:
    """What a database says becomes DataUnavailable, without the password of its URL. Raises BadInput for no URL."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    if "://" in where:
        _password(where)
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        raise DataUnavailable(
            f"search.storage {masked(where)}: {_told(where, error)}; mend it and run the same command again"
        ) from None


def _told(where: str, error: Exception) -> str:
    """The first line of an error, or of its cause, without the password."""
    why, secret = str(error.__cause__ or error).splitlines()[0], _password(where)
    for part in {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)} - {""}:
        why = why.replace(part, "***")
    return why


def masked(where: str) -> str:
    """A storage as it may be told: without user and password, and without what follows a question mark."""
    return re.sub(r"://.*@", "://***@", where.partition("?")[0])


def _password(where: str) -> str:
    """The password of a URL, empty without one. Raises BadInput for what is no URL."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return str(make_url(where).password or "")
    except (SQLAlchemyError, ValueError):
        raise BadInput(
            f"search.storage {masked(where)}: no URL of a database; write dialect://user:password@host/name, special "
            "characters percent-encoded"
        ) from None
