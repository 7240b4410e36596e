from morelli.encoders import ForensicEncoder, default_encoder, join_encoders
from morelli.encoders.default import WELCOME
from morelli.encoders.pretrained import get_pretrained
from morelli.encoders.pretrained.store import LOCK, folder_of


def test_without_weights_the_forensic_families_are_all(tmp_path, monkeypatch):
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path))
    assert default_encoder() == "forensic"
    assert join_encoders(default_encoder()).recipe_hash == ForensicEncoder().recipe_hash


def test_what_was_fetched_joins(tmp_path, monkeypatch):
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path))
    spec = get_pretrained(WELCOME)
    folder_of(spec).mkdir(parents=True)
    for file in (*spec.files, LOCK):
        (folder_of(spec) / file).touch()
    assert default_encoder() == f"forensic+{WELCOME}"


def test_some_families_by_name():
    encoder = join_encoders("forensic[colour, layout]")
    assert encoder.recipe_hash == ForensicEncoder(["colour", "layout"]).recipe_hash
    assert join_encoders(encoder.name).recipe_hash == encoder.recipe_hash
