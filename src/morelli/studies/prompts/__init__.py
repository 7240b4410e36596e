"""Minimal prompts for the study of domains: ten domains, a generator, and the rules that prompts are held to."""

from __future__ import annotations

from morelli.studies.prompts.generator import DOMAINS, PROMPTS_PER_DOMAIN, Prompt, domain_prompts
from morelli.studies.prompts.rules import MAX_CHARACTERS, MAX_WORDS, check_prompt

__all__ = [
    "DOMAINS",
    "MAX_CHARACTERS",
    "MAX_WORDS",
    "PROMPTS_PER_DOMAIN",
    "Prompt",
    "check_prompt",
    "domain_prompts",
]
