"""Four answers about a manifest, from the status codes of its validation.

The codes are those of the C2PA technical specification 2.x, section "Returning validation results". The single word
that the library returns (``Invalid``, ``Valid``, ``Trusted``) is no answer here: it mixes questions that have
different consequences. A changed image, a forged claim, a stranger's signature and an old certificate are four things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["QUESTIONS", "Answers", "Codes", "answer", "codes_of", "harmless"]

QUESTIONS: Final[Mapping[str, str]] = {
    "asset_hash_matches": "the file is byte for byte the one that was signed, but for the manifest itself",
    "claim_signature_valid": "the claim and all that it asserts is what was signed",
    "signer_trusted": "the signer's certificate descends from one of the given trust anchors",
    "certificate_valid_at_signing": "the certificate was in force, and not revoked, when the claim was signed",
}
"""The four questions, in the order in which they are told."""

_BINDINGS = ("assertion.dataHash.", "assertion.bmffHash.", "assertion.boxesHash.", "assertion.collectionHash.")
_UNBOUND = ("claim.hardBindings.missing", "assertion.multipleHardBindings")
_CREDENTIAL = ("signingCredential.", "timeStamp.", "claimSignature.outsideValidity")
_FORGED = (
    "claim.malformed", "claim.missing", "claim.multiple", "claimSignature.mismatch", "claimSignature.missing",
    "assertion.hashedURI.mismatch", "assertion.missing", "assertion.undeclared", "hashedURI.mismatch",
    "ingredient.claimSignature.mismatch", "ingredient.claimSignature.missing", "ingredient.hashedURI.mismatch",
    "ingredient.manifest.mismatch", "ingredient.manifest.missing",
)  # fmt: skip
_LISTED = 100
_SLACK = 64
"""Bytes: TIFF files leave out the four that point to the manifest."""
_BOXES = frozenset({"/uuid", "/ftyp", "/mfra", "/free", "/skip", "/emsg"})
"""Boxes without pixels, which C2PA 2.x leaves out or lets be left out of BMFF hashes."""


@dataclass(frozen=True, slots=True)
class Codes:
    """The status codes of one manifest, each once, in the order in which they came up."""

    success: tuple[str, ...] = ()
    informational: tuple[str, ...] = ()
    failure: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, list[str]]:
        """Return JSON-able values."""
        return {name: list(getattr(self, name))[:_LISTED] for name in ("success", "informational", "failure")}

    def updated(self, later: Codes) -> Codes:
        """Return these codes where `later` ones, of another validation, do not say the contrary."""
        trust = {"signingCredential.trusted", "signingCredential.untrusted"}
        kept = tuple(code for code in self.failure if not (code in trust and trust & set(later.success)))
        return Codes(
            _once([*self.success, *later.success]),
            _once([*self.informational, *later.informational]),
            _once([*kept, *later.failure]),
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """What is known about a manifest: True, False, or None where it cannot be known here.

    Attributes
    ----------
    asset_hash_matches, claim_signature_valid, signer_trusted, certificate_valid_at_signing : bool or None
        See `QUESTIONS`.
    reasons : dict
        Question -> sentence.
    breaches : tuple of str
        Failures that answer none of the questions: whoever made the manifest broke a rule of the standard.
    """

    asset_hash_matches: bool | None
    claim_signature_valid: bool | None
    signer_trusted: bool | None
    certificate_valid_at_signing: bool | None
    reasons: dict[str, str] = field(default_factory=dict)
    breaches: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, bool | None]:
        """Return the four answers by name."""
        return {name: getattr(self, name) for name in QUESTIONS}

    @property
    def standing(self) -> tuple[str, str]:
        """Strength and verification of what the manifest says.

        Strong and verified only where all four hold. Moderate where file and claim are what somebody signed and only
        that somebody is unknown: such a manifest cannot be altered, but anybody can make a new one. Weak otherwise.
        """
        if self.breaches:
            return "weak", "failed"
        if all(self.to_dict().values()):
            return "strong", "verified"
        if self.asset_hash_matches is not True or self.claim_signature_valid is not True:
            failed = False in (self.asset_hash_matches, self.claim_signature_valid)
            return "weak", "failed" if failed else "unverified"
        # An expired certificate without a trusted time stamp makes a manifest invalid (C2PA 2.x, "Validate the
        # credential"): whoever finds the old key can sign with it today.
        return ("moderate", "unverified") if self.certificate_valid_at_signing else ("weak", "failed")


def codes_of(results: Any) -> Codes:
    """Return the codes of a ``validation_results`` entry; what is malformed in it counts as absent."""
    if not isinstance(results, Mapping):
        return Codes()
    found = []
    for name in ("success", "informational", "failure"):
        entries = results.get(name)
        entries = entries if isinstance(entries, list) else []
        found.append(_once(str(e["code"])[:120] for e in entries if isinstance(e, Mapping) and "code" in e))
    return Codes(*found)


def answer(codes: Codes, *, anchors: bool, covered: bool = False) -> Answers:
    """Derive the four answers.

    Parameters
    ----------
    codes : Codes
    anchors : bool
        Whether trust anchors were given.
    covered : bool
        Whether what hashes leave out beside the manifest is known to be harmless, see `harmless`.
    """
    reasons: dict[str, str] = {}
    hash_, reasons["asset_hash_matches"] = _asset(codes, covered)
    claim, reasons["claim_signature_valid"] = _claim(codes)
    signer, reasons["signer_trusted"] = _signer(codes, anchors)
    certificate, reasons["certificate_valid_at_signing"] = _certificate(codes)
    return Answers(hash_, claim, signer, certificate, reasons, _breaches(codes))


def harmless(exclusions: Any) -> bool:
    """Say whether what a manifest's hashes leave out of the file is what the format needs to be left out.

    Parameters
    ----------
    exclusions : list of dict
        Ranges of bytes (``start``, ``length``), the longest of them the manifest's own, or boxes (``xpath``) of a file
        of the ISO family, as the hash assertions have them.
    """
    if not isinstance(exclusions, list) or not all(isinstance(part, Mapping) for part in exclusions):
        return False
    lengths = sorted(part["length"] for part in exclusions if isinstance(part.get("length"), int))
    boxes = [part.get("xpath") for part in exclusions if "xpath" in part]
    if len(lengths) + len(boxes) < len(exclusions):
        return False
    return sum(lengths[:-1]) <= _SLACK and all(box in _BOXES for box in boxes)


def _asset(codes: Codes, covered: bool) -> tuple[bool | None, str]:
    wrong = [code for code in codes.failure if code.startswith(_BINDINGS) or code in _UNBOUND]
    if wrong:
        return False, f"The file is not the one that was signed ({', '.join(wrong)})."
    partial = [code for code in codes.informational if "additionalExclusionsPresent" in code]
    if partial and not covered:
        return None, f"Parts of the file are not covered by the hash ({', '.join(partial)})."
    right = [code for code in codes.success if code.startswith(_BINDINGS) and code.endswith(".match")]
    if right:
        return True, f"The file is the one that was signed ({', '.join(right)})."
    return None, "No hash of the file was checked."


def _claim(codes: Codes) -> tuple[bool | None, str]:
    wrong = [code for code in codes.failure if code in _FORGED]
    if wrong:
        return False, f"What is claimed is not what was signed ({', '.join(wrong)})."
    if "claimSignature.validated" in codes.success:
        return True, "The signature fits the claim, and the claim fits its assertions (claimSignature.validated)."
    return None, "No signature was checked."


def _signer(codes: Codes, anchors: bool) -> tuple[bool | None, str]:
    if not anchors:
        return None, "Not checked: no trust anchors were given."
    if "signingCredential.invalid" in codes.failure:
        return False, "The certificate may not sign content credentials (signingCredential.invalid)."
    if "signingCredential.untrusted" in codes.failure:
        if "signingCredential.expired" in codes.failure:
            return None, "Not known: the certificate has expired, and chains are checked as of today."
        return False, "The certificate descends from none of the trust anchors (signingCredential.untrusted)."
    if "signingCredential.trusted" in codes.success:
        return True, "The certificate descends from one of the trust anchors (signingCredential.trusted)."
    return None, "The library did not say."


def _certificate(codes: Codes) -> tuple[bool | None, str]:
    revoked = [code for code in codes.failure if code.endswith("revoked")]
    if revoked:
        return False, f"The certificate was revoked ({', '.join(revoked)})."
    outside = [code for code in codes.failure if code.endswith("outsideValidity")]
    if outside:
        return False, f"The certificate was not valid at the time of the time stamp ({', '.join(outside)})."
    # The library reports claimSignature.insideValidity for expired certificates without a trusted time stamp, too.
    stamped = "timeStamp.trusted" in codes.success
    if "signingCredential.expired" in codes.failure:
        which = "no time stamp" if "timeStamp.validated" not in codes.success else "no time stamp that is trusted"
        return None, f"Not known: the certificate has expired, and {which} says when it signed."
    if "signingCredential.invalid" in codes.failure:
        return None, "Not known: the certificate is malformed (signingCredential.invalid)."
    if "claimSignature.insideValidity" not in codes.success:
        return None, "No period of validity was checked."
    if stamped:
        return True, "It was valid at the time of a trusted time stamp (timeStamp.trusted)."
    return True, "It is valid today, and so it was when it signed; no trusted time stamp says when that was."


def _breaches(codes: Codes) -> tuple[str, ...]:
    answered = (*_BINDINGS, *_CREDENTIAL)
    return tuple(c for c in codes.failure if not (c.startswith(answered) or c in _UNBOUND or c in _FORGED))


def _once(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes))
