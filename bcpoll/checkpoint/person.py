"""One person's traces in the checkpoint: finding what tells of somebody, and forgetting it.

Goes by an e-mail address, to the letter but for capitals, and by the numbers of orders, for those who left none. What
is left of an order is its number, its sums, its times and the ids of its sales; whatever is still under way keeps what
it needs until it is settled.
"""

# ruff: noqa: S608 - all SQL is put together from the constants of this module

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bcpoll.checkpoint.columns import any_of, plain
from bcpoll.checkpoint.file import CheckpointFile

FORGOTTEN = "(forgotten)"

_EMAIL_KEY = "email:"

# A key itself, and whatever else is linked to the same customer of the POS.
_KEYS = """
    SELECT value AS key FROM json_each(:whom, '$.keys')
    UNION SELECT other.key FROM customers AS one JOIN customers AS other USING (customer_id)
    WHERE one.key IN (SELECT value FROM json_each(:whom, '$.keys'))
"""

_ORDER_KEYS = """
    SELECT customer_key FROM ledger WHERE customer_key <> '' AND order_id IN (SELECT value FROM json_each(?))
"""

# Conditions. What they go by comes as one JSON object: the keys of customers, the ids of orders, and patterns for
# addresses.
_ORDER = "order_id IN (SELECT value FROM json_each(:whom, '$.orders'))"
_TELLS = "EXISTS (SELECT 1 FROM json_each(:whom, '$.patterns') AS pattern WHERE {column} LIKE pattern.value ESCAPE '!')"
# What was adjusted in the stock tells of nobody, and is needed to know our own adjustments again.
_INTENTS = (
    f"body <> '' AND kind <> 'stock' AND (order_id > 0 AND {_ORDER}"
    " OR target IN (SELECT value FROM json_each(:whom, '$.keys'))"
    f" OR {_TELLS.format(column='body')})"
)
_PAYLOAD = f"payload <> '' AND ({_ORDER} OR {_TELLS.format(column='payload')})"
_SETTLED_INTENTS = f"settled_at IS NOT NULL AND {_INTENTS}"
_SETTLED_REFUNDS = f"state <> 'waiting' AND {_PAYLOAD}"

# The person's orders: by whom they were booked for, by what was sent and set aside, and of those that are named the
# ones of which more is left than must be.
_ORDERS = f"""
    SELECT order_id FROM ledger WHERE customer_key IN (SELECT value FROM json_each(:whom, '$.keys'))
    UNION SELECT order_id FROM review WHERE order_id > 0 AND {_TELLS.format(column="payload")}
    UNION SELECT order_id FROM intents WHERE order_id > 0 AND {_TELLS.format(column="body")}
    UNION SELECT order_id FROM ledger WHERE (customer_key <> '' OR note <> '') AND {_ORDER}
    UNION SELECT order_id FROM review WHERE payload <> '' AND {_ORDER}
    UNION SELECT order_id FROM intents WHERE order_id > 0 AND body <> '' AND kind <> 'stock' AND {_ORDER}
    UNION SELECT order_id FROM refunds WHERE payload <> '' AND {_ORDER}
"""

_COUNTS = {
    "links": "SELECT count(*) FROM customers WHERE key IN (SELECT value FROM json_each(:whom, '$.keys'))",
    "set_aside": f"SELECT count(*) FROM review WHERE {_PAYLOAD}",
    "writes": f"SELECT count(*) FROM intents WHERE {_SETTLED_INTENTS}",
    "refunds": f"SELECT count(*) FROM refunds WHERE {_SETTLED_REFUNDS}",
    "unsettled": f"SELECT count(*) FROM intents WHERE settled_at IS NULL AND {_INTENTS}",
    "waiting": f"SELECT count(*) FROM refunds WHERE state = 'waiting' AND {_PAYLOAD}",
}

