"""The store's list of orders (GET /v2/orders), walked in two ways: by time of modification, and by id.

Owns how one page follows another on a list that moves while it is read, and the check that the list keeps to the filter
and the order that were asked for. The requests themselves are made by `bigcommerce`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import TypeAlias

from bcpoll.core.decode import order_id_of
from bcpoll.core.order import Json
from bcpoll.core.times import parse_time, rfc2822
from bcpoll.errors import TooHeavy, WrongAnswer
from bcpoll.http import write_json
from bcpoll.rows import text_of

# The documented default, which a list falls back to if it should ignore `limit`. A page of at least this length is
# therefore never taken for the last one.
DEFAULT_PAGE = 50

# Below this, a list that still breaks the server is broken for another reason than its length.
_SMALLEST_PAGE = 25

_SECOND = timedelta(seconds=1)

Params: TypeAlias = Mapping[str, str | int]

ReadPage: TypeAlias = Callable[[Params, int | None], list[Json]]
"""Reads a page of the list, in at most so many tries; None leaves the number to the client."""

_Bounds: TypeAlias = tuple[datetime | None, datetime]
"""The first and the last moment that were asked for; None stands for no first one."""


@dataclass(slots=True)
class _Pages:
    """Reads pages, and shorter ones from the moment that the server breaks down over one."""

    read: ReadPage
    size: int

    def next(self, params: Params) -> list[Json]:
        """The page with these parameters; raises TooHeavy where the server breaks down over the shortest as well."""
        while True:
            can_shrink = self.size > _SMALLEST_PAGE
            try:
                # A page that can be made shorter is tried twice: else a broken server would keep the pass for an hour.
                return self.read({**params, "limit": self.size}, 2 if can_shrink else None)
            except TooHeavy:
                if not can_shrink:
                    raise
                self.size = max(self.size // 2, _SMALLEST_PAGE)

    def is_last(self, rows: list[Json]) -> bool:
        """Whether no page follows this one."""
        return len(rows) < min(self.size, DEFAULT_PAGE)


# --- by time of modification -----------------------------------------------------------------------------------------


def changed_since(
    since: datetime, *, read: ReadPage, size: int, past: Callable[[datetime | None], datetime | None]
) -> Iterator[list[Json]]:
    """Pages of orders modified at or after `since`, ascending by that time, each version of an order once.

    `past` gives None for a time ahead of the store's own clock: to go on from there would skip what comes before it.
    """
    return _Walk(pages=_Pages(read, size), since=since, past=past).walk()


@dataclass(slots=True, kw_only=True)
class _Walk:
    """A walk through the orders changed since a time, over a list that moves while it is read.

    An order that is modified leaves its place and moves to the end; with page numbers, the row behind a page's end
    would move into the page and be missed. So the next page is asked for by the time of the last row, less a second,
    because it is not documented whether `min_date_modified` includes its own second. Page numbers only serve where a
    second or two fill a page; those pages are read again until they are the same twice in a row: then no row has left
    them meanwhile and drawn another one over the end of a page.
    """

    pages: _Pages
    since: datetime
    past: Callable[[datetime | None], datetime | None]
    asked: datetime = field(init=False)
    """The time that the next page is asked for by."""
    page: int = field(init=False, default=1)
    crowd: list[bytes] = field(init=False, default_factory=list)
    """The rows of the second asked for and the next one, as these pages have them."""
    last_crowd: list[bytes] = field(init=False, default_factory=list)
    last_rows: list[Json] = field(init=False, default_factory=list)
    seen: dict[bytes, datetime | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.asked = self.since.replace(microsecond=0) - _SECOND

    def walk(self) -> Iterator[list[Json]]:
        """The pages, each without the rows that were given before."""
        more = True
        while more:
            # Where pages have become shorter, the same page number begins further up: nothing is skipped.
            rows = self.pages.next(
                {"min_date_modified": rfc2822(self.asked), "sort": "date_modified:asc", "page": self.page}
            )
            if rows and self.page > 1 and rows == self.last_rows:
                raise WrongAnswer(f"/v2/orders: page={self.page} was ignored")
            self.last_rows = rows
            times = self._checked_times(rows)
            fresh = self._fresh(rows, times)
            if fresh:
                yield fresh
            more = self._step(rows, max((at for at in times if at is not None), default=self.asked))

    def _checked_times(self, rows: list[Json]) -> list[datetime | None]:
        times = [self.past(parse_time(text_of(row, "date_modified"))) for row in rows]
        readable = [at for at in times if at is not None]
        if rows and not readable:
            raise WrongAnswer("/v2/orders: no order has a date_modified that can be read")
        if any(at < self.asked for at in readable):
            early = min(readable)
            message = f"/v2/orders: a filter was ignored: asked since {rfc2822(self.asked)}, got {rfc2822(early)}"
            raise WrongAnswer(message, hint="Nothing was taken over from this answer.")
        if any(later < earlier for earlier, later in pairwise(readable)):
            raise WrongAnswer("/v2/orders: sort=date_modified:asc was ignored")
        return times

    def _fresh(self, rows: list[Json], times: list[datetime | None]) -> list[Json]:
        """Rows not given before. One whose time cannot be read is given too: `decode` sets it aside."""
        fresh = []
        for row, at in zip(rows, times, strict=True):
            key = digest(row)
            if at is not None and at <= self.asked + _SECOND:
                self.crowd.append(key)
            if key in self.seen or (at is not None and at < self.since):
                continue
            self.seen[key] = at
            fresh.append(row)
        return fresh

    def _step(self, rows: list[Json], last: datetime) -> bool:
        """Choose what to ask for next; False at the end of the list."""
        at_end = self.pages.is_last(rows)
        if not at_end and last - _SECOND <= self.asked:
            self.page += 1
            return True
        if self.page > 1 and self.crowd != self.last_crowd:
            self.page, self.crowd, self.last_crowd = 1, [], self.crowd
            return True
        self.page, self.crowd, self.last_crowd = 1, [], []
        self.asked = max(last - _SECOND, self.asked)
        self.seen = {key: at for key, at in self.seen.items() if at is None or at >= self.asked}
        return not at_end


def digest(row: Json) -> bytes:
    """What tells a row from all others, at a fixed length: of some lists, those of all rows are remembered."""
    return sha256(write_json(row).encode()).digest()


# --- by id -----------------------------------------------------------------------------------------------------------


def created_between(
    since: datetime | None, until: datetime, *, after: int, read: ReadPage, size: int
) -> Iterator[list[Json]]:
    """Pages of orders created at or after `since` and before `until`, ascending by id, each order once.

    Begins behind the id `after` and goes on from the last id, which never changes, so that nothing is skipped while
    orders are edited; one whose id cannot be read may come twice. A second more is asked for on either side, because
    it is not documented whether the bounds include their own second.
    """
    bounds = (since.replace(microsecond=0) - _SECOND if since else None, until + _SECOND)
    first, end = bounds
    filters: Params = {**({"min_date_created": rfc2822(first)} if first else {}), "max_date_created": rfc2822(end)}
    pages, last = _Pages(read, size), after
    while True:
        rows = pages.next({**filters, "sort": "id:asc", "min_id": max(last, 1)})
        # One whose id cannot be read is set aside by whoever reads it, and no reason to end the walk.
        fresh = [row for row in rows if (number := order_id_of(row)) > last or not number]
        _check_created(fresh, bounds)
        within = [row for row in fresh if _is_within(_created_at(row), since, until)]
        if within:
            yield within
        if pages.is_last(rows):
            return
        reached = max(map(order_id_of, fresh), default=0)
        if reached <= last:
            raise WrongAnswer(f"/v2/orders: a whole page without an order behind {last}: min_id was ignored")
        last = reached


def _check_created(rows: list[Json], bounds: _Bounds) -> None:
    """Raise WrongAnswer where a page does not keep to the filter or the order that were asked for."""
    since, until = bounds
    ids = [number for row in rows if (number := order_id_of(row))]
    if any(later <= earlier for earlier, later in pairwise(ids)):
        raise WrongAnswer("/v2/orders: sort=id:asc was ignored")
    stray = next((at for row in rows if (at := _created_at(row)) is not None and not _is_in(at, bounds)), None)
    if stray is not None:
        message = (
            f"/v2/orders: a filter was ignored: asked for {rfc2822(since) if since else 'all'} to {rfc2822(until)}"
        )
        raise WrongAnswer(f"{message}, got {rfc2822(stray)}", hint="Nothing was taken over from this answer.")


def _created_at(row: Json) -> datetime | None:
    return parse_time(text_of(row, "date_created"))


def _is_in(at: datetime, bounds: _Bounds) -> bool:
    since, until = bounds
    return (since is None or since <= at) and at <= until


def _is_within(at: datetime | None, since: datetime | None, until: datetime) -> bool:
    """Whether an order is asked for; one whose time cannot be read is: it must not go unseen."""
    return at is None or ((since is None or since <= at) and at < until)
