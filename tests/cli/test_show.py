from __future__ import annotations

import json

from morelli.attributors import Bundle


def test_table(cli, bundle):
    shown = cli("show", bundle).stdout
    assert "tiny 1" in shown
    assert "realesrgan-x4plus" in shown
    assert "Real-ESRGAN" in shown


def test_json(cli, bundle):
    described = json.loads(cli("show", bundle, "--json").stdout)
    assert described == json.loads(json.dumps(Bundle.load(bundle).describe()))
    assert [row["label"] for row in described["classes"]] == list(Bundle.load(bundle).classes)


def test_not_a_bundle(cli, references):
    result = cli("show", references)
    assert result.exit_code == 1
    assert "not a Morelli bundle" in result.stderr
