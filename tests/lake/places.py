"""Where a lake may lie, for tests that every kind of storage must pass: a folder, and a bucket of a loopback server."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from scalper.lake import storage as storage_module
from scalper.lake.storage import Storage
from scalper.lake.store import Lake

BUCKET = "scalper-lake"
SECRET = "a-secret-that-no-message-tells"


class Killed(BaseException):
    """The process is gone: nothing that it would have done afterwards happens."""


class Mortal(Storage):
    """A storage that dies after so many changes: from then on every call raises Killed."""

    left: float = float("inf")

    def write(self, name: str, data: bytes) -> None:
        self._live()
        super().write(name, data)

    def put(self, local: Path, name: str) -> None:
        self._live()
        super().put(local, name)

    def _do(self, verb: str, *given: Any) -> Any:
        if verb != "get_file_info":
            self._live()
        elif self.left < 0:
            raise Killed
        return super()._do(verb, *given)

    def _live(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


class Place:
    """Makes empty lakes of one kind. `other_machine` gives a lake's reader that has seen nothing of it yet."""

    def __init__(self, folder: Path, endpoint: str | None = None) -> None:
        self.folder, self.endpoint = folder, endpoint

    def address(self) -> str | Path:
        """The address of a lake that nobody has used."""
        name = uuid4().hex
        return f"s3://{BUCKET}/{name}?endpoint={self.endpoint}" if self.endpoint else self.folder / name

    def storage(self) -> Storage:
        """An empty storage."""
        return Storage(self.address())

    def lake(self) -> Lake:
        """An empty lake."""
        return Lake(self.address())

    def other_machine(self, address: str | Path) -> Storage:
        """The same lake with a mirror of its own."""
        return Storage(address, self.folder / uuid4().hex)


@contextmanager
def bucket_place(folder: Path) -> Generator[Place]:
    """Lakes in a bucket of moto's server (Apache-2.0) on loopback; mirrors below `folder`."""
    server_module = pytest.importorskip("moto.server", reason="moto is not installed (a dev dependency)")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "scalper")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setattr(storage_module, "MIRRORS", folder / "mirrors")
        with urlopen(Request(f"{endpoint}/{BUCKET}", method="PUT"), timeout=10):
            pass
        try:
            yield Place(folder, endpoint)
        finally:
            server.stop()
