"""A store with as many orders as are asked for, made while they are read, and a POS that forgets its sales.

`python -m tests.bench.flood ORDERS FILE` serves the two on loopback, writes the settings that point at them, says
`ready`, tells for each line of its input what was asked of the two since the last one, and ends when the input does.
The orders are those of the demo shop, over and over, one a minute.
"""

import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO

from bcpoll.cli.playground import settings_text
from bcpoll.sandbox.faults import Request, RequestLog
from bcpoll.sandbox.feed import Feed
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.order_json import StoredOrder
from bcpoll.sandbox.seed import FOREIGN, WRONG_TOTAL, fill
from bcpoll.sandbox.server import serve
from bcpoll.sandbox.store import FIRST_ORDER, Span, Store
from bcpoll.sandbox.world import World, new_world

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
_EVERY = timedelta(minutes=1)

# Left out: what is set aside or not imported, for these cost next to nothing, and the one order of fifty lines and
# more, for it costs a request of its own and is not as common as one in forty. Nor is there a record of any refund.
_LEFT_OUT = frozenset({WRONG_TOTAL, FOREIGN, "incomplete", "pending", "more than fifty lines", "refunded"})

# How many sales the POS keeps: enough for whatever a pass looks up again.
_KEPT = 5_000


class Flood(Store):
    """A store whose orders exist only while they are read."""

    def __init__(self, templates: list[StoredOrder], count: int) -> None:
        super().__init__()
        self._templates = templates
        self.count = count

    def order(self, order_id: int) -> StoredOrder | None:
        """An order by its number."""
        place = order_id - FIRST_ORDER
        return self._made(place) if 0 <= place < self.count else None

    def modified_within(self, span: Span) -> Iterator[StoredOrder]:
        """Orders by modification time, ascending."""
        first = max(0, ceil((span.least - FIRST) / _EVERY)) if span.least else 0
        last = min(self.count - 1, (span.most - FIRST) // _EVERY) if span.most else self.count - 1
        return map(self._made, range(first, last + 1))

    def by_id(self, least: int = 0) -> Iterator[StoredOrder]:
        """Orders by number from one on; without one it is asked by status: nothing is Incomplete or Pending here."""
        first = max(0, least - FIRST_ORDER)
        return map(self._made, range(first, self.count)) if least else iter(())

    def _made(self, place: int) -> StoredOrder:
        at = FIRST + _EVERY * place
        template, order_id = self._templates[place % len(self._templates)], FIRST_ORDER + place
        own = [row | {"order_id": str(order_id)} for row in template.transactions]
        return replace(template, id=order_id, created=at, modified=at, transactions=own)


def flood(count: int) -> World:
    """A world with so many orders, over the demo shop's products and customers."""
    world = new_world(limits=Limits.off())
    shown = fill(world)
    templates = [
        world.store.orders[FIRST_ORDER + place] for place, one in enumerate(shown) if one.shows not in _LEFT_OUT
    ]
    store = Flood(templates, count)
    store.catalogue = world.store.catalogue
    world.store = store
    world.log = RequestLog(keep=100)
    world.after.append(lambda request: _forget_sales(world))
    return world


def _forget_sales(world: World) -> None:
    if len(world.pos.sales) > _KEPT:
        with world.pos.lock:
            world.pos.sales = Feed(world.pos.versions)


_ID = re.compile(r"[^/]*[0-9][^/]*")


@dataclass
class _Tally:
    """What was asked of both sides, by method and path, with `*` for each id in it."""

    asked: Counter[str] = field(default_factory=Counter)
    paid: set[str] = field(default_factory=set)
    """The orders whose transactions were asked for."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, request: Request) -> None:
        path = request.path.split("/", 4)[-1] if request.side == "store" else request.path.split("/", 3)[-1]
        with self.lock:
            self.asked[f"{request.side} {request.method} {_ID.sub('*', path)}"] += 1
            if path.endswith("/transactions"):
                self.paid.add(path)

    def told(self) -> str:
        with self.lock:
            asked, self.asked = self.asked | {"paid": len(self.paid)}, Counter()
            self.paid.clear()
        return json.dumps(asked)


@dataclass(frozen=True)
class Elsewhere:
    """A flood in another process."""

    _ask: IO[str]
    _answers: IO[str]

    def asked(self) -> Counter[str]:
        """The requests since this was asked last by kind (`store GET orders`), and the orders `paid` was asked of."""
        print(file=self._ask, flush=True)
        return Counter(json.loads(self._answers.readline()))


@contextmanager
def served_elsewhere(count: int, config: Path) -> Iterator[Elsewhere]:
    """Serve a flood from another process, and write the settings that point at it."""
    command = [sys.executable, "-m", "tests.bench.flood", str(count), str(config)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield Elsewhere(process.stdin, process.stdout)
        process.stdin.close()


def _main(count: int, config: Path) -> None:
    world, tally = flood(count), _Tally()
    world.after.append(tally.add)
    with serve(world) as url:
        config.touch(mode=0o600)
        config.write_text(settings_text(url, world))
        print("ready", flush=True)
        for _ in sys.stdin:
            print(tally.told(), flush=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]), Path(sys.argv[2]))
