"""Tiny networks with random weights, saved as the hub has them: the same code loads them as loads the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from morelli.networks.loading import quiet

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
EVEN = {"decode_head.classifier.bias": (slice(None), 0.0)}
"""Or one class would win everywhere."""

EVEN_SEGFORMER = {
    f"decode_head.{name}.bias": (slice(None), 0.0)
    for name in ("classifier", "batch_norm", *(f"linear_projections.{i}.proj" for i in range(4)))
}

SURE = {"mask_decoder.iou_prediction_head.proj_out.bias": (slice(None), 9.0)}
"""Masks of random networks are none that a network is sure of."""

WORDS = [
    "animals", "vehicles", "art", "works", "of", "landscapes", "food", "and", "drinks", "clothing", "interior",
    "spaces", "household", "items", "buildings", "people", "a", "photo", "picture", "an", "image", "the", "in", "with",
    "without",
]  # fmt: skip


def save(
    model: Any, folder: Path, preprocessor: dict[str, Any] | None, biases: Mapping[str, tuple[int | slice, float]] = {}
) -> Path:
    """Give a network seeded weights and some biases, and save it with its configuration."""
    import torch

    torch.manual_seed(len(folder.name))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.2)
        for name, (place, value) in biases.items():
            model.get_parameter(name)[place] = value
    with quiet():
        model.save_pretrained(folder)
    if preprocessor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder


def depth(folder: Path, **more: Any) -> Path:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14, mlp_ratio=2,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8,
        head_hidden_size=8, **more,
    )  # fmt: skip
    preprocessor = {
        "size": {"height": 56, "width": 56}, "keep_aspect_ratio": True, "ensure_multiple_of": 14, "resample": 3,
        "do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, **IMAGENET,
    }  # fmt: skip
    return save(DepthAnythingForDepthEstimation(config), folder, preprocessor)


def dpt(folder: Path) -> Path:
    from transformers import DPTConfig, DPTForDepthEstimation

    config = DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=64, patch_size=16,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, is_hybrid=False,
        use_auxiliary_head=False,
    )  # fmt: skip
    preprocessor = {"size": {"height": 64, "width": 64}, "keep_aspect_ratio": False, "resample": 3, **HALF}
    return save(DPTForDepthEstimation(config), folder, preprocessor)


def sam(folder: Path) -> Path:
    from transformers import SamConfig, SamModel

    config = SamConfig(
        vision_config={
            "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 64, "patch_size": 8,
            "output_channels": 16, "mlp_dim": 32, "window_size": 4, "global_attn_indexes": [1], "num_pos_feats": 8,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 16, "mlp_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    preprocessor = {"size": {"longest_edge": 64}, "pad_size": {"height": 64, "width": 64}, "resample": 2, **IMAGENET}
    return save(SamModel(config), folder, preprocessor, SURE)


def sam2(folder: Path) -> Path:
    from transformers import Sam2Config, Sam2Model

    config = Sam2Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model", "hidden_size": 8, "num_attention_heads": 1,
                "image_size": [64, 64], "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2], "window_size_per_stage": [4, 4, 4, 2],
                "global_attention_blocks": [3], "window_positional_embedding_background_size": [4, 4],
            },
            "backbone_channel_list": [64, 32, 16, 8], "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": 32,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    preprocessor = {"size": {"height": 64, "width": 64}, "resample": 2, **IMAGENET}
    return save(Sam2Model(config), folder, preprocessor, SURE)


def segformer(folder: Path) -> Path:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 1, 1], decoder_hidden_size=8,
        num_labels=20,
    )  # fmt: skip
    preprocessor = {"size": {"height": 64, "width": 64}, "resample": 2, "do_reduce_labels": True, **IMAGENET}
    return save(SegformerForSemanticSegmentation(config), folder, preprocessor, EVEN_SEGFORMER)


def upernet(folder: Path) -> Path:
    from transformers import ConvNextConfig, UperNetConfig, UperNetForSemanticSegmentation

    backbone = ConvNextConfig(
        hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], out_features=["stage1", "stage2", "stage3", "stage4"]
    )
    config = UperNetConfig(
        backbone_config=backbone, hidden_size=8, num_labels=20, auxiliary_in_channels=8, auxiliary_channels=8,
        pool_scales=[1, 2],
    )  # fmt: skip
    preprocessor = {"size": {"height": 64, "width": 64}, "resample": 2, **IMAGENET}
    return save(UperNetForSemanticSegmentation(config), folder, preprocessor, EVEN)


def vae(folder: Path, **more: Any) -> Path:
    from diffusers import AutoencoderKL

    model = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8, 8, 8, 8], norm_num_groups=4, latent_channels=4, **{"force_upcast": False, **more},
    )  # fmt: skip
    return save(model, folder, None)


def tokenizer(folder: Path, *, special: dict[str, str], template: bool = True) -> Any:
    """Save a tokenizer of a few words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = list(dict.fromkeys(special.values()))
    vocabulary = {word: number for number, word in enumerate([*names, *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=special["unk_token"]))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    if template:
        begin, end = special["bos_token"], special["eos_token"]
        made.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A {end}", special_tokens=[(begin, vocabulary[begin]), (end, vocabulary[end])]
        )
    whole = PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=16, **special)
    whole.save_pretrained(folder)
    return whole


