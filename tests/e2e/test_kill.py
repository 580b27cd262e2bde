"""The program killed with SIGKILL at every write to the POS and at every commit, over a shop in which all kinds occur.

After each kill, passes run until one writes nothing; POS and checkpoint must then hold what they hold where nothing
went wrong. Every pass is a process of its own, forked from one that has imported the program already.
"""

import itertools
import multiprocessing
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import pytest
from program import ADA, FIRST, LONGEST, ROOT

from bcpoll.checkpoint import Checkpoint, LedgerRow
from bcpoll.cli import run
from bcpoll.cli.playground import settings_text
from bcpoll.cli.wiring import now
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.catalogue import Product
from bcpoll.sandbox.drafts import Draft, Item, Parcel, Pickup, Shopper
from bcpoll.sandbox.faults import ConnectionDropped, Request
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.pos import Snapshot
from bcpoll.sandbox.server import serve
from bcpoll.sandbox.world import World, furnish, new_world

Moment: TypeAlias = Literal["before", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "after")

DEAD = -signal.SIGKILL

# Exit codes of a pass that got through everything: done, and done with orders set aside.
WELL = (0, 3)

# A POS that forgives nothing: what is new is in no search yet, and a sale that is sent again is a second sale.
HARSH: Mapping[str, Any] = {"search_lag_requests": 10_000, "existing_sale": "doubles"}

# After a kill: one pass finishes, the next has nothing left to write.
MOST_PASSES = 2


# --- the shop --------------------------------------------------------------------------------------------------------

BASIL = Shopper(first_name="Basil", last_name="Saucepan", email="Basil@Example.com", customer_id=8)
GUEST = Shopper(first_name="Hazel", last_name="Spoon", email="hazel@example.com")
STRANGER = Shopper(first_name="Olive", last_name="Ladle", email="olive@example.com", postcode="not a postcode")
LATECOMER = Shopper(first_name="Sage", last_name="Whisk", email="sage@example.com")
NOBODY = Shopper(first_name="Walk", last_name="Past")


def opening(world: World) -> None:
    """The first orders: every way in which a sale, a customer, a product or an address comes about."""
    furnish(world.pos)
    world.pos.add_customer("Ada", "Teacup", "ada@example.com")
    for number, (sku, stock) in enumerate({"MUG": 90, "POT": 40, "PAN": 30, "WISH": None}.items()):
        world.store.add_product(Product(id=11 + number, name=sku.title(), sku=sku, price="12.50", stock=stock))
    world.pos.add_product("Mug", "MUG", price="12.50", stock={"Main Store": "90"})
    mug, pot, pan, wish = (world.store.item(sku) for sku in ("MUG", "POT", "PAN", "WISH"))
    paid, waiting = OrderStatus.COMPLETED, OrderStatus.AWAITING_SHIPMENT
    for shopper, status, items, more in (
        (ADA, paid, (mug,), {"parcels": (Parcel(cost="6.00"),)}),
        (BASIL, paid, (pot, mug), {}),
        (BASIL, paid, (pot,), {"parcels": (Parcel(cost="3.00", handling="1.00"),)}),
        (GUEST, waiting, (wish, mug), {}),
        (ADA, OrderStatus.AWAITING_PAYMENT, (mug,), {}),
        (ADA, OrderStatus.AWAITING_PAYMENT, (pot,), {}),
        (BASIL, paid, (mug,), {}),
        (GUEST, paid, (mug,), {"gift_certificate": "5.00"}),
        (STRANGER, waiting, (mug,), {}),
        (ADA, paid, (mug,), {"currency": "EUR"}),
        (ADA, OrderStatus.CANCELLED, (mug,), {}),
        (ADA, OrderStatus.AWAITING_PICKUP, (mug, pan), {"parcels": (Pickup(code="LOC-1", name="Corner"),)}),
        (ADA, OrderStatus.PENDING, (mug,), {}),
        (NOBODY, paid, (mug,), {}),
    ):
        place(world, shopper, status, items, **more)
    world.pos.open_register("Online", is_open=False)


