"""One person's traces in the checkpoint: finding what tells of somebody by an e-mail address, and forgetting it.

Goes by the address alone, to the letter but for capitals. What is left of an order is its number, its sums, its times
and the ids of its sales; whatever is still under way keeps what it needs until it is settled.
"""

# ruff: noqa: S608 - all SQL is put together from the constants of this module

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bcpoll.checkpoint.columns import any_of, plain
from bcpoll.checkpoint.file import CheckpointFile

FORGOTTEN = "(forgotten)"

# The address itself, and whatever else is linked to the same customer of the POS.
_KEYS = """
    SELECT ? AS key
    UNION SELECT other.key FROM customers AS one JOIN customers AS other USING (customer_id) WHERE one.key = ?
"""

_ORDERS = """
    SELECT order_id FROM ledger WHERE customer_key IN (SELECT value FROM json_each(?))
    UNION SELECT order_id FROM review WHERE order_id > 0 AND payload LIKE ? ESCAPE '!'
    UNION SELECT order_id FROM intents WHERE order_id > 0 AND body LIKE ? ESCAPE '!'
"""

# Conditions, each with the ids of orders and a pattern for the address.
_INTENTS = "body <> '' AND (order_id > 0 AND order_id IN (SELECT value FROM json_each(?)) OR body LIKE ? ESCAPE '!')"
_REVIEW = "payload <> '' AND (order_id IN (SELECT value FROM json_each(?)) OR payload LIKE ? ESCAPE '!')"
_REFUNDS = "payload <> '' AND (order_id IN (SELECT value FROM json_each(?)) OR payload LIKE ? ESCAPE '!')"
_SETTLED_INTENTS = f"settled_at IS NOT NULL AND {_INTENTS}"
_SETTLED_REFUNDS = f"state <> 'waiting' AND {_REFUNDS}"

_COUNTS = {
    "set_aside": f"SELECT count(*) FROM review WHERE {_REVIEW}",
    "writes": f"SELECT count(*) FROM intents WHERE {_SETTLED_INTENTS}",
    "refunds": f"SELECT count(*) FROM refunds WHERE {_SETTLED_REFUNDS}",
    "unsettled": f"SELECT count(*) FROM intents WHERE settled_at IS NULL AND {_INTENTS}",
    "waiting": f"SELECT count(*) FROM refunds WHERE state = 'waiting' AND {_REFUNDS}",
}

_FORGET = (
    f"UPDATE intents SET body = '', detail = '' WHERE {_SETTLED_INTENTS}",
    f"UPDATE review SET payload = '' WHERE {_REVIEW}",
    f"UPDATE refunds SET payload = '' WHERE {_SETTLED_REFUNDS}",
)

# Customers are written under the keys that they go by.
_RENAME = """
    UPDATE intents SET key = ? || ' ' || id, target = ?
    WHERE settled_at IS NOT NULL AND target IN (SELECT value FROM json_each(?))
"""

# What was said in words: where it stands, what it says, and where it goes back to.
_SAID = (
    ("SELECT id, detail FROM review WHERE detail LIKE ? ESCAPE '!'", "UPDATE review SET detail = ? WHERE id = ?"),
    ("SELECT id, note FROM review WHERE note LIKE ? ESCAPE '!'", "UPDATE review SET note = ? WHERE id = ?"),
    ("SELECT id, detail FROM intents WHERE detail LIKE ? ESCAPE '!'", "UPDATE intents SET detail = ? WHERE id = ?"),
    ("SELECT id, message FROM runs WHERE message LIKE ? ESCAPE '!'", "UPDATE runs SET message = ? WHERE id = ?"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What there is of a person."""

    orders: tuple[int, ...]
    links: int
    """Links to customers of the POS."""
    set_aside: int
    """Payloads of orders that were set aside."""
    writes: int
    """What was sent to the POS."""
    refunds: int
    """Payloads of refunds."""
    waiting: int
    """Writes and refunds under way, which keep what they need until they are settled."""

    @property
    def is_known(self) -> bool:
        """Whether there is anything of the person that is to be forgotten, or will be."""
        return any((self.orders, self.links, self.set_aside, self.writes, self.refunds, self.waiting))


class Person(CheckpointFile):
    """The part of the checkpoint that can forget somebody."""

    def traces(self, email: str) -> Traces:
        """What there is of the person with an e-mail address."""
        orders = self._orders(email)
        counts = {name: self._count(sql, any_of(orders), _within(email)) for name, sql in _COUNTS.items()}
        links = self._count(
            "SELECT count(*) FROM customers WHERE key IN (SELECT value FROM json_each(?))", any_of(self._keys(email))
        )
        return Traces(
            orders=tuple(sorted(orders)),
            links=links,
            set_aside=counts["set_aside"],
            writes=counts["writes"],
            refunds=counts["refunds"],
            waiting=counts["unsettled"] + counts["waiting"],
        )

    def forget_person(self, email: str) -> Traces:
        """Forget the person with an e-mail address, and give what there was. `vacuum` makes it last."""
        # What is deleted is written over, instead of only let go.
        self._rows("PRAGMA secure_delete = ON")
        with self.atomic():
            found, keys = self.traces(email), any_of(self._keys(email))
            orders = any_of(found.orders)
            for sql in _FORGET:
                self._write(sql, orders, _within(email))
            self._write(_RENAME, FORGOTTEN, FORGOTTEN, keys)
            self._write(
                "UPDATE ledger SET customer_key = '', note = '' WHERE order_id IN (SELECT value FROM json_each(?))",
                orders,
            )
            self._write("DELETE FROM customers WHERE key IN (SELECT value FROM json_each(?))", keys)
            self._mask(email)
            return found

    def _keys(self, email: str) -> list[str]:
        own = plain(f"email:{email.lower()}")
        return [row["key"] for row in self._rows(_KEYS, own, own)]

    def _orders(self, email: str) -> set[int]:
        """The orders of the person: by whom they were booked for, and by what was sent and set aside."""
        rows = self._rows(_ORDERS, any_of(self._keys(email)), _within(email), _within(email))
        return {row["order_id"] for row in rows}

    def _mask(self, email: str) -> None:
        """Take the address out of what was said in words, wherever it stands by itself."""
        alone = re.compile(rf"(?<![\w.+-]){re.escape(email)}(?![\w-]|\.\w)", re.IGNORECASE)
        for reading, writing in _SAID:
            rows = [(alone.sub(FORGOTTEN, text), number) for number, text in self._rows(reading, _like(email))]
            self._write_many(writing, rows)

    def _count(self, sql: str, *parameters: object) -> int:
        ((count,),) = self._rows(sql, *parameters)
        return int(count)


def _within(email: str) -> str:
    """A pattern for JSON in which the address is a value of its own: that of another person may end in it."""
    return _like(json.dumps(email, ensure_ascii=False))


def _like(text: str) -> str:
    """A pattern for what holds a text, to the letter but for capitals."""
    escaped: Iterable[str] = (f"!{letter}" if letter in "!%_" else letter for letter in plain(text))
    return f"%{''.join(escaped)}%"
