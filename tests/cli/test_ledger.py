from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from audit.ledger._made import image_id, made_verdict
from morelli.audit.ledger import Ledger
from morelli.catalog import Catalog, build_catalog
from morelli.sample import sample_path


def lines(*verdicts) -> bytes:
    return b"".join(json.dumps(verdict).encode() + b"\n" for verdict in verdicts)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "led ger é.sqlite"


@pytest.fixture
def filled(cli, path):
    """Three incidents, numbers 2 to 4."""
    given = lines(made_verdict(1, "attributed"), made_verdict(2, "unknown"), made_verdict(3, "unreadable"))
    assert cli("ledger", "add", path, stdin=given).stdout == "3 added, 0 there already.\n"
    return path


def test_verdicts_of_attribute_are_added(cli, bundle, images, path):
    told = cli("attribute", bundle, images, "--json")
    assert cli("ledger", "add", path, "-", stdin=told.stdout.encode()).stdout == "3 added, 0 there already.\n"
    assert cli("ledger", "add", path, "-", stdin=told.stdout.encode()).stdout == "0 added, 3 there already.\n"
    found = [json.loads(line) for line in cli("ledger", "list", path, "--json").stdout.splitlines()]
    assert [one["verdict"] for one in found] == [json.loads(line) for line in told.stdout.splitlines()]


def test_pooled_verdicts_are_passed_over(cli, path):
    result = cli("ledger", "add", path, stdin=lines(made_verdict(1), {"kind": "pooled"}))
    assert result.exit_code == 0
    assert "1 pooled verdicts were passed over" in result.stderr


def test_lines_that_hold_no_verdict_are_named(cli, path, tmp_path):
    file = tmp_path / "v.jsonl"
    file.write_bytes(
        lines(made_verdict(1)) + b"{\n" + lines({**made_verdict(2), "decision": "\x1b[31m"}, made_verdict(3))
    )
    result = cli("ledger", "add", path, file)
    assert result.exit_code == 1
    assert "2 added" in result.stdout
    assert "line 2: " in result.stderr
    assert "line 3: " in result.stderr
    assert "2 lines hold no verdict" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_file_of_verdicts_that_is_not_there(cli, path, tmp_path):
    result = cli("ledger", "add", path, tmp_path / "none.jsonl")
    assert result.exit_code == 1
    assert "none.jsonl: No such file" in result.stderr
    assert not path.exists()


def test_list_filters(cli, filled):
    assert "3 incidents." in cli("ledger", "list", filled).stdout
    assert "1 incidents." in cli("ledger", "list", filled, "--decision", "unknown").stdout
    assert "0 incidents." in cli("ledger", "list", filled, "--status", "decided").stdout
    assert cli("ledger", "list", filled, "--status", "lost").exit_code == 2


def test_show(cli, filled):
    text = cli("ledger", "show", filled, "2").stdout
    assert "attributed  flux-1  60.0%" in text
    assert "provenance: not recorded" in text
    assert "verdict" in text
    by_image = json.loads(cli("ledger", "show", filled, image_id(1)[:7], "--json").stdout)
    assert (by_image["seq"], by_image["subject"]) == (2, image_id(1))
    for name in ("9", "1", "abcdef0", "9" * 30, "x", "-"):
        assert cli("ledger", "show", filled, name).exit_code == 1, name


def test_an_image_of_several_bundles(cli, filled):
    cli("ledger", "add", filled, stdin=lines(made_verdict(1, bundle={"id": "other"})))
    assert "name one of the incidents 2, 5" in cli("ledger", "show", filled, image_id(1)).stderr


def test_provenance_is_shown_whatever_its_shape(cli, path):
    facts = {
        "facts": [{"layer": "c2pa", "claim": "a\x1b[2J"}],
        "empty": {},
        "z": {"a": {"b": {"c": {"d": [1] * 99}}}},
    }
    others = [made_verdict(i, provenance=given) for i, given in ((2, {}), (3, {"layers": []}))]
    cli("ledger", "add", path, stdin=lines(made_verdict(1, provenance=facts), *others))
    text = cli("ledger", "show", path, "2").stdout
    assert r"facts[0].claim: a\x1b[2J" in text
    assert "... and 71 more" in text
    assert "provenance: not looked at" in cli("ledger", "show", path, "3").stdout
    assert "provenance: none found" in cli("ledger", "show", path, "4").stdout


