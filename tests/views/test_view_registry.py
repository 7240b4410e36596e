"""The grammar, and a sweep over every view that is registered."""

from __future__ import annotations

import pickle
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError, ViewError
from morelli.images import read_image
from morelli.views import Parameter, View, ViewInfo, list_views, parse_view, register_view
from morelli.views.registry import _VIEWS

EXPECTED = {
    "jpeg", "webp", "avif", "quantise", "resize", "scale", "downup", "crop", "random-crop", "rotate", "flip", "border",
    "blur", "noise", "median", "bilateral", "nlmeans", "sharpen", "jitter", "gray", "brightness",
    "contrast", "saturation", "gamma", "screenshot", "screen-capture", "social", "text", "resaved", "shrunk",
    "highpass", "lowpass", "ideal-highpass", "ideal-lowpass", "butterworth-highpass", "butterworth-lowpass",
    "mean-rgb", "pixel-shuffle", "patch-shuffle", "fixed-pixel-shuffle", "fixed-patch-shuffle", "phase-only",
    "magnitude-only", "canny", "no-edges", "hog", "sift",
}  # fmt: skip

#: They need weights that may not be here, and are tested with tiny ones in tests/networks.
NETWORKS = {"depth", "segmentation", "contours", "salient", "semantic", "vae", "recaption"}

#: One typical use of each view; a view that is not here fails the sweep, so that new ones are swept too.
TYPICAL = {
    "jpeg": "jpeg:75", "webp": "webp:60", "avif": "avif:60", "quantise": "quantise:16", "resize": "resize:48",
    "scale": "scale:0.7", "downup": "downup:0.5", "crop": "crop:0.5", "random-crop": "random-crop:0.5",
    "rotate": "rotate:7", "flip": "flip", "border": "border:0.1,0", "blur": "blur:2", "noise": "noise:8",
    "median": "median:3", "bilateral": "bilateral:15", "nlmeans": "nlmeans:15",
    "sharpen": "sharpen:1", "jitter": "jitter:0.4", "gray": "gray", "brightness": "brightness:1.2",
    "contrast": "contrast:0.8", "saturation": "saturation:0.5", "gamma": "gamma:1.5",
    "screenshot": "screenshot", "screen-capture": "screen-capture", "social": "social:64", "text": "text:0.2",
    "resaved": "resaved:1", "shrunk": "shrunk:1",
    "highpass": "highpass:2", "lowpass": "lowpass:2", "ideal-highpass": "ideal-highpass:0.1",
    "ideal-lowpass": "ideal-lowpass:0.1", "butterworth-highpass": "butterworth-highpass:0.1",
    "butterworth-lowpass": "butterworth-lowpass:0.1,4", "mean-rgb": "mean-rgb", "pixel-shuffle": "pixel-shuffle",
    "patch-shuffle": "patch-shuffle:16", "fixed-pixel-shuffle": "fixed-pixel-shuffle",
    "fixed-patch-shuffle": "fixed-patch-shuffle:16", "phase-only": "phase-only", "magnitude-only": "magnitude-only",
    "canny": "canny", "no-edges": "no-edges", "hog": "hog:8", "sift": "sift",
}  # fmt: skip

#: The result has the size of the image, whatever the parameters are.
SAME_SIZE = EXPECTED - {
    "resize", "scale", "crop", "random-crop", "rotate", "border", "screenshot", "screen-capture", "social", "resaved",
    "shrunk",
}  # fmt: skip

#: The value of the first parameter that changes nothing.
IDENTITIES = {
    "noise": 0, "jitter": 0, "blur": 0, "sharpen": 0, "rotate": 0, "border": 0, "text": 0, "brightness": 1,
    "contrast": 1, "saturation": 1, "gamma": 1, "median": 1, "bilateral": 0, "nlmeans": 0, "crop": 1,
    "random-crop": 1, "scale": 1, "downup": 1, "screenshot": 1, "ideal-lowpass": 0.75,
}  # fmt: skip


