"""The ten domains: what is drawn, and the rules that prompts are held to."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.studies.prompts import DOMAINS, MAX_CHARACTERS, MAX_WORDS, check_prompt, domain_prompts, rules
from morelli.studies.prompts._data import read_rows

CONTEXTS = read_rows("contexts.csv")


def nouns_of(domain: str) -> list[str]:
    return [noun for noun, _ in read_rows(f"domains/{domain.replace(' ', '-')}.csv")]


NOUNS = {domain: nouns_of(domain) for domain in DOMAINS}


def every_prompt(domain: str) -> list[str]:
    places: dict[str, int] = {}
    for group, _ in CONTEXTS:
        places[group] = places.get(group, 0) + 1
    rows = read_rows(f"domains/{domain.replace(' ', '-')}.csv")
    size = len(rows) + sum(places[group] for _, group in rows)
    return [prompt.text for prompt in domain_prompts(domain, size)]


def test_ten_domains_of_three_hundred():
    prompts = domain_prompts()
    assert len(DOMAINS) == 10
    assert [prompt.domain for prompt in prompts] == [domain for domain in DOMAINS for _ in range(300)]
    assert len({prompt.text for prompt in prompts}) == len({prompt.prompt_id for prompt in prompts}) == 3000


def test_nouns_are_many_and_of_one_domain():
    every = [noun for nouns in NOUNS.values() for noun in nouns]
    assert len(every) == len(set(every))
    assert min(map(len, NOUNS.values())) >= 80


@pytest.mark.parametrize("domain", DOMAINS)
def test_all_that_can_be_drawn_is_minimal(domain):
    texts = every_prompt(domain)
    assert len(texts) == len(set(texts)) >= 300
    assert {text: found for text in texts if (found := check_prompt(text))} == {}


@pytest.mark.parametrize("domain", DOMAINS)
def test_articles(domain):
    sounds = {"uni": "a", "uti": "a", "hour": "an", "eu": "a"}
    for noun in NOUNS[domain]:
        assert noun == noun.strip()
        article, _, rest = noun.partition(" ")
        if article not in ("a", "an"):
            assert article not in ("the", "some")
            continue
        expected = next((sounds[start] for start in sounds if rest.startswith(start)), None)
        assert article == (expected or ("an" if rest[0].lower() in "aeiou" else "a")), noun
        assert not rest.startswith(("a ", "an "))


def test_mass_nouns_and_plurals_have_no_article():
    assert {"rice", "pasta", "bread", "coffee"} <= set(NOUNS["foods and drinks"])
    assert {"trousers", "jeans", "shoes", "gloves"} <= set(NOUNS["clothing"])
    assert "scissors" in NOUNS["household items"]


def test_places_are_things_of_no_domain():
    every = {noun for nouns in NOUNS.values() for noun in nouns}
    for _, context in CONTEXTS:
        thing = context.partition(" ")[2]
        assert thing not in every
        assert context.endswith("ing") or thing, context


def test_every_group_of_places_is_used_and_there():
    groups = {group for group, _ in CONTEXTS}
    used = {group for domain in DOMAINS for _, group in read_rows(f"domains/{domain.replace(' ', '-')}.csv")}
    assert groups == used
    assert len(CONTEXTS) == len(set(CONTEXTS))


def test_bare_nouns_come_first():
    drawn = domain_prompts("animals", 400)
    bare = len(NOUNS["animals"])
    assert sorted(prompt.text for prompt in drawn[:bare]) == sorted(NOUNS["animals"])
    assert not {prompt.text for prompt in drawn[bare:]} & set(NOUNS["animals"])


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(DOMAINS), st.integers(1, 400), st.integers(1, 400), st.integers(0, 2**40))
def test_fewer_are_the_first_of_more(domain, n, more, seed):
    short, long = sorted((n, more))
    assert domain_prompts(domain, short, seed) == domain_prompts(domain, long, seed)[:short]


def test_seeds_differ_and_names_stay():
    first, second = domain_prompts("people", 500, seed=0), domain_prompts("people", 500, seed=1)
    assert first != second
    names = {prompt.text: prompt.prompt_id for prompt in first}
    assert all(names[prompt.text] == prompt.prompt_id for prompt in second if prompt.text in names)
    assert all(re.fullmatch(r"[a-z0-9-]+", prompt.prompt_id) for prompt in domain_prompts())


def test_one_domain_is_as_among_all():
    assert domain_prompts("Foods-and-Drinks", 5) == [p for p in domain_prompts(n=5) if p.domain == "foods and drinks"]


def test_bad_requests():
    with pytest.raises(MorelliError, match="There is no domain"):
        domain_prompts("robots")
    with pytest.raises(MorelliError, match="one prompt"):
        domain_prompts("animals", 0)
    with pytest.raises(MorelliError, match="seed"):
        domain_prompts("animals", 3, -1)
    with pytest.raises(NotEnoughDataError, match="ask for no more"):
        domain_prompts("animals", 10**6)


@pytest.mark.parametrize(
    "text",
    [
        "a horse", "a horse in a field", "a horse and a cart", "a fire engine", "ice cream", "a living room",
        "A Dog running", "hot dogs on a table", "a polar bear", "a grandmother's chair", "a painting on a wall",
        "rice", "a T-shirt",
        "a stained glass window", "an orange tree", "a walk-in closet with a window", "a bed", "a butterfly on a leaf",
    ],
)  # fmt: skip
def test_minimal_prompts_pass(text):
    assert check_prompt(text) == []


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("a majestic horse", ["Adjective"]),
        ("a colorless dream", ["Narrative", "Adjective"]),
        ("a picturesque village", ["Adjective"]),
        ("an uninhabited island", ["Adjective"]),
        ("a wondrous thing", ["Adjective"]),
        ("a softly lit room", ["Adjective", "Adverb"]),
        ("a red car", ["Colour"]),
        ("an ORANGE cat", ["Colour"]),
        ("two horses", ["Number"]),
        ("3 horses", ["Number"]),
        ("a dozen eggs", ["Number"]),
        ("a close-up of a horse", ["Viewpoint"]),
        ("a closeup of a horse", ["Viewpoint"]),
        ("a city from above", ["Viewpoint"]),
        ("a bird’s-eye view of a harbor", ["Viewpoint", "Viewpoint"]),
        ("a photo of a horse", ["Style"]),
        ("a painting of a horse", ["Style"]),
        ("a horse in the style of Monet", ["Style"]),
        ("a horse 4k", ["Style"]),
        ("cinematic horse", ["Style"]),
        ("a horse escaping through a gate", ["Narrative"]),
        ("a man who rides", ["Narrative"]),
        ("a dog waiting for a train", ["Narrative"]),
        ("a horse, a field", ["Signs"]),
        ("a horse\non grass", ["Signs"]),
        ("a cat on a mat in a hall", ["Place"]),
        ("a cat and a dog and a hen", ["Things"]),
        ("a cat " * 5, ["Length"]),
        ("a " + "z" * 80, ["Length"]),
        ("", ["Length"]),
        (" \t", ["Length"]),
        ("\x1b[31m", ["Signs", "Number"]),
    ],
)
def test_bad_prompts_fail_by_the_rule_they_break(text, broken):
    found = check_prompt(text)
    assert [re.match(r"\w+", sentence)[0] for sentence in found] == broken, found
    assert all(sentence.endswith(".") and sentence.isprintable() for sentence in found)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([words for rule, words in read_rows("rules.csv") if rule not in ("noun", "preposition")]))
def test_every_listed_word_is_found(words):
    assert check_prompt(f"a thing {words}")


def test_every_exempted_noun_needs_it(monkeypatch):
    """A noun on the list would be refused if it were not there."""
    nouns = [words for rule, words in read_rows("rules.csv") if rule == "noun"]
    assert [noun for noun in nouns if check_prompt(f"{noun}s on a table")] == []
    monkeypatch.setattr(rules, "_without_nouns", lambda words: words)
    assert [noun for noun in nouns if not check_prompt(f"{noun} on a table")] == []


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_judged(text):
    found = check_prompt(text)
    assert all(isinstance(sentence, str) and sentence.isprintable() for sentence in found)
    if len(text) > MAX_CHARACTERS or len(text.split()) > MAX_WORDS:
        assert found
