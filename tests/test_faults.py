"""Every fault at every request: passes in which one request, or all from there on, fail in each way there is.

After each, passes run until one writes nothing; POS and checkpoint must then hold what they hold where nothing went
wrong. In process and by a clock that is moved, so that a point takes a tenth of a second.

By default, requests that are alike stand for each other (`telling`), and what is told apart by the kind of request
alone is tried at the first of its kind (`ways`, `look_ups`). `--every-fault` leaves nothing out.
"""

import gc
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeAlias

import pytest
from everything import (
    ADA,
    DAY,
    FIRST,
    HARSH,
    WAY_OF_WORKING,
    End,
    copied,
    kind,
    opening,
    returns,
    sequel,
    what_there_is,
)
from shop import Shop

from bcpoll.checkpoint import Checkpoint
from bcpoll.core.status import OrderStatus
from bcpoll.errors import BcpollError, RetryLater
from bcpoll.http import Client
from bcpoll.sandbox.drafts import Draft, Item
from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.world import World, new_world
from bcpoll.shell import Shell

# Refused tokens and rights wait for a person; everything else has to pass by itself.
FAULTS = [fault for fault in Fault if fault not in (Fault.TOKEN_REFUSED, Fault.SCOPE_REFUSED)]

# Those that look like an answer: the program does not ask again within a pass, so that once says most about them.
LIES = frozenset(
    {
        Fault.CUT_BODY,
        Fault.EMPTY_BODY,
        Fault.EMPTY_INSTEAD,
        Fault.HTML_BODY,
        Fault.HTML_INSTEAD,
        Fault.WRONG_TYPE,
    }
)

# How long the program waits for an answer that is held back, and from one pass to the next.
PATIENCE = timedelta(seconds=60)
INTERVAL = timedelta(minutes=5)

# After a disturbed pass: one that finishes, one that takes up what was set aside, and one with nothing left to write.
MOST_PASSES = 3

Switches: TypeAlias = Mapping[str, Any]
FORGIVING: Switches = {"search_lag_requests": 0, "existing_sale": "overwrite"}


# --- the story -------------------------------------------------------------------------------------------------------

OLD, PENDING = 40, 41


def connecting(world: World) -> None:
    """The shop as it is connected: an order from before, which is nobody's business, and one that may become real."""
    for number, status in ((OLD, OrderStatus.COMPLETED), (PENDING, OrderStatus.PENDING)):
        dish = Item(name="Dish", price="9.00")
        world.store.place(Draft(items=(dish,), shopper=ADA, status=status), at=FIRST - DAY, order_id=number)


def first_orders(world: World) -> None:
    """The opening, and the pending order becomes real."""
    opening(world)
    world.store.set_status(PENDING, OrderStatus.COMPLETED, at=FIRST + timedelta(minutes=30))


def mending(world: World) -> None:
    """Somebody deletes the product that was entered twice, so that the order that was set aside for it can pass."""
    twin = world.pos.with_code("JAR")[1]
    world.pos.delete(world.pos.products, twin["id"])


# When each chapter's first pass runs.
STORY: Mapping[Callable[[World], None], datetime] = {
    connecting: FIRST - timedelta(hours=1),
    first_orders: FIRST + timedelta(hours=1),
    sequel: FIRST + DAY + timedelta(hours=1),
    mending: FIRST + 2 * DAY + timedelta(hours=1),
    returns: FIRST + 3 * DAY + timedelta(hours=1),
}


@dataclass(frozen=True, kw_only=True)
class Start:
    """A shop before a pass: both sides, the checkpoint, and the time."""

    world: World
    checkpoint: Checkpoint
    at: datetime