def view_of(info: ViewInfo) -> View:
    return parse_view(TYPICAL[info.name])


def extremes(info: ViewInfo) -> list[str]:
    """The view at the lowest and at the highest value of its first parameter."""
    if not info.parameters:
        return [info.name]
    first = info.parameters[0]
    return [f"{info.name}:{value:g}" for value in (first.low, first.high)]


HERE = [info for info in list_views() if info.recipe is None]

ALL = pytest.mark.parametrize("info", HERE, ids=lambda info: info.name)


def test_the_registry_is_what_the_documentation_says():
    assert {info.name for info in HERE} == EXPECTED == TYPICAL.keys()
    assert {info.name for info in list_views() if info.recipe is not None} == NETWORKS


@ALL
def test_every_view_is_documented(info):
    assert info.description and "\n" not in info.description and not info.description.endswith(".")
    assert info.group in ("corruption", "journey", "structure")
    example = info.example
    assert example is not None and parse_view(example).name == example
    assert info.signature.startswith(info.name)
    for parameter in info.parameters:
        assert parameter.description and parameter.range
        assert parameter.default is None or parameter.parse(str(parameter.default)) == parameter.default


@ALL
def test_every_view_gives_contiguous_pixels_that_differ_and_repeat(info, picture):
    view = view_of(info)
    before = picture.copy()
    picture.flags.writeable = False  # as read_image hands them out
    result = view(picture, seed=3)
    assert result.dtype == np.uint8 and result.ndim == 3 and result.shape[2] == 3
    assert result.flags.c_contiguous
    assert result.shape != picture.shape or np.any(result != picture)
    np.testing.assert_array_equal(view(picture, seed=3), result)
    np.testing.assert_array_equal(parse_view(view.name)(picture.copy(), 3), result)
    np.testing.assert_array_equal(picture, before)


@ALL
def test_only_seeded_views_depend_on_the_seed(info, picture):
    view = view_of(info)
    assert view.seeded == info.seeded
    first, second = view(picture, seed=1), view(picture, seed=2)
    assert np.array_equal(first, second) != info.seeded


@ALL
@pytest.mark.parametrize("shape", [(64, 64), (33, 90), (1, 1), (1, 70), (70, 1), (7, 5)])
def test_every_view_has_a_result_for_every_shape(info, picture, shape):
    pixels = np.ascontiguousarray(np.resize(picture, (*shape, 3)))
    for name in {*extremes(info), TYPICAL[info.name]}:
        if name == "resize:8192":
            name = "resize:300"  # hundreds of megapixels are refused, which has its own test
        result = parse_view(name)(pixels, seed=5)
        assert result.dtype == np.uint8 and min(result.shape) >= 1 and result.shape[2] == 3
        assert result.flags.c_contiguous


@ALL
def test_every_view_can_be_sent_to_another_process(info, picture):
    view = view_of(info)
    again = pickle.loads(pickle.dumps(view))
    assert again == view and hash(again) == hash(view) and again.name == view.name
    np.testing.assert_array_equal(again(picture, 1), view(picture, 1))


@settings(deadline=None, max_examples=15)
@given(
    info=st.sampled_from([info for info in list_views() if info.name in IDENTITIES]),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    seed=st.integers(0, 2**63),
    data=st.data(),
)
def test_strength_zero_is_the_identity(info, height, width, seed, data):
    first, *others = info.parameters
    assert first.identity == IDENTITIES[info.name]
    assert first.low <= first.identity <= first.high
    values = [f"{first.identity:g}", *(data.draw(values_of(parameter)) for parameter in others)]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    np.testing.assert_array_equal(parse_view(f"{info.name}:{','.join(values)}")(pixels, seed), pixels)


def test_strength_zero_is_the_identity_on_every_level():
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    for name, value in IDENTITIES.items():
        np.testing.assert_array_equal(parse_view(f"{name}:{value}")(pixels, 1), pixels, err_msg=name)
    declared = {info.name for info in list_views() if any(one.identity is not None for one in info.parameters)}
    assert declared == IDENTITIES.keys()


