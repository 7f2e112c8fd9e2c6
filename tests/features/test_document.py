"""docs/features.md says what the catalogue says."""

from __future__ import annotations

import re

from tests.features.document import DOCUMENT, filled, tables


def test_the_document_s_tables_are_the_catalogue() -> None:
    """If this fails: `python -m tests.features.document`, then read what changed."""
    text = DOCUMENT.read_text()
    assert filled(text) == text
    assert re.findall(r"<!-- table: (\w+) -->", text) == list(tables())


def test_the_picture_is_there() -> None:
    assert "](structure.svg)" in DOCUMENT.read_text()
    assert "known" in DOCUMENT.with_name("structure.svg").read_text()