CLIP_SPECIAL = {"unk_token": "<unk>", "bos_token": "<start>", "eos_token": "<end>", "pad_token": "<pad>"}
BERT_SPECIAL = {
    "unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "bos_token": "[DEC]",
    "eos_token": "[SEP]",
}  # fmt: skip
TEXT = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "max_position_embeddings": 16,
}  # fmt: skip
VIT = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip


def clip(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPModel

    words = tokenizer(folder, special=CLIP_SPECIAL)
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    config = CLIPConfig(vision_config=VIT, text_config={**TEXT, "vocab_size": len(words), **ends}, projection_dim=8)
    crop = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True, **HALF}
    return save(CLIPModel(config), folder, crop)


def siglip(folder: Path) -> Path:
    from transformers import SiglipConfig, SiglipModel

    words = tokenizer(folder, special=CLIP_SPECIAL)
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    text = {**TEXT, "vocab_size": len(words), "projection_size": 16, **ends}
    config = SiglipConfig(vision_config=VIT, text_config=text)
    return save(SiglipModel(config), folder, {"size": {"height": 32, "width": 32}, "resample": 3, **HALF})


def blip(folder: Path) -> Path:
    from transformers import BlipConfig, BlipForConditionalGeneration

    words = tokenizer(folder, special=BERT_SPECIAL, template=False)
    ends = {
        "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id,
        "sep_token_id": words.sep_token_id,
    }  # fmt: skip
    text = {**TEXT, "max_position_embeddings": 64, "vocab_size": len(words), "encoder_hidden_size": 16, **ends}
    config = BlipConfig(vision_config=VIT, text_config=text, projection_dim=8)
    preprocessor = {"size": {"height": 32, "width": 32}, "resample": 3, **HALF}
    model = BlipForConditionalGeneration(config)
    word = words.convert_tokens_to_ids("animals")
    return save(model, folder, preprocessor, {"text_decoder.cls.predictions.bias": (word, 50.0)})


def painter(folder: Path) -> Path:
    import torch
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(5)
    words = tokenizer(folder / "words", special=CLIP_SPECIAL)
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, cross_attention_dim=16,
        attention_head_dim=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    decoder = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
        block_out_channels=[8, 8], norm_num_groups=4, latent_channels=4,
    )  # fmt: skip
    text = CLIPTextModel(CLIPTextConfig(**TEXT, vocab_size=len(words), **ends))
    pipeline = StableDiffusionPipeline(
        vae=decoder, text_encoder=text, tokenizer=words, unet=unet, scheduler=EulerDiscreteScheduler(steps_offset=1),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    with quiet():
        pipeline.save_pretrained(folder)
    return folder


def mask_onnx(folder: Path, size: int = 32, **more: Any) -> Path:
    """Save a network whose mask is the mean of its three channels and a half."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    third = numpy_helper.from_array(np.full((1, 3, 1, 1), 1 / 3, dtype=np.float32), "w")
    half = numpy_helper.from_array(np.array([0.5], dtype=np.float32), "b")
    nodes = [helper.make_node("Conv", ["image", "w"], ["mean"]), helper.make_node("Add", ["mean", "b"], ["mask"])]
    shape = [1, 3, size, size]
    graph = helper.make_graph(
        nodes, "mask", [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 1, size, size])], [third, half],
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save_model(model, folder / "model.onnx")
    settings = {"file": "model.onnx", "size": [size, size], "mean": [128] * 3, "std": [256] * 3, **more}
    (folder / "mask.json").write_text(json.dumps(settings))
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "depth": depth, "sam": sam, "sam2": sam2, "segformer": segformer, "upernet": upernet, "vae": vae, "clip": clip,
    "siglip": siglip, "blip": blip, "painter": painter, "mask": mask_onnx,
}  # fmt: skip