@settings(deadline=None, max_examples=120)
@given(
    info=st.sampled_from([info for info in list_views() if info.name in SAME_SIZE]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 2**63),
    data=st.data(),
)
def test_sizes_stay_and_results_repeat_over_the_whole_range(info, height, width, seed, data):
    values = [data.draw(values_of(parameter)) for parameter in info.parameters]
    view = parse_view(info.name + (":" + ",".join(values) if values else ""))
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    result = view(pixels, seed)
    assert result.shape == pixels.shape and result.dtype == np.uint8 and result.flags.c_contiguous
    np.testing.assert_array_equal(parse_view(view.name)(pixels.copy(), seed), result)


# --- names ------------------------------------------------------------------------------------------------------------


NAMES = ("my-network", "/models/größe/深度", "C:\\models\\x", "Owner/Name.v2", "~/x@2:3")


def values_of(parameter: Parameter) -> st.SearchStrategy[str]:
    if parameter.pattern is not None:
        return st.sampled_from([f"{name}+{name}" if "+" in str(parameter.default) else name for name in NAMES])
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.odd:
        return st.integers(int(parameter.low) // 2, int(parameter.high) // 2).map(lambda half: str(2 * half + 1))
    if parameter.whole:
        return st.integers(int(parameter.low), int(parameter.high)).map(str)
    numbers = st.floats(parameter.low, parameter.high).map(lambda number: format(number, ".12f").rstrip("0"))
    return numbers.filter(lambda text: parameter.low <= float(text) <= parameter.high)


@st.composite
def step_names(draw: st.DrawFn) -> str:
    info = draw(st.sampled_from(list_views()))
    if info.severities and draw(st.booleans()):
        return f"{info.name}@{draw(st.integers(1, 5))}"
    least = sum(parameter.default is None for parameter in info.parameters)
    count = draw(st.integers(least, len(info.parameters)))
    space = draw(st.sampled_from(["", " "]))
    values = [draw(values_of(parameter)) for parameter in info.parameters[:count]]
    return space + info.name + (":" + space + f",{space}".join(values) if values else "") + space


@settings(deadline=None)
@given(st.lists(step_names(), max_size=4))
def test_canonical_names_stand_for_themselves(names):
    view = parse_view("|".join(names))
    again = parse_view(view.name)
    assert again.name == view.name and again == view
    assert " " not in view.name


@given(st.text(alphabet=string.printable, max_size=30) | st.text(max_size=20))
def test_any_text_is_a_view_or_a_view_error(text):
    try:
        view = parse_view(text)
    except ViewError as error:
        assert isinstance(error, MorelliError)
    else:
        assert parse_view(view.name) == view


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "none"), ("none", "none"), (" none ", "none"), ("none|none", "none"), ("none|jpeg:85|none", "jpeg:85"),
        ("jpeg:085", "jpeg:85"), ("jpeg:85,4:2:0", "jpeg:85"), ("jpeg:85,4:4:4", "jpeg:85,4:4:4"),
        ("blur:2.0", "blur:2"), ("blur:2.50", "blur:2.5"), ("scale:.5", "scale:0.5"), ("screenshot:0.9", "screenshot"),
        ("resize:512 | jpeg:85", "resize:512|jpeg:85"), ("jpeg@3", "jpeg:50"), ("noise:0.00001", "noise:0.00001"),
        ("noise:.000000000000000001", "noise:0.000000000000000001"), ("blur:00", "blur:0"), ("canny:1.4,8", "canny"),
        ("canny:2,8", "canny:2"), ("canny:1.4,9", "canny:1.4,9"), ("rotate:360.0", "rotate:360"),
        ("depth:depth-anything-v2-small", "depth"), ("segmentation:sam-vit-base,32", "segmentation"),
        ("contours:x,8", "contours:x,8"), ("resize:512 | depth:/a/b", "resize:512|depth:/a/b"),
        ("recaption:blip-base+sd-turbo,1,0", "recaption"), ("recaption:a+b,4,7.50", "recaption:a+b,4,7.5"),
    ],
)  # fmt: skip
def test_canonical_names(text, name):
    assert parse_view(text).name == name
    assert repr(parse_view(text)) == f"parse_view('{name}')"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("jpg:85", ["no view", '"jpg"', "jpeg", "none", "webp"]),
        ("JPEG:85", ["no view"]),
        ("jpeg", ["quality", "1 to 100"]),
        ("jpeg:", ["quality", "1 to 100"]),
        ("jpeg:0", ["1 to 100", '"0"']),
        ("jpeg:101", ["1 to 100"]),
        ("jpeg:85.5", ["whole number"]),
        ("jpeg:-5", ["1 to 100"]),
        ("jpeg:8_5", ["1 to 100"]),
        ("jpeg:" + "9" * 9000, ["1 to 100"]),
        ("jpeg:85,4:1:1", ["subsampling", "4:4:4, 4:2:2, 4:2:0"]),
        ("jpeg:85,4:2:0,3", ["2 parameters", "jpeg:QUALITY[,SUBSAMPLING]"]),
        ("blur:nan", ["0 to 64"]),
        ("blur:inf", ["0 to 64"]),
        ("blur:1e1", ["0 to 64"]),
        ("blur:٣", ["0 to 64"]),
        ("gray:1", ["takes no parameters"]),
        ("none:1", ["no view"]),
        ("jpeg:85|", ["empty step"]),
        ("depth:two words", ["blanks", "morelli networks name"]),
        ("depth:a+b", ["the name or folder of a network"]),
        ("depth:a,b", ["takes 1 parameter"]),
        ("depth:", ["the name or folder of a network"]),
        ("recaption:one", ["two networks with + between them"]),
        ("recaption:one+two+three", ["two networks with + between them"]),
        ("depth@2", ["no severities"]),
        ("|jpeg:85", ["empty step"]),
        ("jpeg:85||blur:1", ["empty step"]),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_errors_say_what_is_allowed(text, parts):
    with pytest.raises(ViewError) as caught:
        parse_view(text)
    for part in parts:
        assert part in str(caught.value)


