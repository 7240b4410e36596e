from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from morelli.encoders.pretrained._tensors import Graph
from morelli.encoders.pretrained.taps import block_outputs, tapped_model
from morelli.errors import MorelliError
from morelli.networks.onnx_files import read_onnx

from .vit_writer import DIM, SIZE, VitWriter


def ends_of(path):
    return [value.name for value in onnx.load(path).graph.output][1:]


@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_blocks_are_found_by_structure(tmp_path, prefix):
    path = VitWriter().write(tmp_path / "vit.onnx", prefix=prefix, blocks=3)
    assert block_outputs(Graph(onnx.load(path).graph)) == ends_of(path)


def test_the_real_network_has_twelve_blocks(clip_file):
    found = block_outputs(Graph(read_onnx(clip_file).graph))
    assert found[:-1] == [f"/vision_model/encoder/layers.{i}/Add_1_output_0" for i in range(11)]
    assert len(found) == 12


def test_nothing_is_kept_behind_the_last_tap(vit):
    whole = read_onnx(vit)
    early = tapped_model(whole, (1,), size=SIZE)
    late = tapped_model(whole, (1, 4), size=SIZE)
    onnx.checker.check_model(early)
    assert len(early.graph.node) < len(late.graph.node) / 2
    assert early.ByteSize() < late.ByteSize() / 2
    assert len(tapped_model(whole, (), size=SIZE, embedding="embeds").graph.output) == 1


def test_a_network_of_another_kind(tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y]))
    with pytest.raises(MorelliError, match="No transformer blocks"):
        tapped_model(model, (1,), size=SIZE)
    with pytest.raises(MorelliError, match="no output with two axes"):
        tapped_model(model, (), size=SIZE, embedding="")


def test_a_block_that_is_not_there(vit):
    with pytest.raises(MorelliError, match="has 4 blocks; there is none to tap after block 5"):
        tapped_model(read_onnx(vit), (2, 5), size=SIZE)
    with pytest.raises(MorelliError, match="no output nonsense"):
        tapped_model(read_onnx(vit), (2,), size=SIZE, embedding="nonsense")


def test_files_that_are_no_networks(tmp_path, vit):
    path = tmp_path / "file.onnx"
    with pytest.raises(MorelliError, match="cannot be read"):
        read_onnx(path)
    for data in (b"", b"no network at all", np.random.default_rng(0).bytes(5000), vit.read_bytes()[:-100]):
        path.write_bytes(data)
        with pytest.raises(MorelliError, match="no ONNX file"):
            read_onnx(path)


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as stream:
        stream.truncate((2 << 30) + 1)
    with pytest.raises(MorelliError, match="has 2147483649 bytes"):
        read_onnx(path)


def test_weights_in_other_files_are_refused(tmp_path, vit):
    model = onnx.load(vit)
    path = tmp_path / "external.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(MorelliError, match="keeps its weights in other files"):
        read_onnx(path)


def test_operators_of_its_own_are_refused(tmp_path, vit):
    model = onnx.load(vit)
    model.graph.node[3].domain = "org.example"
    onnx.save_model(model, vit)
    with pytest.raises(MorelliError, match=r"operators of its own \(org\.example\."):
        read_onnx(vit)


def test_old_opsets_are_refused(tmp_path):
    path = VitWriter().write(tmp_path / "old.onnx", opset=9)
    with pytest.raises(MorelliError, match="opset 9"):
        read_onnx(path)


def test_patches_without_a_convolution(vit):
    model = onnx.load(vit)
    kept = [node for node in model.graph.node if node.op_type != "Conv"]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.graph.input.append(helper.make_tensor_value_info("v0", TensorProto.FLOAT, [1, DIM, 4, 4]))
    with pytest.raises(MorelliError, match="prefix_tokens"):
        tapped_model(model, (2,), size=SIZE)
    tapped_model(model, (2,), size=SIZE, prefix=1)
