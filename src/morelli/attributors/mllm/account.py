"""What asking costs: every request is entered before it is sent, in an account that all processes share."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Final

from morelli.attributors.mllm.database import Database
from morelli.errors import BudgetError

__all__ = ["Account", "Entry", "Prices", "Size", "Statement"]

_BYTES_PER_TOKEN: Final = 3
"""Of text, for estimates; less than tokenisers take for most scripts, so that estimates are rather too high."""

_FRAME: Final = 64
"""Tokens that a chat template and the form of the answer add."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens read and written, and for an image."""

    million_in: float = 0.0
    million_out: float = 0.0
    image: float = 0.0

    def of(self, tokens_in: float, tokens_out: float, images: float) -> float:
        """Return what that costs."""
        return (self.million_in * tokens_in + self.million_out * tokens_out) / 1e6 + self.image * images


@dataclass(frozen=True, slots=True)
class Size:
    """How large a request is.

    Attributes
    ----------
    text_bytes : int
        Of all its text in UTF-8.
    images : int
    image_tokens : int
        What an image is expected to take.
    tokens_out : int
        Most that may be written.
    """

    text_bytes: int
    images: int
    image_tokens: int
    tokens_out: int

    @property
    def tokens_in(self) -> int:
        """Tokens that it is expected to take."""
        return _FRAME + math.ceil(self.text_bytes / _BYTES_PER_TOKEN) + self.images * self.image_tokens


@dataclass(frozen=True, slots=True)
class Entry:
    """A request that was let through, to be settled when it is known what it cost."""

    number: int
    size: Size


@dataclass(frozen=True, slots=True)
class Statement:
    """The state of an account.

    Attributes
    ----------
    requests, tokens_in, tokens_out, images : int
        Of all requests that are settled.
    money : float
        What they cost.
    uncertain : int
        Requests that were sent and never settled: lost ones, those under way, and those of killed processes.
    money_uncertain : float
        What these may have cost at most.
    """

    requests: int
    tokens_in: int
    tokens_out: int
    images: int
    money: float
    uncertain: int
    money_uncertain: float


class Account:
    """The money and the pace of one model at one address.

    A request is let through only if what is spent, what is under way and the most that it may cost itself stay within
    the budget. What cannot be known (a request that was lost on the way) counts at its highest.

    Parameters
    ----------
    database : Database
        Shared by all who spend from this account.
    name : str
    prices : Prices, optional
    budget : float, optional
        Most money, over all runs.
    rpm : float, optional
        Requests per minute, evenly spaced.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        prices: Prices | None = None,
        *,
        budget: float | None = None,
        rpm: float | None = None,
    ) -> None:
        self._database, self.name = database, name
        self.prices, self.budget, self.rpm = prices or Prices(), budget, rpm

    def admit(self, size: Size) -> tuple[Entry, float]:
        """Enter a request.

        Returns
        -------
        entry : Entry
        wait : float
            Seconds until it may be sent.

        Raises
        ------
        BudgetError
            It could cost more than what is left.
        """
        with self._database.transaction() as connection:
            # What images really take is known after the first answer only; never expect less than was seen.
            (factor,) = connection.execute(
                "SELECT max(1.0, coalesce(max(1.0 * tokens_in / expected), 1.0)) FROM spending "
                "WHERE account = ? AND state = 'settled' AND expected > 0",
                (self.name,),
            ).fetchone()
            tokens_in = math.ceil(size.tokens_in * factor)
            money = self.prices.of(tokens_in, size.tokens_out, size.images)
            if self.budget is not None:
                (spent,) = connection.execute(
                    "SELECT total(money) FROM spending WHERE account = ?", (self.name,)
                ).fetchone()
                if spent + money > self.budget:
                    raise BudgetError(
                        f"The budget of {self.budget:g} for {self.name} would be exceeded: {spent:.4g} is spent or "
                        f"under way, and the next question may cost {money:.2g}."
                    )
            number = connection.execute(
                "INSERT INTO spending (account, state, expected, tokens_in, tokens_out, images, money) "
                "VALUES (?, 'open', ?, ?, ?, ?, ?)",
                (self.name, size.tokens_in, tokens_in, size.tokens_out, size.images, money),
            ).lastrowid
            assert number is not None
            now = time.time()
            row = connection.execute("SELECT next FROM pace WHERE account = ?", (self.name,)).fetchone()
            start = max(now, row[0] if row else now)
            step = 60.0 / self.rpm if self.rpm is not None else 0.0
            if step or start > now:
                self._pace(connection, start + step)
        return Entry(number, size), start - now

    def settle(self, entry: Entry, tokens_in: int | None, tokens_out: int | None) -> None:
        """Enter what a request took, as the service says; where it says nothing, what was expected stands."""
        with self._database.transaction() as connection:
            held = connection.execute(
                "SELECT tokens_in, tokens_out FROM spending WHERE id = ?", (entry.number,)
            ).fetchone()
            read = held[0] if tokens_in is None else tokens_in
            written = held[1] if tokens_out is None else tokens_out
            money = self.prices.of(read, written, entry.size.images)
            # An expectation is corrected by reports only.
            expected = 0 if tokens_in is None else entry.size.tokens_in
            connection.execute(
                "UPDATE spending SET state = 'settled', tokens_in = ?, tokens_out = ?, money = ?, expected = ? "
                "WHERE id = ?",
                (read, written, money, expected, entry.number),
            )

    def lose(self, entry: Entry) -> None:
        """Enter that a request was lost: it may have been answered, and cost its highest."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE spending SET state = 'lost' WHERE id = ?", (entry.number,))

    def cancel(self, entry: Entry) -> None:
        """Take a request back that was refused or never sent: it costs nothing."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM spending WHERE id = ?", (entry.number,))

    def pause(self, seconds: float) -> None:
        """Let nobody send before so many seconds: the service has asked for that."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT next FROM pace WHERE account = ?", (self.name,)).fetchone()
            until = time.time() + seconds
            if row is None or row[0] < until:
                self._pace(connection, until)

    def statement(self) -> Statement:
        """Return the state of the account."""
        with self._database.transaction(reading=True) as connection:
            settled = connection.execute(
                "SELECT count(*), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0), coalesce(sum(images), 0), "
                "total(money) FROM spending WHERE account = ? AND state = 'settled'",
                (self.name,),
            ).fetchone()
            uncertain = connection.execute(
                "SELECT count(*), total(money) FROM spending WHERE account = ? AND state != 'settled'", (self.name,)
            ).fetchone()
        return Statement(*settled, *uncertain)

    def _pace(self, connection: object, moment: float) -> None:
        connection.execute("INSERT OR REPLACE INTO pace VALUES (?, ?)", (self.name, moment))  # type: ignore[attr-defined]