def test_views_compare_by_name():
    assert parse_view("jpeg:85,4:2:0") == parse_view("jpeg:85") != parse_view("jpeg:84")
    assert len({parse_view("none"), parse_view(""), parse_view("flip")}) == 2
    assert parse_view("flip") != "flip"


def test_signatures():
    signatures = {info.name: info.signature for info in list_views()}
    assert signatures["jpeg"] == "jpeg:QUALITY[,SUBSAMPLING]"
    assert signatures["canny"] == "canny[:SIGMA[,THRESHOLD]]"
    assert signatures["flip"] == "flip"


# --- chains and seeds -------------------------------------------------------------------------------------------------


def test_identity(picture):
    np.testing.assert_array_equal(parse_view("none")(picture), picture)


def test_a_chain_is_the_composition(picture):
    for first, second in (("resize:48", "jpeg:85"), ("jpeg:85", "resize:48"), ("noise:5", "jitter:0.5")):
        expected = parse_view(second)(parse_view(first)(picture, 9), 9)
        np.testing.assert_array_equal(parse_view(f"{first}|{second}")(picture, 9), expected)


def test_a_repeated_step_draws_anew(picture):
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    once = parse_view("noise:10")(grey, 1).astype(float) - 128
    twice = parse_view("noise:10|noise:10")(grey, 1).astype(float) - 128
    assert twice.std() == pytest.approx(once.std() * 2**0.5, rel=0.1)


def test_strengths_share_their_random_numbers():
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    weak, strong = (parse_view(f"noise:{sigma}")(grey, 1).astype(float).ravel() for sigma in (5, 10))
    assert np.corrcoef(weak, strong)[0, 1] > 0.99


