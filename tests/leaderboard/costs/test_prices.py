from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morelli.errors import MorelliError
from morelli.leaderboard.costs import EXAMPLE_PRICES, RECONSTRUCTIONS, Prices, read_prices


def table(tmp_path, text):
    path = tmp_path / "prices.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_table_is_read_with_all_that_it_may_hold(tmp_path):
    text = """
    currency = "EUR"
    note = "Listenpreise, März"
    default = 0.04
    [prices]
    "FLUX.1 [pro]" = 0.05
    "悟空" = { price = 0, note = "open weights" }
    plain = 1
    """
    prices = read_prices(table(tmp_path, text))
    assert prices == Prices({"FLUX.1 [pro]": 0.05, "悟空": 0.0, "plain": 1.0}, "EUR", 0.04, "Listenpreise, März")
    assert prices.price("unknown") == 0.04
    assert prices.cost(10, ["FLUX.1 [pro]", "悟空", "other"]) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[prices]\na = -0.1", 'the price of "a" is 0 or more, not -0.1'),
        ("[prices]\na = nan", 'the price of "a" is 0 or more'),
        ("[prices]\na = inf", 'the price of "a" is 0 or more'),
        ("default = -1", "the default price is 0 or more"),
        ('[prices]\na = "0.1"', "is a number, not '0.1'"),
        ("[prices]\na = true", "is a number, not True"),
        ("[prices]\na = {note = 'x'}", '"a" needs a price'),
        ("[prices]\na.b = 1", "A name with a dot stands in quotation marks"),
        ("[prices]\na = 1\na = 2", "no TOML"),
        ("[prices", "no TOML"),
        ("", "There is no price"),
        ("[prices]", "There is no price"),
        ("prices = 3", "a table of models"),
        ("a = 1", "a: not known"),
        ("currency = 3\n[prices]\na = 1", "currency is a text"),
        (b"[prices]\n\xff = 1", "TOML is UTF-8"),
    ],
)
def test_what_is_no_price_is_refused_with_the_file_and_the_model(tmp_path, text, words):
    with pytest.raises(MorelliError) as raised:
        read_prices(table(tmp_path, text))
    assert words in str(raised.value)
    assert "prices.toml" in str(raised.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MorelliError, match="cannot be read"):
        read_prices(tmp_path / "none.toml")


def test_a_missing_price_is_an_error_and_not_nothing():
    prices = Prices({"a": 0.1})
    with pytest.raises(MorelliError, match='no price for the model "b", and no default'):
        prices.cost(1, ["a", "b"])
    assert prices.cost({"a": 3}) == pytest.approx(0.3)
    assert prices.cost({"a": 3}, ["a"]) == prices.cost(3)


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 10), min_size=1, max_size=6),
    st.integers(0, 50),
    st.integers(1, 20),
)
def test_cost_is_linear_in_references_and_shared_by_judged_images(of, k, judged):
    prices = Prices(of)
    assert prices.cost(k) == pytest.approx(k * sum(of.values()))
    assert prices.cost(2 * k) == pytest.approx(2 * prices.cost(k))
    assert prices.cost(k, judged=judged) == pytest.approx(prices.cost(k) / judged)
    assert prices.cost(dict.fromkeys(of, k)) == prices.cost(k)


def test_numbers_that_make_no_sense():
    prices = Prices({"a": 0.1})
    for judged in (0, -1, float("nan"), float("inf")):
        with pytest.raises(MorelliError, match="above 0"):
            prices.cost(1, judged=judged)
    with pytest.raises(MorelliError, match="0 or more, not -1"):
        prices.cost(-1)


def test_the_papers_figures_come_out_of_the_stated_assumptions():
    for one in RECONSTRUCTIONS:
        assert one.cost == pytest.approx(one.stated, abs=1e-9)
        assert len(one.prices.of) == one.models
    assert {(one.version, one.stated, one.models) for one in RECONSTRUCTIONS} == {("v1", 1.08, 19), ("CVPR", 5.40, 22)}
    assert RECONSTRUCTIONS[-1].references == 30


def test_the_example_gives_both_figures():
    prices = read_prices(EXAMPLE_PRICES)
    assert len(prices.of) == 22
    assert prices.cost(30) == pytest.approx(5.40)
    assert prices.cost(6, list(prices.of)[:19]) == pytest.approx(1.08)
    assert "reconstruction" in prices.note