def sequel(world: World) -> None:
    """What then happens to them: every way in which a sale changes, and more that is new."""
    store, moments = world.store, (FIRST + timedelta(days=1, minutes=number) for number in itertools.count())
    mug = store.item("MUG", 5)
    store.ship(103, at=next(moments))
    store.ship(104, at=next(moments))
    store.pay(105, at=next(moments))
    store.cancel(106, at=next(moments))
    store.edit(107, lambda draft: replace(draft, items=(mug, store.item("PAN"))), at=next(moments))
    store.set_status(110, OrderStatus.COMPLETED, at=next(moments))
    store.ship(111, at=next(moments))
    store.set_status(112, OrderStatus.AWAITING_SHIPMENT, at=next(moments))
    in_dollars = {"currency_code": "USD", "default_currency_code": "USD"}
    store.overwrite(109, in_dollars, at=next(moments))
    store.add_product(Product(id=21, name="Fork", sku="FORK", price="4.00", stock=12))
    place(world, LATECOMER, OrderStatus.COMPLETED, (store.item("FORK", 2),), at=next(moments))
    place(world, LATECOMER, OrderStatus.COMPLETED, (store.item("FORK"), mug), at=next(moments))
    world.pos.open_register("Online", is_open=False)


def place(
    world: World,
    shopper: Shopper,
    status: OrderStatus,
    items: tuple[Item, ...],
    *,
    at: datetime | None = None,
    **more: Any,
) -> None:
    """Let somebody order, a minute after the order before."""
    moment = at or FIRST + timedelta(minutes=len(world.store.orders))
    world.store.place(Draft(items=items, shopper=shopper, status=status, **more), at=moment)


CHAPTERS: tuple[Callable[[World], None], ...] = (opening, sequel)


# --- the program, mortal ---------------------------------------------------------------------------------------------


def mortal_pass(folder: Path, number: int, moment: Moment | None) -> None:
    """Run one pass as a process of its own, which kills itself at the commit with this number."""
    said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(said, stream)
    commits = itertools.count(1)

    class Mortal(sqlite3.Connection):
        """A connection that the process does not survive."""

        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if sql.startswith("PRAGMA synchronous"):
                # What a process has written outlives it without waiting for the disk, which takes half of the time.
                sql = "PRAGMA synchronous = OFF"
            is_last = sql.upper().startswith("COMMIT") and next(commits) == number
            if is_last and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            cursor = super().execute(sql, *parameters)
            if is_last and moment == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return cursor

    sqlite3.connect = partial(sqlite3.connect, factory=Mortal)  # type: ignore[assignment]
    sys.exit(run(["--config", str(folder / "config.toml"), "run-once"]))


