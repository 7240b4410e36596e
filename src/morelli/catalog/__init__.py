"""Catalogs of labelled images: schema, ingest, checks (leaks, nuisance floor) and splits."""

from __future__ import annotations

from morelli.catalog.catalog import Catalog
from morelli.catalog.checks import CatalogReport, ClassFacts, Repeats, check_catalog
from morelli.catalog.duplicates import DEFAULT_RADIUS, cluster_ids, near_duplicate_clusters, near_duplicate_pairs
from morelli.catalog.groups import Groups, group_catalog, group_ids
from morelli.catalog.ingest import build_catalog, read_facts
from morelli.catalog.joining import join_columns
from morelli.catalog.manifest import Problem, Source, read_source
from morelli.catalog.nuisance import NuisanceFloor, container_features, nuisance_floor
from morelli.catalog.reviewed import REVIEW_SOURCE, refuse_reviewed, reviewed_rows
from morelli.catalog.schema import COLUMNS, FACT_COLUMNS, LABEL_COLUMNS, ROLES, Facts
from morelli.catalog.splits import Split, split_catalog

__all__ = [
    "COLUMNS",
    "DEFAULT_RADIUS",
    "FACT_COLUMNS",
    "LABEL_COLUMNS",
    "REVIEW_SOURCE",
    "ROLES",
    "Catalog",
    "CatalogReport",
    "ClassFacts",
    "Facts",
    "Groups",
    "NuisanceFloor",
    "Problem",
    "Repeats",
    "Source",
    "Split",
    "build_catalog",
    "check_catalog",
    "cluster_ids",
    "container_features",
    "group_catalog",
    "group_ids",
    "join_columns",
    "near_duplicate_clusters",
    "near_duplicate_pairs",
    "nuisance_floor",
    "read_facts",
    "read_source",
    "refuse_reviewed",
    "reviewed_rows",
    "split_catalog",
]
