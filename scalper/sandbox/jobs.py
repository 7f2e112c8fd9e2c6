"""Batch jobs: taken, queued, processed into files as Databento makes them, fetched, expired."""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scalper import clock
from scalper.sandbox.answer import Answers
from scalper.sandbox.catalogue import cost
from scalper.sandbox.dbn import KINDS
from scalper.sandbox.parts import SPLITS, file_name, part_of, spans
from scalper.sandbox.query import DATASET, DAY_NS, ApiError, Query, read_moment

STATES = ("received", "queued", "processing", "done")
"""A job goes one further with every look at it; `expired` may follow."""

KEPT_NS = 30 * DAY_NS
"""How long after the start a job's files may be fetched."""

CUSTOM = {"pretty_px": False, "pretty_ts": False, "map_symbols": False, "split_symbols": False}


@dataclass(slots=True)
class Job:
    """One job: its query and options, and where it stands."""

    id: str
    query: Query
    split: str
    packed: bool
    received_ns: int
    fails: bool
    state: str = "received"
    files: list[Path] = field(default_factory=list[Path])


class Jobs:
    """The jobs of one server; their files lie in a temporary folder until `close`.

    `beside` gives the documents condition.json and symbology.json of a query.
    """

    def __init__(self, answers: Answers, beside: Callable[[Query], dict[str, Any]]) -> None:
        self._answers, self._beside = answers, beside
        self._folders = ExitStack()
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Remove the files."""
        self._folders.close()

    @cached_property
    def _folder(self) -> Path:
        return Path(self._folders.enter_context(TemporaryDirectory(prefix="sandbox-jobs-")))

    def submit(self, form: Mapping[str, Any], query: Query, *, fails: bool = False) -> dict[str, Any]:
        """Take a job. `fails`: it will expire without files. Raises ApiError for what the sandbox cannot make."""
        encoding, compression = str(form.get("encoding", "dbn")), str(form.get("compression", "zstd"))
        split = str(form.get("split_duration", "day"))
        if encoding != "dbn" or compression not in ("none", "zstd") or split not in SPLITS:
            raise ApiError(422, "validation_failed", f"the sandbox makes DBN, plain or zstd, split by {SPLITS}")
        with self._lock:
            now = clock.now_ns()
            name = hashlib.sha256(f"{len(self._jobs)} {sorted(form.items())}".encode()).hexdigest()[:10].upper()
            job = Job(f"GLBX-{clock.from_ns(now):%Y%m%d}-{name}", query, split, compression == "zstd", now, fails)
            self._jobs[job.id] = job
            return self._told(job)

    def look(self, job_id: str) -> dict[str, Any]:
        """batch.get_job_details. Every look takes a job a state further. Raises ApiError."""
        with self._lock:
            job = self._job(job_id)
            self._advance(job)
            return self._told(job)

    def listed(self, form: Mapping[str, Any]) -> list[dict[str, Any]]:
        """batch.list_jobs: those in `states` (all but expired) submitted `since`; short lines unless asked else."""
        states = [s for s in str(form.get("states") or "received,queued,processing,done").split(",") if s]
        since = read_moment("since", str(form["since"]))[0] if form.get("since") else 0
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.received_ns // 1000 >= since // 1000]
            for job in jobs:
                self._advance(job)
            told = [self._told(job) for job in jobs if job.state in states]
        if str(form.get("short", "True")).lower() == "false":
            return told
        return [{key: one[key] for key in ("id", "state", "ts_received")} for one in told]

    def files(self, job_id: str, url: str) -> list[dict[str, Any]]:
        """batch.list_files, each with the address below `url` that it is fetched from. Raises ApiError."""
        with self._lock:
            return [_line(path, f"{url}/v0/batch/download/{job_id}/{path.name}") for path in self._done(job_id).files]

    def path(self, job_id: str, name: str) -> Path:
        """A file of a job that is done. Raises ApiError."""
        with self._lock:
            found = next((path for path in self._done(job_id).files if path.name == name), None)
        if found is None:
            raise ApiError(404, "batch_file_not_found", f"job {job_id} has no file '{name}'")
        return found

    def zipped(self, job_id: str) -> Path:
        """All files of a job in one archive. Raises ApiError."""
        with self._lock:
            target = self._folder / f"{job_id}.zip"
            with zipfile.ZipFile(target, "w") as archive:
                for path in self._done(job_id).files:
                    archive.write(path, path.name)
            return target

    def expire(self, job_id: str) -> None:
        """End a job's life: its files are gone. Raises ApiError."""
        with self._lock:
            job = self._job(job_id)
            job.state, job.files = "expired", []

    def _job(self, job_id: str) -> Job:
        if job_id not in self._jobs:
            raise ApiError(404, "batch_job_not_found", f"there is no job '{job_id}'")
        return self._jobs[job_id]

    def _done(self, job_id: str) -> Job:
        job = self._job(job_id)
        if job.state != "done":
            raise ApiError(422, "batch_job_not_done", f"job '{job_id}' is {job.state}, its files cannot be fetched")
        return job

    def _advance(self, job: Job) -> None:
        if job.state in ("done", "expired"):
            return
        job.state = "expired" if job.fails else STATES[STATES.index(job.state) + 1]
        if job.state == "done":
            job.files = self._made(job)

    def _told(self, job: Job) -> dict[str, Any]:
        count = self._answers.count(job.query)
        passed = STATES[: STATES.index(job.state) + 1] if job.state in STATES else STATES[:1]
        at = dict.fromkeys(passed, _stamp(job.received_ns))
        return {
            "id": job.id,
            "user_id": "SANDBOX",
            "cost_usd": cost(job.query.schema, count),
            **_asked(job),
            **CUSTOM,
            "split_duration": job.split,
            "split_size": None,
            "delivery": "download",
            "record_count": count,
            "billed_size": count * KINDS[job.query.schema].itemsize,
            "actual_size": sum(path.stat().st_size for path in job.files) or None,
            "state": job.state,
            "ts_received": at["received"],
            "ts_queued": at.get("queued"),
            "ts_process_start": at.get("processing"),
            "ts_process_done": at.get("done"),
            "ts_expiration": _stamp(job.received_ns + KEPT_NS),
        }

    def _parts(self, job: Job) -> list[Query]:
        """The queries of the job's data files, which together hold the limit; those without records are left out."""
        every = [part_of(job.query, span) for span in spans(job.query.span, job.split)]
        full: list[Query] = []
        left = job.query.limit
        for part in every:
            limited = replace(part, limit=left)
            count = self._answers.count(limited) if left != 0 else 0
            left = None if left is None else left - count
            full += [limited] if count else []
        return full or every[:1]

    def _made(self, job: Job) -> list[Path]:
        """Write the job's files: the data in parts, and what Databento lays beside."""
        folder = self._folder / job.id
        folder.mkdir()
        data: list[Path] = []
        for part in self._parts(job):
            data.append(folder / file_name(part, job.split, packed=job.packed))
            with data[-1].open("wb") as file:
                file.writelines(self._answers.encoded(part, packed=job.packed))
        beside = {
            **self._beside(job.query),
            "metadata": {"version": 1, "job_id": job.id, "query": _asked(job), "customizations": CUSTOM},
        }
        for name, document in sorted(beside.items()):
            data.append(folder / f"{name}.json")
            data[-1].write_text(json.dumps(document, indent=2))
        manifest = folder / "manifest.json"
        manifest.write_text(
            json.dumps({"job_id": job.id, "files": [_line(path, path.name) for path in data]}, indent=2)
        )
        return [*data, manifest]


def _asked(job: Job) -> dict[str, Any]:
    query = job.query
    return {
        "dataset": DATASET,
        "schema": query.schema,
        "symbols": ",".join(query.symbols),
        "stype_in": query.stype_in,
        "stype_out": query.stype_out,
        "start": _stamp(query.span.start_ns),
        "end": _stamp(query.span.end_ns),
        "limit": query.limit,
        "encoding": "dbn",
        "compression": "zstd" if job.packed else "none",
    }


def _line(path: Path, url: str) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    urls = {"https": url, "ftp": f"ftp://{url.partition('://')[2] or url}"}
    return {"filename": path.name, "size": path.stat().st_size, "hash": f"sha256:{digest}", "urls": urls}


def _stamp(ts_ns: int) -> str:
    return clock.from_ns(ts_ns).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
