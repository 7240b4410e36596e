import pytest

from morelli.encoders import ForensicEncoder, get_encoder, list_encoders, register_encoder
from morelli.errors import MorelliError


def test_the_forensic_encoder_is_always_there():
    assert get_encoder("forensic").recipe_hash == ForensicEncoder().recipe_hash
    assert list_encoders()[0].name == "forensic"


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(MorelliError, match=r"No encoder is called 'nonsense'; there are: forensic"):
        get_encoder("nonsense")


def test_names_are_taken_once():
    with pytest.raises(ValueError, match="already registered"):
        register_encoder("forensic", summary="again")(ForensicEncoder)
    assert all(info.summary.endswith(".") for info in list_encoders())
