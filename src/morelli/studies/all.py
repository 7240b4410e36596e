"""All studies that come with Morelli, in the order in which they are listed."""

from __future__ import annotations

# isort: off
from morelli.studies import scaling  # noqa: F401
from morelli.studies import openset  # noqa: F401
from morelli.studies import versions  # noqa: F401
from morelli.studies import domains  # noqa: F401
from morelli.studies import language  # noqa: F401
from morelli.studies import independence  # noqa: F401
from morelli.studies import corruption  # noqa: F401
from morelli.studies import structure  # noqa: F401
from morelli.studies import pipelines  # noqa: F401
from morelli.studies import mllm  # noqa: F401
