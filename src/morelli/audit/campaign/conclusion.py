"""An audit in words, for somebody who is no specialist: what was found, how sure that is, and what it does not say."""

from __future__ import annotations

from collections.abc import Sequence

from morelli.audit.campaign.statements import (
    CONSISTENT,
    INCONSISTENT,
    Claim,
    Conclusion,
    Copies,
    Counts,
    Declared,
    Mixture,
    Part,
    Share,
)

__all__ = ["conclude", "counted", "listed", "share_words"]

_FEW = 4


def conclude(
    counts: Counts,
    claim: Claim,
    n_suspects: int,
    mixture: Mixture | None,
    n_clusters: int,
    copies: Copies,
    declared: Declared,
    parts: Sequence[Part],
) -> Conclusion:
    """Put the statements of an audit into sentences, the conclusion first."""
    sentences = [_verdict(claim, parts), *_uncertainty(claim), *_looked_at(counts)]
    if claim.outcome == INCONSISTENT and n_suspects:
        sentences.append(
            f"{counted(n_suspects, 'image')} {'is' if n_suspects == 1 else 'are'} likelier from elsewhere than by a "
            f"claimed model and {'stands' if n_suspects == 1 else 'stand'} first in the list; each of them is a hint "
            "where to look, and no finding about that image."
        )
    sentences += _mixed(mixture, claim)
    sentences += _unlike(counts, n_clusters)
    sentences += _conflicts(declared)
    sentences += _of_parts(parts)
    if copies.n_file:
        sentences.append(
            f"{counted(copies.n_file, 'image')} of the set {'is' if copies.n_file == 1 else 'are'} among the "
            "references that the bundle was fitted to: about those it says nothing new."
        )
    return Conclusion(claim.outcome, tuple(sentences), tuple(_would_change(claim, counts)), tuple(_limits(claim)))


