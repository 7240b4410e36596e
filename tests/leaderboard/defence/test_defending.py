from __future__ import annotations

import numpy as np
import pytest

from morelli.errors import MorelliError, NotEnoughDataError
from morelli.leaderboard.defence import Perturbing, SurrogateEncoder, defend, list_defences
from morelli.leaderboard.defence.defending import SPARE

from ._leaderboard import encoder
from ._networks import PLAIN, convnet, save

SMALL = {"prompts": 2, "references": 2, "purifying": ("blur:1",), "workers": 1}


def test_all_defences_are_judged_by_those_who_know(catalog):
    calls = []
    made = defend(catalog, encoder(), progress=lambda *state: calls.append(state), **SMALL)
    judged = {result.name for result in made.results}
    assert judged == {defence.name for defence in list_defences()} - {"strip"}
    assert made.container is not None and made.skipped == {} and made.references == 2
    assert all(score.knows for result in made.results for score in result.adaptive)
    assert all(len(result.adaptive) == 3 for result in made.results)
    assert {what for what, _, _ in calls} >= {"none", "colour", "stripping", "jpeg:75|blur:1"}
    section = made.section()
    assert section.name == "defence" and len(section.findings.tables[0].rows) == len(made.results)
    assert SPARE >= 2


def test_some_defences_in_their_order(catalog):
    made = defend(catalog, encoder(), defences=["blur:1", "colour"], **SMALL)
    assert [result.name for result in made.results] == ["blur:1", "colour"] and made.container is None


def test_what_cannot_be_judged_is_said(catalog):
    few = catalog.filter(np.array([int(uri.split("-")[2][0]) < 2 for uri in catalog.text("uri")]))
    made = defend(few, encoder(), defences=["jpeg", "low-exposure"], **SMALL)
    assert [result.name for result in made.results] == ["jpeg"] and "low-exposure" in made.skipped
    assert any(note.startswith("low-exposure was not judged") for note in made.section().findings.notes)
    with pytest.raises(NotEnoughDataError, match="exposure"):
        defend(few, encoder(), defences=["low-exposure"], **SMALL)


def test_perturbations_say_whether_the_attack_was_held_out(catalog, tmp_path):
    pytest.importorskip("torch", reason="needs the deep extra")
    net = SurrogateEncoder(convnet(), PLAIN, name="net", device="cpu")
    made = defend(
        catalog, encoder(), defences=[], epsilons=[4, 8], surrogates=[net],
        perturbing=Perturbing(steps=2, transforms=0), **SMALL,
    )  # fmt: skip
    assert [result.name for result in made.results] == ["perturb-4", "perturb-8"]
    assert [result.quality.summary()["largest"] for result in made.results] == [4, 8]
    assert all(
        result.details["held out"] == "yes" and "net (" in result.details["surrogates"] for result in made.results
    )


def test_a_white_box_is_refused_or_named(catalog, tmp_path):
    pytest.importorskip("transformers", reason="needs the deep extra")
    from morelli.encoders.pretrained import Sightings, transformers_encoder

    folder = save("clip", tmp_path / "clip")
    attack = transformers_encoder(folder, taps=Sightings(crops=(), embedding=True), device="cpu")
    surrogate = SurrogateEncoder.of_folder(folder, device="cpu")
    settings = {"defences": [], "epsilons": [8], "surrogates": [surrogate], "perturbing": Perturbing(steps=1)}
    with pytest.raises(MorelliError, match="shares weights"):
        defend(catalog, attack, **settings, **SMALL)
    made = defend(catalog, attack, white_box=True, **settings, **SMALL)
    assert made.results[0].details["held out"] == "no"
    assert any("attack's own encoder" in sentence for sentence in made.section().findings.sentences)


def test_bad_arguments(catalog):
    with pytest.raises(MorelliError, match="named once"):
        defend(catalog, encoder(), defences=["jpeg:75", "jpeg@2"], **SMALL)
    with pytest.raises(MorelliError, match="Name a defence"):
        defend(catalog, encoder(), defences=[], **SMALL)
    with pytest.raises(MorelliError, match="surrogate encoders"):
        defend(catalog, encoder(), epsilons=[4], **SMALL)
    with pytest.raises(MorelliError, match="no defence"):
        defend(catalog, encoder(), defences=["magic"], **SMALL)
