"""Extensions of other packages, in processes of their own: what is imported stays imported."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import morelli

GOOD = '''
print("loaded")
from dataclasses import dataclass

from morelli.attributors.registry import get_attributor_info, register_attributor
from morelli.encoders import ForensicEncoder, register_encoder
from morelli.studies import Findings, Study, register_study
from morelli.views import register_view


@register_view("upside-down", "Turned by half.")
def upside_down(pixels):
    """Turned by half."""
    return pixels[::-1, ::-1]


@register_encoder("two-families", summary="Two.")
def two_families():
    return ForensicEncoder(["colour", "sharpness"])


@register_attributor("theirs", summary="Theirs.", source="They", encoder="two-families")
def theirs(blocks, *, seed, level, **options):
    return get_attributor_info("centroid").make(blocks, seed=seed, level=level, **options)


@register_study("their-study", title="Theirs", question="Whose?")
@dataclass(frozen=True)
class TheirStudy(Study):
    """Theirs."""

    def trials(self, frame):
        return frame.cross_validated({"by": "theirs"}, attributor="theirs", test_view="upside-down")

    def find(self, frame, results):
        return Findings(sentences=("Found.",))
'''


@pytest.fixture
def site(tmp_path: Path):
    """Return a function that installs a package, as far as entry points go."""

    def install(name: str, text: str, entry: str | None = None) -> Path:
        (tmp_path / f"{name}_package").mkdir()
        (tmp_path / f"{name}_package" / "__init__.py").write_text("", encoding="utf-8")
        (tmp_path / f"{name}_package" / "register.py").write_text(text, encoding="utf-8")
        info = tmp_path / f"{name}_package-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.0\n", encoding="utf-8")
        entry = entry or f"{name}_package.register"
        (info / "entry_points.txt").write_text(f"[morelli]\n{name} = {entry}\n", encoding="utf-8")
        return tmp_path

    return install


def run(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    source = Path(morelli.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(source), str(site)])}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=environment, timeout=120
    )


def test_what_a_package_registers_is_found(site):
    done = run(
        site("good", GOOD),
        """
        from morelli.attributors import list_attributors
        from morelli.attributors.registry import parse_attributor
        print("theirs" in [info.name for info in list_attributors()], parse_attributor("theirs").encoder)
        from morelli.studies import get_study, list_studies
        print("their-study" in [study.name for study in list_studies()], get_study("their-study").question)
        from morelli.views import parse_view
        print(parse_view("upside-down|jpeg:50").name)
        list_studies(), list_attributors()
        """,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "loaded", "True two-families", "True Whose?", "upside-down|jpeg:50"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [
        "from morelli.studies import make_study; make_study('their-study')",
        "from morelli.views import parse_view; parse_view('upside-down')",
        "from morelli.encoders import get_encoder; get_encoder('two-families')",
        "from morelli.attributors.registry import parse_attributor; parse_attributor('knn@two-families')",
    ],
)
def test_each_registry_looks_for_extensions(site, code):
    done = run(site("good", GOOD), code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "loaded\n", "")


def test_their_study_runs_in_processes(site, tmp_path):
    """Workers have to know the view, the encoder and the attributor."""
    tests = Path(__file__).parent
    done = run(
        site("good", GOOD),
        f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(tests)!r})
        from _small import build_small
        from morelli.studies import frame_of, get_study, make_study, run_study
        if __name__ == "__main__":
            small = build_small(Path({str(tmp_path)!r}), prompts=8)
            frame = frame_of(small.catalog, get_study("their-study"), {{"attributors": ["theirs"], "folds": 2}})
            result = run_study(make_study("their-study"), frame, cache=small.cache, jobs=2)
            print(result.missing, result.cells["n"].to_pylist(), result.predictions["test_view"][0])
        """,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "() [32] upside-down"


@pytest.mark.parametrize(
    ("text", "entry", "words"),
    [
        ("raise RuntimeError('no é')", None, "(RuntimeError: no é)"),
        ("def", None, "SyntaxError"),
        ("", "bad_package.register:nothing", "AttributeError"),
        ("from morelli.studies import get_study; get_study('tea')", None, "MorelliError: No study is called 'tea'"),
        ("from morelli.studies import register_study as r\nr('scaling', title='', question='')(int)", None, "already"),
    ],
)  # fmt: skip
def test_a_broken_one_is_named(site, text, entry, words):
    done = run(
        site("bad", text, entry),
        """
        from morelli.errors import MorelliError
        from morelli.studies import list_studies
        from morelli.attributors import list_attributors
        for call in (list_studies, list_studies, list_attributors):
            try:
                call()
            except MorelliError as error:
                print(error)
        """,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 3  # it is no better the second time
    for line in lines:
        assert line.startswith("The extension bad of the package bad-package cannot be loaded (")
        assert line.endswith("Mend or uninstall it.")
        assert words in line


def test_the_command_line_says_it_in_a_sentence(site):
    done = run(
        site("bad", "raise RuntimeError('no')"),
        "import sys; from morelli.cli._app import app; sys.argv = ['morelli', 'attributors']; app()",
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "The extension bad of the package bad-package cannot be loaded (RuntimeError: no)" in done.stderr
