"""Which encoders the main job uses when nobody says."""

from __future__ import annotations

from morelli.encoders.pretrained import get_pretrained, is_here

__all__ = ["WELCOME", "default_encoder"]

WELCOME = "clip-vit-b16.openai-int8"
"""Pretrained encoder that joins the forensic families wherever it has been fetched."""


def default_encoder() -> str:
    """Return ``forensic``, joined by the pretrained encoder `WELCOME` where its weights are on this machine."""
    return f"forensic+{WELCOME}" if is_here(get_pretrained(WELCOME)) else "forensic"
