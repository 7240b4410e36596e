"""Reports to look at: one HTML page per trial and study, one for single images, and tables for the terminal."""

from __future__ import annotations

from morelli.report._tables import class_table, metrics_table
from morelli.report._text import headline
from morelli.report.comparison import comparison_csv, comparison_table, render_comparison, write_comparison
from morelli.report.evaluation import write_evaluation
from morelli.report.evidence import EvidenceBar, evidence_bars, evidence_rows
from morelli.report.html import render_attributions, render_report, write_attributions, write_report
from morelli.report.maps import MAPS_LIMIT, MapCard, evaluation_maps, map_card, write_maps
from morelli.report.study import render_study, study_headline, study_table, write_study

__all__ = [
    "MAPS_LIMIT",
    "EvidenceBar",
    "MapCard",
    "class_table",
    "comparison_csv",
    "comparison_table",
    "evaluation_maps",
    "evidence_bars",
    "evidence_rows",
    "headline",
    "map_card",
    "metrics_table",
    "render_attributions",
    "render_comparison",
    "render_report",
    "render_study",
    "study_headline",
    "study_table",
    "write_attributions",
    "write_comparison",
    "write_evaluation",
    "write_maps",
    "write_report",
    "write_study",
]
