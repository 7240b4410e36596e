"""What defences of a leaderboard are worth against CLIP, cheap ones and bounded perturbations.

    python benchmarks/defence.py CATALOG [--cache FILE] [--part cheap] [--part choice] [--part white-box]
        [--part transfer] [--csv benchmarks/defence.csv]

CATALOG holds images by model and prompt. The attack is the nearest centroid on the embedding of
``clip-vit-b16.openai-int8``, and on images perturbed against CLIP also that on the forensic families, standardised,
which no perturbation saw. Four parts:

- ``cheap``: the defences that need no network.
- ``choice``: the two that choose images or prompts, on all prompts, ten times dealt; no view purifies there.
- ``white-box``: perturbations against CLIP itself, its 8-bit weights multiplied out into a network of torch; that the
  two agree is checked first. Attacked by CLIP (the best case of the defence) and by the forensic families (held out).
- ``transfer``: perturbations against two small convolutional networks, trained for a minute each to name the models on
  prompts that are judged nowhere; attacked by CLIP, which is held out.

The rows of defence.csv were measured with ``--purify blur:1`` and

- cheap, choice: ``--prompts 5 --defences jpeg,resize-restore,bilateral,colour,sharpness,post-process,balance,``
  ``low-exposure,strip``
- white-box: ``--perturbed-prompts 4 --steps 5 --epsilon 8`` (of which the row of the forensic families was left out:
  they were not standardised yet) and ``--perturbed-prompts 3 --steps 5 --epsilon 2``
- transfer: ``--perturbed-prompts 4 --epsilon 8``

Few prompts, since embeddings take a quarter of a second and steps of a perturbation through CLIP a whole one.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from morelli._files import atomic_path
from morelli._text import split_words
from morelli.catalog import Catalog, build_catalog
from morelli.encoders import Encoder, FeatureCache, ForensicEncoder
from morelli.encoders.pretrained import OnnxEncoder, Preprocessing
from morelli.encoders.pretrained.sightings import network_input, resized_of
from morelli.images import read_image
from morelli.leaderboard.attackers import NearestCentroid
from morelli.leaderboard.board import Board
from morelli.leaderboard.defence import (
    Defence,
    DefenceResult,
    Measurer,
    Perturbing,
    Sample,
    SurrogateEncoder,
    check_held_out,
    deal_images,
    defend,
    evaluate_defence,
    get_defence,
    perturbation,
    shared_tensors,
)
from morelli.leaderboard.defence.defending import CANDIDATES, SPARE
from morelli.leaderboard.embedding import attack_encoder
from morelli.networks.onnx_files import open_session

CLIP = "clip-vit-b16.openai-int8"
PURIFYING = "jpeg:75,blur:1"
COLUMNS = (
    "part", "encoder", "defence", "held_out", "prompts", "references", "n", "chance", "before", "unaware", "best",
    "best_low", "best_high", "best_attacker", "optimistic", "psnr", "ssim", "gmsd", "feature_distance", "largest",
    "seconds",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--cache", type=Path, help="where measured features are kept")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="all by default")
    parser.add_argument("--prompts", type=int, default=8, help="of the part cheap")
    parser.add_argument("--perturbed-prompts", type=int, default=4, help="of the other parts")
    parser.add_argument("--references", type=int, default=2)
    parser.add_argument("--epsilon", type=float, action="append", help="2 and 8 by default")
    parser.add_argument("--steps", type=int, default=6, help="of a perturbation through CLIP")
    parser.add_argument("--defences", help="of the part cheap, separated by commas; all by default")
    parser.add_argument("--purify", default=PURIFYING, help="views, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    path = arguments.catalog
    catalog = Catalog.read(path) if path.suffix == ".parquet" else build_catalog(path)
    cache = FeatureCache(arguments.cache)
    rows: list[dict[str, object]] = []
    for part in arguments.part or PARTS:
        PARTS[part](catalog, cache, arguments, rows)
        if arguments.csv is not None:
            write(arguments.csv, rows)


def write(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write rows, and keep those of an earlier run whose part is not among them."""
    kept: list[dict[str, object]] = []
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as stream:
            kept = [row for row in csv.DictReader(stream) if row["part"] not in {row["part"] for row in rows}]
    with atomic_path(path) as place, place.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, *rows])


