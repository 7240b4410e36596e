"""Patterns whose ``*`` stand for any characters."""

from __future__ import annotations

__all__ = ["matches", "overlap"]


def matches(pattern: str, text: str) -> bool:
    """Say whether all of a text fits a pattern; one pass over the text for each part, whatever the pattern is.

    Examples
    --------
    >>> matches("flux1-*-fp8", "flux1-dev-fp8"), matches("flux1-*-fp8", "flux1-dev")
    (True, False)
    """
    if "*" not in pattern:
        return pattern == text
    first, *middle, last = pattern.split("*")
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def overlap(first: str, second: str) -> bool:
    """Say whether there is a text that two patterns both fit.

    Examples
    --------
    >>> overlap("a*", "*b"), overlap("a*", "b*")
    (True, False)
    """
    fits = [[False] * (len(second) + 1) for _ in range(len(first) + 1)]
    fits[0][0] = True
    for i in range(len(first) + 1):
        for j in range(len(second) + 1):
            if i and first[i - 1] == "*" and (fits[i - 1][j] or (j and fits[i][j - 1])):
                fits[i][j] = True
            if j and second[j - 1] == "*" and (fits[i][j - 1] or (i and fits[i - 1][j])):
                fits[i][j] = True
            if i and j and first[i - 1] == second[j - 1] and fits[i - 1][j - 1]:
                fits[i][j] = True
    return fits[-1][-1]
