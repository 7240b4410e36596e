"""What every refusal to read an image looks like."""

from __future__ import annotations

import pytest

from morelli.errors import ImageReadError
from morelli.images import read_image

KINDS = {
    "empty", "missing", "not-an-image", "truncated", "corrupt", "too-many-bytes", "too-many-pixels", "side-too-long",
    "too-small", "too-slow", "unsupported",
}  # fmt: skip


def refused(source, **options):
    with pytest.raises(ImageReadError) as caught:
        read_image(source, **options)
    error = caught.value
    assert error.kind in KINDS
    assert error.name and error.detail
    assert str(error) == f"{error.name}: {error.detail}"
    return error
