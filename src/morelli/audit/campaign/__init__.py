"""The audit of a campaign: every image through the stack, then statements about the set."""

from __future__ import annotations

from morelli.audit.campaign.auditing import audit_campaign, audit_records, check_names
from morelli.audit.campaign.comparing import AuditComparison, Change, compare_audits
from morelli.audit.campaign.judging import Stack, judge_campaign
from morelli.audit.campaign.measuring import Measure
from morelli.audit.campaign.records import AUDIT, RECORDS, FileRow, Judged, Records
from morelli.audit.campaign.reviewing import for_review
from morelli.audit.campaign.source import Campaign, Item, open_campaign
from morelli.audit.campaign.statements import (
    CONSISTENT,
    INCONSISTENT,
    OUTCOMES,
    UNDECIDED,
    CampaignAudit,
    Claim,
    Cluster,
    Conclusion,
    Copies,
    Counts,
    Declared,
    LayerCounts,
    Mixture,
    Part,
    Share,
    Suspect,
)

__all__ = [
    "AUDIT",
    "CONSISTENT",
    "INCONSISTENT",
    "OUTCOMES",
    "RECORDS",
    "UNDECIDED",
    "AuditComparison",
    "Campaign",
    "CampaignAudit",
    "Change",
    "Claim",
    "Cluster",
    "Conclusion",
    "Copies",
    "Counts",
    "Declared",
    "FileRow",
    "Item",
    "Judged",
    "LayerCounts",
    "Measure",
    "Mixture",
    "Part",
    "Records",
    "Share",
    "Stack",
    "Suspect",
    "audit_campaign",
    "audit_records",
    "check_names",
    "compare_audits",
    "for_review",
    "judge_campaign",
    "open_campaign",
]
