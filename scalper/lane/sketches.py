"""Small pictures of rows: what is in each class, how a column is spread, and where it moved. One SVG each.

Sizes are in pixels; colours differ for the colour-blind and stand on light and dark pages.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scalper.simulate.sketch import BLUE, BOLD, GREY, RED, ends, frame, text

PALETTE = (RED, "#c9a227", BLUE, "#444c58", "#8f9aa8", "#b8c0ca", "#dfe3e9")
"""DOWN, FLAT, UP, then what has no label."""

Numbers = npt.NDArray[Any]


def stacked_svg(
    title: str, names: Sequence[object], parts: Mapping[str, Sequence[float]], width: int = 640, height: int = 200
) -> str:
    """Columns of shares that sum to one, a colour a part, first part at the bottom; parts that are 0 are not named."""
    counts = np.array([list(values) for values in parts.values()], np.float64).reshape(len(parts), len(names))
    total = counts.sum(axis=0)
    shares = counts / np.where(total > 0, total, 1)
    step, room = (width - 16) / max(len(names), 1), height - 70
    rows: list[str] = []
    key: list[str] = []
    top = np.full(len(names), 44.0 + room)
    at = 8.0
    for colour, (part, share) in zip(PALETTE, zip(parts, shares, strict=True), strict=False):
        if not share.any():
            continue
        top = top - share * room
        for index in np.flatnonzero(share).tolist():
            rows.append(
                f'<rect x="{8 + index * step:.2f}" y="{top[index]:.1f}" width="{max(step * 0.9, 0.5):.2f}" '
                f'height="{share[index] * room:.1f}" fill="{colour}">'
                f"<title>{escape(str(names[index]))}: {part} {share[index]:.1%}</title></rect>"
            )
        words = f"{part} {counts[list(parts).index(part)].sum() / max(total.sum(), 1):.1%}"
        key.append(f'<rect x="{at:.0f}" y="26" width="10" height="10" fill="{colour}"/>')
        key.append(text(at + 14, 35, words))
        at += 30 + 7 * len(words)
    foot = ends(names[0], names[-1], width, height - 8) if names else ""
    return frame(title, "".join(key) + "".join(rows) + foot, width, height)


@dataclass(frozen=True, slots=True)
class Cell:
    """One feature: its histogram in a reference and now (edges (b + 1,), shares (b,)), its quantiles month by month."""

    name: str
    note: str
    loud: bool
    edges: Sequence[float]
    before: Sequence[float]
    now: Sequence[float]
    bands: Mapping[str, Sequence[float]]
    """p05, p25, p50, p75, p95: one number a month."""


CELL_WIDTH, CELL_HEIGHT, SIDE = 270, 104, 116
"""A feature's place, and the width of each of its two pictures, pixels."""


def cells_svg(title: str, cells: Sequence[Cell], across: int = 4) -> str:
    """Features side by side: left the histogram (grey: reference, blue: now), right quantile bands over the months."""
    height = 26 + -(-len(cells) // across) * CELL_HEIGHT
    body = "".join(
        f'<g transform="translate({8 + i % across * CELL_WIDTH},{26 + i // across * CELL_HEIGHT})">{_cell(one)}</g>'
        for i, one in enumerate(cells)
    )
    return frame(title, body, 16 + across * CELL_WIDTH, height)


def _cell(one: Cell) -> str:
    look = f"fill:{RED};{BOLD}" if one.loud else ""
    head = text(0, 14, one.name, look=BOLD) + text(SIDE * 2 + 10, 14, one.note, 11, "end", look)
    left = f'<g transform="translate(0,20)">{_histogram(one, SIDE, 56)}</g>'
    right = f'<g transform="translate({SIDE + 10},20)">{_bands(one.bands, SIDE, 56)}</g>'
    return head + left + right


def _histogram(one: Cell, width: int, height: int) -> str:
    """Both histograms on one scale, with the outer edges below."""
    tallest = max(max(one.before, default=0.0), max(one.now, default=0.0)) or 1.0
    step = width / max(len(one.before), 1)

    def outline(shares: Sequence[float]) -> list[str]:
        tops = [f"{height * (1 - share / tallest):.1f}" for share in shares]
        return [f"{(i + side) * step:.1f},{top}" for i, top in enumerate(tops) for side in (0, 1)]

    filled = (
        f'<polygon points="0,{height} {" ".join(outline(one.before))} {width},{height}" fill="{GREY}" opacity=".4"/>'
    )
    line = f'<polyline points="{" ".join(outline(one.now))}" fill="none" stroke="{BLUE}" stroke-width="1.4"/>'
    return f"{filled}{line}{_base(width, height, one.edges[0], one.edges[-1])}"


def _bands(bands: Mapping[str, Sequence[float]], width: int, height: int) -> str:
    """p05 to p95 and p25 to p75 as areas, the median as a line; on one scale, whose ends are written below."""
    lines = {name: np.asarray(values, np.float64) for name, values in bands.items()}
    known = np.concatenate([values[np.isfinite(values)] for values in lines.values()])
    if known.size == 0:
        return text(0, height - 4, "no values")
    low, high = float(known.min()), float(known.max())
    x = np.linspace(0, width, max(len(lines["p50"]), 2))
    places: dict[str, list[str]] = {}
    for name, values in lines.items():
        full = np.repeat(values, 2) if len(values) == 1 else values
        y = height * (1 - (full - low) / ((high - low) or 1.0))
        places[name] = [f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True) if np.isfinite(b)]
    areas = "".join(
        f'<polygon points="{" ".join([*places[under], *reversed(places[over])])}" fill="{BLUE}" opacity="{shade}"/>'
        for under, over, shade in (("p05", "p95", 0.18), ("p25", "p75", 0.3))
    )
    median = f'<polyline points="{" ".join(places["p50"])}" fill="none" stroke="{BLUE}" stroke-width="1.4"/>'
    return f"{areas}{median}{_base(width, height, low, high)}"


