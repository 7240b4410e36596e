"""Taps in an ONNX file: small outputs after chosen blocks, and nothing computed beyond the last of them."""

from __future__ import annotations

from typing import Any

from morelli.encoders.pretrained._tensors import Graph, inputs_of
from morelli.errors import MorelliError
from morelli.networks.onnx_files import opset_of

__all__ = [
    "EMBEDDING",
    "TAPS_VERSION",
    "block_outputs",
    "tap_output",
    "tapped_model",
    "tokens_output",
]

TAPS_VERSION = 1
"""Raised when the graph that is built changes in its results."""

EMBEDDING = "morelli/embedding"

_ATTENTION = {"Softmax", "Attention", "MultiHeadAttention", "QAttention"}


def tap_output(tap: int) -> str:
    """Return the name of a tap's output, float32 (1, 2 channels): means, then standard deviations."""
    return f"morelli/block{tap}"


def tokens_output(tap: int) -> str:
    """Return the name of the output that holds the shape of what was tapped, int64 (3,)."""
    return f"morelli/tokens{tap}"


def check_input(model: Any, path: object, size: int) -> None:
    """Refuse a network that does not take one image of `size` x `size` pixels.

    Raises
    ------
    MorelliError
        It does not.
    """
    import onnx

    graph = Graph(model.graph)
    described = [f"{value.name} {_shape(value)}" for value in graph.inputs]
    if len(graph.inputs) == 1:
        shape = _shape(graph.inputs[0])
        kind = graph.inputs[0].type.tensor_type.elem_type
        fits = len(shape) == 4 and all(
            isinstance(have, str) or have == want for have, want in zip(shape, (1, 3, size, size), strict=True)
        )
        if fits and kind in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            return
    raise MorelliError(
        f"{path}: an image encoder takes one input of numbers with shape (batch, 3, {size}, {size}); this network "
        f"takes {', '.join(described) or 'nothing'}."
    )


def block_outputs(graph: Graph) -> list[str]:
    """Return the value after each block of a transformer, found by the structure of the graph.

    Blocks hang on the residual stream: a chain of additions, each of which adds to the sum before it what was computed
    from that sum. Additions within normalisations and activations are no part of such a chain: they add constants, or
    do not follow each other. The longest chain is the stream; a block begins where the branch holds an attention.
    """
    trunk: dict[str, tuple[str, str]] = {}  # residual sum -> (the sum before it, the branch)
    for node in graph.nodes:
        if node.op_type != "Add" or not all(graph.is_fed(name) for name in node.input):
            continue
        a, b = (graph.origin(name) for name in node.input)
        if graph.depends(b, a):
            trunk[node.output[0]] = (a, b)
        elif graph.depends(a, b):
            trunk[node.output[0]] = (b, a)
    length: dict[str, int] = {}
    for output, (before, _) in trunk.items():  # in topological order
        length[output] = length.get(before, 0) + 1
    if not length:
        return []
    chain = [max(length, key=lambda name: length[name])]
    while (before := trunk[chain[-1]][0]) in trunk:
        chain.append(before)
    chain.reverse()
    starts = [
        i for i, output in enumerate(chain) if any(node.op_type in _ATTENTION for node in graph.between(*trunk[output]))
    ]
    ends = [*(start - 1 for start in starts[1:]), len(chain) - 1]
    return [chain[end] for end in ends] if starts else []