def counted(n: int, what: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "image"), counted(2300, "image")
    ('1 image', '2,300 images')
    """
    return f"{n:,} {what if n == 1 else what + 's'}"


def listed(names: Sequence[str], most: int = _FEW, last: str = "and") -> str:
    """Return names as a phrase.

    >>> listed(["a"]), listed(["a", "b"], last="or"), listed(list("abcdef"), most=3)
    ('a', 'a or b', 'a, b, c and 3 more')
    """
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def share_words(share: float, low: float, high: float) -> str:
    """Return a share with its interval.

    >>> share_words(0.204, 0.1, 0.312)
    'about 20 in 100 (10 to 31)'
    """
    return f"about {100 * share:.0f} in 100 ({100 * low:.0f} to {100 * high:.0f})"


def _verdict(claim: Claim, parts: Sequence[Part]) -> str:
    names = listed(claim.claimed, last="or")
    bad = [part.value or "(none given)" for part in parts if part.claim.outcome == INCONSISTENT]
    if claim.outcome == CONSISTENT and bad:
        return (
            f"Taken together the images are consistent with the claim that {names} made them, but "
            f"{'one part is' if len(bad) == 1 else f'{len(bad)} parts are'} not: {listed(bad)}."
        )
    if claim.outcome == CONSISTENT:
        return f"The images are consistent with the claim that {names} made them."
    if claim.outcome == INCONSISTENT:
        return f"The images are not consistent with the claim that {names} made them all."
    return f"Whether {names} made the images cannot be told: {claim.reason}."


def _uncertainty(claim: Claim) -> list[str]:
    if claim.p_value is None:
        return []
    stated = (
        f"A set that {listed(claim.claimed, last='or')} made entirely is called inconsistent in at most "
        f"{100 * claim.level:.3g} of 100 audits like this one; here p = {p_words(claim.p_value)}."
    )
    found = [stated]
    if claim.foreign is not None and claim.foreign_low is not None and claim.foreign_high is not None:
        share = share_words(claim.foreign, claim.foreign_low, claim.foreign_high)
        found.append(f"Estimated share of images from elsewhere, as far as they look it: {share}.")
    if claim.outcome != INCONSISTENT:
        found.append(_blindness(claim))
    return found


def p_words(p: float) -> str:
    """Return a p-value for people.

    >>> p_words(0.0004999), p_words(0.0312), p_words(0.6543)
    ('0.0005', '0.031', '0.65')
    """
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"


def _blindness(claim: Claim) -> str:
    if claim.detectable is None:
        return f"With {counted(claim.n, 'image')}, even a set wholly from elsewhere might pass unnoticed."
    return (
        f"With {counted(claim.n, 'image')}, {100 * claim.detectable:.0f} in 100 images by other candidates would be "
        "noticed in 8 of 10 such audits; fewer may pass, and more where a model that is no candidate made them."
    )


def _looked_at(counts: Counts) -> list[str]:
    found = [f"{counted(counts.files, 'file')}: {counted(counts.images, 'different image')} could be judged."]
    rest = []
    if counts.unreadable:
        rest.append(f"{counted(counts.unreadable, 'file')} could not")
    if counts.repeated:
        rest.append(f"{counted(counts.repeated, 'file')} {'repeats' if counts.repeated == 1 else 'repeat'} another one")
    if counts.passed_over:
        rest.append(
            f"{counted(counts.passed_over, 'file')} with the suffix of a text, table or archive stood beside them"
        )
    if rest:
        words = "; ".join(rest)
        found.append(f"{words[0].upper()}{words[1:]}.")
    return found


def _mixed(mixture: Mixture | None, claim: Claim) -> list[str]:
    if mixture is None or not mixture.shares:
        return []

    def words(share: Share) -> str:
        name = "none of the candidates" if share.name == "unknown" else share.name
        return f"{name} {share_words(share.share, share.low, share.high)}"

    shown = [share for share in mixture.shares if share.share >= 0.005][:_FEW] or list(mixture.shares[:1])
    found = [f"What the set is mixed of, as estimated: {'; '.join(words(share) for share in shown)}.", *mixture.notes]
    if mixture.real is not None:
        real = mixture.real
        found.append(f"Real photographs: {share_words(real.share, real.low, real.high)}.")
    return found


def _unlike(counts: Counts, n_clusters: int) -> list[str]:
    n = counts.decisions.get("unknown", 0)
    if not n:
        return []
    sources = ""
    if n_clusters:
        sources = f"; they fall into {counted(n_clusters, 'group')} that a person should look at"
    return [f"{counted(n, 'image')} {'looks' if n == 1 else 'look'} like none of the candidates{sources}."]


def _conflicts(declared: Declared) -> list[str]:
    n = declared.outcomes.get("conflict", 0)
    if not n:
        return []
    whose = "declares contradicts its" if n == 1 else "declare contradicts their"
    return [f"What {counted(n, 'image')} {whose} pixels."]


def _of_parts(parts: Sequence[Part]) -> list[str]:
    found = []
    for column in dict.fromkeys(part.column for part in parts):
        of = [part for part in parts if part.column == column]
        bad = [part.value or "(none given)" for part in of if part.claim.outcome == INCONSISTENT]
        if bad:
            found.append(
                f"By {column}: {listed(bad)} {'is' if len(bad) == 1 else 'are'} not consistent with the claim "
                f"({len(bad)} of {len(of)}, corrected for their number)."
            )
        else:
            found.append(
                f"By {column}: none of {counted(len(of), 'part')} contradicts the claim, their number allowed for."
            )
    return found


def _would_change(claim: Claim, counts: Counts) -> list[str]:
    found = []
    if claim.outcome == CONSISTENT:
        found.append("More images of the same source: a share that is too small to be noticed now may show.")
    elif claim.outcome == INCONSISTENT:
        found.append(
            "An explanation of the images that stand first: another version or settings of a claimed model, or "
            "editing and recompression that the references did not go through, look like another source. References "
            "of these, added to the bundle, would show it."
        )
    else:
        found.append("More readable images: the more there are, the smaller the share that can be told.")
    if counts.unreadable:
        found.append("The files that could not be judged, once they are delivered in a readable form.")
    found.append("Candidates that the bundle does not know: enrol the sources that come into question and audit again.")
    return found


def _limits(claim: Claim) -> list[str]:
    return [
        "Consistent with a claim does not mean that the claim is true: a source that nobody thought of may look alike, "
        "close relatives above all.",
        "All answers are among the candidates that the bundle knows, and rest on its references; images that were "
        "scaled, edited or recompressed since are judged less well.",
        f"The false-alarm rate of {100 * claim.level:.3g} in 100 holds for sets of images like the references, and not "
        "for one image of the list: with enough images, some by the claimed models stand far out.",
        "Declarations can be stripped and forged. That nothing is declared says nothing.",
        "This is a reason to ask, to look and to test again; by itself it settles no dispute.",
    ]
