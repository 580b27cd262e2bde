"""How many orders a second one core decodes, translates and plans: `python -m tests.bench.core [ORDERS]`.

The orders are those of the demo shop as they come off the wire, over and over. Times are of the processor, the best of
some rounds.
"""

import cProfile
import pstats
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bcpoll.cli import wiring
from bcpoll.cli.playground import settings_text
from bcpoll.config import policy
from bcpoll.core.consignments import lines_are_complete
from bcpoll.core.decode import Head, decode_head, decode_order
from bcpoll.core.order import Json, Order, fingerprint
from bcpoll.core.plan import plan
from bcpoll.core.sale import Applied, Desired, Plan
from bcpoll.core.shop import KnownProducts, Policy, Shop
from bcpoll.core.translate import checked_parts, product_codes, translate
from bcpoll.http import read_json, write_json
from bcpoll.sandbox.server import serve
from tests.bench.flood import FIRST, flood
from tests.bench.tables import table, verdict

TARGET = 2_000
_ROUNDS = 5


class Mix:
    """Orders off the wire, and all that the core is handed with them."""

    def __init__(self, count: int) -> None:
        with TemporaryDirectory() as folder, serve(world := flood(count)) as url:
            config = Path(folder, "config.toml")
            config.touch(mode=0o600)
            config.write_text(settings_text(url, world))
            settings = wiring.settings_of(config, {})
            with wiring.connected(settings, command="benchmark", stop=threading.Event()) as connection:
                self.rows = [row for page in connection.source.changed_since(FIRST) for row in page]
                self.shop: Shop = connection.shop
                self.policy: Policy = policy(settings)
                orders = [decoded(row) for row in self.rows]
                parts = [checked_parts(order, self.policy) for order in orders]
                codes = {code for one in parts for code in product_codes(one, self.policy)}
                self.known = _known(connection, codes)


def _known(connection: wiring.Connection, codes: set[str]) -> KnownProducts:
    for page in connection.pos.products_after(0):
        connection.checkpoint.save_products(page.rows, page.version)
    return connection.checkpoint.product_ids(codes)


def decoded(row: Json) -> Order:
    """One order from its JSON; the benchmark's orders are all in order."""
    head = decode_head(row)
    assert isinstance(head, Head)
    assert lines_are_complete(row)
    order = decode_order(row, head)
    assert isinstance(order, Order)
    return order


def translated(order: Order, mix: Mix) -> Desired:
    """What the POS should hold for an order."""
    desired = translate(order, mix.shop, mix.policy, mix.known)
    assert isinstance(desired, Desired)
    return desired


def planned(desired: Desired, mix: Mix) -> Plan:
    """The plan for an order that the POS does not have yet."""
    applied = Applied(order_id=desired.order_id)
    return plan(desired, applied, store_hash=mix.shop.store_hash, policy=mix.policy)


def main(count: int) -> None:
    """Measure each step by itself and all of them together."""
    mix = Mix(count)
    texts = [write_json(row) for row in mix.rows]
    orders = [decoded(row) for row in mix.rows]
    desired = [translated(order, mix) for order in orders]
    core: Mapping[str, Callable[[], object]] = {
        "decode": lambda: [decoded(row) for row in mix.rows],
        "translate": lambda: [translated(order, mix) for order in orders],
        "plan": lambda: [planned(one, mix) for one in desired],
        "together": lambda: [planned(translated(decoded(row), mix), mix) for row in mix.rows],
    }
    around: Mapping[str, Callable[[], object]] = {
        "read JSON": lambda: [read_json(text) for text in texts],
        "fingerprint": lambda: [fingerprint(row) for row in mix.rows],
    }
    speeds = {name: _speed(step, count) for name, step in {**core, **around}.items()}
    lines = sum(len(order.lines) for order in orders) / count
    size = sum(map(len, texts)) / count / 1024
    print(f"{count} orders, {lines:.1f} lines and {size:.1f} KiB each, on one core, best of {_ROUNDS}")
    columns = ("step", "orders/s", "us/order", "target", "")
    table("The pure core", columns, [_row(name, speeds[name]) for name in core])
    table("Around it", columns[:3], [_row(name, speeds[name])[:3] for name in around])
    _profile(core["together"])


def _speed(step: Callable[[], object], count: int) -> float:
    def once() -> float:
        begun = time.process_time()
        step()
        return time.process_time() - begun

    return count / min(once() for _ in range(_ROUNDS))


def _row(name: str, speed: float) -> Sequence[object]:
    judged = (f"{TARGET:,}", verdict(speed, TARGET, more_is_better=True)) if name == "together" else ("", "")
    return (name, f"{speed:,.0f}", f"{1e6 / speed:.0f}", *judged)


def _profile(step: Callable[[], Any]) -> None:
    profile = cProfile.Profile()
    profile.runcall(step)
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in stats.values())
    heaviest = sorted(stats.items(), key=lambda one: -one[1][2])[:12]
    rows = [
        (f"{Path(file).name}:{line} {name}"[:70], f"{own / total:.1%}")
        for (file, line, name), (_, _, own, _, _) in heaviest
    ]
    table("Where the time goes (own time, under the profiler)", ("function", "share"), rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
