from __future__ import annotations

import pytest

from morelli.attributors.mllm import LocalAsker, RemoteAsker
from morelli.attributors.mllm.evaluators import read_evaluators
from morelli.errors import MorelliError

TOML = """
[cloud]
model = "big"
base_url = "https://example.org/v1"
price_in = 2
names = "hidden"

["мой"]
attributor = "mllm-local"
model = "/models/small"
"""


def test_toml_and_json(tmp_path):
    (tmp_path / "e.toml").write_text(TOML, encoding="utf-8")
    cloud, own = read_evaluators(tmp_path / "e.toml")
    assert (cloud.name, cloud.attributor, cloud.prices.million_in) == ("cloud", "mllm", 2.0)
    assert (own.name, own.attributor, own.prices) == ("мой", "mllm-local", None)
    assert isinstance(cloud.asker(), RemoteAsker)
    assert isinstance(own.asker(), LocalAsker)
    options = cloud.options(shots=3)
    assert (options["model"], options["shots"], options["names"]) == ("big", 3, "hidden")
    assert all(value is None or isinstance(value, str | int | float) for value in options.values())
    (tmp_path / "e.json").write_text('{"cloud": {"model": "big"}}', encoding="utf-8")
    assert [who.name for who in read_evaluators(tmp_path / "e.json")] == ["cloud"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a table for each evaluator"),
        ("model = 'm'", "a table for each evaluator"),
        ("[a", "neither TOML nor"),
        ("[a]\nmodell = 'm'", 'The evaluator "a" has no setting modell'),
        ("[a]\nmodel = 'm'\napi_key = 'secret'", "has no setting api_key; there are: .*key_variable"),
        ("[a]\nmodel = 'm'\nshots = 3", "the study says how many exemplars"),
        ("[a]\nmodel = 'm'\nattributor = 'fused'", "attributor is one of mllm, mllm-local"),
        ("[a]\nmodel = 'm'\nattributor = 'mllm-local'\nbudget = 3", "has no setting budget"),
    ],
)
def test_what_is_refused(tmp_path, text, words):
    (tmp_path / "e.toml").write_text(text)
    with pytest.raises(MorelliError, match=words) as refused:
        read_evaluators(tmp_path / "e.toml")
    assert "secret" not in str(refused.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(MorelliError, match="cannot be read"):
        read_evaluators(tmp_path / "none.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (1 << 20) + b"#")
    with pytest.raises(MorelliError, match="too large"):
        read_evaluators(tmp_path / "large.toml")
