from __future__ import annotations

import re
import subprocess
import sys

import pytest

from morelli.encoders import get_encoder, list_encoders
from morelli.encoders.pretrained import Hub, Wheel, get_pretrained, list_pretrained
from morelli.errors import MorelliError

SPECS = list_pretrained()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_specs_are_whole(spec, tmp_path, monkeypatch):
    assert re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", spec.name)
    assert spec.summary.endswith(".")
    assert spec.licence
    assert spec.sha256 is None or re.fullmatch("[0-9a-f]{64}", spec.sha256)
    assert spec.dim > 0
    assert spec.bytes > 0
    if isinstance(spec.source, Wheel):
        assert spec.sha256
        assert spec.preprocessing
    else:
        assert isinstance(spec.source, Hub)
        assert spec.source.revision is None or re.fullmatch("[0-9a-f]{40}", spec.source.revision)
        assert spec.file.endswith(".safetensors")
    monkeypatch.setenv("MORELLI_WEIGHTS", str(tmp_path))
    with pytest.raises(MorelliError, match=rf"morelli encoders fetch {re.escape(spec.name)} .*--from PATH"):
        get_encoder(spec.name)


def test_they_are_registered():
    names = [info.name for info in list_encoders()]
    assert len(SPECS) == len({spec.name for spec in SPECS})
    assert all(spec.name in names for spec in SPECS)


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(MorelliError, match=r"'nonsense'; there are: clip-vit-b16"):
        get_pretrained("nonsense")


def test_listing_them_loads_no_runtime():
    code = "import sys, morelli.encoders; print({'onnx', 'onnxruntime', 'torch', 'transformers'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"
