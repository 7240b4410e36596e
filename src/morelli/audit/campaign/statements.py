"""What an audit says about a set of images, as plain values that JSON can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from morelli.trials._stored import listed

__all__ = [
    "CONSISTENT",
    "INCONSISTENT",
    "OUTCOMES",
    "SCHEMA_VERSION",
    "UNDECIDED",
    "CampaignAudit",
    "Claim",
    "Cluster",
    "Conclusion",
    "Copies",
    "Counts",
    "Declared",
    "LayerCounts",
    "Mixture",
    "Part",
    "Share",
    "Suspect",
]

SCHEMA_VERSION: Final = 1
"""Raised when a field of the JSON changes its meaning or goes away; new fields may come without it."""

CONSISTENT: Final = "consistent with the claim"
INCONSISTENT: Final = "not consistent with the claim"
UNDECIDED: Final = "cannot be told"
OUTCOMES: Final = (CONSISTENT, INCONSISTENT, UNDECIDED)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of what.

    Attributes
    ----------
    files : int
        Of the campaign; those that are no images by their suffix are `passed_over` and not among them.
    images : int
        Different readable images, by sha256: what statements about the set rest on.
    unreadable : int
        Files that could not be judged.
    repeated : int
        Files whose very bytes came before.
    decisions : dict of str to int
        Different images, by the decision of their verdict; files that could not be read at all are `unreadable` only.
    named : dict of str to int
        Different images whose verdict is ``attributed``, by candidate; the commonest first.
    passed_over : int
    """

    files: int
    images: int
    unreadable: int
    repeated: int
    decisions: dict[str, int]
    named: dict[str, int]
    passed_over: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a set is consistent with its claim.

    Attributes
    ----------
    claimed : tuple of str
        Candidates, any of which may have made any image.
    outcome : str
        One of `OUTCOMES`.
    reason : str or None
        Why it cannot be told.
    n : int
        Different images that were tested.
    statistic, p_value : float or None
        Of the test; a p-value below `level` is called inconsistent.
    level : float
        Stated false-alarm rate: how often a set wholly by claimed candidates is called inconsistent, at most.
    foreign, foreign_low, foreign_high : float or None
        Share of the images that claimed candidates did not make, estimated, with its 95% interval.
    detectable : float or None
        The smallest share of another candidate's images that would be noticed in a set of this size in 8 of 10 cases;
        None where not even all would.
    """

    claimed: tuple[str, ...]
    outcome: str
    reason: str | None
    n: int
    statistic: float | None
    p_value: float | None
    level: float
    foreign: float | None = None
    foreign_low: float | None = None
    foreign_high: float | None = None
    detectable: float | None = None


@dataclass(frozen=True, slots=True)
class Suspect:
    """An image that speaks against the claim.

    Attributes
    ----------
    name : str
        The file, relative to the campaign; the first, where several have these bytes.
    more : tuple of str
        Some of the other files.
    path : str
        What was opened.
    image_id : str
    decision, label, probability
        Of its verdict.
    suspicion : float
        What images are ranked by: logarithm of how much likelier the answer is for somebody else's image.
    p_value : float
        How often references of claimed candidates are as suspicious. Among many images, small ones are no surprise.
    why : tuple of str
        Sentences, the weightiest first.
    evidence : dict of str to float
        Where another candidate is likelier: by how many nats each family of traces prefers it to `against`.
    against : str or None
        The likeliest claimed candidate; ``the average candidate`` where the verdict does not list its evidence.
    """

    name: str
    more: tuple[str, ...]
    path: str
    image_id: str
    decision: str
    label: str | None
    probability: float | None
    suspicion: float
    p_value: float
    why: tuple[str, ...]
    evidence: dict[str, float] = field(default_factory=dict)
    against: str | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a set comes from one source.

    Attributes
    ----------
    name : str
        A candidate, a lineage, or ``unknown``: none of the candidates.
    share, low, high : float
        Estimate and 95% interval.
    lineage : str or None
    claimed, real : bool
        Whether it is claimed, and whether it stands for real photographs.
    """

    name: str
    share: float
    low: float
    high: float
    lineage: str | None = None
    claimed: bool = False
    real: bool = False


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a set is mixed of.

    Attributes
    ----------
    n : int
        Different images.
    shares : tuple of Share
        Of the candidates and ``unknown``, the largest first; without ``unknown`` where that share cannot be told.
    lineages : tuple of Share
        The same rolled up; empty where no lineage is known.
    real : Share or None
        Of real photographs, where candidates were named that stand for them.
    notes : tuple of str
        What belongs beside the shares.
    """

    n: int
    shares: tuple[Share, ...]
    lineages: tuple[Share, ...] = ()
    real: Share | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cluster:
    """Images that are like none of the candidates and like each other.

    Attributes
    ----------
    name : str
        Of its files: ``clusters/NAME.png`` and ``clusters/NAME.csv``; ``loners`` are images that are like no other.
    size : int
        Different images.
    nearest : tuple of (str, int)
        The candidates that most of its images are least unlike, with their numbers.
    example : str
        The most typical image.
    members : tuple of int
        Numbers of the verdicts in the records, the most typical first.
    paths : tuple of str
        Of the first of these, to be opened.
    """

    name: str
    size: int
    nearest: tuple[tuple[str, int], ...]
    example: str
    members: tuple[int, ...] = field(repr=False)
    paths: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Copies:
    """What is there more than once, and what was learned from.

    Attributes
    ----------
    repeated : tuple of tuple of str
        Files with equal bytes, the largest groups first; of large numbers some.
    near : tuple of tuple of str
        Different files that show nearly the same picture; likewise.
    n_repeated, n_near : int
        How many groups there are of each.
    in_references : tuple of (str, str)
        Images that the bundle was fitted to (``file``) or that nearly are (``near``); of large numbers some.
    n_file, n_close : int
        How many there are of each.
    """

    repeated: tuple[tuple[str, ...], ...] = ()
    near: tuple[tuple[str, ...], ...] = ()
    n_repeated: int = 0
    n_near: int = 0
    in_references: tuple[tuple[str, str], ...] = ()
    n_file: int = 0
    n_close: int = 0


@dataclass(frozen=True, slots=True)
class LayerCounts:
    """One layer of provenance: how many different images had which status (a key of ``provenance.STATUSES``)."""

    layer: str
    statuses: dict[str, int]


@dataclass(frozen=True, slots=True)
class Declared:
    """What is declared about the images of a set.

    Attributes
    ----------
    layers : tuple of LayerCounts
    generators : tuple of (str, int)
        What facts name as the generator, with the number of images that do; the commonest first, of many some.
    n_generators : int
        How many different ones there are; beyond 10,000 this is an upper bound.
    outcomes : dict of str to int
        How declarations and pixels go together, image by image: agreement, silence, conflict ...
    """

    layers: tuple[LayerCounts, ...] = ()
    generators: tuple[tuple[str, int], ...] = ()
    n_generators: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One vendor, folder, month ... of a campaign.

    Attributes
    ----------
    column, value : str
        What divides the campaign, and what it says of these images; an empty value where it says nothing.
    files, unreadable : int
    claim : Claim
        Its outcome is after correction.
    p_corrected : float or None
        p-value after Holm's correction over all parts of this column.
    decisions : dict of str to int
        Different images, by decision.
    mixture : Mixture or None
        Where there are enough images.
    """

    column: str
    value: str
    files: int
    unreadable: int
    claim: Claim
    p_corrected: float | None
    decisions: dict[str, int]
    mixture: Mixture | None = None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The audit in words, for somebody who is no specialist.

    Attributes
    ----------
    outcome : str
        One of `OUTCOMES`.
    sentences : tuple of str
        The conclusion first, with its uncertainty.
    would_change : tuple of str
        What would change it.
    limits : tuple of str
        What it does not say.
    """

    outcome: str
    sentences: tuple[str, ...]
    would_change: tuple[str, ...]
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CampaignAudit:
    """What an audit says about a campaign.

    Attributes
    ----------
    source : str
        The campaign, as the caller named it.
    bundle : dict
        `name`, `version`, `id` of what judged.
    candidates : tuple of str
    settings : dict
        JSON-able: what else the statements depend on (claim, level, seed, layers, ...).
    counts : Counts
    conclusion : Conclusion
    claim : Claim
    suspects : tuple of Suspect
        Images that speak against the claim, the most suspicious first; at most so many as a page shows.
    n_suspects : int
        Images that are likelier somebody else's than a claimed candidate's, or whose declarations contradict their
        pixels.
    mixture : Mixture or None
        None where no image could be judged.
    clusters : tuple of Cluster
    copies : Copies
    declared : Declared
    parts : tuple of Part
    notes : tuple of str
        What belongs beside all results.
    """

    source: str
    bundle: dict[str, str]
    candidates: tuple[str, ...]
    settings: dict[str, Any]
    counts: Counts
    conclusion: Conclusion
    claim: Claim
    suspects: tuple[Suspect, ...]
    n_suspects: int
    mixture: Mixture | None
    clusters: tuple[Cluster, ...]
    copies: Copies
    declared: Declared
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values, the schema version first."""
        values = asdict(self)
        for cluster in values["clusters"]:
            del cluster["members"], cluster["paths"]  # they are the rows of its manifest
        return {"schema_version": SCHEMA_VERSION, **listed(values)}

    def summary(self) -> dict[str, Any]:
        """Return what a pipeline needs: outcome, counts, claim, shares and parts, without single images."""
        values = self.to_dict()
        left_out = ("suspects", "copies", "notes", "settings")
        return {name: value for name, value in values.items() if name not in left_out}
