"""A model's folder in MLflow's ONNX flavour: the graph as it was exported and text beside it, nothing pickled."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from scalper.files import write_bytes
from scalper.learn.model import Model

NEEDS = ("onnx", "onnxruntime", "numpy")
"""What runs the model; nothing of what trained it."""


def save(model: Model, folder: Path, example: Mapping[str, float] | None = None) -> None:
    """Write the model into a new folder, with its signature: a column a feature, by its real name.

    The graph itself takes one tensor, the features in the order of the columns. The bytes are those that were exported,
    so their digest stays. example: a row of features by name.
    """
    import onnx
    from mlflow import onnx as flavour
    from mlflow.models import ModelSignature

    graph: Any = onnx.load_model_from_string(model.content)
    names = model.papers.features
    row: Any = None
    if example is not None:
        row = pl.DataFrame(
            {name: [example[name]] for name in names}, schema=dict.fromkeys(names, pl.Float32)
        ).to_pandas()
    writer: Any = flavour
    writer.save_model(
        graph,
        str(folder),
        signature=ModelSignature(_inputs(graph, names), _outputs(graph)),
        input_example=row,
        pip_requirements=[f"{name}=={version(name)}" for name in NEEDS],
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )
    write_bytes(folder / "model.onnx", model.content, sync=False)


def _inputs(graph: Any, names: tuple[str, ...]) -> Any:
    """A float column a feature; of a graph that reads several rows at once its tensor as it is."""
    from mlflow.types import ColSpec, Schema

    taken = graph.graph.input[0]
    if len(taken.type.tensor_type.shape.dim) != 2:
        return Schema([_tensor(taken)])
    return Schema([ColSpec("float", name, required=True) for name in names])


def _outputs(graph: Any) -> Any:
    from mlflow.types import Schema

    return Schema([_tensor(one) for one in graph.graph.output])


def _tensor(one: Any) -> Any:
    """An input or output of a graph; -1 is any number of rows."""
    import numpy as np
    import onnx
    from mlflow.types import TensorSpec

    kind: Any = one.type.tensor_type
    shape = tuple(part.dim_value if part.HasField("dim_value") else -1 for part in kind.shape.dim)
    return TensorSpec(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)), shape, one.name)
