"""ONNX files: which of them are read, and how they are run on a processor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from morelli.errors import MorelliError

__all__ = ["first_line", "open_session", "opset_of", "read_onnx", "tensors_of"]

MAX_BYTES = 2 << 30
"""Greatest ONNX file that is read; the format itself ends there."""

_MIN_OPSET = 11
_DOMAINS = {"", "ai.onnx", "com.microsoft"}  # what onnxruntime brings itself


def read_onnx(path: str | os.PathLike[str]) -> Any:
    """Read an ONNX file and check that it is safe and possible to run.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    MorelliError
        It is missing, too large, no ONNX, refers to other files, or uses operators that onnxruntime does not have.
    """
    import onnx
    from google.protobuf.message import DecodeError

    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise MorelliError(f"{path} has {size} bytes; an ONNX file has {MAX_BYTES} at most.")
        model = onnx.load_model(path, load_external_data=False)
    except OSError as error:
        raise MorelliError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (DecodeError, ValueError) as error:
        raise MorelliError(f"{path} is no ONNX file, or a damaged one.") from error
    if not model.graph.node or not model.opset_import:
        raise MorelliError(f"{path} is no ONNX file: it holds no network.")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors_of(model.graph)):
        raise MorelliError(
            f"{path} keeps its weights in other files, which is not supported: save it with its weights inside "
            "(onnx.save_model does, unless save_as_external_data is set)."
        )
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in model.graph.node if node.domain not in _DOMAINS})
    if foreign or model.functions:
        named = foreign or [f"{function.domain}.{function.name}" for function in model.functions]
        raise MorelliError(f"{path} uses operators of its own ({', '.join(named[:3])}); export it with standard ones.")
    opset = opset_of(model)
    if opset < _MIN_OPSET:
        raise MorelliError(f"{path} is of ONNX opset {opset}; export it with {_MIN_OPSET} or newer.")
    return model


def open_session(model: Path | bytes, threads: int) -> Any:
    """Return a session of onnxruntime on the processor.

    Raises
    ------
    MorelliError
        The network cannot be run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without it processors that lack VNNI add pairs of products in 16 bits, which overflow: after block 4 of CLIP in
    # 8-bit integers nothing of the right numbers is left. With it every processor computes the same integers.
    options.add_session_config_entry("session.x64quantprecision", "1")
    source = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common class
        where = f"{model} cannot be run; if it was cut short, delete it." if isinstance(model, Path) else ""
        raise MorelliError(f"{where or 'The network cannot be run.'} {first_line(error)}") from error


def opset_of(model: Any) -> int:
    """Return the version of the standard operators that a network uses."""
    return max((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def tensors_of(graph: Any) -> Iterator[Any]:
    """Yield all stored tensors of a graph, also of the attributes of its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from tensors_of(inner)


def first_line(error: Exception) -> str:
    """Return what an error of onnxruntime says first, and no more than 300 characters of it."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
