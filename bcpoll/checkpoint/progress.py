"""How far bcpoll has got: whose checkpoint this is, the cursor and other marks, and the orders it watches."""

from collections.abc import Collection
from datetime import datetime

from bcpoll.checkpoint.columns import any_of, time_of, time_text
from bcpoll.checkpoint.file import CheckpointFile
from bcpoll.errors import CheckpointError

_CURSOR = "cursor"
_START = "start"
_REFUNDS_CURSOR = "refunds cursor"
_REFUNDS_START = "refunds start"


class Progress(CheckpointFile):
    """The part of the checkpoint that says where the next run goes on."""

    def claim(self, store_hash: str, pos: str) -> None:
        """Tie the checkpoint to one store and one POS; raises CheckpointError if it belongs to others.

        To be called once both have answered: a slip in the settings must not make the checkpoint another shop's.
        """
        with self.atomic():
            self.check_owner(store_hash, pos)
            self._write("UPDATE shop SET store_hash = ?, pos = ?", store_hash, pos)

    def check_owner(self, store_hash: str, pos: str) -> None:
        """Raise CheckpointError if the checkpoint belongs to another store or POS; one without an owner is fine."""
        ((store_before, pos_before),) = self._rows("SELECT store_hash, pos FROM shop")
        if store_before and (store_before, pos_before) != (store_hash, pos):
            raise CheckpointError(
                f"The checkpoint {self.path} belongs to the store {store_before!r} and the POS {pos_before!r},"
                f" not to {store_hash!r} and {pos!r}",
                hint="Give every shop a checkpoint of its own: [checkpoint] path in the settings.",
            )

    def made_at(self) -> datetime:
        """When the checkpoint was made."""
        return self._read(lambda row: time_of(row["made_at"]), "SELECT made_at FROM shop")[0]

    def cursor(self) -> datetime | None:
        """The modification time up to which everything is applied or set aside; None before the first run."""
        return self.mark(_CURSOR)

    def move_cursor(self, to: datetime) -> bool:
        """Move the cursor forward. An earlier time leaves it where it is: gives whether it moved."""
        return self._move(_CURSOR, to)

    def refunds_cursor(self) -> datetime | None:
        """The creation time up to which every refund is kept; None where refunds were never read, or not of late."""
        return self.mark(_REFUNDS_CURSOR)

    def move_refunds_cursor(self, to: datetime) -> bool:
        """Move the refunds' cursor forward, as `move_cursor` does the orders'."""
        return self._move(_REFUNDS_CURSOR, to)

    def begin_refunds(self, at: datetime) -> None:
        """Have refunds read from a moment on; those made before it are left alone."""
        with self.atomic():
            self.set_mark(_REFUNDS_START, at)
            self._move(_REFUNDS_CURSOR, at)

    def refunds_start(self) -> datetime | None:
        """The moment from which on refunds are brought over."""
        return self.mark(_REFUNDS_START)

    def end_refunds(self) -> None:
        """Forget how far refunds were read."""
        self._write("DELETE FROM marks WHERE name IN (?, ?)", _REFUNDS_CURSOR, _REFUNDS_START)

    def _move(self, name: str, to: datetime) -> bool:
        moved = self._write(
            "INSERT INTO marks (name, at) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE excluded.at > marks.at",
            name,
            time_text(to),
        )
        return moved == 1

    def start(self) -> datetime | None:
        """The moment the shop was connected; None before the first run."""
        return self.mark(_START)

    def set_start(self, at: datetime) -> None:
        """Note the moment the shop was connected. Raises ValueError if it was noted before, as another one."""
        with self.atomic():
            before = self.start()
            if before is None:
                self._write("INSERT INTO marks (name, at) VALUES (?, ?)", _START, time_text(at))
            elif before != at:
                raise ValueError(f"start is {before.isoformat()} and cannot become {at.isoformat()}")

    def mark(self, name: str) -> datetime | None:
        """A named instant (`sweep`), or None where it was never set."""
        found = self._read(lambda row: time_of(row["at"]), "SELECT at FROM marks WHERE name = ?", name)
        return found[0] if found else None

    def set_mark(self, name: str, at: datetime) -> None:
        """Set a named instant. Raises ValueError for the cursor and the start, which have rules of their own."""
        if name in (_CURSOR, _START, _REFUNDS_CURSOR):
            raise ValueError(f"{name} is not a mark to be set at will")
        self._write(
            "INSERT INTO marks (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at",
            name,
            time_text(at),
        )

    def drop_mark(self, name: str) -> None:
        """Forget a named instant that `set_mark` set."""
        self._write("DELETE FROM marks WHERE name = ?", name)

    def watch(self, order_ids: Collection[int]) -> None:
        """Note orders that were not real yet at the start, so that they count as new later on."""
        self._write_many(
            "INSERT INTO watched (order_id) VALUES (?) ON CONFLICT DO NOTHING", ((order_id,) for order_id in order_ids)
        )

    def watched(self, order_ids: Collection[int]) -> set[int]:
        """Which of these orders were noted."""
        rows = self._rows(
            "SELECT order_id FROM watched WHERE order_id IN (SELECT value FROM json_each(?))", any_of(order_ids)
        )
        return {row["order_id"] for row in rows}
