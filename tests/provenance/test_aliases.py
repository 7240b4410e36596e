from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.errors import MorelliError
from morelli.provenance._patterns import matches, overlap
from morelli.provenance.aliases import Aliases, normalise

SDXL = "stabilityai_stable-diffusion-xl-base-1.0"


def table(body: str, **of: object) -> Aliases:
    head = "".join(f"{key} = {str(value).lower()}\n" for key, value in ({"format": 1} | of).items())
    return Aliases.from_bytes((head + body).encode(), "mine.toml")


def entry(model: str, *names: str, hashes: tuple[str, ...] = ()) -> str:
    return f'[[alias]]\nmodel = "{model}"\nnames = {list(names)}\nhashes = {list(hashes)}\n'


@pytest.mark.parametrize(
    ("value", "model"),
    [
        ("sd_xl_base_1.0", SDXL),
        ("SD_XL_Base_1.0.safetensors", SDXL),
        (r"C:\models\sd_xl_base_1.0.safetensors", SDXL),
        ("stabilityai/stable-diffusion-xl-base-1.0", SDXL),
        ("31e35c80fc", SDXL),
        ("renamed [31e35c80fc]", SDXL),
        ("ｓｄ＿ｘｌ＿ｂａｓｅ＿１．０", SDXL),
        ("flux1-dev-fp8.safetensors", "black-forest-labs_FLUX.1-dev"),
        ("flux1-krea-dev_fp8_scaled.safetensors", "black-forest-labs_FLUX.1-Krea-dev"),
        ("black-forest-labs/FLUX.1-Krea-dev", "black-forest-labs_FLUX.1-Krea-dev"),
        ("Kwai-Kolors/Kolors-diffusers", "Kwai-Kolors_Kolors-diffusers"),
        ("DALL·E 3", "dall-e-3"),
        ("a photo of stable diffusion", None),
        ("31e35c8", None),
        ("ffffffffff", None),
        ("", None),
        (None, None),
        ("x" * 100_000, None),
    ],
)
def test_shipped_table_knows_what_files_say(value, model):
    assert Aliases.load().resolve(value) == model


def test_own_table_replaces_or_extends():
    own = entry("ours", "acme*", hashes=("0123456789",))
    assert table(own).resolve("sd_xl_base_1.0") is None
    extended = table(own, extends=True)
    assert extended.resolve("sd_xl_base_1.0") == SDXL
    assert extended.resolve("ACME v3.safetensors") == extended.resolve("0123456789abcdef") == "ours"


def test_own_table_renames_what_the_shipped_one_knows():
    renamed = table(entry("our-sdxl", SDXL), extends=True)
    assert renamed.resolve("sd_xl_base_1.0.safetensors") == "our-sdxl"
    assert renamed.resolve("31e35c80fc") == "our-sdxl"


def test_models_of_a_catalog_are_called_what_they_are():
    known = Aliases.load().knowing(["SD XL base 1.0", "acme/v1", "twin a", "twin_a"])
    assert known.resolve("sd_xl_base_1.0") == "SD XL base 1.0"
    assert known.resolve("acme_v1.ckpt") == "acme/v1"
    assert known.resolve("twin-a") is None
    assert known.resolve("flux1-schnell") == "black-forest-labs_FLUX.1-schnell"


def test_what_says_more_wins():
    aliases = table(entry("a", "x*") + entry("b", "x-large*") + entry("c", "x-large-2"))
    assert [aliases.resolve(name) for name in ("x-1", "x_large_1", "X Large 2")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (entry("a", "same") + entry("b", "SAME"), "two models, a and b"),
        (entry("a", "x*y") + entry("b", "*xy"), "some names fit both"),
        (entry("a", hashes=("0123456789",)) + entry("b", hashes=("0123456789ab",)), "beginning of"),
        (entry("a", hashes=("01234567",)) + entry("b", hashes=("01234567",)), "two models"),
        (entry("a", hashes=("sixteen",)), "is no hash"),
        (entry("a", "*"), "everything"),
        (entry("a", ""), "everything"),
        (entry("  ", "x"), '"model" is'),
        ('[[alias]]\nnames = ["x"]', '"model" is'),
        ('[[alias]]\nmodel = "a"\nnames = "x"', "list of texts"),
        ('[[alias]]\nmodel = "a"\nnames = [1]', "list of texts"),
        ('[[alias]]\nmodel = "a"\nname = ["x"]', "has 'name'; there are"),
        ('[[alies]]\nmodel = "a"', "has 'alies'"),
        ("alias = 3", "[[alias]]"),
        ("alias = [1]", "[[alias]]"),
        ('extends = "yes"', "true or false"),
        ("alias = " + "[" * 5000, "no TOML"),
        ("x = = 1", "no TOML"),
        ('[[alias]]\nmodel = "' + "a" * 400 + '"', '"model" is'),
    ],
)
def test_wrong_tables_say_what_is_wrong(body, said):
    with pytest.raises(MorelliError, match=r"mine\.toml") as error:
        table(body)
    assert said in str(error.value)


@pytest.mark.parametrize("data", [b"", b"format = 2", b"format = true", b"format = '1'", b"\xff\xfe", b"#" * 2_000_000])
def test_other_files_are_no_tables(data, tmp_path):
    path = tmp_path / "tables of ours é.toml"
    path.write_bytes(data)
    with pytest.raises(MorelliError, match="table of aliases"):
        Aliases.load(path)


def test_missing_tables_are_named(tmp_path: Path):
    with pytest.raises(MorelliError, match="cannot be read"):
        Aliases.load(tmp_path / "nowhere.toml")
    with pytest.raises(MorelliError, match="cannot be read"):
        Aliases.load(tmp_path)


words = st.text("ab-", max_size=6)
patterns = st.text("ab*", min_size=1, max_size=6)


@given(patterns, words)
def test_patterns_match_as_regular_expressions_do(pattern, word):
    import re

    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert matches(pattern, word) == bool(re.fullmatch(expression, word))


@given(patterns, patterns, st.text("ab", max_size=5))
def test_patterns_that_share_a_nameoverlap(first, second, word):
    if matches(first, word) and matches(second, word):
        assert overlap(first, second)


@given(st.text(max_size=40))
def test_normalising_is_final_and_resolving_never_fails(text):
    once = normalise(text)
    assert normalise(once.upper()) == normalise(normalise(once.upper()))
    Aliases.load().resolve(text)


def test_patterns_are_linear():
    import time

    aliases = table(entry("a", "*a" * 100 + "*b"))
    start = time.perf_counter()
    assert aliases.resolve("a" * 299) is None
    assert time.perf_counter() - start < 1
