"""An S3 bucket as a lake's place: its address, its credentials, what its errors mean, and whose turn it is to write."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit
from uuid import uuid4

from scalper.errors import BadInput, ScalperError, VendorBusy

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
FORM = "s3://bucket/prefix?endpoint=https://host:port&region=name (endpoint and region may be left out)"
_PASSING = {
    "NETWORK_CONNECTION",
    "SLOW_DOWN",
    "SERVICE_UNAVAILABLE",
    "INTERNAL_FAILURE",
    "REQUEST_TIMEOUT",
}
_CODE = re.compile(r"AWS Error (\w+)")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A reachable bucket: `address` s3://bucket/prefix, `base` the same without s3://, `fs` pyarrow's file system."""

    address: str
    base: str
    key: str
    """Tells this lake from another one on this machine."""
    fs: Any


def open_bucket(text: str) -> Bucket:
    """Reach the bucket of an s3:// address; credentials are those of the AWS_* variables and nowhere else.

    Raises BadInput for a malformed address, missing credentials, no such bucket or no access; VendorBusy if the
    endpoint does not answer.
    """
    parts = urlsplit(text)
    asked = dict(parse_qsl(parts.query))
    address = f"s3://{parts.hostname or ''}{parts.path}".rstrip("/")
    if parts.scheme != "s3" or not parts.hostname or "@" in parts.netloc or set(asked) - {"endpoint", "region"}:
        raise BadInput(f"SCALPER_LAKE: write a folder, or {FORM}; credentials belong into {' and '.join(CREDENTIALS)}")
    if absent := [name for name in CREDENTIALS if not os.environ.get(name)]:
        raise BadInput(f"{address}: variable {' and '.join(absent)} is not set; give the bucket's credentials there")
    endpoint = _endpoint(address, asked.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL") or "")
    region = asked.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    fs: Any = import_module("pyarrow.fs")
    system = fs.S3FileSystem(
        access_key=os.environ[CREDENTIALS[0]],
        secret_key=os.environ[CREDENTIALS[1]],
        session_token=os.environ.get("AWS_SESSION_TOKEN"),
        region=region,
        scheme=endpoint.scheme or "https",
        endpoint_override=endpoint.netloc + endpoint.path.rstrip("/") or None,
        allow_delayed_open=True,  # a small object is one request, whole or not at all
        background_writes=False,  # parts are sent from the buffer, without a copy of it
    )
    try:
        there = system.get_file_info(parts.hostname).type != fs.FileType.NotFound
    except OSError as error:
        raise trouble(address, error) from None
    if not there:
        raise BadInput(f"{address}: there is no bucket {parts.hostname}; make it, or mend the name in SCALPER_LAKE")
    key = hashlib.sha256(f"{endpoint.geturl()} {address}".encode()).hexdigest()[:16]
    return Bucket(address, address.removeprefix("s3://"), key, system)


def _endpoint(address: str, text: str) -> SplitResult:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc):
        raise BadInput(f"{address}: the endpoint is no address; write https://host or http://host:port")
    return parts


def trouble(address: str, error: OSError) -> ScalperError:
    """What a failed request means to a person; the client's own words only by the name of its error."""
    found = _CODE.search(str(error))
    code = found.group(1) if found else type(error).__name__
    if code in _PASSING:
        return VendorBusy(f"{address}: the endpoint does not answer ({code}); see that it is up, then try again")
    return BadInput(f"{address}: the bucket refused ({code}); see its region, the credentials and their rights")


def claim(host: str | None = None) -> str:
    """A fresh name for a writer's claim, `host@unique`."""
    return f"{host or socket.gethostname()}@{uuid4().hex}"


def claimant(name: str) -> str | None:
    """The other machine whose claim this is, None for one of this machine."""
    host = name.rsplit("/", 1)[-1].rsplit("@", 1)[0]
    return None if host == socket.gethostname() else host
