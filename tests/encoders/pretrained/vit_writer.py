"""Small vision transformers in ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from morelli.encoders.pretrained import Preprocessing

SIZE, PATCH, DIM = 32, 8, 6
TINY = Preprocessing(SIZE, (0.5, 0.4, 0.3), (0.25, 0.5, 0.2))


class VitWriter:
    """Writes a small vision transformer as an ONNX graph, operator by operator."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.stored: list[Any] = []
        self.ends: list[str] = []

    def op(self, kind: str, *inputs: str, **settings: Any) -> str:
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **settings))
        return output

    def store(self, values: Any) -> str:
        name = f"w{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def random(self, *shape: int) -> str:
        return self.store(self.rng.normal(0, 0.6, shape).astype(np.float32))

    def linear(self, x: str, inside: int, outside: int) -> str:
        return self.op("Add", self.random(outside), self.op("MatMul", x, self.random(inside, outside)))

    def norm(self, x: str) -> str:
        centred = self.op("Sub", x, self.op("ReduceMean", x, axes=[-1], keepdims=1))
        square = self.op("Pow", centred, self.store(np.float32(2)))
        variance = self.op("Add", self.op("ReduceMean", square, axes=[-1], keepdims=1), self.store(np.float32(1e-5)))
        scaled = self.op("Mul", self.op("Div", centred, self.op("Sqrt", variance)), self.random(DIM))
        return self.op("Add", scaled, self.random(DIM))

    def gelu(self, x: str) -> str:
        """Of the kind with an addition of its own argument, which is no residual of the stream."""
        cube = self.op("Mul", self.op("Pow", x, self.store(np.float32(3))), self.store(np.float32(0.044715)))
        inner = self.op("Tanh", self.op("Mul", self.op("Add", x, cube), self.store(np.float32(0.79788456))))
        return self.op("Mul", x, self.op("Add", inner, self.store(np.float32(1))))

    def attention(self, x: str) -> str:
        q, k, v = (self.linear(x, DIM, DIM) for _ in range(3))
        scores = self.op("Softmax", self.op("MatMul", q, self.op("Transpose", k, perm=[0, 2, 1])), axis=-1)
        return self.linear(self.op("MatMul", scores, v), DIM, DIM)

    def block(self, x: str) -> str:
        x = self.op("Add", x, self.attention(self.norm(x)))
        wide = self.gelu(self.linear(self.norm(x), DIM, 2 * DIM))
        x = self.op("Add", self.linear(wide, 2 * DIM, DIM), x)  # the other way round, as some exporters have it
        self.ends.append(x)
        return x

    def write(
        self, path: Path, *, blocks: int = 4, prefix: int = 1, batch: int | str = "batch", opset: int = 17
    ) -> Path:
        x = self.op(
            "Conv", "pixels", self.random(DIM, 3, PATCH, PATCH), strides=[PATCH, PATCH], kernel_shape=[PATCH] * 2
        )
        x = self.op("Reshape", x, self.store(np.array([1, DIM, (SIZE // PATCH) ** 2], dtype=np.int64)))
        x = self.op("Transpose", x, perm=[0, 2, 1])
        if prefix:
            x = self.op("Concat", self.random(1, prefix, DIM), x, axis=1)
        x = self.op("Add", x, self.random(1, (SIZE // PATCH) ** 2 + prefix, DIM))
        for _ in range(blocks):
            x = self.block(x)
        pooled = self.op("ReduceMean", self.norm(x), axes=[1], keepdims=0)
        self.nodes.append(helper.make_node("MatMul", [pooled, self.random(DIM, 5)], ["embeds"]))
        outputs = [helper.make_tensor_value_info("embeds", TensorProto.FLOAT, [batch, 5])]
        outputs += [helper.make_tensor_value_info(end, TensorProto.FLOAT, None) for end in self.ends]
        inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 3, SIZE, SIZE])]
        graph = helper.make_graph(self.nodes, "vit", inputs, outputs, self.stored)
        onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
        return path