@pytest.fixture(scope="module")
def forks() -> ForkServerContext:
    """Processes that have imported the program, this file and all that a pass imports only when it runs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["test_kill", "bcpoll.cli.wiring", "bcpoll.cli.words", "bcpoll.cycle"])
    with pytest.MonkeyPatch.context() as patch:
        # The server of forks takes its path from here, once; nothing else that tests set reaches it.
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, ROOT / "tests", Path(__file__).parent))))
        first = context.Process(target=os.getpid)
        first.start()
        first.join(LONGEST)
    return context


@dataclass(frozen=True, kw_only=True)
class End:
    """What POS and checkpoint hold."""

    pos: Snapshot
    details: Mapping[str, object]
    """What a snapshot leaves out: what is counted, open deliveries, address books."""
    ledger: Mapping[int, LedgerRow]
    review: tuple[tuple[object, ...], ...]
    watched: frozenset[int]
    cursor: datetime | None


class Life:
    """One shop from its opening, and the processes that run over it."""

    def __init__(self, folder: Path, world: World, forks: ForkServerContext) -> None:
        self.world = world
        self.writes: list[Request] = []
        self._folder = folder
        self._forks = forks
        self._running: ForkServerProcess | None = None
        self._started = threading.Event()
        self._deadly: tuple[int, Moment] | None = None
        self._seen: dict[Moment, Iterator[int]] = {}
        world.before.append(partial(self._write_comes, "before"))
        world.after.append(partial(self._write_comes, "after"))

    def pass_(
        self, *, dies_at_write: tuple[int, Moment] | None = None, dies_at_commit: tuple[int, Moment] | None = None
    ) -> int:
        """Run a pass, to its end or to its death; gives its exit code."""
        self.writes.clear()
        self._deadly = dies_at_write
        self._seen = {moment: itertools.count(1) for moment in MOMENTS}
        self._started.clear()
        self._running = self._forks.Process(target=mortal_pass, args=(self._folder, *(dies_at_commit or (0, None))))
        self._running.start()
        self._started.set()
        self._running.join(LONGEST)
        code = self._running.exitcode
        self._running.kill()
        # What the dead had sent already may still have its effect.
        while serving := [one for one in threading.enumerate() if "process_request_thread" in one.name]:
            for thread in serving:
                # One that is being started right now cannot be joined yet: the next round does.
                with suppress(RuntimeError):
                    thread.join(LONGEST)
                    assert not thread.is_alive()
        assert code in (*WELL, DEAD), (code, (self._folder / "said").read_text())
        return code

    def _write_comes(self, moment: Moment, request: Request) -> None:
        if request.side != "pos" or not request.is_write:
            return
        if moment == "before":
            self.writes.append(request)
        if (next(self._seen[moment]), moment) == self._deadly:
            assert self._started.wait(LONGEST)
            self._kill()
            raise ConnectionDropped

    def _kill(self) -> None:
        running = cast(ForkServerProcess, self._running)
        os.kill(cast(int, running.pid), signal.SIGKILL)
        assert wait([running.sentinel], LONGEST)

    def ends(self, passes: int = MOST_PASSES) -> End:
        """Run passes until one writes nothing, and see what there is."""
        for _ in range(passes):
            assert self.pass_() in WELL
            if not self.writes:
                return self.looked_at()
        raise AssertionError(f"pass {passes} still writes: {self.writes}")

    def looked_at(self) -> End:
        """What POS and checkpoint hold, without what tells when and by which run it was written."""
        pos = self.world.pos
        details = {
            "counted": {row["sku"]: row["has_inventory"] for row in pos.products},
            "deliveries": sorted((row["type"], row["state"]) for row in pos.fulfillments.values()),
            "addresses": sorted(map(len, pos.customer_addresses.values())),
            "notes": sorted((row["source"]["id"], row["state"], row["note"]) for row in pos.sales),
        }
        orders = list(self.world.store.orders)
        with Checkpoint.open(self._folder / "bcpoll.db", now=now(), create=False) as checkpoint:
            checkpoint.verify()
            assert checkpoint.open_intents() == []
            return End(
                pos=pos.snapshot(),
                details=details,
                ledger={
                    order: replace(row, written_at=FIRST, run_id=0) for order, row in checkpoint.ledger(orders).items()
                },
                review=tuple(
                    sorted((one.order_id, one.reason, one.field, one.state) for one in checkpoint.review_items())
                ),
                watched=frozenset(checkpoint.watched(orders)),
                cursor=checkpoint.cursor(),
            )


@dataclass(frozen=True, kw_only=True)
class Start:
    """A shop at the start of a chapter: both sides, and a folder with what earlier chapters left of the checkpoint."""

    world: World
    folder: Path

    @contextmanager
    def lived(self, folder: Path, forks: ForkServerContext, *, workers: int = 1, **switches: Any) -> Iterator[Life]:
        """Go on from here in a copy."""
        world = copied(self.world)
        world.switch(**switches)
        shutil.copytree(self.folder, folder)
        with serve(world) as url:
            text = settings_text(url, world)
            text = text.replace("[sync]\n", f'[sync]\nfulfillment = "track"\nworkers = {workers}\n')
            text = text.replace("[pos]\n", '[pos]\nwhen_closed = "open"\n')
            (folder / "config.toml").touch(mode=0o600)
            (folder / "config.toml").write_text(text)
            yield Life(folder, world, forks)


def copied(world: World) -> World:
    """Another world with the same content; locks, hooks and the log are its own."""
    memo: dict[int, Any] = {id(side.lock): threading.RLock() for side in (world.store, world.pos)}
    # Drafts never change, and cannot be copied.
    memo |= {id(order.draft): order.draft for order in world.store.orders.values()}
    return World(store=deepcopy(world.store, memo), pos=deepcopy(world.pos, memo), limits=Limits.off())


# --- the tests -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """How a chapter starts, what an undisturbed pass writes in it, and what there is in the end."""

    start: Start
    writes: tuple[str, ...]
    end: End


@pytest.fixture(scope="module")
def chapters(tmp_path_factory: pytest.TempPathFactory, forks: ForkServerContext) -> Mapping[str, Chapter]:
    """The whole story where nothing goes wrong."""
    found: dict[str, Chapter] = {}
    world, folder = new_world(limits=Limits.off()), tmp_path_factory.mktemp("before")
    for happens in CHAPTERS:
        happens(world)
        start, folder = Start(world=world, folder=folder), tmp_path_factory.mktemp("undisturbed") / "life"
        with start.lived(folder, forks) as life:
            life.pass_()
            writes = tuple(map(kind, life.writes))
            found[happens.__name__] = Chapter(start=start, writes=writes, end=life.ends(passes=1))
            world = copied(life.world)
    return found


def kind(request: Request) -> str:
    """What a write does, such as `POST /sales`, whichever record it does it to."""
    return f"{request.method} {re.sub(r'/[0-9a-f-]{36}', '', request.path.removeprefix('/api/2026-07'))}"


@pytest.fixture(scope="module", autouse=True)
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Counts the points at which the program was killed, and says in the end how many there were."""
    points: Counter[str] = Counter()
    yield points
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\nkilled at {points.total()} points: {dict(points)}")


