"""Severities: what the registry declares, how they are written, and that stronger is stronger on real images."""

from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import ViewError
from morelli.images import read_image
from morelli.sample import sample_path
from morelli.views import list_views, parse_view, register_view, severity_views
from morelli.views.registry import _VIEWS, Parameter

WITH = [info for info in list_views() if info.severities]
#: The result is as large as the image, and farther from it with every step.
MONOTONE = (
    "avif", "bilateral", "blur", "brightness", "contrast", "downup", "gamma", "jitter", "jpeg", "median", "nlmeans",
    "noise", "quantise", "saturation", "sharpen", "webp",
)  # fmt: skip
#: The result shrinks with every step.
SHRINKING = ("crop", "random-crop", "resize", "rotate", "scale", "screenshot", "screen-capture", "social")
GROWING = ("border",)
#: Stronger covers more; that it is also farther depends on the place.
COVERING = ("text",)


def rmse(one, other):
    return np.sqrt(np.mean((one.astype(float) - other) ** 2))


@pytest.fixture(scope="module")
def images():
    paths = sorted((sample_path() / "campaign").glob("*.jpg"))
    return [read_image(paths[number]).pixels for number in (0, 3, 7)]


def test_every_corruption_with_a_strength_has_severities_and_nothing_else_does():
    for info in list_views():
        assert bool(info.severities) == (info.group == "corruption" and bool(info.parameters)), info.name
    assert {info.name for info in WITH} == {*MONOTONE, *SHRINKING, *GROWING, *COVERING}


@pytest.mark.parametrize("info", WITH, ids=lambda info: info.name)
def test_severities_are_five_different_canonical_names(info):
    names = severity_views(info.name)
    assert len(set(names)) == 5
    for level, name in enumerate(names, 1):
        assert parse_view(f"{info.name}@{level}").name == name == parse_view(name).name
        assert name == f"{info.name}:{info.severities[level - 1]}"
    first = [float(text.split(",")[0]) for text in info.severities]
    assert first in (sorted(first), sorted(first, reverse=True))
    identity = info.parameters[0].identity
    assert identity is None or abs(first[0] - identity) < abs(first[-1] - identity)


@pytest.mark.parametrize("name", MONOTONE)
def test_stronger_is_farther_from_the_original(name, images):
    for pixels in images:
        far = [rmse(parse_view(view)(pixels, 1), pixels) for view in severity_views(name)]
        assert far == sorted(far) and 0 < far[0] < 0.7 * far[-1]


@pytest.mark.parametrize("name", [*SHRINKING, *GROWING])
def test_stronger_is_smaller_or_larger(name, images):
    large = np.concatenate([np.concatenate([images[0]] * 9, axis=1)] * 9)[:2200, :2300]
    areas = [np.prod(parse_view(view)(large, 1).shape) for view in severity_views(name)]
    assert areas == sorted(areas, reverse=name in SHRINKING) and len(set(areas)) == 5


@pytest.mark.parametrize("name", COVERING)
def test_stronger_covers_more(name, images):
    for pixels in images:
        areas = [(parse_view(view)(pixels, 1) != pixels).any(axis=2).mean() for view in severity_views(name)]
        assert areas == sorted(areas) and areas[0] > 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("jpeg@0", ["jpeg@1 to jpeg@5"]),
        ("jpeg@6", ["jpeg@1 to jpeg@5"]),
        ("jpeg@", ["jpeg@1 to jpeg@5"]),
        ("jpeg@2.0", ["jpeg@1 to jpeg@5"]),
        ("jpeg@03", ["jpeg@1 to jpeg@5"]),
        ("jpeg@2@3", ["jpeg@1 to jpeg@5"]),
        ("jpeg@2:80", ["takes the place of parameters"]),
        ("jpeg@٣", ["jpeg@1 to jpeg@5"]),
        ("flip@1", ["flip has no severities"]),
        ("canny@1", ["no severities; write canny[:SIGMA[,THRESHOLD]]"]),
        ("resaved@1", ["no severities"]),
        ("jpg@1", ['no view "jpg"']),
        ("none@1", ["no view"]),
        ("@1", ["no view"]),
    ],
)
def test_other_severities_are_errors(text, parts):
    with pytest.raises(ViewError) as caught:
        parse_view(text)
    for part in parts:
        assert part in str(caught.value)
    with pytest.raises(ViewError):
        severity_views("canny")


def test_severities_chain_and_name_their_condition():
    view = parse_view(" blur@1 | jpeg @ 3")
    assert view.name == "blur:0.5|jpeg:50" == view.condition


def test_registration_checks_severities(monkeypatch):
    monkeypatch.setattr("morelli.views.registry._VIEWS", dict(_VIEWS))
    strength = Parameter("strength", "of it", 0, 5, whole=True)
    for texts in (("1", "2"), ("1", "2", "3", "4", "9"), ("1", "2", "3", "4", ""), ("1,1", "2", "3", "4", "5")):
        with pytest.raises(ValueError, match=r"severities|strength|parameter"):
            register_view("test-levels", "Nothing", strength, severities=texts)(lambda pixels, _: pixels)
    with pytest.raises(ValueError, match="strength"):
        register_view("test-levels", "Nothing", strength, typical="6")(lambda pixels, _: pixels)
    register_view("test-levels", "Nothing", strength, severities=list("12345"))(lambda pixels, _: pixels)
    assert severity_views("test-levels")[4] == "test-levels:5"
