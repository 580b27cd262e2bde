"""`bcpoll show` and `bcpoll reconcile`: both sides of an order, and of a window, as a person is told of them."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from program import FIRST, Desk

from bcpoll.checkpoint import Checkpoint
from bcpoll.cli.wiring import now
from bcpoll.core.status import OrderStatus
from bcpoll.sandbox.drafts import Parcel
from bcpoll.sandbox.refunds import Refund

# Each test starts the program: run_once, processes and demo show in the quick part that the command line works.
pytestmark = pytest.mark.slow

WINDOW = ("--since", "2025-06-01")


@pytest.fixture
def synced(desk: Desk) -> Desk:
    """Three orders in the POS; 103 has a wrong total."""
    desk.order(fields={"total_inc_tax": "13.5000"}, message="Ring at the back door")
    assert desk.run("run-once").code == 3
    return desk


@pytest.fixture
def offline(synced: Desk) -> Desk:
    """The same, but nobody may be asked anything."""

    def refuse(request: object) -> None:
        raise AssertionError(f"{request} was asked for")

    synced.world.before.append(refuse)
    return synced


def row(text: str, first: str) -> list[str]:
    """The cells of the row that begins with a text."""
    (line,) = [line for line in text.splitlines() if line.strip().startswith(first)]
    return re.split(r" {2,}", line.strip())


def sale_of(desk: Desk, order_id: int) -> dict[str, Any]:
    (sale,) = [sale for sale in desk.world.pos.sales if sale["source"]["id"] == str(order_id)]
    return sale


# --- show ------------------------------------------------------------------------------------------------------------


def test_show_puts_order_and_sale_side_by_side_without_network(offline: Desk) -> None:
    said = offline.run("show", "101")

    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Order 101\nstatus    Awaiting Fulfillment, changed 2025-06-01 09:01 UTC\n")
    assert row(said.out, "sale ")[1] == f"{sale_of(offline, 101)['id']}, paid"
    assert row(said.out, "paid by")[1] == "Online - Card 33.48"
    assert row(said.out, "money")[1] == ("order total 33.48 (tax 2.48), and its parts add up to that; so does the sale")
    assert row(said.out, "Mug") == ["Mug", "MUG", "2", "27.00", "2.00", "2", "27.00", "2.00"]
    assert row(said.out, "Shipping") == ["Shipping", "BC-SHIPPING", "1", "6.48", "0.48", "1", "6.48", "0.48"]
    assert "differs" not in said.out
    assert re.search(r"create sale +done +1$", said.out, re.MULTILINE)


def test_show_hides_who_bought_unless_asked(offline: Desk) -> None:
    for arguments in (["show", "101"], ["--json", "show", "101"], ["show", "103"]):
        said = offline.run(*arguments)
        assert re.findall("Ada|Teacup|example.com|Sample Street|back door", said.out) == []

    asked = offline.run("show", "103", "--personal").out
    assert row(asked, "billed to")[1].startswith("Ada Teacup, ")
    assert row(asked, "message")[1] == "Ring at the back door"
    assert "Ship by" in row(offline.run("show", "101", "--personal").out, "sale note")[1]
    assert offline.run("--json", "show", "103", "--personal").json["personal"]["message"] == "Ring at the back door"


def test_show_of_an_order_that_was_set_aside_names_both_sums_and_the_part(offline: Desk) -> None:
    said = offline.run("show", "103")

    sums = "order total 13.50 (tax 1.48), parts add up to 19.98 (tax 1.48)"
    money = f"{sums}, difference -6.48 in total: look at the shipping"
    assert row(said.out, "money")[1] == money
    assert row(said.out, "review")[1] == f"open, totals differ: {money}"
    assert row(said.out, "sale")[1] == "none"
    assert row(said.out, "Mug")[:4] == ["Mug", "MUG", "1", "13.50"]
    assert offline.run("--json", "show", "103").json["money"]["look_at"] == ["the shipping"]


def test_show_tells_the_whole_history(synced: Desk) -> None:
    synced.world.store.set_status(100, OrderStatus.AWAITING_PAYMENT)
    synced.world.store.cancel(100)
    synced.run("run-once")

    told = synced.run("--json", "show", "100").json

    assert [(event["what"].split(" ")[0], event["outcome"], event["run"]) for event in told["history"]] == [
        # It set another order aside.
        ("run", "done", 1),
        ("create", "done", 1),
        ("run", "done", 2),
        ("void", "done", 2),
    ]
    assert told["sale"]["state"] == "voided"


def test_show_of_an_order_whose_bodies_were_pruned_says_so_and_shows_what_is_there(offline: Desk) -> None:
    with Checkpoint.open(offline.checkpoint, now=now(), create=False) as checkpoint:
        checkpoint.prune(now() + timedelta(days=1))

    said = offline.run("show", "101")

    assert said.code == 0
    assert "What was sent is no longer kept ([checkpoint] keep_payloads); --live reads both sides." in said.out
    assert row(said.out, "money")[1] == "the order's lines are not known; the sale comes to 33.48"
    assert "create sale" in said.out
    assert offline.run("--json", "show", "101").json["lines"] == []


def test_show_live_reads_both_sides_again(synced: Desk) -> None:
    sale = sale_of(synced, 101)
    lines = [line | {"quantity": 3} if line["quantity"] == 2 else line for line in sale["line_items"]]
    totals = {"price": 43, "price_incl_tax": 46.98, "tax": 3.48}
    synced.world.pos.sales.put(sale["id"], sale | {"line_items": lines, "totals": totals})

    before, live = synced.run("show", "101"), synced.run("show", "101", "--live")

    assert "both sides" not in before.out
    assert live.code == 0
    assert row(live.out, "both sides")[1] == "wrong total: should be 33.48, is 46.98"
    assert row(live.out, "Mug") == ["Mug", "MUG", "2", "27.00", "2.00", "3", "40.50", "3.00", "differs"]
    assert row(synced.run("show", "100", "--live").out, "both sides")[1] == "agree"


def test_show_live_of_an_order_that_the_checkpoint_does_not_know(synced: Desk) -> None:
    new = synced.order()

    said = synced.run("show", str(new), "--live")

    assert said.code == 0
    assert row(said.out, "both sides")[1].startswith("missing: never written")
    assert row(said.out, "Mug")[:4] == ["Mug", "MUG", "1", "13.50"]


def test_show_live_of_an_order_that_is_gone_from_the_store(synced: Desk) -> None:
    synced.world.store.drop(100)

    said = synced.run("show", "100", "--live")

    assert row(said.out, "both sides")[1] == "unexpected: BigCommerce has no such order"


def test_show_of_an_order_that_cannot_be_read_says_why(synced: Desk) -> None:
    odd = synced.order(fields={"total_tax": "much"})
    long = synced.order(items=tuple(synced.world.store.item("MUG") for _ in range(60)), currency="EUR")
    synced.run("run-once")

    assert row(synced.run("show", str(odd)).out, "money")[1].startswith("total_tax: 'much'")
    assert row(synced.run("show", str(long)).out, "money")[1] == (
        "not all of its lines were embedded; --live reads them"
    )
    live = synced.run("show", str(long), "--live").out
    assert row(live, "money")[1].startswith("order total 816.48")
    assert row(live, "both sides")[1].startswith("set aside: foreign currency")


def test_show_of_an_order_whose_checkpoint_was_made_anew_says_what_is_known(synced: Desk) -> None:
    synced.checkpoint.unlink()
    synced.run("rebuild")

    said = synced.run("show", "101")

    assert "The sale was not written by way of this checkpoint, so only its total is known" in said.out
    assert row(said.out, "money")[1] == "the order's lines are not known; the sale comes to 33.48"


def test_show_tells_amounts_alike_from_the_checkpoint_and_from_the_pos(synced: Desk) -> None:
    order = synced.order(parcels=(Parcel(cost="0.00"),))
    synced.run("run-once")

    paid = [row(synced.run("show", str(order), *live).out, "paid by") for live in ([], ["--live"])]

    assert paid == [["paid by", "Online - Card 13.50"]] * 2


def test_show_tells_of_refunds_and_their_sales(synced: Desk) -> None:
    synced.world.store.refund(101, Refund(lines={0: 1}, restock=True))
    synced.run("run-once")

    told = synced.run("--json", "show", "101").json

    assert [(one["id"], one["state"], one["total"]) for one in told["refunds"]] == [(1, "booked", "13.50")]
    assert f"1, booked: 13.50 as sale {told['refunds'][0]['sale']}" in synced.run("show", "101").out
    assert synced.run("--json", "reconcile", "--since", "2025-06-01").json["findings"] == {"set aside": 1}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "999"], "The checkpoint has no order 999; --live asks BigCommerce for it."),
        (["show", "999", "--live"], "Neither BigCommerce nor the POS has an order 999."),
        (["show", "first"], "'first' is not the id of an order. Write its number, such as 1042."),
    ],
)
def test_show_of_an_order_that_nobody_knows_is_a_usage_error(synced: Desk, arguments: list[str], told: str) -> None:
    said = synced.run(*arguments)

    assert (said.code, said.out) == (2, "")
    assert told in said.err


# --- reconcile -------------------------------------------------------------------------------------------------------


def test_reconcile_of_sides_that_agree_says_so_with_the_sums_of_the_day(desk: Desk) -> None:
    desk.run("run-once")
    before, writes = desk.pos(), desk.writes()

    said = desk.run("reconcile", *WINDOW, "--until", "2025-06-01")

    assert (said.code, said.err) == (0, "")
    assert row(said.out, "2025-06-01") == ["2025-06-01", *["3", "100.44", "7.44", "9"] * 2]
    assert said.out.splitlines()[-1] == (
        "3 orders from 2025-06-01 00:00 to 2025-06-02 00:00 (America/Chicago): none differs."
    )
    assert (desk.pos(), desk.writes()) == (before, writes)


def test_reconcile_lists_what_differs_and_ends_with_three(synced: Desk) -> None:
    sale = sale_of(synced, 101)
    synced.world.pos.sales.put(sale["id"], sale | {"state": "voided"})

    said = synced.run("reconcile", *WINDOW)

    assert said.code == 3
    assert row(said.out, "101") == [
        "101",
        "2025-06-01",
        "Awaiting Fulfillment",
        "wrong state",
        "should be paid, is voided",
    ]
    assert row(said.out, "103")[3] == "set aside"
    assert row(said.out, "2025-06-01")[-1] == "differs"
    assert said.out.splitlines()[-1].endswith("2 differ (1 wrong state, 1 set aside).")


def test_reconcile_as_json(synced: Desk) -> None:
    synced.run("review", "dismiss", "1", "--reason", "entered by hand")

    said = synced.run("--json", "reconcile", *WINDOW, "--until", "2025-06-30T00:00:00Z")

    assert said.code == 0
    assert (said.json["compared"], said.json["differing"]) == (4, 0)
    assert (said.json["since"], said.json["until"]) == ("2025-06-01T05:00:00Z", "2025-06-30T00:00:00Z")
    assert (said.json["time_zone"], said.json["findings"]) == ("America/Chicago", {"dismissed": 1})
    assert said.json["days"] == [
        {
            "day": "2025-06-01",
            "bigcommerce": {"count": 3, "total": "100.44", "tax": "7.44", "units": "9"},
            "pos": {"count": 3, "total": "100.44", "tax": "7.44", "units": "9"},
            "differs": False,
        }
    ]
    (order,) = said.json["orders"]
    assert order["findings"] == [{"finding": "dismissed", "detail": "totals differ: entered by hand"}]


def test_reconcile_as_csv_gives_every_order_a_line(synced: Desk) -> None:
    said = synced.run("reconcile", *WINDOW, "--csv")

    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert said.code == 3
    assert [(one["order"], one["differs"], one["order_total"], one["sale_total"]) for one in rows] == [
        ("100", "no", "19.98", "19.98"),
        ("101", "no", "33.48", "33.48"),
        ("102", "no", "46.98", "46.98"),
        ("103", "yes", "13.50", "0"),
    ]
    assert rows[0]["sales"] == sale_of(synced, 100)["id"]


def test_reconcile_looks_a_week_back_unless_told(synced: Desk) -> None:
    synced.run("review", "dismiss", "1", "--reason", "a test")
    recent = synced.world.store.place(synced.world.store.orders[100].draft, at=now() - timedelta(days=3))
    synced.run("run-once")

    told = synced.run("--json", "reconcile").json

    assert (told["compared"], told["differing"]) == (1, 0)
    assert recent in synced.world.store.orders


def test_reconcile_runs_beside_a_pass_without_holding_it_up(synced: Desk) -> None:
    held = []

    def look(request: object) -> None:
        held.append(synced.checkpoint.with_name("bcpoll.db.lock").read_text())

    synced.world.before.append(look)
    synced.run("reconcile", *WINDOW)

    assert set(held) == {""}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--since", "11/10/2026"], "'11/10/2026': in some countries the day stands first, in others the month. Write"),
        (["--since", "10"], "'10' is neither a day nor a moment."),
        (["--since", "2026-02-30"], "'2026-02-30' is neither a day nor a moment."),
        (["--since", "0001-01-01"], "'0001-01-01': there were no orders in the year 1. See whether it is a slip."),
        (["--until", "9999-12-31"], "'9999-12-31': there were no orders in the year 9999."),
        (["--since", "0206-11-01T00:00:00Z"], "there were no orders in the year 206."),
        (["--since", "2026-11-01T00:00:00"], "'2026-11-01T00:00:00' has no time zone."),
        (["--since", "2026-11-02", "--until", "2026-11-01"], "The window is empty"),
    ],
)
def test_reconcile_refuses_what_could_mean_more_than_one_time(synced: Desk, arguments: list[str], told: str) -> None:
    said = synced.run("reconcile", *arguments)

    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_reconcile_gives_one_form_at_a_time(synced: Desk) -> None:
    assert synced.run("--json", "reconcile", "--csv").code == 2


def test_reconcile_without_a_checkpoint_says_how_there_comes_to_be_one(desk: Desk) -> None:
    said = desk.run("reconcile")

    assert (said.code, said.out) == (74, "")
    assert "There is no checkpoint" in said.err


def test_reconcile_with_a_refused_token_says_so(synced: Desk) -> None:
    synced.world.tokens.pos = "another"

    assert synced.run("reconcile", *WINDOW).code == 77


def test_a_zone_that_this_host_does_not_know_is_told(synced: Desk) -> None:
    synced.world.pos.retailer["timezone"] = "Mars/Olympus"
    with Checkpoint.open(synced.checkpoint, now=now(), create=False) as checkpoint:
        checkpoint.forget_cached()

    said = synced.run("--json", "reconcile", *WINDOW)

    assert "time zone 'Mars/Olympus' is not known on this host: days are UTC days." in said.err
    assert (said.json["time_zone"], said.json["since"]) == ("UTC", f"{FIRST:%Y-%m-%d}T00:00:00Z")
