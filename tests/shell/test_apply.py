"""One page of plans: what is written in which order, what is remembered first, and what cuts a page short."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import requests
from shop import ADA, BASIL, GUEST, NOW, Killed, Shop
from urllib3.exceptions import NewConnectionError

from bcpoll import cycle
from bcpoll.checkpoint import IntentKind, IntentState, RunOutcome
from bcpoll.core.rejected import Reason
from bcpoll.core.sale import Applied, AppliedState
from bcpoll.core.status import OrderStatus
from bcpoll.errors import AccessRefused, BcpollError, RetryLater, Unreachable
from bcpoll.memory import applied_from, applied_memory
from bcpoll.sandbox.drafts import Item, Parcel, Shopper
from bcpoll.sandbox.faults import Fault, Request
from bcpoll.sandbox.switches import Switches


@pytest.fixture
def shop() -> Shop:
    """A shop in which a pass writes sales and nothing else."""
    return linked()


def linked(**more: Any) -> Shop:
    shop = Shop(**more)
    shop.order()
    shop.pass_()
    return shop


def strict(**more: Any) -> Shop:
    """A shop whose POS refuses to sell what it has none of: a RARE thing."""
    shop = linked(switches=Switches(negative_stock="refused", **more))
    shop.sell("RARE", stock=0)
    return shop


class AtOnce(nullcontext[None]):
    """An executor that carries everything out in the calling thread, so that a hook may look into the checkpoint."""

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def __enter__(self) -> "AtOnce":  # type: ignore[override]
        return self

    @staticmethod
    def map(function: Callable[..., Any], *lists: Any) -> list[Any]:
        return list(map(function, *lists))


class Backwards(AtOnce):
    """One that happens to come to the last of its tasks first."""

    @staticmethod
    def map(function: Callable[..., Any], *lists: Any) -> list[Any]:
        return AtOnce.map(function, *(reversed(list(rows)) for rows in lists))[::-1]


class TestTheOrderOfThings:
    def test_references_come_before_the_sales_that_need_them(self) -> None:
        shop = Shop()
        shop.sell("NEW", known=False)
        shop.order("NEW", parcels=(Parcel(cost="5.00"),))

        shop.pass_()

        assert [line.split("/")[1] for line in shop.writes()] == [
            "customers",
            "products",
            "products",
            "products",
            "sales",
        ]

    def test_every_write_is_remembered_before_it_leaves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cycle, "ThreadPoolExecutor", AtOnce)
        shop = Shop()
        shop.sell("NEW", known=False)
        order = shop.order("NEW")
        remembered: list[tuple[str, list[str]]] = []

        def look(request: Request) -> None:
            if request.side == "pos" and request.is_write:
                kinds = [intent.kind.value for intent in shop.checkpoint.open_intents()]
                remembered.append((request.path.rpartition("/")[2], kinds))

        shop.world.before.append(look)
        shop.pass_()

        assert remembered == [("customers", ["customer"]), ("products", ["product"]), ("sales", ["sale"])]
        assert shop.checkpoint.open_intents() == []
        assert [(one.kind, one.state) for one in shop.checkpoint.history(order)] == [
            (IntentKind.SALE, IntentState.DONE)
        ]

    def test_only_the_calling_thread_touches_the_checkpoint(self) -> None:
        shop = Shop(workers=8)
        shop.sell("NEW", known=False)
        threads = set()
        shop.world.before.append(lambda request: threads.add(threading.current_thread().name))
        for number in range(20):
            shop.order("NEW", shopper=Shopper(first_name="A", last_name="B", email=f"{number}@example.com"))

        # SQLite itself refuses the checkpoint to any other thread.
        shop.pass_()

        assert any(name.startswith("pos") for name in threads)
        assert shop.lives() == []

    def test_an_edit_voids_first_and_then_writes_the_new_sale(self, shop: Shop) -> None:
        shop.edit(100, shop.store.item("MUG", 7))

        report = shop.pass_()

        old, new = shop.sales(100)
        assert [line.split("/")[1] for line in shop.writes()] == ["sales", "sales"]
        assert shop.writes()[0] == f"PUT /sales/{old['id']}"
        assert (old["state"], new["state"]) == ("voided", "closed")
        assert (report.counts["voided"], report.counts["created"]) == (1, 1)
        assert [intent.kind for intent in shop.checkpoint.history(100)] == [
            IntentKind.SALE,
            IntentKind.VOID_SALE,
            IntentKind.SALE,
        ]

    def test_a_pass_without_anything_to_write_writes_no_intent(self, shop: Shop) -> None:
        shop.happens(shop.store.touch, 100)

        shop.pass_()

        assert len(shop.checkpoint.history(100)) == 1
        assert shop.writes() == []

    def test_what_an_intent_remembers_comes_back_whole(self) -> None:
        applied = Applied(
            order_id=7, state=AppliedState.UNPAID, revision=2, sale_id="s", content="c", total=Decimal("1.10")
        )

        assert applied_from(7, applied_memory(applied)) == applied


class TestRefusals:
    def test_one_refused_order_is_set_aside_and_the_others_go_on(self) -> None:
        shop = strict()
        orders = [shop.order(sku) for sku in ("MUG", "RARE", "MUG", "MUG")]

        report = shop.pass_()

        assert shop.lives(without=[orders[1]]) == []
        [item] = shop.review()
        assert (item.order_id, item.reason, item.field) == (orders[1], Reason.POS_REFUSED, "sale")
        assert "there is not enough stock of 'RARE'" in item.detail
        assert item.payload["id"] == orders[1]
        assert "Mend the cause" in item.hint
        assert (report.counts["created"], report.set_aside, report.waiting) == (3, 1, 1)
        assert shop.checkpoint.last_runs(1)[0].outcome is RunOutcome.SET_ASIDE

    def test_it_is_tried_again_by_itself_when_its_time_has_come(self) -> None:
        shop = strict()
        shop.order("RARE")
        shop.pass_()

        report = shop.later(minutes=4)
        assert shop.writes() == []
        report = shop.later(minutes=2)
        assert (len(shop.writes()), report.set_aside, shop.review()[0].tries) == (1, 0, 1)
        shop.world.switch(negative_stock="allowed")
        report = shop.later(minutes=21)

        assert (report.counts["created"], report.waiting) == (1, 0)
        assert (shop.lives(), shop.review()) == ([], [])

    def test_a_newer_version_is_tried_at_once(self) -> None:
        shop = strict()
        order = shop.order("RARE")
        shop.pass_()
        shop.world.switch(negative_stock="allowed")

        shop.happens(shop.store.ship, order)
        report = shop.pass_()

        assert (report.counts["created"], report.waiting) == (1, 0)

    @pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.RESET_BEFORE])
    def test_a_customer_that_is_lacking_voids_nothing_of_an_edit(self, shop: Shop, fault: Fault) -> None:
        shop.happens(shop.store.attach_customer, 100, 44)
        shop.edit(100, shop.store.item("MUG", 3))
        shop.store.orders[100].fields["customer_id"] = 44
        shop.store.orders[100].fields["billing_address"]["email"] = "new@example.com"
        shop.fails(fault, "POST", "/customers")

        shop.pass_()

        assert shop.states(100) == ["closed"]
        assert [item.reason for item in shop.review()] == [Reason.OUTCOME_UNKNOWN]
        shop.later()
        assert (shop.lives(), shop.review()) == ([], [])

    def test_a_sale_on_account_that_the_pos_refuses_without_a_customer_is_closed(self) -> None:
        shop = Shop(
            switches=Switches(account_customer="required"),
            settings={"sync": {"start": NOW, "unpaid": "on_account"}},
        )
        nobody = replace(GUEST, email="")
        order = shop.order(shopper=nobody, status=OrderStatus.AWAITING_PAYMENT)

        shop.pass_()

        assert (shop.states(order), shop.review()) == (["closed"], [])


class TestErrors:
    def test_a_refused_token_counts_more_than_the_stop_it_brings_on_others(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cycle, "ThreadPoolExecutor", Backwards)
        last = [shop.order() for _ in range(5)][-1]
        shop.world.faults.on(Fault.TOKEN_REFUSED, lambda request: f'"{last}"'.encode() in request.body)

        with pytest.raises(AccessRefused):
            shop.pass_()

        assert shop.writes() == ["POST /sales"]
        assert shop.review() == []
        shop.pass_()
        assert (shop.lives(), shop.checkpoint.open_intents()) == ([], [])

    def test_orders_that_were_not_sent_are_left_for_the_next_pass(self, shop: Shop) -> None:
        orders = [shop.order() for _ in range(4)]
        shop.world.faults.on(Fault.TOKEN_REFUSED, lambda request: b'"102"' in request.body)

        with pytest.raises(AccessRefused):
            shop.pass_()

        assert [len(shop.sales(number)) for number in orders] == [1, 0, 0, 0]
        # What was refused may have got there for all we know; what was never sent has not.
        assert [intent.order_id for intent in shop.checkpoint.open_intents()] == [102]
        assert set(shop.checkpoint.ledger(orders)) == {101}

    def test_an_edit_cut_short_between_its_two_writes_goes_on_from_there(self, shop: Shop) -> None:
        shop.edit(100, shop.store.item("MUG", 3))
        shop.fails(Fault.BUSY_BARE, "POST", "/sales", times=9)

        with pytest.raises(RetryLater):
            shop.pass_()

        row = shop.row(100)
        assert (row.applied.state, row.fingerprint) == (AppliedState.VOIDED, "")
        shop.restart()
        report = shop.pass_()
        assert (shop.states(100), report.counts["voided"], report.counts["created"]) == (["voided", "closed"], 0, 1)
        assert shop.lives() == []

    def test_an_edit_cut_short_before_its_first_write_leaves_nothing_open_but_that(self, shop: Shop) -> None:
        shop.edit(100, shop.store.item("MUG", 3))
        shop.fails(Fault.RESET_BEFORE, "PUT", "/sales")
        shop.watch("PUT", "/sales", lambda: shop.fails(Fault.ERROR_503, "GET", "/sales", times=5))

        with pytest.raises(Unreachable):
            shop.pass_()

        assert [intent.kind for intent in shop.checkpoint.open_intents()] == [IntentKind.VOID_SALE]
        shop.restart()
        shop.pass_()
        assert shop.lives() == []

    def test_a_worker_that_breaks_down_leaves_what_was_sent_to_be_looked_up(self, shop: Shop) -> None:
        for _ in range(3):
            shop.order()
        shop.dies_at_write(2, after=True)

        with pytest.raises(Killed):
            shop.pass_()

        assert {intent.state for intent in shop.checkpoint.open_intents()} == {IntentState.OPEN}
        shop.restart()
        shop.pass_()
        assert (shop.lives(), shop.checkpoint.open_intents()) == ([], [])

    def test_a_pos_that_refuses_connections_loses_nothing(self, shop: Shop) -> None:
        shop.order()

        def refuse(request: Request) -> None:
            if request.side == "pos":
                raise requests.ConnectionError(NewConnectionError(None, "connection refused"))  # type: ignore[arg-type]

        shop.world.before.append(refuse)
        with pytest.raises(Unreachable, match="cannot be reached"):
            shop.pass_()

        assert shop.review() == []
        shop.restart()
        shop.pass_()
        assert (shop.lives(), shop.checkpoint.open_intents()) == ([], [])


def closed(when_closed: str, **switches: Any) -> Shop:
    shop = linked(settings={"pos": {"when_closed": when_closed}}, switches=Switches(**switches))
    shop.world.pos.open_register("Online", is_open=False)
    return shop


class TestAClosedRegister:
    def test_orders_wait_for_it_and_none_is_set_aside(self) -> None:
        shop = closed("try")
        for _ in range(3):
            shop.order()

        with pytest.raises(RetryLater, match='the register "Online" is closed') as raised:
            shop.pass_()

        assert (raised.value.exit_code, shop.review()) == (75, [])
        assert "when_closed" in raised.value.hint
        assert shop.checkpoint.open_intents() == []
        shop.world.pos.open_register("Online")
        assert shop.pass_().counts["created"] == 3
        assert (shop.lives(), shop.review()) == ([], [])

    def test_a_void_waits_for_it_as_well(self) -> None:
        shop = closed("try")
        shop.happens(shop.store.cancel, 100)

        with pytest.raises(RetryLater, match="is closed"):
            shop.pass_()

        assert shop.review() == []
        shop.world.pos.open_register("Online")
        shop.pass_()
        assert (shop.lives(), shop.review()) == ([], [])

    def test_a_pos_that_takes_sales_all_the_same_is_not_asked(self) -> None:
        shop = closed("try", closed_register="accepted")
        shop.order()

        shop.pass_()

        assert shop.asked("pos") == ["GET /sales", "GET /sales", "POST /sales"]
        assert shop.lives() == []

    def test_it_is_no_excuse_where_the_pos_took_another_sale(self) -> None:
        shop = closed("try", closed_register="accepted", negative_stock="refused")
        shop.sell("RARE", stock=0)
        bad, _ = shop.order("RARE"), shop.order()

        report = shop.pass_()

        assert (report.set_aside, report.counts["created"]) == (1, 1)
        assert [item.order_id for item in shop.review()] == [bad]

    def test_orders_of_an_open_register_are_written_while_the_others_wait(self) -> None:
        shop = linked(settings={"routes": [{"register": "Main Register", "channel": 4}]})
        shop.world.pos.open_register("Online", is_open=False)
        waiting, written = shop.order(), shop.order(channel_id=4)

        with pytest.raises(RetryLater):
            shop.pass_()

        assert (shop.states(waiting), shop.states(written)) == ([], ["closed"])
        shop.world.pos.open_register("Online")
        assert shop.pass_().counts["created"] == 1
        assert shop.lives() == []

    def test_it_may_be_opened(self) -> None:
        shop = closed("open")
        shop.order()

        shop.pass_()

        register = shop.world.pos.id_of(shop.world.pos.registers, "Online")
        assert shop.writes() == [f"PUT /registers/{register}/actions/open", "POST /sales"]
        assert shop.lives() == []

    @pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.RESET_AFTER], ids=lambda fault: fault.name)
    def test_one_that_could_not_be_opened_for_sure_is_waited_for(self, fault: Fault) -> None:
        shop = closed("open")
        shop.order()
        shop.fails(fault, "PUT", "/registers")

        with pytest.raises(RetryLater, match="is closed and could not be opened"):
            shop.pass_()

        assert shop.asked("pos", "POST") == []
        shop.pass_()
        assert (shop.lives(), shop.review()) == ([], [])

    def test_it_may_be_waited_for_without_a_try(self) -> None:
        shop = closed("wait")
        shop.order()

        with pytest.raises(RetryLater, match="is closed"):
            shop.pass_()

        assert shop.writes() == []
        shop.world.pos.open_register("Online")
        shop.pass_()
        assert shop.lives() == []

    @pytest.mark.parametrize("when_closed", ["open", "wait"])
    def test_one_that_is_open_is_left_as_it_is(self, when_closed: str) -> None:
        shop = linked(settings={"pos": {"when_closed": when_closed}})
        shop.order()

        shop.pass_()

        assert shop.writes() == ["POST /sales"]

    @pytest.mark.parametrize("when_closed", ["open", "wait"])
    def test_without_anything_to_write_it_is_not_looked_at(self, when_closed: str) -> None:
        shop = closed(when_closed)
        shop.happens(shop.store.touch, 100)

        shop.pass_()

        assert shop.asked("pos") == []

    def test_a_register_that_cannot_be_asked_leaves_everything_to_the_next_pass(self) -> None:
        shop = closed("try")
        shop.order()
        shop.fails(Fault.ERROR_503, "GET", "/registers", times=5)

        with pytest.raises(BcpollError):
            shop.pass_()

        assert shop.review() == []
        shop.world.pos.open_register("Online")
        shop.pass_()
        assert (shop.lives(), shop.checkpoint.open_intents()) == ([], [])


class TestSeveralAtOnce:
    @pytest.mark.parametrize("workers", [1, 4])
    def test_a_page_of_everything(self, workers: int) -> None:
        shop = Shop(workers=workers)
        shop.sell("NEW", known=False)
        paid = [shop.order(shopper=shopper, parcels=(Parcel(cost="5.00"),)) for shopper in (ADA, BASIL, GUEST)]
        unpaid = [shop.order(status=OrderStatus.AWAITING_PAYMENT) for _ in range(3)]
        shop.pass_()

        shop.happens(shop.store.cancel, paid[0])
        shop.edit(paid[1], shop.store.item("NEW", 2), Item(name="Engraving", price="3.00"))
        shop.happens(shop.store.pay, unpaid[0])
        shop.happens(shop.store.cancel, unpaid[1])
        shop.order("NEW", shopper=BASIL)
        report = shop.pass_()

        assert (shop.lives(), shop.review()) == ([], [])
        counted = {name: report.counts[name] for name in ("created", "settled", "voided", "products_created")}
        assert counted == {"created": 2, "settled": 1, "voided": 3, "products_created": 2}
