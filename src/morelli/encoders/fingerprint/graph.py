"""The trained network as an ONNX graph, written node by node: torch is not needed to save or to run it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from morelli.encoders._onnx_graph import OnnxGraph
from morelli.encoders.fingerprint.architecture import (
    BATCH_NORM_EPSILON,
    BINOMIAL_ROW,
    KNEE,
    POOL_EPSILON,
    Architecture,
    Layer,
)

__all__ = ["INPUT", "OUTPUT", "onnx_bytes"]

INPUT = "patches"
"""uint8, shape (n, 3, patch, patch): RGB as decoded."""

OUTPUT = "embedding"
"""float32, shape (n, dim)."""

Weights = Mapping[str, NDArray[np.float32]]


class _Graph(OnnxGraph):
    """Nodes and tensors of this network."""

    def layer(self, layer: Layer, values: str, weights: Weights, running: Weights) -> str:
        scale, shift = _affine(layer.name, weights, running)
        kernel = weights[f"{layer.name}.weight"] * scale[:, None, None, None]
        new = self.node(
            "Conv",
            values,
            self.tensor(f"{layer.name}.weight", kernel.astype(np.float32)),
            self.tensor(f"{layer.name}.bias", shift.astype(np.float32)),
            kernel_shape=[layer.kernel, layer.kernel],
            strides=[layer.stride, layer.stride],
            pads=[layer.padding] * 4,
        )
        new = self.node("Relu", new)
        return self.node("Add", values, new) if layer.residual else new

    def pool(self, values: str) -> tuple[str, str]:
        """Return mean and standard deviation over the patch, (n, channels) each."""

        def average(name: str) -> str:
            return self.node("ReduceMean", name, axes=[2, 3], keepdims=0)

        mean, square = average(values), average(self.node("Mul", values, values))
        variance = self.node("Sub", square, self.node("Mul", mean, mean))
        variance = self.node("Max", variance, self.number(0.0))
        return mean, self.node("Sqrt", self.node("Add", variance, self.number(POOL_EPSILON)))


def onnx_bytes(architecture: Architecture, weights: Weights, running: Weights, metadata: Mapping[str, str]) -> bytes:
    """Return the network as an ONNX file; normalisations are folded into what stands beside them.

    Parameters
    ----------
    architecture : Architecture
    weights, running : mapping of str to ndarray of float32
        See `Architecture.start`.
    metadata : mapping of str to str
        Kept in the file.
    """
    import onnx

    graph = _Graph()
    pixels = graph.node("Cast", INPUT, to=onnx.TensorProto.FLOAT)
    padded = graph.node("Pad", pixels, graph.tensor("pads", np.array([0, 0, 2, 2, 0, 0, 2, 2])), mode="reflect")
    square = np.broadcast_to(np.outer(BINOMIAL_ROW, BINOMIAL_ROW), (3, 1, 5, 5)).astype(np.float32)
    low = graph.node("Conv", padded, graph.tensor("low-pass", square), group=3, kernel_shape=[5, 5])
    residual = graph.node("Sub", pixels, low)
    knee = graph.node("Add", graph.node("Abs", residual), graph.number(KNEE))
    residual = graph.node("Div", residual, knee)

    means, spreads, values = [], [], residual
    for path in architecture.paths:
        values = residual if path == architecture.branch else values
        for layer in path:
            values = graph.layer(layer, values, weights, running)
        mean, spread = graph.pool(values)
        means.append(mean)
        spreads.append(spread)
    pooled = graph.node("Concat", *means, *spreads, axis=1)
    scale, shift = _affine("pooled", weights, running)
    matrix = weights["embedding.weight"].astype(np.float64)
    graph.node(
        "Gemm",
        pooled,
        graph.tensor("embedding.weight", (matrix * scale).astype(np.float32)),
        graph.tensor("embedding.bias", (matrix @ shift).astype(np.float32)),
        output=OUTPUT,
        transB=1,
    )
    side = architecture.patch
    return graph.to_bytes(
        "fingerprint",
        inputs=[(INPUT, onnx.TensorProto.UINT8, ["n", 3, side, side])],
        outputs=[(OUTPUT, onnx.TensorProto.FLOAT, ["n", architecture.dim])],
        metadata=metadata,
    )


def _affine(name: str, weights: Weights, running: Weights) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a normalisation comes to after training: scale and shift of each channel."""
    variance = running[f"{name}.variance"].astype(np.float64)
    scale = weights[f"{name}.scale"] / np.sqrt(variance + BATCH_NORM_EPSILON)
    return scale, weights[f"{name}.shift"] - running[f"{name}.mean"] * scale