_FORGET = (
    f"UPDATE intents SET body = '', detail = '' WHERE {_SETTLED_INTENTS}",
    f"UPDATE review SET payload = '' WHERE {_PAYLOAD}",
    f"UPDATE refunds SET payload = '' WHERE {_SETTLED_REFUNDS}",
    # Customers are written under the keys that they go by.
    f"""
    UPDATE intents SET key = '{FORGOTTEN} ' || id, target = '{FORGOTTEN}'
    WHERE settled_at IS NOT NULL AND target IN (SELECT value FROM json_each(:whom, '$.keys'))
    """,
    f"UPDATE ledger SET customer_key = '', note = '' WHERE {_ORDER}",
    "DELETE FROM customers WHERE key IN (SELECT value FROM json_each(:whom, '$.keys'))",
)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whom:
    """What a person is found by."""

    keys: tuple[str, ...]
    """What customers go by."""
    emails: tuple[str, ...]
    orders: tuple[int, ...]


class Person(CheckpointFile):
    """The part of the checkpoint that can forget somebody."""

    def traces(self, email: str = "", order_ids: Collection[int] = ()) -> Traces:
        """What there is of the person with an e-mail address, or of whoever placed these orders."""
        return self._traces(self._whom(email, order_ids))

    def forget_person(self, email: str = "", order_ids: Collection[int] = ()) -> Traces:
        """Forget the person with an e-mail address, or whoever placed these orders, and give what there was.

        `vacuum` makes it last.
        """
        # What is deleted is written over, instead of only let go.
        self._rows("PRAGMA secure_delete = ON")
        with self.atomic():
            whom = self._whom(email, order_ids)
            found = self._traces(whom)
            for sql in _FORGET:
                self._write(sql, whom=_as_json(whom))
            for each in whom.emails:
                self._mask(each)
            return found

    def _whom(self, email: str, order_ids: Collection[int]) -> _Whom:
        """Whose traces these are: by the address, and by the keys of those for whom the orders were booked."""
        own = [plain(f"{_EMAIL_KEY}{email.lower()}")] if email else []
        own += [row["customer_key"] for row in self._rows(_ORDER_KEYS, any_of(order_ids))]
        keys = tuple(row["key"] for row in self._rows(_KEYS, whom=json.dumps({"keys": own})))
        found = {key.removeprefix(_EMAIL_KEY) for key in keys if key.startswith(_EMAIL_KEY)} if order_ids else set()
        emails = tuple(sorted(found | {email} if email else found))
        whom = _Whom(keys=keys, emails=emails, orders=tuple(order_ids))
        orders = tuple(sorted(row["order_id"] for row in self._rows(_ORDERS, whom=_as_json(whom))))
        return _Whom(keys=keys, emails=emails, orders=orders)

    def _traces(self, whom: _Whom) -> Traces:
        counts = {name: self._count(sql, whom) for name, sql in _COUNTS.items()}
        return Traces(
            orders=whom.orders,
            links=counts["links"],
            set_aside=counts["set_aside"],
            writes=counts["writes"],
            refunds=counts["refunds"],
            waiting=counts["unsettled"] + counts["waiting"],
        )

    def _mask(self, email: str) -> None:
        """Take the address out of what was said in words, wherever it stands by itself."""
        alone = re.compile(rf"(?<![\w.+-]){re.escape(email)}(?![\w-]|\.\w)", re.IGNORECASE)
        for reading, writing in _SAID:
            rows = [(alone.sub(FORGOTTEN, text), number) for number, text in self._rows(reading, _like(email))]
            self._write_many(writing, rows)

    def _count(self, sql: str, whom: _Whom) -> int:
        ((count,),) = self._rows(sql, whom=_as_json(whom))
        return int(count)


def _as_json(whom: _Whom) -> str:
    """What the statements above take as `:whom`."""
    patterns = [_within(email) for email in whom.emails]
    return json.dumps({"keys": whom.keys, "orders": whom.orders, "patterns": patterns})


def _within(email: str) -> str:
    """A pattern for JSON in which the address is a value of its own: that of another person may end in it."""
    return _like(json.dumps(email, ensure_ascii=False))


def _like(text: str) -> str:
    """A pattern for what holds a text, to the letter but for capitals."""
    escaped: Iterable[str] = (f"!{letter}" if letter in "!%_" else letter for letter in plain(text))
    return f"%{''.join(escaped)}%"
