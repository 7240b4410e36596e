from __future__ import annotations

import hashlib
import sys

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("alembic")

from morelli.audit.ledger.attachments import file_of, hash_file
from morelli.errors import LedgerError

from ._made import image_id, made_verdict


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a contract é.pdf"
    path.write_bytes(b"signed" * 300_000)
    return path


def test_a_copy_is_kept_under_its_hash(ledger, file):
    seq = ledger.append_verdict(made_verdict(1)).seq
    made = ledger.attach(seq, file, "Ada", "what the vendor signed")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (made.file, made.bytes, made.name) == (digest, 1_800_000, "a contract é.pdf")
    assert file_of(ledger.files, digest).read_bytes() == file.read_bytes()
    assert ledger.incident(seq).attachments == (made,)
    again = ledger.attach(seq, file, "Grace")
    assert again.file == digest
    assert len([path for path in ledger.files.rglob("*") if path.is_file()]) == 1
    found = ledger.verify(attachments=True)
    assert found.ok
    assert found.files == 2


@pytest.mark.parametrize(("damage", "sentence"), [("changed", "was changed"), ("removed", "cannot be read")])
def test_a_damaged_file_is_found(in_file, file, damage, sentence):
    seq = in_file.append_verdict(made_verdict(1)).seq
    made = in_file.attach(seq, file, "Ada")
    path = file_of(in_file.files, made.file)
    path.chmod(0o644)
    path.write_bytes(b"forged")
    if damage == "removed":
        path.unlink()
    assert in_file.verify().ok, "files are looked at on request"
    found = in_file.verify(attachments=True)
    assert [(problem.seq, problem.kind) for problem in found.problems] == [(made.seq, "file")]
    assert sentence in found.problems[0].detail


def test_a_file_of_two_images_stays_until_both_go(in_file, file):
    in_file.append_verdicts([made_verdict(1), made_verdict(2)])
    made = in_file.attach(2, file, "Ada")
    in_file.attach(3, file, "Ada")
    assert in_file.redact(image_id(1), actor="Ada", reason="r").files == 0
    assert file_of(in_file.files, made.file).is_file()
    assert in_file.verify(attachments=True).ok
    assert in_file.redact(image_id(2), actor="Ada", reason="r").files == 1
    assert not file_of(in_file.files, made.file).exists()


def test_a_removal_that_was_interrupted_can_be_repeated(in_file, file):
    """As if the process had been killed after the file was removed and before the database noted it."""
    in_file.append_verdict(made_verdict(1))
    made = in_file.attach(2, file, "Ada")
    file_of(in_file.files, made.file).unlink()
    assert not in_file.verify(attachments=True).ok
    assert in_file.redact(image_id(1), actor="Ada", reason="r").contents == 2
    assert in_file.verify(attachments=True).ok


def test_what_cannot_be_attached(in_file, tmp_path, file):
    in_file.append_verdict(made_verdict(1))
    with pytest.raises(FileNotFoundError):
        in_file.attach(2, tmp_path / "none", "Ada")
    with pytest.raises(IsADirectoryError if sys.platform != "win32" else PermissionError):
        in_file.attach(2, tmp_path, "Ada")
    with pytest.raises(LedgerError, match="There is no incident"):
        in_file.attach(9, file, "Ada")
    assert [path for path in in_file.files.rglob("*") if path.is_file()] == []
    assert in_file.head().seq == 2


def test_no_folder_is_known(in_file, open_ledger, file):
    in_file.append_verdict(made_verdict(1))
    in_file.attach(2, file, "Ada")
    other = open_ledger(in_file.name)
    other.files = None
    with pytest.raises(LedgerError, match="--files"):
        other.attach(2, file, "Ada")
    with pytest.raises(LedgerError, match="--files"):
        other.verify(attachments=True)
    with pytest.raises(LedgerError, match="--files"):
        other.redact(image_id(1), actor="Ada", reason="r")
    assert other.verify().ok


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"])
def test_a_name_from_a_changed_ledger_leads_nowhere(tmp_path, digest):
    with pytest.raises(LedgerError, match="not named by a SHA-256"):
        file_of(tmp_path, digest)


def test_an_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open("rb") as stream:
        assert hash_file(stream) == (hashlib.sha256().hexdigest(), 0)
