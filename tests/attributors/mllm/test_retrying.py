from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from morelli.attributors.mllm.retrying import RetryPolicy, retry_after

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"Retry-After": "Fri, 02 Jan 2026 03:04:35 GMT"}, 30.0),
        ({"Retry-After": "Fri, 02 Jan 2026 03:00:00 GMT"}, 0.0),
        ({"Retry-After": "Fri, 02 Jan 2026 04:04:15 +0100"}, 10.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "1e9"}, 3600.0),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after(headers, NOW) == seconds


def test_backoff_is_exponential_with_full_jitter_and_seeded():
    policy = RetryPolicy(attempts=9, patience=1e9, base=2.0, longest=20.0)
    rng = random.Random(0)
    waits = [[policy.wait(attempt, 0.0, None, rng) for _ in range(300)] for attempt in range(1, 7)]
    for own, most in zip(waits, (2, 4, 8, 16, 20, 20), strict=True):
        assert 0.0 <= min(own) < 0.05 * most
        assert 0.95 * most < max(own) <= most
    assert policy.wait(3, 0.0, None, random.Random("a")) == policy.wait(3, 0.0, None, random.Random("a"))
    assert policy.wait(3, 0.0, None, random.Random("a")) != policy.wait(3, 0.0, None, random.Random("b"))


def test_limits():
    policy = RetryPolicy(attempts=3, patience=10.0)
    rng = random.Random(0)
    assert policy.wait(2, 0.0, None, rng) is not None
    assert policy.wait(3, 0.0, None, rng) is None
    assert 4.0 <= policy.wait(1, 5.0, 4.0, rng) <= 5.0
    assert policy.wait(1, 7.0, 4.0, rng) is None  # longer than there is patience for
