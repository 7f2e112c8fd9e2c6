"""Where the lake's files lie: a folder on disk or a bucket, read and written by the same few calls.

Names are posix paths relative to the root. A name that begins with a dot, or lies below one, is the program's own
(staging, scratch, claims) and no object of the lake. A bucket is read through a mirror: a local copy of every file that
was ever read, fetched again when the object is another one (its time or its size).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from scalper.errors import Refused
from scalper.files import write_bytes
from scalper.lake.bucket import claim, claimant, open_bucket, trouble

STAGING = ".staging"
SCRATCH = ".scratch"
CLAIMS = ".claims"
MIRRORS = Path(__file__).resolve().parents[2] / ".cache" / "lake"
AT_ONCE = 8
BUSY = "another import or download is writing to this lake; wait until it has ended"


class Storage:
    """The files below one root: `Storage("/home/me/data_lake")`, `Storage("s3://bucket/prefix?endpoint=…&region=…")`.

    Raises as `open_bucket` does; every call on a bucket may raise its BadInput (refused) or VendorBusy (no answer).
    """

    def __init__(self, address: str | Path, mirror: Path | None = None) -> None:
        self.is_local = isinstance(address, Path) or "://" not in address
        if self.is_local:
            self.root = Path(address).absolute()
            self.address = self._base = self.root.as_posix()
            self._fs: Any = import_module("pyarrow.fs").LocalFileSystem()
            self._lock = self.root / STAGING / "lock"
        else:
            bucket = open_bucket(str(address))
            self.address, self._base, self._fs = bucket.address, bucket.base, bucket.fs
            self.root = mirror or MIRRORS / bucket.key
            """The local folder: the lake itself, or the mirror of a bucket."""
            self._lock = Path(tempfile.gettempdir(), f"scalper-lake-{bucket.key}.lock")

    def each[T](self, act: Callable[[T], None], items: Iterable[T]) -> None:
        """Do it with every item: in a folder one by one; in a bucket, where each waits for the network, some at once.

        Raises what `act` raised first.
        """
        if self.is_local:
            for item in items:
                act(item)
            return
        with ThreadPoolExecutor(AT_ONCE) as pool:
            deque(pool.map(act, items), maxlen=0)

    def uri(self, name: str) -> str:
        """An object's full address, for messages."""
        return f"{self.address}/{name}"

    def exists(self, name: str) -> bool:
        """Whether there is such an object (a folder is none)."""
        return self._info(name).is_file

    def size(self, name: str) -> int:
        """Bytes of an object, 0 if there is none."""
        return int(self._info(name).size or 0)

    def written_ns(self, name: str) -> int:
        """When an object was written last, UTC nanoseconds; 0 if there is none."""
        return int(self._info(name).mtime_ns or 0)

    def names(self, prefix: str = "", suffix: str = "") -> list[str]:
        """All objects below a folder whose names end so, sorted; without the program's own."""
        return [name for name, _ in self.listing(prefix) if name.endswith(suffix)]

    def listing(self, prefix: str = "") -> list[tuple[str, int]]:
        """All objects below a folder with their bytes, sorted by name; without the program's own."""
        found = ((self._name(one), int(one.size)) for one in self._below(prefix) if one.is_file)
        return sorted((name, size) for name, size in found if not any(p.startswith(".") for p in name.split("/")))

    def folders(self, prefix: str = "") -> list[str]:
        """The folders right below one, sorted, the program's own too."""
        folder = import_module("pyarrow.fs").FileType.Directory
        return sorted(self._name(one) for one in self._below(prefix, recursive=False) if one.type == folder)

    def read(self, name: str) -> bytes:
        """An object's bytes. Raises FileNotFoundError."""
        with self._speaking(), self._fs.open_input_file(self._path(name)) as file:
            return file.read()

    def write(self, name: str, data: bytes) -> None:
        """Write an object whole, replacing what was there."""
        if self.is_local:
            write_bytes(self.root / name, data)
        else:
            self._upload(name, data)

    def put(self, local: Path, name: str) -> None:
        """Make a finished local file an object, replacing what was there; the file is gone afterwards."""
        if self.is_local:
            self._make_room(name)
            local.replace(self.root / name)
            return
        if local.stat().st_size:
            with import_module("pyarrow").memory_map(str(local)) as file:
                self._upload(name, file.read_buffer())
        else:
            self._upload(name, b"")
        local.unlink()

    def move(self, source: str, target: str) -> None:
        """Give an object another name, replacing what had it; in a bucket a copy and then a deletion."""
        if self.is_local:
            self._make_room(target)
            self._do("move", self._path(source), self._path(target))
            return
        self._do("copy_file", self._path(source), self._path(target))
        self._do("delete_file", self._path(source))
        self._forget(target)

    def delete(self, name: str) -> None:
        """Remove an object, and the folders that it leaves empty; nothing happens if there is none."""
        if not self.exists(name):
            return
        self._do("delete_file", self._path(name))
        if self.is_local:
            _prune((self.root / name).parent, self.root)
        else:
            self._forget(name)

    def delete_folder(self, name: str) -> None:
        """Remove a folder with all that lies in it, the program's own too; nothing happens if there is none."""
        if self._info(name).type == import_module("pyarrow.fs").FileType.Directory:
            self._do("delete_dir", self._path(name))

    @contextmanager
    def local(self, name: str) -> Generator[Path]:
        """The object as a file to read: itself, or the mirror's copy. Raises FileNotFoundError."""
        yield self.root / name if self.is_local else self._mirrored(name)

    def digest(self, name: str) -> str:
        """SHA-256 (hex) of an object's bytes. Raises FileNotFoundError."""
        with self.local(name) as path, path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def scratch(self) -> Path:
        """A folder for files in the making, on the lake's disk (the mirror's for a bucket)."""
        folder = self.root / SCRATCH
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def lock(self) -> Generator[None]:
        """Be the only writer. Raises Refused if there is another one; not to be taken twice.

        A folder's lock is the operating system's and dies with its process. A bucket has none: there the processes of
        a machine exclude each other by such a lock in the temporary folder, and machines by a claim, an object that a
        writer puts before it looks for others. A claim of this machine that is there without the lock is a dead one's.
        """
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(f"{self.address}: {BUSY}") from None
            if self.is_local:
                yield
                return
            mine = f"{CLAIMS}/{claim()}"
            self.write(mine, b"")
            try:
                self._look_for_others(mine)
                yield
            finally:
                self._do("delete_file", self._path(mine))

    def _look_for_others(self, mine: str) -> None:
        for name in [self._name(one) for one in self._below(CLAIMS) if one.is_file]:
            if host := claimant(name):
                gone = f"or, if {host} is gone for good, delete the object {name}"
                raise Refused(f"{self.address}: {BUSY} (on {host}), {gone}")
            if name != mine:
                self._do("delete_file", self._path(name))

    def _upload(self, name: str, data: Any) -> None:
        """One write: what fails in it leaves no object, or the one before."""
        with self._speaking(), self._fs.open_output_stream(self._path(name), compression=None) as file:
            file.write(data)
        self._forget(name)

    def _mirrored(self, name: str) -> Path:
        info, path = self._info(name), self.root / name
        if not info.is_file:
            raise FileNotFoundError(self.uri(name))
        held = path.stat() if path.is_file() else None
        if held is None or (held.st_mtime_ns, held.st_size) != (info.mtime_ns, info.size):
            write_bytes(path, self.read(name), sync=False)
            os.utime(path, ns=(info.mtime_ns, info.mtime_ns))
        return path

    def _forget(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def _make_room(self, name: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def _name(self, info: Any) -> str:
        return info.path[len(self._base) + 1 :]

    def _info(self, name: str) -> Any:
        return self._do("get_file_info", self._path(name))

    def _below(self, prefix: str, *, recursive: bool = True) -> list[Any]:
        kind = import_module("pyarrow.fs").FileSelector
        return self._do("get_file_info", kind(self._path(prefix), allow_not_found=True, recursive=recursive))

    def _do(self, verb: str, *given: Any) -> Any:
        """One call of the file system."""
        with self._speaking():
            return getattr(self._fs, verb)(*given)

    @contextmanager
    def _speaking(self) -> Generator[None]:
        """A bucket's errors become ours; a FileNotFoundError stays one."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            if self.is_local:
                raise
            raise trouble(self.address, error) from None


def _prune(folder: Path, root: Path) -> None:
    """Remove folders that became empty, up to the lake's root."""
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
