"""The template engine: escaping always on, no address ever fetched, one inline script named by its hash."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from morelli.report import _text

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render"]


def render(template: str, **values: Any) -> str:
    """Render a template of this package into one self-contained page.

    The page forbids itself to load anything: its content security policy allows inline styles, ``data:`` images and the
    one script whose hash it names, so that even a label that slipped through escaping could neither run nor call home.
    """
    environment = _environment()
    loader = environment.loader
    assert loader is not None
    script = loader.get_source(environment, "page.js")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    from markupsafe import Markup

    return environment.get_template(template).render(script=Markup(script), script_hash=digest, **values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: object) -> object:
        return _text.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=PackageLoader("morelli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        per100=_text.per_hundred,
        points=_text.signed,
        decimal=_text.decimal,
        count=_text.number,
        shorten=_text.shorten,
    )
    environment.globals["span"] = _text.span
    return environment
