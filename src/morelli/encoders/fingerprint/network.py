"""The network in torch, and what it learns from. Functions of plain tensors: state is a dict of names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from morelli.encoders.fingerprint.architecture import (
    BATCH_NORM_EPSILON,
    KNEE,
    POOL_EPSILON,
    Architecture,
)

__all__ = ["contrastive_loss", "embed"]

Tensors = Mapping[str, Any]

_MOMENTUM = 0.05
"""Of the running statistics."""


def embed(torch: Any, architecture: Architecture, weights: Tensors, running: Tensors, patches: Any, train: bool) -> Any:
    """Return the embeddings of patches, float32 (n, dim).

    Parameters
    ----------
    torch : module
    architecture : Architecture
    weights, running : mapping of str to Tensor
        As `Architecture.start` names them. In training `running` is brought up to date.
    patches : Tensor of uint8 or float32, shape (n, 3, patch, patch)
        Pixels from 0 to 255.
    train : bool
        Normalise by the batch, not by `running`.
    """
    functional = torch.nn.functional
    pixels = patches.float()
    low = functional.pad(pixels, (2, 2, 2, 2), mode="reflect")
    for axis in (2, 3):  # sums of slices: a convolution of one channel by 5 x 5 takes several times as long
        a, b, c, d, e = (low.narrow(axis, first, low.shape[axis] - 4) for first in range(5))
        low = ((a + e) + 4 * (b + d) + 6 * c) / 16
    residual = pixels - low
    residual = (residual / (KNEE + residual.abs())).contiguous(memory_format=torch.channels_last)

    def normalised(values: Any, name: str) -> Any:
        return functional.batch_norm(
            values,
            running[f"{name}.mean"],
            running[f"{name}.variance"],
            weights[f"{name}.scale"],
            weights[f"{name}.shift"],
            training=train,
            momentum=_MOMENTUM,
            eps=BATCH_NORM_EPSILON,
        )

    def run(values: Any, path: tuple[Any, ...]) -> Any:
        for layer in path:
            weight = weights[f"{layer.name}.weight"]
            new = functional.conv2d(values, weight, stride=layer.stride, padding=layer.padding)
            new = functional.relu(normalised(new, layer.name))
            values = values + new if layer.residual else new
        return values

    seen, values = [], residual
    for path in architecture.trunk:
        values = run(values, path)
        seen.append(values)
    seen.append(run(residual, architecture.branch))
    # Channels last, as they lie in memory: gradients of means over (2, 3) come in another order, which is slow.
    flat = [each.permute(0, 2, 3, 1).flatten(1, 2) for each in seen]
    means = [each.mean(1) for each in flat]
    spreads = [
        ((each * each).mean(1) - mean * mean).clamp(min=0).add(POOL_EPSILON).sqrt()
        for each, mean in zip(flat, means, strict=True)
    ]
    pooled = normalised(torch.cat(means + spreads, dim=1), "pooled")
    return functional.linear(pooled, weights["embedding.weight"])


def contrastive_loss(torch: Any, embeddings: Any, codes: Any, images: Any, temperature: float) -> Any:
    """Return the supervised contrastive loss over generators.

    Positives are sets of patches from *other* images of the same generator, never from the same image, which would
    teach what a picture shows. Pairs from one image are left out altogether.

    Parameters
    ----------
    torch : module
    embeddings : Tensor, shape (n, d)
    codes, images : Tensor of int64, shape (n,)
        Generator and image of each.
    temperature : float

    Notes
    -----
    P. Khosla et al., Supervised Contrastive Learning, 2020, with the average outside of the logarithm. The embeddings
    are centred on the batch first.
    """
    unit = torch.nn.functional.normalize(embeddings - embeddings.mean(0, keepdim=True), dim=1)
    similarity = unit @ unit.T / temperature
    other = images[:, None] != images[None]
    positive = (codes[:, None] == codes[None]) & other
    log_share = similarity - similarity.masked_fill(~other, -torch.inf).logsumexp(1, keepdim=True)
    count = positive.sum(1)
    per_row = -(log_share * positive).sum(1) / count.clamp(min=1)
    return per_row[count > 0].mean() if bool((count > 0).any()) else similarity.sum() * 0
