"""A trained ConvNeXt as an ONNX graph, written node by node: torch is not needed to save or to run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morelli.attributors.pixels.architectures import Architecture
from morelli.attributors.pixels.learner import MEAN, SPREAD
from morelli.encoders._onnx_graph import OnnxGraph
from morelli.errors import MorelliError

__all__ = ["INPUT", "OUTPUT", "onnx_bytes"]

INPUT = "pictures"
"""uint8, shape (n, side, side, 3): RGB as decoded."""

OUTPUT = "log_proba"
"""float32, shape (n, K): logarithms of the probabilities, before calibration."""

Arrays = Mapping[str, NDArray[Any]]

_EPSILON = 1e-6


class _Graph(OnnxGraph):
    """Nodes and tensors of a ConvNeXt. Values are (n, rows, columns, channels) except between convolutions."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        self._arrays = arrays

    def weight(self, name: str) -> str:
        return self.tensor(name, self._arrays[name].astype(np.float32))

    def normalise(self, values: str, name: str) -> str:
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.node("LayerNormalization", values, scale, shift, axis=-1, epsilon=_EPSILON)

    def convolve(self, values: str, name: str, stride: int = 1, padding: int = 0, groups: int = 1) -> str:
        """Convolve what has its channels last, and return the same."""
        kernel = self._arrays[f"{name}.weight"].shape[-1]
        first = self.node("Transpose", values, perm=[0, 3, 1, 2])
        new = self.node(
            "Conv",
            first,
            self.weight(f"{name}.weight"),
            self.weight(f"{name}.bias"),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[padding] * 4,
            group=groups,
        )
        return self.node("Transpose", new, perm=[0, 2, 3, 1])

    def linear(self, values: str, name: str, scale: NDArray[Any] | None = None) -> str:
        """Map channels; `scale` multiplies what comes out."""
        matrix, shift = self._arrays[f"{name}.weight"].T, self._arrays[f"{name}.bias"]
        if scale is not None:
            matrix, shift = matrix * scale, shift * scale
        product = self.node("MatMul", values, self.tensor(f"{name}.matrix", matrix.astype(np.float32)))
        return self.node("Add", product, self.tensor(f"{name}.shift", shift.astype(np.float32)))

    def gelu(self, values: str) -> str:
        """Return x (1 + erf(x / sqrt 2)) / 2."""
        erf = self.node("Erf", self.node("Mul", values, self.number(2**-0.5)))
        return self.node("Mul", values, self.node("Mul", self.node("Add", erf, self.number(1.0)), self.number(0.5)))

    def block(self, values: str, name: str, width: int) -> str:
        new = self.convolve(values, f"{name}.dwconv", padding=3, groups=width)
        new = self.normalise(new, f"{name}.layernorm")
        new = self.gelu(self.linear(new, f"{name}.pwconv1"))
        new = self.linear(new, f"{name}.pwconv2", self._arrays[f"{name}.layer_scale_parameter"])
        return self.node("Add", values, new)


def onnx_bytes(
    architecture: Architecture, arrays: Arrays, side: int, n_classes: int, metadata: Mapping[str, str]
) -> bytes:
    """Return a trained network as an ONNX file; layer scales are folded into what stands before them.

    Parameters
    ----------
    architecture : Architecture
        A ConvNeXt.
    arrays : mapping of str to ndarray
        As `arrays_of` gives them.
    side : int
        Of the pictures.
    n_classes : int
    metadata : mapping of str to str
        Kept in the file.

    Raises
    ------
    MorelliError
        It is no ConvNeXt, or the weights are of another one.
    """
    import onnx

    if architecture.kind != "convnext":
        raise MorelliError(f"Only networks of the kind convnext are written to ONNX, not {architecture.kind}.")
    graph = _Graph(arrays)
    try:
        values = graph.node("Cast", INPUT, to=onnx.TensorProto.FLOAT)
        values = graph.node("Sub", values, graph.tensor("mean", 255 * MEAN))
        values = graph.node("Div", values, graph.tensor("spread", 255 * SPREAD))
        values = graph.convolve(values, "convnext.embeddings.patch_embeddings", stride=4)
        values = graph.normalise(values, "convnext.embeddings.layernorm")
        for stage, (depth, width) in enumerate(zip(architecture.depths, architecture.widths, strict=True)):
            name = f"convnext.encoder.stages.{stage}"
            if stage:
                values = graph.normalise(values, f"{name}.downsampling_layer.0")
                values = graph.convolve(values, f"{name}.downsampling_layer.1", stride=2)
            for block in range(depth):
                values = graph.block(values, f"{name}.layers.{block}", width)
        values = graph.node("ReduceMean", values, axes=[1, 2], keepdims=0)
        values = graph.linear(graph.normalise(values, "convnext.layernorm"), "classifier")
    except KeyError as error:
        raise MorelliError(f"These weights are not of this network: {error} is missing.") from error
    graph.node("LogSoftmax", values, axis=-1, output=OUTPUT)
    try:
        return graph.to_bytes(
            "convnext",
            inputs=[(INPUT, onnx.TensorProto.UINT8, ["n", side, side, 3])],
            outputs=[(OUTPUT, onnx.TensorProto.FLOAT, ["n", n_classes])],
            metadata=metadata,
        )
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise MorelliError(f"These weights do not fit together: {str(error).splitlines()[0]}") from error
