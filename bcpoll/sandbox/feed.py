"""A version feed: records of one kind, in the order of their last change.

Owns the one number that every change of any record raises, and the paging by it. Must not know what a record holds.
"""

from bisect import bisect_right
from collections.abc import Iterator

from bcpoll.sandbox.calls import Json


class Versions:
    """The POS's one version counter; a world begins at a number that does not look like a row count."""

    def __init__(self, start: int = 1000) -> None:
        self._last = start

    def next(self) -> int:
        """The number of the next change."""
        self._last += 1
        return self._last


class Feed:
    """Records by id and by version. A changed record moves to the end of the feed."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._rows: dict[str, Json] = {}
        self._current: dict[str, int] = {}
        # Every change is appended, so the list is sorted by itself; entries that a later change of the same record
        # overtook are passed over when reading.
        self._changes: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[Json]:
        return iter(list(self._rows.values()))

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, row_id: str) -> Json | None:
        """A record by its id, deleted or not."""
        return self._rows.get(row_id)

    def put(self, row_id: str, row: Json) -> int:
        """Keep a new or changed record and give the version it gets; the record is told it by the caller."""
        version = self._versions.next()
        self._rows[row_id] = row
        self._current[row_id] = version
        self._changes.append((version, row_id))
        return version

    def after(self, version: int, before: int | None = None) -> Iterator[tuple[int, Json]]:
        """Versions and records changed after a version, ascending, up to but without `before`."""
        start = bisect_right(self._changes, version, key=_version_of)
        for changed, row_id in self._changes[start:]:
            if before is not None and changed >= before:
                return
            if self._current[row_id] == changed:
                yield changed, self._rows[row_id]


def _version_of(change: tuple[int, str]) -> int:
    return change[0]
