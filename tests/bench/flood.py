"""A store with as many orders as are asked for, made while they are read, and a POS that forgets its sales.

`python -m tests.bench.flood ORDERS FILE` serves the two on loopback, writes the settings that point at them, says
`ready`, and ends when its input does. The orders are those of the demo shop, over and over, one a minute.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from subprocess import PIPE, Popen

from bcpoll.cli.playground import settings_text
from bcpoll.sandbox.faults import RequestLog
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
    store.catalogue, store.customers = world.store.catalogue, world.store.customers
    world.store = store
    world.log = RequestLog(keep=100)
    world.after.append(lambda request: _forget_sales(world))
    return world


def _forget_sales(world: World) -> None:
    if len(world.pos.sales) > _KEPT:
        with world.pos.lock:
            world.pos.sales = Feed(world.pos.versions)


@contextmanager
def served_elsewhere(count: int, config: Path) -> Iterator[None]:
    """Serve a flood from another process, and write the settings that point at it."""
    command = [sys.executable, "-m", "tests.bench.flood", str(count), str(config)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.stdin.close()


def _main(count: int, config: Path) -> None:
    world = flood(count)
    with serve(world) as url:
        config.touch(mode=0o600)
        config.write_text(settings_text(url, world))
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _main(int(sys.argv[1]), Path(sys.argv[2]))
