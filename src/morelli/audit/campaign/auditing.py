"""The audit of a campaign: judge every image, then say what the set says."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from morelli._version import __version__
from morelli.attributors import Bundle
from morelli.audit.campaign.conclusion import conclude
from morelli.audit.campaign.copies import find_copies
from morelli.audit.campaign.declared import summarise_declared
from morelli.audit.campaign.gathered import Gathered, gather
from morelli.audit.campaign.judging import Stack, judge_campaign
from morelli.audit.campaign.measuring import MIXTURE_FROM, MOST_PARTS, Measure
from morelli.audit.campaign.records import RECORDS, Records
from morelli.audit.campaign.source import Campaign
from morelli.audit.campaign.statements import CampaignAudit, Counts, Part
from morelli.audit.campaign.strangers import LONERS, group_unknowns
from morelli.audit.campaign.suspects import rank_suspects
from morelli.catalog import Catalog
from morelli.errors import MorelliError

__all__ = ["audit_campaign", "audit_records", "check_names"]


def audit_campaign(
    bundle: Bundle,
    campaign: Campaign,
    folder: str | os.PathLike[str],
    *,
    claimed: Sequence[str],
    references: Catalog | None = None,
    stack: Stack | None = None,
    level: float = 0.05,
    n_draws: int = 2000,
    seed: int = 0,
    anew: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> CampaignAudit:
    """Judge every image of a campaign, what is declared about it first and then its pixels, and speak about the set.

    Verdicts are kept in ``records.sqlite`` in `folder`: an interrupted audit goes on there, and another one with
    another claim or level judges nothing twice. Memory does not grow with the verdicts, only by some
    4 (K + 10) bytes for each of the images, for K candidates.

    Parameters
    ----------
    bundle : Bundle
    campaign : Campaign
        As :func:`~morelli.audit.campaign.open_campaign` finds it.
    folder : path-like
        Made where it is missing.
    claimed : sequence of str
        Candidates of the bundle, any of which may have made any image.
    references : Catalog, optional
        Of references, to find images that nearly are among them; the very files are found by the bundle alone.
    stack : Stack, optional
        Settings of provenance, limits and processes, and which candidates stand for real photographs.
    level : float, default 0.05
        False-alarm rate of the test of the claim.
    n_draws : int, default 2000
        Simulated sets in each test.
    seed : int, default 0
    anew : bool
        Judge all images again.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of files.

    Returns
    -------
    CampaignAudit

    Raises
    ------
    MorelliError
        A claimed or real name is no candidate, the level is no share, or `folder` holds another bundle's verdicts.
    """
    stack = Stack() if stack is None else stack
    check_names(bundle, claimed, "claimed")
    check_names(bundle, stack.photographs, "real", empty=True)
    if not 0 < level < 1:
        raise MorelliError(f"The level of the test must lie between 0 and 1, not {level}.")
    with Records(Path(folder) / RECORDS) as records:
        judge_campaign(bundle, campaign, records, stack, anew=anew, progress=progress)
        measure = Measure(bundle, tuple(claimed), stack.photographs, level, n_draws, seed)
        return audit_records(records, measure, source=os.fspath(campaign.source), references=references)


def check_names(bundle: Bundle, names: Sequence[str], what: str, *, empty: bool = False) -> None:
    """Raise MorelliError unless all names are candidates of the bundle, each once."""
    if not names and not empty:
        raise MorelliError(f"Name at least one {what} candidate; the bundle knows {', '.join(bundle.classes)}.")
    for name in names:
        if name not in bundle.classes:
            raise MorelliError(
                f"{name!r} is {what}, but no candidate of {bundle.name}, which knows {', '.join(bundle.classes)}. "
                "Enrol it with references of its own first."
            )
    if len(set(names)) < len(names):
        raise MorelliError(f"Each {what} candidate is named once.")
    if len(names) == len(bundle.classes):
        raise MorelliError(f"Every candidate of {bundle.name} is {what}: there is nobody else to tell them from.")


def audit_records(
    records: Records, measure: Measure, *, source: str, references: Catalog | None = None
) -> CampaignAudit:
    """Say what a set says whose images were all judged; parameters as for :func:`audit_campaign`.

    Raises
    ------
    MorelliError
        The records are not complete.
    """
    if not records.about("complete"):
        raise MorelliError(f"{records.path} is not complete: the audit was interrupted; run it again to go on.")
    bundle = measure.bundle
    gathered = gather(records, len(bundle.classes), bundle.references.image_ids, bundle.open_set_level)
    counts = _counts(records, gathered)
    hashes = None if references is None else np.asarray(references.column("phash"), dtype=np.uint64)
    copies, n_pictures = find_copies(records, gathered, hashes)
    claim, found = measure.claim(gathered, unreadable=gathered.n_unreadable)
    suspects, n_suspects = rank_suspects(records, gathered, found, measure.claimed)
    mixture = measure.mixture(gathered)
    clusters, grouping_notes = group_unknowns(records, gathered, bundle, measure.seed)
    declared = summarise_declared(records, gathered.outcomes)
    parts: list[Part] = [part for column in gathered.part_of for part in measure.parts(gathered, column)]
    n_groups = sum(cluster.name != LONERS for cluster in clusters)
    conclusion = conclude(counts, claim, n_suspects, mixture, n_groups, copies, declared, parts)
    identity = records.about("identity")
    return CampaignAudit(
        source=source,
        bundle=identity["bundle"],
        candidates=bundle.classes,
        settings={
            "claimed": list(measure.claimed),
            "real": list(measure.real),
            "level": measure.level,
            "draws": measure.n_draws,
            "seed": measure.seed,
            "by": list(gathered.part_of),
            "provenance": identity["provenance"],
            "references": None if references is None else references.fingerprint,
            "morelli": __version__,
        },
        counts=counts,
        conclusion=conclusion,
        claim=claim,
        suspects=suspects,
        n_suspects=n_suspects,
        mixture=mixture,
        clusters=clusters,
        copies=copies,
        declared=declared,
        parts=tuple(parts),
        notes=(*_notes(bundle, gathered, n_pictures), *grouping_notes),
    )


def _counts(records: Records, gathered: Gathered) -> Counts:
    return Counts(
        files=gathered.n_files,
        images=len(gathered),
        unreadable=gathered.n_unreadable,
        repeated=gathered.n_repeated,
        decisions=gathered.decisions,
        named=gathered.named,
        passed_over=int(records.about("passed_over") or 0),
    )


def _notes(bundle: Bundle, gathered: Gathered, n_pictures: int) -> list[str]:
    notes = list(bundle.notes)
    if n_pictures < len(gathered):
        notes.append(
            f"{len(gathered) - n_pictures:,} images show nearly the same picture as another one and are counted beside "
            "it; they are no independent witnesses, so that p-values and intervals are somewhat too sure."
        )
    for column, names in gathered.part_names.items():
        if len(names) > MOST_PARTS:
            notes.append(f"By {column} there are {len(names):,} parts; the {MOST_PARTS} largest were tested.")
        notes.append(f"Parts by {column} with fewer than {MIXTURE_FROM} images are tested, and not unmixed.")
    return notes