class Life(Shop):
    """The shop in a copy, from a start on. No sweep: what the overlap misses must not be found by it."""

    def __init__(self, start: Start, switches: Switches = FORGIVING) -> None:
        sync = {**WAY_OF_WORKING["sync"], "overlap": "1m"}
        super().__init__(world=copied(start.world), at=start.at, settings={**WAY_OF_WORKING, "sync": sync}, start="now")
        self.world.switch(**switches)
        start.checkpoint._db.conn.backup(self.checkpoint._db.conn)

    def _shell(self, store_client: Client, pos_client: Client) -> Shell:
        shell = super()._shell(store_client, pos_client)
        return replace(shell, sweep=shell.overlap)

    def breaks(self, fault: Fault, hits: Callable[[Request], bool]) -> None:
        """A pass in which the requests that are hit fail; it may stop early, but never with anything worse."""
        self.world.faults.on(fault, hits, times=1_000)
        self.world.after.append(self._waits)
        with suppress(RetryLater):
            self.pass_()
        self.restart()

    def _waits(self, request: Request) -> None:
        if request.fault in (Fault.HANG_BEFORE, Fault.HANG_AFTER):
            self.time.forward(seconds=PATIENCE.total_seconds())

    def ends(self) -> End:
        """Run passes until one writes nothing, and see what there is."""
        for _ in range(MOST_PASSES):
            self.time.at += INTERVAL
            self.pass_()
            if not self.writes():
                return what_there_is(self.world, self.checkpoint)
        raise AssertionError(f"pass {MOST_PASSES} still writes: {self.writes()}")

    def goes_on(self, happens: Callable[[World], None]) -> Start:
        """Let a chapter happen, and give the start of its first pass."""
        happens(self.world)
        self.time.at = STORY[happens]
        return self.here()

    def here(self) -> Start:
        """A start from what there is now."""
        return Start(world=self.world, checkpoint=self.checkpoint, at=self.time.at)


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """How a chapter starts, what its first pass asks for, and what there is in the end where nothing goes wrong."""

    start: Start
    requests: tuple[Request, ...]
    end: End


@pytest.fixture(scope="module")
def chapters() -> Iterator[Mapping[str, Chapter]]:
    """The whole story where nothing goes wrong."""
    found: dict[str, Chapter] = {}
    life = Life(Start(world=new_world(limits=Limits.off()), checkpoint=Checkpoint.in_memory(FIRST), at=FIRST))
    for happens in STORY:
        start = life.goes_on(happens)
        life = Life(start)
        life.pass_()
        requests = tuple(life.world.log)
        found[happens.__name__] = Chapter(start=start, requests=requests, end=life.ends())
    # To look for garbage in what stays anyway, with every life anew, would take a tenth of the time.
    gc.freeze()
    yield found
    gc.unfreeze()


# --- the points ------------------------------------------------------------------------------------------------------


