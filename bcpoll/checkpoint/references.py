"""What is remembered of the POS itself: its products by code, linked customers, and answers kept for a while.

All of it could be asked for again. Ambiguity is reported as it is, never resolved here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bcpoll.checkpoint.columns import any_of, json_of, json_text, plain, time_of, time_text
from bcpoll.checkpoint.file import CheckpointFile
from bcpoll.core.order import code_key
from bcpoll.core.shop import PosProduct

PRODUCT_FEED = "products"
"""The name under which the version of the product feed is kept."""

_SAVE_PRODUCT = """
    INSERT INTO products (id, name, is_active, tracks_stock, version) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name,
        is_active = excluded.is_active,
        tracks_stock = excluded.tracks_stock,
        version = excluded.version
"""

_SAVE_CODE = "INSERT INTO product_codes (code_key, product_id) VALUES (?, ?) ON CONFLICT DO NOTHING"

_PRODUCTS_BY_CODE = """
    SELECT code_key, product_id, is_active
    FROM product_codes JOIN products ON products.id = product_id
    WHERE code_key IN (SELECT value FROM json_each(?))
    ORDER BY code_key, product_id
"""


class References(CheckpointFile):
    """The part of the checkpoint that spares questions to the POS."""

    def save_products(self, rows: Sequence[PosProduct], version: int) -> None:
        """Take over a page of the product feed, deleted products as deletions, and the version to go on from."""
        kept = [row for row in rows if not row.is_deleted]
        gone = [(row.id,) for row in rows if row.is_deleted]
        with self.atomic():
            self._write_many("DELETE FROM product_codes WHERE product_id = ?", ((row.id,) for row in kept))
            self._write_many("DELETE FROM products WHERE id = ?", gone)
            self._write_many(
                _SAVE_PRODUCT,
                ((row.id, plain(row.name), row.is_active, row.tracks_stock, row.version) for row in kept),
            )
            self._write_many(
                _SAVE_CODE, ((plain(key), row.id) for row in kept for key in map(code_key, row.codes) if key)
            )
            self.set_feed_version(PRODUCT_FEED, version)

    def link_product(self, key: str, product_id: str, name: str, *, tracks_stock: bool) -> None:
        """Remember a product that was just created, ahead of the feed; `key` is its code as `code_key` writes it."""
        with self.atomic():
            self._write(_SAVE_PRODUCT, product_id, plain(name), True, tracks_stock, 0)  # noqa: FBT003  (a column)
            self._write(_SAVE_CODE, plain(key), product_id)

    def product_ids(self, code_keys: Collection[str]) -> dict[str, tuple[str, ...]]:
        """The products under each code key: the active ones, else the inactive ones; a key without any is absent."""
        active: dict[str, tuple[str, ...]] = {}
        inactive: dict[str, tuple[str, ...]] = {}
        for row in self._rows(_PRODUCTS_BY_CODE, any_of(code_keys)):
            found = active if row["is_active"] else inactive
            found[row["code_key"]] = (*found.get(row["code_key"], ()), row["product_id"])
        return inactive | active

    def product_codes(self, product_ids: Collection[str]) -> dict[str, tuple[str, str]]:
        """A code, as `code_key` writes it, and the name of each of these products; one that is not known is absent."""
        rows = self._rows(
            "SELECT id, name, min(code_key) AS code FROM products JOIN product_codes ON product_id = id"
            " WHERE id IN (SELECT value FROM json_each(?)) GROUP BY id",
            any_of(product_ids),
        )
        return {row["id"]: (row["code"], row["name"]) for row in rows}

    def stock_tracked(self, product_ids: Collection[str]) -> set[str]:
        """Which of these products the POS counts stock for."""
        rows = self._rows(
            "SELECT id FROM products WHERE tracks_stock AND id IN (SELECT value FROM json_each(?))", any_of(product_ids)
        )
        return {row["id"] for row in rows}

    def feed_version(self, name: str) -> int:
        """The version up to which a feed was read; 0 before the first time."""
        rows = self._rows("SELECT version FROM feeds WHERE name = ?", name)
        return int(rows[0]["version"]) if rows else 0

    def set_feed_version(self, name: str, version: int) -> None:
        """Note the version up to which a feed was read."""
        with self.atomic():
            self._db.table("feeds").upsert({"name": name, "version": version}, pk="name")

    def customer_ids(self, keys: Collection[str]) -> dict[str, str]:
        """The POS customers that these keys are linked to; a key without a link is absent."""
        rows = self._rows(
            "SELECT key, customer_id FROM customers WHERE key IN (SELECT value FROM json_each(?))", any_of(keys)
        )
        return {row["key"]: row["customer_id"] for row in rows}

    def link_customers(self, pairs: Mapping[str, str] | Iterable[tuple[str, str]], now: datetime) -> None:
        """Link keys to POS customers, in place of what they were linked to before."""
        linked_at = time_text(now)
        with self.atomic():
            self._db.table("customers").upsert_all(
                (
                    {"key": plain(key), "customer_id": customer_id, "linked_at": linked_at}
                    for key, customer_id in dict(pairs).items()
                ),
                pk="key",
            )

    def forget_customer(self, customer_id: str, *, linked_before: datetime) -> bool:
        """Unlink a POS customer from all keys that were linked before a time; gives whether there was one."""
        forgotten = self._write(
            "DELETE FROM customers WHERE customer_id = ? AND linked_at < ?", customer_id, time_text(linked_before)
        )
        return forgotten > 0

    def cached(self, kind: str) -> tuple[Any, datetime] | None:
        """An answer that was kept, and when it was given; None where there is none."""
        found = self._read(
            lambda row: (json_of(row["value"]), time_of(row["at"])),
            "SELECT value, at FROM answers WHERE kind = ?",
            kind,
        )
        return found[0] if found else None

    def cache(self, kind: str, value: object, now: datetime) -> None:
        """Keep an answer; amounts in it come back as text."""
        with self.atomic():
            self._db.table("answers").upsert({"kind": kind, "value": json_text(value), "at": time_text(now)}, pk="kind")

    def forget_cached(self) -> None:
        """Forget all answers that were kept."""
        self._write("DELETE FROM answers")