def test_attach_note_and_verify(cli, filled, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    assert "Attached as entry 5" in cli("ledger", "attach", filled, "2", tmp_path / "a.txt", "--comment", "c").stdout
    assert "Noted as entry 6" in cli("ledger", "note", filled, image_id(1), "seen", "--actor", "Ada").stdout
    shown = cli("ledger", "show", filled, "2").stdout
    assert "Ada noted: seen" in shown
    assert "attached: a.txt (1 bytes" in shown
    found = json.loads(cli("ledger", "verify", filled, "--attachments", "--json").stdout)
    assert (found["ok"], found["entries"], found["files"]) == (True, 6, 1)
    for copy in tmp_path.rglob("*.files/*/*"):
        copy.unlink()
    broken = cli("ledger", "verify", filled, "--attachments")
    assert broken.exit_code == 1
    assert "First broken entry: 5" in broken.stdout


def test_head_is_kept_and_compared(cli, filled):
    kept = cli("ledger", "head", filled).stdout
    assert cli("ledger", "verify", filled, "--head", kept).exit_code == 0
    assert "was not looked at" in cli("ledger", "verify", filled).stdout
    other = cli("ledger", "verify", filled, "--head", f"4:{'0' * 64}")
    assert other.exit_code == 1
    assert "First broken entry: 4" in other.stdout
    assert "A head is" in cli("ledger", "verify", filled, "--head", "x").stderr


def test_redact(cli, filled):
    assert cli("ledger", "redact", filled, "--reason", "r").exit_code == 2
    assert cli("ledger", "redact", filled, image_id(1), "--older-than", "1", "--reason", "r").exit_code == 2
    assert "A reason has to be given" in cli("ledger", "redact", filled, image_id(1)).stderr
    assert "Redacted 1 images: 1 contents" in cli("ledger", "redact", filled, image_id(1), "--reason", "r").stdout
    assert "Redacted 0 images" in cli("ledger", "redact", filled, "--older-than", "30", "--reason", "r").stdout
    assert "Redacted 2 images" in cli("ledger", "redact", filled, "--older-than", "0", "--reason", "r").stdout
    text = cli("ledger", "verify", filled).stdout
    assert "The chain holds: 7 entries. 3 of them were redacted." in text
    assert "Its content was removed." in cli("ledger", "show", filled, "2").stdout
    assert "3 incidents." in cli("ledger", "list", filled, "--status", "redacted").stdout


def test_decisions_become_rows(cli, bundle, path, tmp_path):
    files = [str(sample_path() / "campaign" / f"{number}.jpg") for number in ("02", "06")]
    told = cli("attribute", bundle, *files, "--json").stdout
    cli("ledger", "add", path, stdin=told.encode())
    with Ledger.open(path) as ledger:
        for incident in ledger.incidents():
            ledger.decide(incident.seq, "Ada", "relabel", label="dat-light", reason="r")
    result = cli("ledger", "export", path, "-o", tmp_path / "r.csv")
    assert "2 rows written" in result.stdout
    assert "No test catalog was named" in result.stderr
    assert cli("catalog", "build", tmp_path / "r.csv", "-o", tmp_path / "r.parquet").exit_code == 0
    catalog = Catalog.read(tmp_path / "r.parquet")
    assert set(catalog.column("source")) == {"review:Ada"}
    # Nothing is measured by them.
    refused = cli("evaluate", bundle, tmp_path / "r.parquet", "-o", tmp_path / "report")
    assert refused.exit_code == 1
    assert "a reviewer's label" in refused.stderr
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "t.csv").write_text(f"path,model\n{files[0]},m\n")
    build_catalog(tmp_path / "test" / "t.csv", tmp_path / "t.parquet")
    again = cli("ledger", "export", path, "-o", tmp_path / "r.csv", "--test", tmp_path / "t.parquet", "--json")
    told = json.loads(again.stdout)
    assert (told["rows"], [one["reason"] for one in told["left"]]) == (1, ["in-test"])


def test_relative_paths_start_where_the_verdicts_were_made(cli, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli("ledger", "add", path, stdin=lines(made_verdict(1)))
    cli("ledger", "add", path, "--base", "else/where", stdin=lines(made_verdict(2)))
    found = [json.loads(line)["folder"] for line in cli("ledger", "list", path, "--json").stdout.splitlines()]
    assert found == [str(tmp_path), str(tmp_path / "else" / "where")]


def test_agreement(cli, filled):
    assert "0 incidents were decided" in cli("ledger", "agreement", filled).stdout
    with Ledger.open(filled) as ledger:
        for seq, ruling in ((2, "confirm"), (3, "confirm")):
            for reviewer in ("Ada", "Grace"):
                ledger.decide(seq, reviewer, ruling)
    text = cli("ledger", "agreement", filled).stdout
    assert "2 incidents were decided, 2 of them by several reviewers." in text
    assert "Krippendorff's alpha: 1.000" in text
    found = json.loads(cli("ledger", "agreement", filled, "--json").stdout)
    assert found["pairs"][0]["kappa"] == 1.0
    assert found["machine"][0]["n_same"] == 2


def test_upgrade(cli, filled):
    assert "The ledger is of revision" in cli("ledger", "upgrade", filled).stdout


@pytest.mark.parametrize(
    "words",
    [
        ("list",), ("show", "2"), ("verify",), ("head",), ("agreement",), ("upgrade",), ("attach", "2", __file__),
        ("note", "2", "x"), ("redact", "abcdef", "--reason", "r"), ("export", "-o", "r.csv"),
    ],
)  # fmt: skip
def test_no_ledger(cli, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    result = cli("ledger", words[0], tmp_path / "none.sqlite", *words[1:])
    assert result.exit_code == 1
    assert result.stderr.startswith("morelli: There is no ledger at")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named(cli, tmp_path, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "alembic" else find(name, *rest)
    )
    for name in [name for name in sys.modules if name.startswith("morelli.audit.ledger")]:
        monkeypatch.delitem(sys.modules, name)
    result = cli("ledger", "head", tmp_path / "l.sqlite")
    assert result.exit_code == 1
    assert 'pip install "morelli[audit]"' in result.stderr


def test_nobody_is_there(cli, path, monkeypatch):
    import getpass

    monkeypatch.setattr(getpass, "getuser", lambda: (_ for _ in ()).throw(OSError("no user")))
    assert "name yourself with --actor" in cli("ledger", "add", path, stdin=lines(made_verdict(1))).stderr
    assert cli("ledger", "add", path, "--actor", "Ada", stdin=lines(made_verdict(1))).exit_code == 0