class Span(Enum):
    """How many requests fail."""

    ONCE = "once"
    FOR_GOOD = "for good"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A request to break, and how."""

    request: Request
    span: Span
    switches: Switches

    def __str__(self) -> str:
        pos = "harsh" if self.switches is HARSH else "forgiving"
        return f"{self.span.value} at request {self.request.number}, {kind(self.request)}, {pos} POS"

    def hits(self, request: Request) -> bool:
        """The request itself or, for good, everything from there on that goes to the same side."""
        if self.span is Span.ONCE:
            return request.number == self.request.number
        return request.number >= self.request.number and request.side == self.request.side


def telling(requests: Sequence[Request], *, every: bool) -> list[Request]:
    """The requests to break: of a row of equal ones the first, and of equal rows after equal requests the first row.

    Equal are those of the same kind with the same parameters, whatever the values. With `every`, all of them.
    """
    asked = [question(request) for request in requests]
    seen: set[object] = set()
    found = []
    for before, own, request in zip([None, *asked], asked, requests, strict=False):
        if every or (own != before and (before, own) not in seen):
            found.append(request)
        seen.add((before, own))
    return found


def question(request: Request) -> tuple[str, ...]:
    """What is asked for, without the values."""
    return (kind(request), *sorted(request.params))


def ways(request: Request, fault: Fault, *, is_first: bool) -> list[tuple[Span, Switches]]:
    """How a request is broken: the first of its kind in more ways, later ones where their place may matter.

    A read that fails once and openly is asked again within the pass, whatever it is: that is left to `--every-fault`.
    """
    if request.is_write:
        return [(Span.ONCE, HARSH), (Span.FOR_GOOD, HARSH), *([(Span.ONCE, FORGIVING)] if is_first else [])]
    return [(Span.FOR_GOOD, FORGIVING), *([(Span.ONCE, FORGIVING)] if is_first and fault in LIES else [])]


def points(chapters: Mapping[str, Chapter], fault: Fault, *, every: bool) -> Iterator[tuple[str, Point]]:
    """Where and how a fault breaks the first pass of each chapter."""
    known: set[str] = set()
    for name, chapter in chapters.items():
        for request in telling(chapter.requests, every=every):
            chosen = ways(request, fault, is_first=kind(request) not in known)
            known.add(kind(request))
            for span, switches in itertools.product(Span, (FORGIVING, HARSH)) if every else chosen:
                yield name, Point(request=request, span=span, switches=switches)


@dataclass(frozen=True, kw_only=True)
class Interrupted:
    """A shop whose last pass was cut off at a write, and the requests with which the next one looks that up."""

    chapter: str
    write: Request
    start: Start
    look_ups: tuple[Request, ...]


def interrupted(chapters: Mapping[str, Chapter], left_by: Fault, *, every: bool) -> Iterator[Interrupted]:
    """The shop after the POS was gone from a write on, for the writes of each chapter."""
    known: set[object] = set()
    for name, chapter in chapters.items():
        for write in telling(chapter.requests, every=every):
            if not write.is_write:
                continue
            life = Life(chapter.start, HARSH)
            life.breaks(left_by, Point(request=write, span=Span.FOR_GOOD, switches=HARSH).hits)
            life.time.at += INTERVAL
            next_pass = Life(life.here(), HARSH)
            next_pass.pass_()
            asked = list(itertools.takewhile(lambda request: request.side == "pos", next_pass.world.log))
            fresh = [one for one in telling(asked, every=every) if every or (kind(write), question(one)) not in known]
            known.update((kind(write), question(one)) for one in fresh)
            yield Interrupted(chapter=name, write=write, start=life.here(), look_ups=tuple(fresh))


def differences(found: End, end: End) -> list[str]:
    """The members of an end that are not as they would have been."""
    return [
        f"{field.name}: {getattr(found, field.name)}, not {getattr(end, field.name)}"
        for field in fields(End)
        if getattr(found, field.name) != getattr(end, field.name)
    ]


def after(start: Start, fault: Fault, point: Point, chapter: str, chapters: Mapping[str, Chapter]) -> list[str]:
    """What a fault changes in the end; an error that stops a later pass is a change as well."""
    life, end = Life(start, point.switches), chapters[chapter].end
    try:
        life.breaks(fault, point.hits)
        found = life.ends()
        if chapter == connecting.__name__:
            # What a first run fixes shows in what is imported after it; its cursor is whenever it got through.
            life.world.switch(**FORGIVING)
            life, end = Life(life.goes_on(first_orders)), chapters[first_orders.__name__].end
            life.pass_()
            found = life.ends()
    except (AssertionError, BcpollError) as error:
        return [f"{type(error).__name__}: {error}"]
    return differences(found, end)


# --- the tests -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def every(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--every-fault"))


@pytest.fixture(scope="module", params=[Fault.RESET_BEFORE, Fault.RESET_AFTER], ids=lambda fault: fault.name)
def cut_off(
    request: pytest.FixtureRequest,
    chapters: Mapping[str, Chapter],
    every: bool,  # noqa: FBT001
) -> Sequence[Interrupted]:
    return list(interrupted(chapters, request.param, every=every))


TALLIED = "faults at"
FAULT = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
CHAPTER = pytest.mark.parametrize("chapter", [happens.__name__ for happens in STORY])


def test_every_kind_of_request_occurs_in_the_story(chapters: Mapping[str, Chapter]) -> None:
    asked = {kind(request) for chapter in chapters.values() for request in chapter.requests}
    assert asked >= {
        "GET /v2/time",
        "GET /v2/orders",
        "GET /v2/orders/{id}",
        "GET /v2/orders/{id}/products",
        "GET /v3/catalog/products",
        "GET /retailer",
        "GET /registers",
        "GET /outlets",
        "GET /users",
        "GET /payment_types",
        "GET /taxes",
        "GET /products",
        "GET /search",
        "GET /customers/{id}/addresses",
        "GET /sales/{id}",
        "PUT /registers/{id}/actions/open",
        "POST /customers",
        "POST /customers/{id}/addresses",
        "POST /products",
        "PUT /products/{id}",
        "POST /sales",
        "PUT /sales/{id}",
        "POST /fulfillments/fulfill",
    }
    assert [item[0] for item in chapters["first_orders"].end.review] == [109, 115]
    assert [item[0] for item in chapters["mending"].end.review] == []
    assert OLD not in chapters["mending"].end.ledger
    assert chapters["mending"].end.ledger[PENDING].applied.state == "paid"


@pytest.mark.parametrize(
    ("chapter", "at", "fault", "span"),
    [
        ("connecting", "GET /v2/time", Fault.REFUSED, Span.FOR_GOOD),
        ("first_orders", "GET /v2/orders", Fault.HTML_BODY, Span.ONCE),
        ("first_orders", "POST /customers", Fault.HANG_AFTER, Span.FOR_GOOD),
        ("sequel", "PUT /sales/{id}", Fault.HTML_502_AFTER, Span.ONCE),
        ("sequel", "POST /sales", Fault.RESET_AFTER, Span.FOR_GOOD),
        ("mending", "POST /sales", Fault.EMPTY_BODY, Span.ONCE),
        ("returns", "POST /sales", Fault.RESET_AFTER, Span.ONCE),
        ("returns", "POST /stock_adjustments", Fault.RESET_AFTER, Span.ONCE),
        ("returns", "POST /stock_adjustments", Fault.RESET_BEFORE, Span.FOR_GOOD),
    ],
    ids=lambda value: value.name if isinstance(value, Enum) else None,
)
def test_a_fault_here_and_there_ends_as_if_nothing_had_happened(
    chapters: Mapping[str, Chapter], tally: Counter[str], chapter: str, at: str, fault: Fault, span: Span
) -> None:
    start, requests = chapters[chapter].start, chapters[chapter].requests
    request = next(one for one in requests if kind(one) == at)
    tally["here and there"] += 1

    assert after(start, fault, Point(request=request, span=span, switches=HARSH), chapter, chapters) == []


@pytest.mark.slow
@CHAPTER
@FAULT
def test_a_fault_at_any_request_ends_as_if_nothing_had_happened(
    chapters: Mapping[str, Chapter],
    every: bool,  # noqa: FBT001
    tally: Counter[str],
    chapter: str,
    fault: Fault,
) -> None:
    own = [point for name, point in points(chapters, fault, every=every) if name == chapter]
    tally.update(f"{'write' if point.request.is_write else 'read'} {point.span.value}" for point in own)

    changed = {str(point): after(chapters[chapter].start, fault, point, chapter, chapters) for point in own}

    assert {point: found for point, found in changed.items() if found} == {}


@pytest.mark.slow
@FAULT
def test_a_fault_at_any_look_up_after_a_cut_off_pass_ends_as_if_nothing_had_happened(
    chapters: Mapping[str, Chapter],
    cut_off: Sequence[Interrupted],
    every: bool,  # noqa: FBT001
    tally: Counter[str],
    fault: Fault,
) -> None:
    spans = [Span.ONCE] if fault in LIES else [Span.FOR_GOOD]
    changed = {}
    for shop, span in itertools.product(cut_off, Span if every else spans):
        for request in shop.look_ups:
            point = Point(request=request, span=span, switches=HARSH)
            tally["look-up after a cut-off pass"] += 1
            changed[f"{shop.chapter}, cut off at {kind(shop.write)}: {point}"] = after(
                shop.start, fault, point, shop.chapter, chapters
            )

    assert {point: found for point, found in changed.items() if found} == {}