def tapped_model(
    model: Any, taps: tuple[int, ...], *, size: int, embedding: str | None = None, prefix: int | None = None
) -> Any:
    """Return a network that ends after the last tap, with the taps as its outputs.

    Parameters
    ----------
    model : onnx.ModelProto
    taps : tuple of int
        Blocks, counted from 1.
    size : int
        Side of the input.
    embedding : str, optional
        Name of an output that is kept too, as `EMBEDDING`; "" takes the first output with two axes.
    prefix : int, optional
        How many tokens stand before those of the patches; found out from the patches' convolution by default.

    Raises
    ------
    MorelliError
        There are no such blocks, or no such output.
    """
    from onnx import TensorProto, helper

    graph = Graph(model.graph)
    # Sums in half precision would lose the variance; the patches are the last tokens of all networks of this kind.
    nodes: list[Any] = []
    constants: list[Any] = []
    outputs: list[Any] = []
    wanted: list[str] = []
    opset = opset_of(model)
    if taps:
        found = block_outputs(graph)
        if not found:
            raise MorelliError(
                "No transformer blocks were found in this network: taps need a vision transformer, exported without "
                "fusing its operators."
            )
        if max(taps) > len(found):
            raise MorelliError(f"This network has {len(found)} blocks; there is none to tap after block {max(taps)}.")
        start = prefix if prefix is not None else -_patches(graph, size)
        for name, values in {"start": [start], "end": [2**31 - 1], "axis": [1]}.items():
            constants.append(helper.make_tensor(f"morelli/{name}", TensorProto.INT64, [1], values))
        for tap in taps:
            made = _statistics(found[tap - 1], tap, opset)
            nodes += made
            wanted.append(found[tap - 1])
            outputs.append(helper.make_tensor_value_info(tap_output(tap), TensorProto.FLOAT, [1, None]))
            outputs.append(helper.make_tensor_value_info(tokens_output(tap), TensorProto.INT64, [3]))
    if embedding is not None:
        name = _embedding(model, embedding)
        wanted.append(name)
        nodes.append(helper.make_node("Cast", [name], [EMBEDDING], to=TensorProto.FLOAT))
        outputs.append(helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, [None, None]))
    kept = graph.needed(wanted)
    used = {name for node in kept for name in inputs_of(node)}
    result = helper.make_graph(
        [*kept, *nodes],
        "morelli",
        graph.inputs,
        outputs,
        [*(tensor for tensor in model.graph.initializer if tensor.name in used), *constants],
    )
    return helper.make_model(
        result, opset_imports=list(model.opset_import), ir_version=model.ir_version, producer_name="morelli"
    )


def _statistics(value: str, tap: int, opset: int) -> list[Any]:
    """Return nodes for mean and standard deviation of each channel over the patches, of (1, tokens, channels)."""
    from onnx import TensorProto, helper

    def name(part: str) -> str:
        return f"{tap_output(tap)}/{part}"

    def mean(source: str, target: str) -> Any:
        if opset < 18:
            return helper.make_node("ReduceMean", [source], [target], axes=[1], keepdims=1)
        return helper.make_node("ReduceMean", [source, "morelli/axis"], [target], keepdims=1)

    def squeeze(source: str, target: str) -> Any:
        if opset < 13:
            return helper.make_node("Squeeze", [source], [target], axes=[1])
        return helper.make_node("Squeeze", [source, "morelli/axis"], [target])

    slicing = [name("float"), "morelli/start", "morelli/end", "morelli/axis"]
    return [
        helper.make_node("Shape", [value], [tokens_output(tap)]),
        helper.make_node("Cast", [value], [name("float")], to=TensorProto.FLOAT),
        helper.make_node("Slice", slicing, [name("patches")]),
        mean(name("patches"), name("mean")),
        helper.make_node("Sub", [name("patches"), name("mean")], [name("centred")]),
        helper.make_node("Mul", [name("centred"), name("centred")], [name("square")]),
        mean(name("square"), name("variance")),
        helper.make_node("Sqrt", [name("variance")], [name("deviation")]),
        helper.make_node("Concat", [name("mean"), name("deviation")], [name("both")], axis=2),
        squeeze(name("both"), tap_output(tap)),
    ]


def _patches(graph: Graph, size: int) -> int:
    """Return how many patches the network cuts its input into, from the strides of its first convolution."""
    for node in graph.nodes:
        if node.op_type in ("Conv", "ConvInteger", "QLinearConv") and any(graph.is_fed(name) for name in node.input):
            values = {attribute.name: list(attribute.ints) for attribute in node.attribute}
            strides, kernel = values.get("strides"), values.get("kernel_shape")
            if strides and len(strides) == 2 and strides[0] > 1 and kernel in (None, strides):
                return (size // int(strides[0])) * (size // int(strides[1]))
            break
    raise MorelliError(
        "This network does not cut its input into patches by a convolution: say how many tokens stand before those of "
        "the patches, with prefix_tokens."
    )


def _embedding(model: Any, name: str) -> str:
    outputs = {value.name: _shape(value) for value in model.graph.output}
    if name in outputs:
        return name
    flat: list[str] = [output for output, shape in outputs.items() if len(shape) == 2]
    if name or not flat:
        raise MorelliError(f"This network has no output {name or 'with two axes'}; there are: {outputs}.")
    return flat[0]


def _shape(value: Any) -> tuple[int | str, ...]:
    """Return the axes of a value: lengths, or names of those that are free."""
    dims = value.type.tensor_type.shape.dim
    return tuple(int(dim.dim_value) if dim.HasField("dim_value") else (dim.dim_param or "?") for dim in dims)
