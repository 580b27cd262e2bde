"""Whatever things and people are called on either side, no command lets a name steer the terminal."""

from collections.abc import Callable

import pytest
from program import Desk, place

from bcpoll.sandbox.catalogue import Product
from bcpoll.sandbox.drafts import Shopper
from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.world import World, furnish, new_world

pytestmark = pytest.mark.slow

# Clears the screen, turns to another colour by the one letter that means ESC [, and rings.
STEERS = "\x1b[2J\x9b31m\x07"

COMMANDS = [
    ["run-once", "--dry-run"],
    ["run-once", "--dry-run", "--bodies"],
    ["-vv", "run-once"],
    ["status"],
    ["show", "100", "--personal"],
    ["show", "101", "--live", "--personal"],
    ["show", "102"],
    ["review", "list"],
    ["review", "show", "1", "--personal"],
    ["review", "retry", "1"],
    ["reconcile"],
    ["stock", "CUP"],
    ["stock", "100"],
    ["check"],
    ["backfill", "--all-orders", "--dry-run"],
    ["forget", "ada@example.com", "--yes"],
]
AS_CSV = [["reconcile", "--csv"], ["stock", "CUP", "--csv"]]


def steering_world() -> World:
    """A shop in which all that is not named in the settings has a name that steers."""
    world = new_world(limits=Limits.off())
    pos, store = furnish(world.pos), world.store
    pos.retailer["retailer_name"] = store.name = f"Shop{STEERS}"
    for row in [*pos.outlets, *pos.registers, *pos.users]:
        name = "name" if "name" in row else "display_name"
        row[name] += "" if row[name] == "Online" else STEERS
    for number, code in ((11, "MUG"), (12, "CUP")):
        store.add_product(Product(id=number, name=f"{code}{STEERS}", sku=code, price="12.50", stock=100))
    pos.add_product(f"Mug{STEERS}", "MUG", price="12.50", stock={f"Main Store{STEERS}": "100"})
    shopper = Shopper(first_name=f"Ada{STEERS}", last_name=STEERS, email="ada@example.com", customer_id=7)
    for code in ("MUG", "CUP"):
        place(world, code, 2, shopper=shopper, message=f"hello{STEERS}")
    wrong = place(world, "MUG", 1, fields={"total_inc_tax": "1.0000"})
    store.overwrite(wrong, {"payment_method": STEERS, "status": f"Shipped{STEERS}"})
    return world


def test_no_name_steers_the_terminal(open_desk: Callable[[World], Desk]) -> None:
    desk = open_desk(steering_world())

    for command in [*COMMANDS, *(["--json", *one] for one in COMMANDS), *AS_CSV]:
        said = desk.run(*command)

        assert said.code in (0, 3), (command, said.err)
        told = said.out + said.err
        assert {letter for letter in told if letter != "\n" and not letter.isprintable()} == set(), command
