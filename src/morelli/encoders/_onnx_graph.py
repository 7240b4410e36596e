"""ONNX graphs, written node by node: torch is not needed to save or to run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["OnnxGraph"]

_OPSET = 17
_IR_VERSION = 8
"""Of ONNX 1.12: every onnxruntime that Morelli allows reads it."""

Value = tuple[str, int, list[Any]]
"""Name, type of the elements, and shape; a word in the shape is a size that is free."""


class OnnxGraph:
    """Nodes and tensors, named as they come."""

    def __init__(self) -> None:
        import onnx

        self._onnx = onnx
        self.nodes: list[Any] = []
        self.tensors: dict[str, Any] = {}

    def tensor(self, name: str, values: NDArray[Any]) -> str:
        """Add a tensor unless there is one of this name, and return the name."""
        if name not in self.tensors:
            self.tensors[name] = self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def number(self, value: float) -> str:
        """Add a float32 number, and return its name."""
        return self.tensor(f"number/{value}", np.asarray(value, dtype=np.float32))

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        output = output or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def to_bytes(
        self, name: str, *, inputs: Sequence[Value], outputs: Sequence[Value], metadata: Mapping[str, str]
    ) -> bytes:
        """Return the checked graph as an ONNX file; equal graphs give equal bytes.

        Parameters
        ----------
        name : str
        inputs, outputs : sequence of (str, int, list)
        metadata : mapping of str to str
            Kept in the file.
        """
        helper = self._onnx.helper
        model = helper.make_model(
            helper.make_graph(
                self.nodes,
                name,
                [helper.make_tensor_value_info(*value) for value in inputs],
                [helper.make_tensor_value_info(*value) for value in outputs],
                list(self.tensors.values()),
            ),
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="morelli",
        )
        helper.set_model_props(model, dict(metadata))
        self._onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
