"""Attacks: every attributor that could break the anonymity, with few and many references of each prompt."""

from morelli.leaderboard.attack.run import AttackResult, run_attack
from morelli.leaderboard.attack.study import Attack, attack_frame, default_attackers

__all__ = ["Attack", "AttackResult", "attack_frame", "default_attackers", "run_attack"]
