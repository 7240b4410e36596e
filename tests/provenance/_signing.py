"""Certificates, signed images and a time-stamping authority, all made in the test."""

from __future__ import annotations

import datetime as dt
import functools
import io
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from morelli.sample import sample_path

c2pa = pytest.importorskip("c2pa", reason="needs morelli[provenance]")
x509 = pytest.importorskip("cryptography.x509", reason="needs cryptography")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier  # noqa: E402

MEDIA = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
ALL_MEDIA = MEDIA | {"GIF": "image/gif", "TIFF": "image/tiff", "AVIF": "image/avif"}
SCHEME = "http://cv.iptc.org/newscodes/digitalsourcetype/"
DAY = dt.timedelta(days=1)
OFFLINE: dict[str, Any] = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
    "builder": {"thumbnail": {"enabled": False}},
}


@dataclass(frozen=True)
class Identity:
    """A certificate, its key, and the certificate that signed it."""

    certificate: Any
    key: Any
    issuer: Identity | None = None

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)  # type: ignore[no-any-return]

    @property
    def chain(self) -> bytes:
        return self.pem + (self.issuer.pem if self.issuer else b"")

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(  # type: ignore[no-any-return]
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def identity(
    name: str,
    issuer: Identity | None = None,
    *,
    begin: dt.timedelta = -10 * DAY,
    end: dt.timedelta = 100 * DAY,
    usage: ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ocsp: str | None = None,
) -> Identity:
    """Return a root, or a leaf of `issuer` with the extensions that C2PA demands of those who sign."""
    key = ec.generate_private_key(ec.SECP256R1())
    words = {NameOID.COUNTRY_NAME: "IT", NameOID.ORGANIZATION_NAME: "Morelli tests", NameOID.COMMON_NAME: name}
    subject = x509.Name([x509.NameAttribute(oid, word) for oid, word in words.items()])
    now = dt.datetime.now(dt.UTC)
    root = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + (-1000 * DAY if root else begin))
        .not_valid_after(now + (1000 * DAY if root else end))
        .add_extension(x509.BasicConstraints(root, None), critical=True)
        .add_extension(
            x509.KeyUsage(not root, False, False, False, False, root, root, False, False),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        stamps = usage == ExtendedKeyUsageOID.TIME_STAMPING
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=stamps).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
    if ocsp is not None:
        access = x509.AccessDescription(x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return Identity(builder.sign(key if issuer is None else issuer.key, hashes.SHA256()), key, issuer)


@functools.cache
def root(name: str) -> Identity:
    return identity(name)


@functools.cache
def leaf(of: str) -> Identity:
    return identity("a signer", root(of))


@functools.cache
def picture(format: str = "JPEG", number: int = 0) -> bytes:
    """Return one of the embedded images, cut small, in a format."""
    path = sorted((sample_path() / "reference").rglob("*.*"))[number]
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").crop((0, 0, 96, 80)).save(buffer, format)
    return buffer.getvalue()


def action(name: str = "c2pa.created", source: str | None = None, agent: Any = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"action": name, **more}
    if source is not None:
        made["digitalSourceType"] = SCHEME + source
    if agent is not None:
        made["softwareAgent"] = agent
    return made


def claim(*actions: dict[str, Any], generator: str = "Test Studio", title: str = "an image") -> dict[str, Any]:
    """Return a manifest definition; by default a model made the image."""
    chosen = list(actions) or [action(source="trainedAlgorithmicMedia", agent={"name": "FLUX.1 [dev]"})]
    return {
        "claim_generator_info": [{"name": generator, "version": "1.0"}],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": chosen}}],
    }


def sign(
    data: bytes,
    format: str = "JPEG",
    manifest: dict[str, Any] | None = None,
    by: Identity | None = None,
    *,
    remote: str | None = None,
    embed: bool = True,
    stamps: str | None = None,
    ingredients: tuple[tuple[dict[str, Any], bytes, str], ...] = (),
) -> bytes:
    """Return the image with a manifest, as C2PA's own library makes it."""
    return signed_and_manifest(data, format, manifest, by, remote, embed, stamps, ingredients)[0]


def signed_and_manifest(
    data: bytes,
    format: str = "JPEG",
    manifest: dict[str, Any] | None = None,
    by: Identity | None = None,
    remote: str | None = None,
    embed: bool = True,
    stamps: str | None = None,
    ingredients: tuple[tuple[dict[str, Any], bytes, str], ...] = (),
) -> tuple[bytes, bytes]:
    by = by or leaf("root")
    info = c2pa.C2paSignerInfo(b"es256", by.chain, by.key_pem, stamps.encode() if stamps else None)
    builder = c2pa.Builder(json.dumps(manifest or claim()), c2pa.Context.from_dict(OFFLINE))
    for words, asset, kind in ingredients:
        builder.add_ingredient(json.dumps(words), MEDIA[kind], io.BytesIO(asset))
    if remote is not None:
        builder.set_remote_url(remote)
    if not embed:
        builder.set_no_embed()
    out = io.BytesIO()
    store = builder.sign(c2pa.Signer.from_info(info), ALL_MEDIA[format], io.BytesIO(data), out)
    return out.getvalue(), store


@contextmanager
def counting_server() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that keeps the path of every request."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            requests.append(self.path)
            self.send_error(404)

        do_GET = do_POST = do_HEAD = _any

        def log_message(self, *_: Any) -> None:
            pass

    with _serving(Handler) as url:
        yield url, requests


@contextmanager
def time_stamps(folder: Path, authority: Identity) -> Iterator[str]:
    """A time-stamping authority (RFC 3161) on this machine, by the openssl command."""
    (folder / "signer.pem").write_bytes(authority.pem)
    (folder / "key.pem").write_bytes(authority.key_pem)
    (folder / "chain.pem").write_bytes(authority.issuer.pem if authority.issuer else b"")
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(
        "[tsa]\ndefault_tsa = it\n[it]\nserial = serial\ncrypto_device = builtin\nsigner_cert = signer.pem\n"
        "certs = chain.pem\nsigner_key = key.pem\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\n"
        "digests = sha256,sha384,sha512\naccuracy = secs:1\ness_cert_id_alg = sha256\n"
    )

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            reply = subprocess.run(
                ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query"],
                cwd=folder, capture_output=True, check=True,
            ).stdout  # fmt: skip
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            pass

    with _serving(Handler) as url:
        yield url


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