def cheap(catalog: Catalog, cache: FeatureCache, arguments: argparse.Namespace, rows: list[dict[str, object]]) -> None:
    encoder = attack_encoder(CLIP)
    begin = time.perf_counter()
    made = defend(
        catalog,
        encoder,
        defences=None if arguments.defences is None else split_words(arguments.defences),
        prompts=arguments.prompts,
        references=arguments.references,
        purifying=split_words(arguments.purify),
        seed=arguments.seed,
        cache=cache,
        progress=said(begin),
    )
    seconds = time.perf_counter() - begin
    for sentence in (*made.section().findings.sentences, *made.section().findings.notes):
        print(sentence)
    each = seconds / len(made.results)
    rows.extend(row_of("cheap", encoder, result, arguments.references, "", each) for result in made.results)


def choice(catalog: Catalog, cache: FeatureCache, arguments: argparse.Namespace, rows: list[dict[str, object]]) -> None:
    encoder, begin = attack_encoder(CLIP), time.perf_counter()
    measurer = Measurer(catalog, encoder, cache=cache, progress=said(begin))
    for references in (1, 3):
        for name, more in (("balance", {"shown": CANDIDATES}), ("low-exposure", {"spare": SPARE})):
            begin = time.perf_counter()
            sample = deal_images(catalog, prompts=None, references=references, draws=10, seed=arguments.seed, **more)
            result = evaluate_defence(get_defence(name), sample, measurer, purifying=(), seed=arguments.seed)
            rows.append(row_of("choice", encoder, result, references, "", time.perf_counter() - begin))


def white_box(
    catalog: Catalog, cache: FeatureCache, arguments: argparse.Namespace, rows: list[dict[str, object]]
) -> None:
    attack = attack_encoder(CLIP)
    assert isinstance(attack, OnnxEncoder)
    with tempfile.TemporaryDirectory() as folder:
        surrogate = SurrogateEncoder.of_folder(multiply_out(attack, Path(folder) / "clip-vit-b16"))
    agree(attack, surrogate, catalog, arguments.seed)
    shared = shared_tensors(attack, [surrogate])
    print(f"shared tensors: {shared}")
    assert all(shared.values()), "a surrogate that is the attack's encoder was not found out"
    sample = dealt(catalog, arguments)
    for epsilon in arguments.epsilon or [2.0, 8.0]:
        settings = Perturbing(epsilon=epsilon, steps=arguments.steps, transforms=0)
        defence = remembered(perturbation([surrogate], settings))
        for encoder, held_out in ((attack, "no"), (ForensicEncoder(), "yes")):
            measure("white-box", defence, encoder, held_out, sample, catalog, cache, arguments, rows)


@dataclass(frozen=True)
class Standardised:
    """The nearest centroid, every feature divided by its deviation over the references: families have their units."""

    def __call__(self, references: Board, X: Any, prompt: Any) -> Any:
        """Return minus the distances."""
        scale = references.X.std(axis=0)
        scale = np.where(scale > 0, scale, 1)
        return NearestCentroid()(replace(references, X=references.X / scale), X / scale, prompt)


def transfer(
    catalog: Catalog, cache: FeatureCache, arguments: argparse.Namespace, rows: list[dict[str, object]]
) -> None:
    encoder, sample = attack_encoder(CLIP), dealt(catalog, arguments)
    surrogates = [trained(catalog, sample, seed) for seed in (arguments.seed, arguments.seed + 1)]
    check_held_out(encoder, surrogates)
    for epsilon in arguments.epsilon or [8.0]:
        settings = Perturbing(epsilon=epsilon, steps=10, transforms=1)
        defence = perturbation(surrogates, settings)
        measure("transfer", defence, encoder, "yes", sample, catalog, cache, arguments, rows)


def dealt(catalog: Catalog, arguments: argparse.Namespace) -> Sample:
    return deal_images(
        catalog, prompts=arguments.perturbed_prompts, references=arguments.references, seed=arguments.seed
    )


def measure(
    part: str,
    defence: Defence,
    encoder: Encoder,
    held_out: str,
    sample: Sample,
    catalog: Catalog,
    cache: FeatureCache,
    arguments: argparse.Namespace,
    rows: list[dict[str, object]],
) -> None:
    begin = time.perf_counter()
    measurer = Measurer(catalog, encoder, cache=cache, progress=said(begin))
    result = evaluate_defence(
        defence,
        sample,
        measurer,
        attacker=Standardised() if isinstance(encoder, ForensicEncoder) else NearestCentroid(),
        purifying=split_words(arguments.purify),
        seed=arguments.seed,
    )
    rows.append(row_of(part, encoder, result, arguments.references, held_out, time.perf_counter() - begin))


