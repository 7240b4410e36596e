"""Other packages that extend Morelli: views, attributors, encoders and studies that they register when imported.

A package names the module that registers them as an entry point of the group ``morelli``:

    [project.entry-points.morelli]
    my-extension = "my_package.my_module"

Only packages that somebody has installed are asked, and nothing that is data names one.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from morelli.errors import MorelliError

__all__ = ["GROUP", "load_plugins"]

GROUP = "morelli"
_loading = False


def load_plugins() -> None:
    """Import all extensions, once. Registries call this before they look something up.

    Raises
    ------
    MorelliError
        One cannot be imported; the sentence names its package.
    """
    global _loading
    if _loading:  # an extension looks something up while it registers itself
        return
    _loading = True
    try:
        _load_once()
    finally:
        _loading = False


@cache
def _load_once() -> None:
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            entry.load()
        except Exception as error:  # it is foreign code: whatever it raises, the sentence has to name it
            package = entry.dist.name if entry.dist is not None else entry.value
            raise MorelliError(
                f"The extension {entry.name} of the package {package} cannot be loaded "
                f"({type(error).__name__}: {error}). Mend or uninstall it."
            ) from error
