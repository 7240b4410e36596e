"""The layer of content credentials."""

from __future__ import annotations

import ssl
from pathlib import Path

from morelli.errors import MorelliError
from morelli.provenance.aliases import Aliases
from morelli.provenance.credentials.claims import LAYER, read_store
from morelli.provenance.credentials.reading import INSTALL, MEDIA_TYPES, StoreReader, library
from morelli.provenance.facts import Fact, LayerReport
from morelli.provenance.layers import ImageFile, Settings

__all__ = ["CredentialsLayer", "read_anchors"]

_MAX_ANCHORS = 4 * 1024 * 1024


class CredentialsLayer:
    """Content credentials (C2PA) in an image file, read offline.

    Parameters
    ----------
    settings : Settings
        `trust_anchors` and `aliases` are used.

    Raises
    ------
    MorelliError
        The file of trust anchors or of aliases does not serve.
    """

    def __init__(self, settings: Settings) -> None:
        anchors = None if settings.trust_anchors is None else read_anchors(settings.trust_anchors)
        self._resolve = Aliases.load(settings.aliases).resolve
        self._anchored = anchors is not None
        self._version = library()
        self.reader = StoreReader(anchors)

    def examine(self, file: ImageFile) -> LayerReport:
        """Return what the credentials of one file say."""
        if self._version is None:
            return LayerReport(LAYER, "not examined", reason=f"It needs c2pa-python: {INSTALL}")
        media_type = MEDIA_TYPES.get(file.format or "")
        if media_type is None:
            kind = f"a {file.format} file" if file.format else "what this file is"
            return LayerReport(LAYER, "not examined", reason=f"Credentials are not read from {kind}.")
        reply = self.reader.read(file.data, media_type)
        if "absent" in reply:
            return LayerReport(LAYER, "none found")
        if "remote" in reply:
            return _remote(str(reply["remote"]))
        if "store" not in reply:
            return _malformed(str(reply.get("error")), str(reply.get("message")))
        try:
            store = read_store(
                reply["store"], self._resolve, anchors=self._anchored, exclusions=reply.get("exclusions")
            )
        except ValueError as error:
            return _malformed("Store", str(error))
        detail = {
            **store.answers.to_dict(),
            "reasons": store.answers.reasons,
            "breaches": list(store.answers.breaches),
            "codes": store.codes.to_dict(),
            "embedded": reply.get("embedded"),
            "remote_manifest": None,
            "library": f"c2pa-python {self._version}",
            **store.detail,
        }
        if not store.facts:
            return LayerReport(LAYER, "failed", reason="The manifest claims nothing.", detail=detail)
        return LayerReport(LAYER, "found", tuple(store.facts), detail=detail)


def read_anchors(path: Path) -> str:
    """Return the certificates in a PEM file.

    Raises
    ------
    MorelliError
        The file cannot be read or holds none.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_ANCHORS + 1)
    except OSError as error:
        raise MorelliError(f"{path}: the trust anchors cannot be read ({error.strerror}).") from error
    if len(data) > _MAX_ANCHORS:
        raise MorelliError(f"{path}: trust anchors take at most {_MAX_ANCHORS // 1024**2} MiB.")
    try:
        text = data.decode("ascii", "replace")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=text.replace("\ufffd", "?"))
    except (ssl.SSLError, ValueError) as error:
        raise MorelliError(
            f"{path}: this is no file of certificates in PEM, which begin with -----BEGIN CERTIFICATE-----."
        ) from error
    return text


def _remote(url: str) -> LayerReport:
    fact = Fact(LAYER, "c2pa:remote_manifest", "credit", url[:2000], detail={"fetched": False})
    reason = "The file names a manifest that is kept elsewhere. It was not fetched."
    return LayerReport(
        LAYER, "found", (fact,), reason=reason, detail={"embedded": False, "remote_manifest": url[:2000]}
    )


def _malformed(error: str, message: str) -> LayerReport:
    detail = {"error": error, "message": message[:500]}
    said = {
        "Timeout": "The credentials took too long to examine",
        "Crash": "The credentials ended the program that examined them",
    }.get(error, "The file, or the credentials in it, are malformed")
    return LayerReport(LAYER, "failed", reason=f"{said}: {message[:300]}.", detail=detail)
