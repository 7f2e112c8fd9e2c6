"""What a run shows beside its numbers: confusion matrices and the importance of features, as tables and as pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from scalper.files import as_json
from scalper.simulate.sketch import BLUE, BOLD, frame, ranks_svg, text

CLASSES = ("down", "flat", "up")
TOP = 20
"""Features in the picture; the table has them all."""
CELL = 92


def confusion(scored: pl.DataFrame) -> dict[str, bytes]:
    """The confusion matrix of labelled rows (label, and the probabilities down, flat, up), as JSON and as a picture.

    counts[i][j]: rows of class i that were predicted as class j, the class of the largest probability.
    """
    predicted = scored.select(CLASSES).to_numpy().argmax(axis=1) if scored.height else np.zeros(0, np.int64)
    counts = np.bincount(scored["label"].to_numpy().astype(np.int64) * 3 + predicted, minlength=9).reshape(3, 3)
    document = {"classes": CLASSES, "rows": "label", "columns": "predicted", "counts": counts.tolist()}
    return {"confusion.json": as_json(document), "confusion.svg": _matrix(counts).encode()}


def importance(record: Mapping[str, Mapping[str, float]]) -> list[dict[str, object]]:
    """How much each feature counts, a column a kind (gain, shap), the first of the last kind on top; [] of nothing."""
    names = list(ranked([*record.values()][-1])) if record else []
    return [{"feature": name, **{kind: one.get(name) for kind, one in record.items()}} for name in names]


def importance_pictures(record: Mapping[str, Mapping[str, float]]) -> dict[str, bytes]:
    """A picture a kind of importance: the features that count most, by their share of the whole."""
    files: dict[str, bytes] = {}
    for kind, values in record.items():
        top = list(ranked(values).items())[:TOP]
        title = f"{kind}: share a feature, %, the {len(top)} largest of {len(values)}"
        shares = [round(100 * one, 2) for _, one in top]
        files[f"importance_{kind}.svg"] = ranks_svg(title, [name for name, _ in top], shares).encode()
    return files


def ranked(values: Mapping[str, float]) -> dict[str, float]:
    """Each feature's share of the whole, largest first; what is not finite counts nothing."""
    sizes = {name: abs(one) if np.isfinite(one) else 0.0 for name, one in values.items()}
    whole = sum(sizes.values()) or 1.0
    return {name: one / whole for name, one in sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))}


def _matrix(counts: np.ndarray) -> str:
    """Labels down, predictions across; a cell is as dark as its share of its label's rows."""
    total = counts.sum()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    body = text(24 + 1.5 * CELL + 60, 44, "predicted", anchor="middle")
    for i, name in enumerate(CLASSES):
        body += text(84 + CELL * (i + 0.5), 62, name, anchor="middle", look=BOLD)
        body += text(72, 74 + CELL * (i + 0.5), name, anchor="end", look=BOLD)
        for j in range(3):
            x, y = 84 + CELL * j, 72 + CELL * i
            body += (
                f'<rect x="{x}" y="{y}" width="{CELL - 4}" height="{CELL - 4}" fill="{BLUE}" '
                f'fill-opacity="{0.08 + 0.6 * share[i, j]:.3f}"/>'
            )
            body += text(x + CELL / 2 - 2, y + 42, f"{counts[i, j]:,}", 15, "middle", f"{BOLD};fill:#1c2733")
            body += text(x + CELL / 2 - 2, y + 60, f"{share[i, j]:.1%}", 12, "middle", "fill:#1c2733")
    right = counts.trace() / total if total else float("nan")
    title = f"{int(total):,} rows out of sample, {right:.1%} right" if total else "no row out of sample"
    return frame(title, body, 84 + 3 * CELL + 8, 80 + 3 * CELL)
