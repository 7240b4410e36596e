"""Asking an ONNX graph simple questions. Messages of protobuf have no types that a checker knows, hence the Any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["Graph", "inputs_of"]

_PASSING = {"Identity", "Cast", "Dropout"}


def inputs_of(node: Any) -> Iterator[str]:
    """Yield the names of all values that a node reads, also within its branches and loops."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            for inner in graph.node:
                yield from inputs_of(inner)
            yield from (value.name for value in graph.output)


class Graph:
    """Who makes which value, and what it depends on.

    Parameters
    ----------
    graph : onnx.GraphProto
        Its nodes in topological order, as the format demands.
    """

    def __init__(self, graph: Any) -> None:
        self.nodes: list[Any] = list(graph.node)
        self.maker: dict[str, int] = {name: i for i, node in enumerate(self.nodes) for name in node.output if name}
        stored = {tensor.name for tensor in graph.initializer}
        self.inputs: list[Any] = [value for value in graph.input if value.name not in stored]
        bit = {value.name: 1 << (len(self.nodes) + i) for i, value in enumerate(self.inputs)}
        self._before: dict[str, int] = dict(bit)  # for each value all nodes before it, as the bits of an integer
        self._fed = sum(bit.values())
        for i, node in enumerate(self.nodes):
            before = 0
            for name in inputs_of(node):
                before |= self._before.get(name, 0)
            for name in node.output:
                self._before[name] = before | (1 << i)

    def is_fed(self, name: str) -> bool:
        """Say whether a value depends on the graph's input, and is no constant."""
        return bool(self._before.get(name, 0) & self._fed)

    def depends(self, late: str, early: str) -> bool:
        """Say whether the one value is computed from the other."""
        maker = self.maker.get(early)
        return maker is not None and late != early and bool(self._before.get(late, 0) >> maker & 1)

    def origin(self, name: str) -> str:
        """Return what a value is but for its type: back through casts and the like."""
        while (maker := self.maker.get(name)) is not None and self.nodes[maker].op_type in _PASSING:
            name = self.nodes[maker].input[0]
        return name

    def between(self, early: str, late: str) -> Iterator[Any]:
        """Yield the nodes that make the one value out of the other, but for those before the first."""
        inside = self._before.get(late, 0) & ~self._before.get(early, 0)
        return (node for i, node in enumerate(self.nodes) if inside >> i & 1)

    def needed(self, names: Iterable[str]) -> list[Any]:
        """Return the nodes that some values depend on, in order."""
        before = 0
        for name in names:
            before |= self._before.get(name, 0)
        return [node for i, node in enumerate(self.nodes) if before >> i & 1]