def _base(width: int, height: int, low: float, high: float) -> str:
    """A line below a small picture, and the ends of its scale."""
    line = f'<line x1="0" x2="{width}" y1="{height}" y2="{height}" stroke="{GREY}" stroke-width=".6"/>'
    return line + text(0, height + 11, f"{low:.4g}", 10) + text(width, height + 11, f"{high:.4g}", 10, "end")


NAMES = 150
"""Room for the names at the left of a table of colours, pixels."""


def heat_svg(
    title: str, rows: Sequence[str], columns: Sequence[str], values: Numbers, *, limit: float, groups: Sequence[str]
) -> str:
    """A table of colours (r, c): blue above 0, red below, full at ± `limit`, nothing at 0 and for NaN.

    `groups` names the group of each row: lines part them; a table of features by features has its groups below. The
    cells are one small PNG inside the SVG.
    """
    wide, tall = (float(np.clip(900 / max(len(names), 1), 9, most)) for names, most in ((columns, 26), (rows, 15)))
    right, bottom = NAMES + wide * len(columns), 26 + tall * len(rows)
    picture = (
        f'<image x="{NAMES}" y="26" width="{wide * len(columns):.1f}" height="{tall * len(rows):.1f}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" href="{_png(_coloured(values, limit))}"/>'
    )
    names = "".join(text(NAMES - 6, 26 + (i + 0.8) * tall, name, min(11.0, tall), "end") for i, name in enumerate(rows))
    starts = [0, *np.cumsum([len(list(part)) for _, part in groupby(groups)]).tolist()]
    lines = "".join(_line(8, right, 26 + at * tall, 26 + at * tall) for at in starts)
    if list(rows) == list(columns):
        lines += "".join(_line(NAMES + at * wide, NAMES + at * wide, 26, bottom) for at in starts)
        feet = {(start + end) / 2: groups[start] for start, end in pairwise(starts)}
    else:
        every = max(1, -(-60 // int(wide)))
        feet = {i + 0.5: columns[i] for i in range(0, len(columns), every)}
    below = "".join(text(NAMES + at * wide, bottom + 13, words, 10, "middle") for at, words in feet.items())
    return frame(title, picture + names + lines + below, round(right + 30), round(bottom + 20))


def _line(x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="{GREY}" stroke-width=".5"/>'


def _coloured(values: Numbers, limit: float) -> npt.NDArray[np.uint8]:
    """RGBA of numbers: the sign is the colour, the size how solid it is."""
    known = np.nan_to_num(np.asarray(values, np.float64))
    out = np.zeros((*known.shape, 4), np.uint8)
    for colour, here in ((BLUE, known > 0), (RED, known < 0)):
        out[here, :3] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    out[..., 3] = np.rint(255 * np.clip(np.abs(known) / limit, 0, 1))
    return out


def _png(pixels: npt.NDArray[np.uint8]) -> str:
    """An image (h, w, 4) as the address of a PNG."""
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"
