"""ONNX Runtime on one thread, and what its errors are."""

from __future__ import annotations

from typing import Any, cast

from scalper.errors import BadInput

FEATURES = "features"
PROBABILITIES = "probabilities"
MOVES = "moves"


def open_session(content: bytes, where: str = "model") -> Any:
    """An inference session on one thread. Raises BadInput if the bytes are no model that can run."""
    import onnxruntime  # pyright: ignore
    from onnxruntime.capi import onnxruntime_pybind11_state  # pyright: ignore

    runtime, known = cast(Any, onnxruntime), cast(Any, onnxruntime_pybind11_state)
    broken = (known.Fail, known.InvalidArgument, known.InvalidGraph, known.InvalidProtobuf, known.NotImplemented)
    broken += (UnicodeDecodeError,)  # a name in the graph that is no text
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except broken as error:
        why = str(error).splitlines()[0]
        raise BadInput(f"{where}: not an ONNX model that can run ({why}); train and export it again") from None
