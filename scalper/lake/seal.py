"""The seal of a Parquet file: a digest of its bytes in its own metadata, by which damage and edits are seen.

The seal stands in the footer and covers every byte but its own 64. Whoever writes the table anew with another program,
and keeps the metadata, has other bytes and so no seal.
"""

from __future__ import annotations

import hashlib

SEAL_KEY = "scalper.seal"
"""Key in a Parquet file's metadata; its value is `sha256:` and 64 hex digits."""
_MARK, _SIZE = b"sha256:", 64
OPEN = (_MARK + b"0" * _SIZE).decode()
"""The value under which a file is written before it is sealed."""
Parts = tuple[memoryview, bytes, memoryview]


def sealed(data: memoryview) -> Parts:
    """A file that was written with an open seal, in three parts with the digest in the middle."""
    head, _, tail = _cut(data)
    return head, _digest(head, tail), tail


def is_sealed(data: memoryview) -> bool:
    """Whether a file is, byte for byte, what its writer left; False for one that was never sealed."""
    head, seal, tail = _cut(data)
    return _digest(head, tail) == seal


def _cut(data: memoryview) -> Parts:
    """What is before the digest, the digest, and what is after it; all of it before, if there is none."""
    length = int.from_bytes(data[-8:-4], "little")  # of the footer, which a damaged file may tell wrongly
    footer = bytes(data[-8 - length :])
    found = footer.rfind(_MARK)
    at = len(data) if found < 0 else len(data) - len(footer) + found + len(_MARK)
    return data[:at], bytes(data[at : at + _SIZE]), data[at + _SIZE :]


def _digest(head: memoryview, tail: memoryview) -> bytes:
    """SHA-256 of both, 64 hex digits."""
    digest = hashlib.sha256(head)
    digest.update(tail)
    return digest.hexdigest().encode()