CHAPTER = pytest.mark.parametrize("chapter", [one.__name__ for one in CHAPTERS])
MOMENT = pytest.mark.parametrize("moment", MOMENTS)


@pytest.mark.slow
def test_every_kind_of_write_occurs(chapters: Mapping[str, Chapter]) -> None:
    assert {one for chapter in chapters.values() for one in chapter.writes} == {
        "PUT /registers/actions/open",
        "POST /customers",
        "POST /customers/addresses",
        "POST /products",
        "PUT /products",
        "POST /sales",
        "PUT /sales",
        "POST /fulfillments/fulfill",
    }
    assert [item[0] for item in chapters["opening"].end.review] == [109]
    assert {row.applied.state.value for row in chapters["opening"].end.ledger.values()} == {
        "nothing",
        "unpaid",
        "open",
        "paid",
        "voided",
    }


@pytest.mark.slow
@CHAPTER
@MOMENT
def test_killed_at_any_write_to_the_pos_it_ends_as_if_nothing_had_happened(
    tmp_path: Path,
    forks: ForkServerContext,
    chapters: Mapping[str, Chapter],
    tally: Counter[str],
    chapter: str,
    moment: Moment,
) -> None:
    start, writes, end = chapters[chapter].start, chapters[chapter].writes, chapters[chapter].end
    for number, write in enumerate(writes, start=1):
        with start.lived(tmp_path / str(number), forks, **HARSH) as life:
            assert life.pass_(dies_at_write=(number, moment)) == DEAD
            assert tuple(map(kind, life.writes)) == writes[:number]
            assert life.ends() == end, f"killed {moment} write {number}, {write}"
        tally[f"{moment} a write"] += 1


@pytest.mark.slow
@CHAPTER
@MOMENT
def test_killed_at_any_commit_it_ends_as_if_nothing_had_happened(
    tmp_path: Path,
    forks: ForkServerContext,
    chapters: Mapping[str, Chapter],
    tally: Counter[str],
    chapter: str,
    moment: Moment,
) -> None:
    start, end = chapters[chapter].start, chapters[chapter].end
    for number in itertools.count(1):
        with start.lived(tmp_path / str(number), forks, **HARSH) as life:
            code = life.pass_(dies_at_commit=(number, moment))
            assert life.ends() == end, f"killed {moment} commit {number}"
        if code != DEAD:
            break
        tally[f"{moment} a commit"] += 1
    # Both ends of a run, the references, the intents and the page.
    assert number > 8


@pytest.mark.slow
@CHAPTER
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_killed_again_and_again_it_ends_as_if_nothing_had_happened(
    tmp_path: Path,
    forks: ForkServerContext,
    chapters: Mapping[str, Chapter],
    tally: Counter[str],
    chapter: str,
    workers: int,
    seed: int,
) -> None:
    dice = random.Random(f"{chapter} {workers} {seed}")
    switches = {
        "search_lag_requests": dice.choice([0, 10_000]),
        "existing_sale": dice.choice(["overwrite", "conflict", "refused", "doubles"]),
    }
    with chapters[chapter].start.lived(tmp_path / "life", forks, workers=workers, **switches) as life:
        for most in (25, 12, 6):
            point = (dice.randint(1, most), dice.choice(MOMENTS))
            code = life.pass_(**{dice.choice(["dies_at_write", "dies_at_commit"]): point})
            tally["again and again"] += code == DEAD
        assert life.ends() == chapters[chapter].end
