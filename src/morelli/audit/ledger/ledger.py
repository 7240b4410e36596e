"""The ledger: incidents and decisions, in a chain that only grows."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from morelli.audit.ledger import _migrating, _reading, redacting
from morelli.audit.ledger._appending import Draft, append, append_all
from morelli.audit.ledger._database import Place, connect, reading, writing
from morelli.audit.ledger._tables import ENTRIES, NAMES
from morelli.audit.ledger.attachments import place, staged
from morelli.audit.ledger.entry import Entry, check_actor, check_subject, stamp
from morelli.audit.ledger.incident import RULINGS, Attachment, Decision
from morelli.audit.ledger.reader import LedgerReader
from morelli.audit.ledger.redacting import Redaction
from morelli.audit.verdicts import Filed, check_verdict, machine_answer
from morelli.errors import LedgerError

if TYPE_CHECKING:
    from morelli.attributors import Verdict

__all__ = ["Added", "Ledger", "upgrade"]

_BATCH: Final = 100
_LONGEST_TEXT: Final = 10_000
_LONGEST_LABEL: Final = 500


@dataclass(frozen=True, slots=True)
class Added:
    """How many verdicts were added, and how many there were already."""

    added: int
    known: int


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger(LedgerReader):
    """A record of verdicts and of what people decided about them.

    Make one with `Ledger.open`. All that is added is on the disk when a method returns. Several processes, on several
    machines where the ledger is in PostgreSQL, may add at the same time. An object belongs to the process that opened
    it.

    Attributes
    ----------
    name : str
        Where it is, for people; without a password.
    files : pathlib.Path or None
        Folder of attached files. Beside a SQLite file it is that file's name with ``.files`` behind it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Ledger.open(f"{folder}/ledger.sqlite", create=True) as ledger:
    ...     verdict = {
    ...         "schema_version": 1, "uri": "a.png", "image_id": "0" * 64, "decision": "unknown", "lineage": {},
    ...         "candidates": [], "prediction_set": [], "bundle": {"id": "b"},
    ...     }
    ...     entry = ledger.append_verdict(verdict)
    ...     decided = ledger.decide(entry.seq, "Ada", "relabel", label="flux-1", reason="known seed")
    ...     ledger.verify().ok, ledger.head().seq, ledger.incident(entry.seq).status
    (True, 3, 'decided')
    """

    @classmethod
    def open(
        cls,
        where: str | os.PathLike[str],
        *,
        create: bool = False,
        files: str | os.PathLike[str] | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> Ledger:
        """Open a ledger.

        Parameters
        ----------
        where : path-like or str
            A SQLite file, or the URL of a PostgreSQL database: ``postgresql://user@host/database``.
        create : bool, default False
            Begin a ledger where there is none.
        files : path-like, optional
            Folder of attached files. A ledger in PostgreSQL has none unless it is named.
        clock : callable, optional
            Gives the time of entries, with its time zone.

        Raises
        ------
        LedgerError
            There is none; it is none; it is of an older revision (run ``morelli ledger upgrade``) or of a newer one.
        """
        there = Place(where)
        engine = connect(there, create=create)
        try:
            with reading(engine, there.name) as connection:
                fresh = create and _migrating.revision_of(connection) is None
            if fresh:
                opening = Draft("opened", "morelli", {"ledger": secrets.token_hex(16), "format": 1})
                _migrating.migrate(
                    engine, there.name, create=lambda connection: append(connection, opening, stamp(clock()))
                )
            with reading(engine, there.name) as connection:
                _migrating.check_revision(connection, there.name)
        except BaseException:
            engine.dispose()
            raise
        beside = None if there.file is None else there.file.with_name(f"{there.file.name}.files")
        return cls(engine, there.name, beside if files is None else Path(files), clock)

    # -- adding --------------------------------------------------------------------------------------------------------

    def append_verdict(
        self,
        verdict: Verdict | Mapping[str, Any],
        *,
        actor: str = "morelli",
        folder: str | os.PathLike[str] | None = None,
    ) -> Entry | None:
        """Add one verdict; None where this image was judged by this bundle already. See `append_verdicts`."""
        filed, actor = check_verdict(verdict), check_actor(actor)
        with writing(self._engine, self.name) as connection:
            made = self._file(connection, [filed], actor, _text_of(folder))
        return made[0] if made else None

    def append_verdicts(
        self,
        verdicts: Iterable[Verdict | Mapping[str, Any] | Filed],
        *,
        actor: str = "morelli",
        folder: str | os.PathLike[str] | None = None,
    ) -> Added:
        """Add verdicts, a hundred in a transaction. The same bundle's verdict for the same image is added once.

        Parameters
        ----------
        verdicts : iterable of Verdict or mapping
            As from `Verdict.to_dict`; provenance facts are the field ``provenance``. An image whose bytes could not
            be read is known again by its name.
        actor : str
        folder : path-like, optional
            The folder that relative paths of the images start from.

        Raises
        ------
        LedgerError
            One is no verdict. Those before it may have been added: the same call again adds none of them twice.
        """
        actor, start = check_actor(actor), _text_of(folder)
        counts = [0, 0]
        iterator = iter(verdicts)
        while batch := [one if isinstance(one, Filed) else check_verdict(one) for one in islice(iterator, _BATCH)]:
            with writing(self._engine, self.name) as connection:
                added = len(self._file(connection, batch, actor, start))
            counts[0] += added
            counts[1] += len(batch) - added
        return Added(*counts)

    def _file(self, connection: sa.Connection, filed: Sequence[Filed], actor: str, folder: str | None) -> list[Entry]:
        """Add those verdicts that are not there yet."""
        subjects = [one.image_id or _named(connection, str(one.verdict["uri"])) for one in filed]
        query = sa.select(ENTRIES.c.subject, ENTRIES.c.bundle).where(
            ENTRIES.c.kind == "verdict", ENTRIES.c.subject.in_(set(subjects))
        )
        known = {(row.subject, row.bundle) for row in connection.execute(query)}
        drafts = []
        for subject, one in zip(subjects, filed, strict=True):
            if (subject, one.bundle) in known:
                continue
            known.add((subject, one.bundle))
            payload = {"verdict": one.verdict, "folder": folder}
            queue = (one.priority, one.score)
            drafts.append(Draft("verdict", actor, payload, subject, one.bundle, None, *queue))
        return append_all(connection, drafts, lambda: stamp(self._clock()))

    def decide(
        self, incident: int, reviewer: str, ruling: str, *, label: str | None = None, reason: str = ""
    ) -> Decision:
        """Record what a reviewer decided. A later decision of the same reviewer takes the place of an earlier one.

        Parameters
        ----------
        incident : int
            Its number.
        reviewer : str
        ruling : {"confirm", "relabel", "none"}
            The verdict's answer is right; another model made the image; none of the candidates did.
        label : str, optional
            The maker, for ``relabel``.
        reason : str
            At most 10 000 characters.

        Raises
        ------
        LedgerError
            There is no such incident, its content was removed, or the verdict has no answer that could be confirmed.
        """
        reviewer, reason = check_actor(reviewer), _short(reason, "A reason")
        if ruling not in RULINGS:
            raise LedgerError(f"A ruling is one of {', '.join(RULINGS)}, not {ruling!r}.")
        if (ruling == "relabel") != (label is not None):
            raise LedgerError("A label goes with the ruling relabel, and with no other.")
        if label is not None:
            label = label.strip()
            if not label or len(label) > _LONGEST_LABEL or not label.isprintable():
                raise LedgerError(f"A label has 1 to {_LONGEST_LABEL} characters, all of them printable.")
        with writing(self._engine, self.name) as connection:
            entry = self._verdict(connection, incident)
            said = machine_answer(entry.payload["verdict"] if entry.payload is not None else {})
            if ruling == "confirm":
                if said is None:
                    raise LedgerError(f"The verdict of incident {incident} has no answer to confirm; name the maker.")
                label = said[0]
            elif said == (label,):  # the same as confirming, in other words
                ruling = "confirm"
            payload = {"ruling": ruling, "label": label, "reason": reason}
            made = self._append(connection, Draft("decision", reviewer, payload, subject=entry.subject, about=incident))
        return Decision(made.seq, made.at, reviewer, ruling, label, reason)

    def note(self, incident: int, actor: str, text: str) -> Entry:
        """Record a remark about an incident, of at most 10 000 characters. Raises as `decide` does."""
        actor, text = check_actor(actor), _short(text, "A note")
        with writing(self._engine, self.name) as connection:
            entry = self._verdict(connection, incident)
            return self._append(connection, Draft("note", actor, {"text": text}, subject=entry.subject, about=incident))

    def attach(self, incident: int, file: str | os.PathLike[str], actor: str, comment: str = "") -> Attachment:
        """Keep a copy of a file beside the ledger, and record its SHA-256.

        Raises
        ------
        LedgerError
            There is no such incident, its content was removed, or no folder for files is known.
        OSError
            The file cannot be read, or the copy not written.
        """
        actor, comment = check_actor(actor), _short(comment, "A comment")
        if self.files is None:
            raise LedgerError("Say where attached files are kept: --files on the command line, files= in Python.")
        source = Path(file)
        with staged(source, self.files) as (copy, digest, length), writing(self._engine, self.name) as connection:
            entry = self._verdict(connection, incident)
            payload = {"file": digest, "bytes": length, "name": source.name, "comment": comment}
            draft = Draft("attachment", actor, payload, subject=entry.subject, about=incident, file=digest)
            made = self._append(connection, draft)
            place(copy, self.files, digest)  # under the lock: a redaction may be about to remove the same file
        return Attachment(made.seq, made.at, actor, digest, length, source.name, comment)

    def _verdict(self, connection: sa.Connection, incident: int) -> Entry:
        entry = _reading.verdict_with(connection, incident)
        if entry is None:
            raise LedgerError(f"There is no incident {incident} in {self.name}; `morelli ledger list` names them.")
        if entry.redacted:
            raise LedgerError(f"The content of incident {incident} was removed, so that nothing can be added to it.")
        return entry

    def _append(self, connection: sa.Connection, draft: Draft) -> Entry:
        return append(connection, draft, stamp(self._clock()))

    # -- removing ------------------------------------------------------------------------------------------------------

    def redact(self, image: str, *, actor: str, reason: str) -> Redaction:
        """Remove the content of an image's verdicts, decisions, notes and attachments; the chain still verifies.

        Parameters
        ----------
        image : str
            SHA-256 of its file, or ``file-`` and digits as `Incident.subject` has it.
        actor : str
        reason : str
            Is kept.

        Raises
        ------
        LedgerError
            There is no content of this image, or the reason is empty.
        """
        actor, reason = check_actor(actor), _short(reason, "A reason", needed=True)
        with writing(self._engine, self.name) as connection:
            done = redacting.redact(
                connection,
                check_subject(image),
                actor=actor,
                reason=reason,
                files=self.files,
                at=stamp(self._clock()),
            )
        return replace(done, wiped=redacting.wipe(self._engine, self.name))

    def redact_older(
        self, age: timedelta, *, actor: str, reason: str, progress: Callable[[int], None] | None = None
    ) -> Redaction:
        """Redact all images of which nothing was recorded for so long, see `redact`."""
        return redacting.redact_subjects(
            self._engine,
            self.name,
            age,
            actor=check_actor(actor),
            reason=_short(reason, "A reason", needed=True),
            files=self.files,
            clock=self._clock,
            progress=progress,
        )

    def record_export(self, actor: str, payload: Mapping[str, Any]) -> Entry:
        """Record that rows were handed to the next fit."""
        actor = check_actor(actor)
        with writing(self._engine, self.name) as connection:
            return self._append(connection, Draft("export", actor, payload))


def upgrade(where: str | os.PathLike[str]) -> tuple[str, str]:
    """Bring a ledger of an older revision up to date; return the revision before and after.

    Raises
    ------
    LedgerError
        It is no ledger, or of a newer revision.
    """
    there = Place(where)
    engine = connect(there, create=False)
    try:
        before, after = _migrating.migrate(engine, there.name, create=None)
    finally:
        engine.dispose()
    return str(before), after


def _text_of(folder: str | os.PathLike[str] | None) -> str | None:
    return None if folder is None else os.fspath(folder)


def _short(text: str, what: str, *, needed: bool = False) -> str:
    text = text.strip()
    if len(text) > _LONGEST_TEXT:
        raise LedgerError(f"{what} has at most {_LONGEST_TEXT} characters; attach longer texts as files.")
    if needed and not text:
        raise LedgerError(f"{what} has to be given: it is all that remains to explain this.")
    return text


def _named(connection: sa.Connection, uri: str) -> str:
    """Return what stands for a file without readable bytes: random, because a hash of its name would give it away."""
    name = hashlib.sha256(uri.encode("utf-8", "surrogatepass")).hexdigest()
    known = connection.execute(sa.select(NAMES.c.subject).where(NAMES.c.name == name)).scalar()
    if known is not None:
        return str(known)
    subject = f"file-{secrets.token_hex(8)}"
    connection.execute(NAMES.insert().values(name=name, subject=subject))
    return subject
