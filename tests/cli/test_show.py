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


def test_views_are_listed(cli, bundle, degraded):
    shown = cli("show", degraded).stdout
    assert "scale:0.5|jpeg:85: " in shown and "none: " in shown and "\\n" not in shown
    assert "none: " not in cli("show", bundle).stdout


def test_sets_and_images_together(cli, bundle):
    words = " ".join(cli("show", bundle).stdout.split())
    assert "prediction sets lac, made to hold the truth in 90%" in words
    assert "images together ten of one model are worth " in words
    described = Bundle.load(bundle).describe()
    described["conformal"] |= {"method": "aps", "class_conditional": True}
    words = shown({**described, "pooling": None})
    assert "prediction sets aps, made to hold the truth in 90% for each candidate" in words
    assert "images together cannot be judged: no candidate has references of two prompts" in words


def shown(description) -> str:
    from io import StringIO

    from rich.console import Console

    from morelli.cli.show import bundle_table

    out = StringIO()
    Console(file=out, force_terminal=False, width=200).print(bundle_table(description))
    return " ".join(out.getvalue().split())


def test_versions(bundle):
    described = Bundle.load(bundle).describe()
    for row in described["classes"]:
        row["versions"] = {}
    assert "versions" not in shown(described)
    described["classes"][0]["versions"] = {"1.0": 5, "[red]1.1": 7}
    assert "candidate lineage images versions" in shown(described)
    assert "12 1.0 (5), [red]1.1 (7)" in shown(described)


def test_not_a_bundle(cli, references):
    result = cli("show", references)
    assert result.exit_code == 1
    assert "not a Morelli bundle" in result.stderr


def test_names_cannot_steer_the_terminal():
    from io import StringIO

    from rich.console import Console

    from morelli.cli.show import bundle_table

    hostile = "x\x1b]0;owned\x07\x1b[31m[red]y"
    description = {
        "id": "0", "name": hostile, "version": hostile, "notes": [hostile], "weights": {hostile: 1.0},
        "classes": [{"label": hostile, "lineage": hostile, "images": 3}], "references": {"images": 3},
        "training": {"n_groups": 1, "n_folds": 2, "accuracy": 0.5, "log_loss": 1.0},
        "views": [{"view": hostile, "accuracy": 0.5, "log_loss": 1.0}] * 2, "encoder": {"name": hostile},
        "conformal": {"method": hostile, "class_conditional": False, "level": 0.9}, "open_set_level": 0.05,
        "pooling": None,
    }  # fmt: skip
    out = StringIO()
    Console(file=out, force_terminal=False, width=200).print(bundle_table(description))
    assert "\x1b" not in out.getvalue()
    assert "\x07" not in out.getvalue()
    assert "[red]y" in out.getvalue()
