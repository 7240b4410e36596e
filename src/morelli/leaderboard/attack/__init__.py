"""Attacks: every attributor that could break the anonymity, with few and many references of each prompt."""

from morelli.leaderboard.attack.study import Attack, attack_frame, attack_section, default_attackers

__all__ = ["Attack", "attack_frame", "attack_section", "default_attackers"]
