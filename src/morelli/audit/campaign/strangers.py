"""Images that look like none of the candidates, grouped by what they look like, so that a person can name a source."""

from __future__ import annotations

from morelli.attributors import Bundle
from morelli.audit.campaign.gathered import Gathered
from morelli.audit.campaign.records import Records
from morelli.audit.campaign.statements import Cluster

__all__ = ["group_unknowns"]


def group_unknowns(records: Records, gathered: Gathered, bundle: Bundle) -> tuple[Cluster, ...]:
    return ()