def row_of(
    part: str, encoder: Encoder, result: DefenceResult, references: int, held_out: str, seconds: float
) -> dict[str, object]:
    quality = dict.fromkeys(("psnr", "ssim", "gmsd", "feature_distance", "largest"), None)
    quality |= {} if result.quality is None else result.quality.summary()
    values: dict[str, object] = {
        "part": part, "encoder": encoder.name, "defence": result.name, "held_out": held_out,
        "prompts": result.best.n_prompts, "references": references, "n": result.best.n, "chance": result.chance,
        "before": result.before.accuracy, "unaware": result.unaware.accuracy, "best": result.best.accuracy,
        "best_low": result.best.low, "best_high": result.best.high, "best_attacker": result.best.attacker,
        "optimistic": result.optimistic.accuracy, **quality, "seconds": seconds,
    }  # fmt: skip
    row = {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
    print(json.dumps(row), flush=True)
    for score in (result.before, result.unaware, *result.adaptive):
        print(f"    {score.attacker}: {score.accuracy:.3f} ({score.low:.3f} to {score.high:.3f})", flush=True)
    return row


def said(begin: float) -> Any:
    last = [begin]

    def say(what: str, done: int, total: int) -> None:
        now = time.perf_counter()
        if now - last[0] > 20 or done == total:
            last[0] = now
            print(f"    {now - begin:6.0f} s  {what} {done}/{total}", flush=True)

    return say


def remembered(defence: Defence) -> Defence:
    """Return a defence that makes the same images once: two encoders attack them."""
    made: dict[str, list[Any]] = {}

    def apply(images: Sequence[Any], models: Any, rng: np.random.Generator) -> list[Any]:
        key = hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()
        if key not in made:
            made[key] = defence.apply(images, models, rng)
        return made[key]

    return replace(defence, function=apply)


# -- networks ----------------------------------------------------------------------------------------------------------


def multiply_out(encoder: OnnxEncoder, folder: Path) -> Path:
    """Write a network of 8-bit matrices as one of transformers, in single precision; return the folder."""
    import onnx
    import torch
    from onnx import numpy_helper
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    graph = onnx.load(str(encoder.path)).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    state = {name: value for name, value in stored.items() if name.startswith("vision_model.")}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            matrix, zero = stored[node.input[1]].astype(np.float32), stored[node.input[3]].astype(np.float32)
            scale = stored[node.input[1].replace("_quantized", "_scale")]
            name = node.name.strip("/").removesuffix("/MatMul_quant").replace("/", ".")
            state[f"{name}.weight"] = ((matrix - zero) * scale).T
    config = CLIPVisionConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, patch_size=16,
        image_size=224, projection_dim=512, hidden_act="quick_gelu",
    )  # fmt: skip
    model = CLIPVisionModelWithProjection(config)
    result = model.load_state_dict(
        {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in state.items()}, strict=False
    )
    missing = [name for name in result.missing_keys if "position_ids" not in name]
    assert not missing and not result.unexpected_keys, (missing, result.unexpected_keys)
    model.save_pretrained(folder)
    of = encoder.preprocessing
    assert of.fit == "crop" and of.resample == "bicubic", of
    settings = {
        "size": {"shortest_edge": of.resize or of.size}, "crop_size": {"height": of.size, "width": of.size},
        "do_center_crop": True, "resample": 3, "image_mean": list(of.mean), "image_std": list(of.std),
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def agree(encoder: OnnxEncoder, surrogate: SurrogateEncoder, catalog: Catalog, seed: int) -> None:
    """Hold the network of torch to the ONNX file: block by block, and by the embeddings of twelve images.

    Every block of torch is given what the ONNX file gives its own, with activations rounded to 8 bits before products
    with weights, as ONNX does. From the first image to the embedding the two drift apart nonetheless: a rounding that
    falls the other way in one block moves many in the next.
    """
    import torch

    pixels = read_image(catalog.paths[0]).pixels
    states = states_of(encoder, network_input(resized_of(pixels, encoder.preprocessing), encoder.preprocessing))
    vision = surrogate.module.vision_model
    linear = [module for module in surrogate.module.modules() if isinstance(module, torch.nn.Linear)]
    hooks = [module.register_forward_pre_hook(rounded) for module in linear]
    errors = []
    with torch.no_grad():
        for block, before, after in zip(vision.encoder.layers, states[:-1], states[1:], strict=True):
            made = block(torch.from_numpy(before), attention_mask=None)
            made = (made[0] if isinstance(made, tuple) else made).numpy().reshape(after.shape)
            errors.append(float(np.linalg.norm(made - after) / np.linalg.norm(after - before)))
    for hook in hooks:
        hook.remove()
    some = np.random.default_rng(seed).choice(len(catalog), 12, replace=False)
    theirs, ours = [], []
    for row in some.tolist():
        pixels = read_image(catalog.paths[row]).pixels
        theirs.append(np.concatenate(list(encoder.encode(pixels).mean.values())))
        with torch.no_grad():
            values = torch.from_numpy(np.array(pixels.transpose(2, 0, 1)[None], dtype=np.float32))
            ours.append(surrogate(values.to(surrogate.device))[0].cpu().numpy())
    one, two = np.array(theirs), np.array(ours)
    cosines, others = (one * two).sum(axis=1), one @ one.T
    np.fill_diagonal(others, -1)
    print(
        f"what a block of torch adds differs from ONNX by {np.median(errors):.5f} of its length in the median, and by "
        f"{max(errors):.5f} at most; embeddings have cosines of {cosines.min():.4f} to {cosines.max():.4f}, and to the "
        f"nearest other image {others.max(axis=1).mean():.4f}"
    )
    assert np.median(errors) < 0.002 and max(errors) < 0.05 and cosines.min() > 0.9, (
        "the network of torch is not that of the ONNX file"
    )


def states_of(encoder: OnnxEncoder, values: Any) -> list[Any]:
    """Return what goes into the first block of the ONNX file, and what comes out of every block, (1, tokens, 768)."""
    import onnx

    model = onnx.load(str(encoder.path))
    blocks = [f"/vision_model/encoder/layers.{i}/Add_1_output_0" for i in range(11)]
    names = ["/vision_model/pre_layrnorm/Add_1_output_0", *blocks]
    for name in names:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    last = next(value.name for value in model.graph.output if value.name.startswith("onnx::Gather"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "states.onnx"
        onnx.save(model, str(path))
        found: list[Any] = open_session(path, 1).run([*names, last], {"pixel_values": values})
    return found


def rounded(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Round what a module is given to 8 bits, as ONNX's DynamicQuantizeLinear."""
    (values,) = inputs
    low, high = values.min().clamp(max=0), values.max().clamp(min=0)
    scale = (high - low) / 255
    zero = (-low / scale).round()
    return (((values / scale).round() + zero).clamp(0, 255).sub(zero) * scale,)


def trained(catalog: Catalog, sample: Sample, seed: int) -> SurrogateEncoder:
    """Return a small convolutional network that learned to name the models on prompts outside of the sample."""
    import torch
    from torch import nn

    side, steps = 96, 300
    named = catalog.text("prompt_id")
    pool = np.flatnonzero(~np.isin(named.astype(str), sample.prompts) & catalog.table["error"].is_null().to_numpy())
    rng = np.random.default_rng(seed)
    pool = rng.choice(pool, min(len(pool), 700), replace=False)
    names, codes = np.unique(catalog.text("model")[pool].astype(str), return_inverse=True)
    pictures = torch.stack([
        torch.from_numpy(np.array(read_image(catalog.paths[row]).pixels.transpose(2, 0, 1))) for row in pool.tolist()
    ])  # fmt: skip
    torch.manual_seed(seed)
    wide = (24, 48, 64, 96)
    layers: list[Any] = []
    for before, after in zip((3, *wide), wide, strict=False):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.GELU()]
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    head = nn.Linear(wide[-1], len(names))
    network = nn.Sequential(body, head)
    weights = torch.from_numpy(1.0 / np.bincount(codes)[codes])
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    generator = torch.Generator().manual_seed(seed)
    right = []
    for step in range(steps):
        rows = torch.multinomial(weights, 32, generator=generator)
        top, left = (int(rng.integers(pictures.shape[axis] - side + 1)) for axis in (2, 3))
        seen = pictures[rows, :, top : top + side, left : left + side].float() / 127.5 - 1
        truth = torch.from_numpy(codes)[rows]
        answers = network(seen)
        loss = nn.functional.cross_entropy(answers, truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step >= steps - 50:
            right.append(float((answers.argmax(dim=1) == truth).float().mean()))
    print(f"surrogate {seed}: {np.mean(right):.3f} right of {len(names)} models in the last 50 steps of training")
    whole = Preprocessing(128, (0.5,) * 3, (0.5,) * 3, fit="stretch")
    return SurrogateEncoder(body, whole, name=f"small-{seed}")


PARTS = {"cheap": cheap, "choice": choice, "white-box": white_box, "transfer": transfer}

if __name__ == "__main__":
    main()
