"""A small catalog of real images that ships with the package, for trying things out and for tests.

The images are photographs enlarged by pretrained super-resolution networks: see `README.md` in the data folder for
what that can and cannot show, and `LICENCES.md` for the licences of photographs and weights.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["sample_catalog_csv", "sample_path"]


def sample_path() -> Path:
    """Return the folder that holds the sample.

    Returns
    -------
    Path
        Folder with `catalog.csv`, `campaign.csv`, `LICENCES.md` and the folders `reference`, `unknown` and
        `campaign`.

    Examples
    --------
    >>> from morelli.sample import sample_path
    >>> sorted(entry.name for entry in sample_path().iterdir() if entry.is_dir())
    ['campaign', 'reference', 'unknown']
    """
    return Path(str(files(__name__))) / "data"


def sample_catalog_csv() -> Path:
    """Return the table of the sample's labelled images.

    Returns
    -------
    Path
        A CSV file with the columns path (relative to `sample_path()`), model, lineage, version, prompt_id, prompt,
        domain, split (`reference` or `unknown`) and source.

    Examples
    --------
    >>> from morelli.sample import sample_catalog_csv
    >>> sample_catalog_csv().name
    'catalog.csv'
    """
    return sample_path() / "catalog.csv"