def test_many_is_one_after_the_other(picture):
    images = [picture, picture[:40], picture[::-1, :31]]
    view = parse_view("noise:9|crop:0.9|flip")
    for result, pixels, seed in zip(view.many(images, [3, 3, 4]), images, [3, 3, 4], strict=True):
        np.testing.assert_array_equal(result, view(pixels, seed))
    assert view.many([], []) == []
    with pytest.raises(ValueError, match="3 images and 2 seeds"):
        view.many(images, [1, 2])
    with pytest.raises(TypeError, match="uint8"):
        view.many([picture, picture.astype(float)], [1, 2])


@pytest.mark.parametrize("seeded", [False, True])
def test_a_batch_function_gets_all_images_at_once(picture, monkeypatch, seeded):
    monkeypatch.setattr("morelli.views.registry._VIEWS", dict(_VIEWS))
    calls = []

    def one(pixels, *rest):
        shift = int(rest[0].integers(256)) if seeded else 0
        return pixels + np.uint8(rest[-1]) + np.uint8(shift)

    def batch(images, *rest):
        calls.append(len(images))
        rngs = rest[0] if seeded else [None] * len(images)
        return [one(pixels, *([rng] if seeded else []), rest[-1]) for pixels, rng in zip(images, rngs, strict=True)]

    amount = Parameter("amount", "to add", 0, 9, whole=True)
    register_view("test-toy", "Adds", amount, seeded=seeded, costly=True, batch=batch)(one)
    view = parse_view("flip|test-toy:3|test-toy:1")
    images, seeds = [picture, picture[:20], picture[:, :9]], [5, 6, 5]
    results = view.many(images, seeds)
    assert calls == [3, 3] and view.costly and not parse_view("flip").costly
    for result, pixels, seed in zip(results, images, seeds, strict=True):
        np.testing.assert_array_equal(result, view(pixels, seed))
        assert result.flags.c_contiguous
    assert calls == [3, 3] and view.many([], []) == []


def test_a_batch_function_that_loses_images_is_a_fault(picture, monkeypatch):
    monkeypatch.setattr("morelli.views.registry._VIEWS", dict(_VIEWS))
    register_view("test-toy", "Loses", batch=lambda images: images[1:])(lambda pixels: pixels)
    with pytest.raises(TypeError, match="made 1 of 2 images"):
        parse_view("test-toy").many([picture, picture], [1, 2])


def test_apply_depends_on_the_file_alone(picture, tmp_path):
    import io

    from PIL import Image

    files = []
    for level in (1, 9):  # the same pixels in two files
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG", compress_level=level)
        files.append(file.getvalue())
    (tmp_path / "x").write_bytes(files[0])
    view = parse_view("noise:9")
    result = view.apply(read_image(files[0]))
    np.testing.assert_array_equal(view.apply(read_image(tmp_path / "x")), result)
    assert np.any(view.apply(read_image(files[1])) != result)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_other_arrays_are_a_type_error(pixels):
    with pytest.raises(TypeError, match="uint8"):
        parse_view("none")(pixels)


# --- registration -----------------------------------------------------------------------------------------------------


def test_registration_refuses_what_would_not_parse():
    for name in ("jpeg", "none", "Upper", "two words", "a:b", "a|b", "", "-a", "1a"):
        with pytest.raises(ValueError, match="view"):
            register_view(name, "text")
    with pytest.raises(ValueError, match="come last"):
        register_view("new", "text", Parameter("a", "a", default=1.0), Parameter("b", "b"))
    assert {info.name for info in list_views()} == EXPECTED | NETWORKS


def test_a_registered_view_takes_part(picture, monkeypatch):
    monkeypatch.setattr("morelli.views.registry._VIEWS", dict(_VIEWS))

    @register_view("negative", "The negative")
    def negative(pixels):
        return 255 - pixels

    np.testing.assert_array_equal(parse_view("negative|flip")(picture), 255 - picture[:, ::-1])
