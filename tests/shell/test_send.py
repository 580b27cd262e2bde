"""Writes to the POS: what is believed of each answer, what is looked up first, and where those of one order stop."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
from shop import OUTLET, Shop

from bcpoll.checkpoint import IntentState
from bcpoll.core.order import Address
from bcpoll.core.rejected import Reason
from bcpoll.core.sale import Buyer, Payment, Sale, SaleState, SettleSale
from bcpoll.core.shop import PosCustomer, Register
from bcpoll.errors import STOPPED, AccessRefused, Unreachable
from bcpoll.ports import PointOfSale
from bcpoll.sandbox.faults import Fault
from bcpoll.send import (
    NOT_SENT,
    Result,
    Sent,
    create_customer,
    create_product,
    create_sale,
    find_customer,
    find_product,
    find_sale,
    oldest,
    refused,
    send_in_turn,
    settle_sale,
    stopped_by,
    void_sale,
)

SALE = "0d6f2f3e-6c1e-5f0e-8f57-0a4a8c3a9f10"
BUYER = Buyer(key="customer:7", code="BC-7", email="ada@example.com", address=Address(), opt_in=False)

ADA = {"customer_code": "BC-7", "first_name": "Ada", "last_name": None, "email": "Ada@Example.com"}
CUP = {"name": "Cup", "sku": "Cup-1", "price_excluding_tax": Decimal(5)}

# What has its effect although the answer is lost, and what has not.
LOST_ANSWERS = [
    Fault.RESET_AFTER,
    Fault.HANG_AFTER,
    Fault.ERROR_500_AFTER,
    Fault.HTML_502_AFTER,
    Fault.CUT_CONNECTION,
    Fault.CUT_BODY,
    Fault.EMPTY_BODY,
    Fault.HTML_BODY,
    Fault.WRONG_TYPE,
]
LOST_REQUESTS = [Fault.RESET_BEFORE, Fault.HANG_BEFORE, Fault.ERROR_500, Fault.HTML_502, Fault.ERROR_503]
by_name = {"ids": lambda fault: fault.name}


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def pos(shop: Shop) -> Iterator[PointOfSale]:
    with shop.connected() as shell:
        yield shell.pos


@pytest.fixture
def body(shop: Shop) -> dict[str, Any]:
    pos = shop.world.pos
    return {
        "id": SALE,
        "source": {
            "type": "BigCommerce",
            "id": "100",
            "register_id": pos.id_of(pos.registers, "Online"),
            "author_id": next(iter(pos.users))["id"],
        },
        "state": "closed",
        "attributes": [],
        "line_items": [
            {
                "product": {"id": pos.with_code("MUG")[0]["id"]},
                "quantity": 1,
                "pricing": {"price": Decimal(10), "discount": 0},
                "tax": {"id": pos.id_of(pos.taxes, "No Tax"), "amount": Decimal(0)},
            }
        ],
        "payments": [],
    }


@pytest.fixture
def action(shop: Shop) -> SettleSale:
    kind = shop.world.pos.id_of(shop.world.pos.payment_types, "Online - Card")
    register = shop.world.pos.id_of(shop.world.pos.registers, "Online")
    sale = Sale(
        order_id=100,
        state=SaleState.CLOSED,
        attributes=(),
        register=Register(id=register, name="Online", outlet_id="", is_open=True),
        author_id="",
        date=datetime(2026, 11, 20, tzinfo=UTC),
        note="",
        lines=(),
        payments=(Payment(type_id=kind, amount=Decimal(10)),),
        buyer=None,
        total=Decimal(10),
        tax=Decimal(0),
    )
    return SettleSale(order_id=100, sale_id=SALE, sale=sale)


def outcome(result: Result) -> tuple[IntentState, Reason]:
    return result.state, result.reason


UNKNOWN = (IntentState.UNKNOWN, Reason.OUTCOME_UNKNOWN)
REFUSED = (IntentState.REFUSED, Reason.POS_REFUSED)
BY_HAND = (IntentState.REFUSED, Reason.VOID_BY_HAND)
PAY_BY_HAND = (IntentState.REFUSED, Reason.PAY_BY_HAND)


class TestCreatingASale:
    def test_a_clear_answer_is_believed(self, shop: Shop, pos: PointOfSale, body: dict[str, Any]) -> None:
        assert create_sale(pos, body).result == SALE
        assert shop.asked("pos") == ["POST /sales"]

    @pytest.mark.parametrize("shape", ["full", "id_object", "bare_id"])
    def test_the_answer_may_hold_little_more_than_the_id(
        self, shop: Shop, pos: PointOfSale, body: dict[str, Any], shape: str
    ) -> None:
        shop.world.switch(created_sale=shape)

        assert create_sale(pos, body).result == SALE

    @pytest.mark.parametrize("fault", LOST_ANSWERS, **by_name)
    def test_an_answer_that_was_lost_is_looked_up(
        self, shop: Shop, pos: PointOfSale, body: dict[str, Any], fault: Fault
    ) -> None:
        shop.fails(fault, "POST", "/sales")

        assert create_sale(pos, body).result == SALE
        assert shop.asked("pos") == ["POST /sales", f"GET /sales/{SALE}"]

    @pytest.mark.parametrize("unknown", ["404", "null", "empty_list", "empty_body"])
    @pytest.mark.parametrize("fault", LOST_REQUESTS, **by_name)
    def test_a_request_that_may_have_been_lost_is_never_repeated(
        self, shop: Shop, pos: PointOfSale, body: dict[str, Any], fault: Fault, unknown: str
    ) -> None:
        shop.world.switch(unknown_sale=unknown)
        shop.fails(fault, "POST", "/sales")

        assert outcome(create_sale(pos, body)) == UNKNOWN
        assert shop.writes() == ["POST /sales"]
        assert shop.asked("pos")[1] == f"GET /sales/{SALE}"
        assert len(shop.world.pos.sales) == 0

    def test_a_connection_that_is_refused_claims_nothing(
        self, shop: Shop, pos: PointOfSale, body: dict[str, Any]
    ) -> None:
        shop.fails(Fault.REFUSED, "POST", "/sales")

        with pytest.raises(Unreachable, match="Connection refused"):
            create_sale(pos, body)

        assert shop.asked("pos") == ["POST /sales"]

    def test_a_refusal_is_told_in_the_words_of_the_pos(
        self, shop: Shop, pos: PointOfSale, body: dict[str, Any]
    ) -> None:
        result = create_sale(pos, body | {"state": "sold"})

        assert outcome(result) == REFUSED
        assert "state 'sold' is none of parked, pending, voided, closed" in result.detail

    @pytest.mark.parametrize("existing", ["overwrite", "conflict", "refused"])
    def test_a_sale_that_is_there_already_is_done(
        self, shop: Shop, pos: PointOfSale, body: dict[str, Any], existing: str
    ) -> None:
        create_sale(pos, body)
        shop.world.switch(existing_sale=existing)

        assert create_sale(pos, body).result == SALE
        assert len(shop.world.pos.sales) == 1

    def test_a_look_up_that_fails_decides_nothing(self, shop: Shop, pos: PointOfSale, body: dict[str, Any]) -> None:
        shop.fails(Fault.RESET_AFTER, "POST", "/sales")
        shop.fails(Fault.ERROR_503, "GET", "/sales", times=5)

        with pytest.raises(Unreachable):
            create_sale(pos, body)

    def test_a_refused_token_is_no_refusal_of_the_sale(
        self, shop: Shop, pos: PointOfSale, body: dict[str, Any]
    ) -> None:
        shop.fails(Fault.TOKEN_REFUSED, "POST", "/sales")

        with pytest.raises(AccessRefused):
            create_sale(pos, body)

    @pytest.mark.parametrize("fault", [Fault.BUSY_DATE, Fault.BUSY_SECONDS, Fault.BUSY_BARE], **by_name)
    def test_being_told_to_slow_down_is_waited_out(
        self, shop: Shop, pos: PointOfSale, body: dict[str, Any], fault: Fault
    ) -> None:
        shop.fails(fault, "POST", "/sales", times=2)

        assert create_sale(pos, body).is_done
        assert shop.asked("pos") == ["POST /sales"] * 3

    @pytest.mark.parametrize("unknown", ["404", "null", "empty_list", "empty_body"])
    def test_an_unknown_sale_is_nowhere(self, shop: Shop, pos: PointOfSale, unknown: str) -> None:
        shop.world.switch(unknown_sale=unknown)

        assert find_sale(pos, SALE) is None


class TestSettlingASale:
    @pytest.fixture(autouse=True)
    def unpaid(self, pos: PointOfSale, body: dict[str, Any]) -> None:
        create_sale(pos, body)

    def test_the_payments_are_added_and_read_back(self, shop: Shop, pos: PointOfSale, action: SettleSale) -> None:
        assert settle_sale(pos, action).is_done
        assert shop.asked("pos")[1:] == [f"GET /sales/{SALE}", f"PUT /sales/{SALE}", f"GET /sales/{SALE}"]
        assert [paid["amount"] for paid in shop.sales(100)[0]["payments"]] == [Decimal(10)]

    def test_a_sale_that_has_them_is_left_alone(self, shop: Shop, pos: PointOfSale, action: SettleSale) -> None:
        settle_sale(pos, action)
        shop.world.log.clear()

        assert settle_sale(pos, action).is_done
        assert shop.asked("pos") == [f"GET /sales/{SALE}"]

    def test_a_sale_without_anything_to_pay_needs_no_payment(self, pos: PointOfSale, action: SettleSale) -> None:
        nothing = replace(action, sale=replace(action.sale, payments=(), total=Decimal(0)))

        assert settle_sale(pos, nothing).is_done

    @pytest.mark.parametrize("fault", LOST_ANSWERS, **by_name)
    def test_an_answer_that_was_lost_is_looked_up(
        self, shop: Shop, pos: PointOfSale, action: SettleSale, fault: Fault
    ) -> None:
        shop.fails(fault, "PUT", "/sales")

        assert settle_sale(pos, action).is_done
        assert len(shop.sales(100)[0]["payments"]) == 1

    @pytest.mark.parametrize("fault", LOST_REQUESTS, **by_name)
    def test_a_request_that_may_have_been_lost_is_never_repeated(
        self, shop: Shop, pos: PointOfSale, action: SettleSale, fault: Fault
    ) -> None:
        shop.fails(fault, "PUT", "/sales")

        assert outcome(settle_sale(pos, action)) == UNKNOWN
        assert len(shop.asked("pos", "PUT")) == 1

    @pytest.mark.parametrize(
        ("answer", "told"), [("ignored", "is closed and was not changed"), ("refused", "cannot be changed")]
    )
    def test_a_change_that_did_not_come_about_is_a_refusal(
        self, shop: Shop, pos: PointOfSale, action: SettleSale, answer: str, told: str
    ) -> None:
        shop.world.switch(edit_of_closed=answer)

        result = settle_sale(pos, action)

        assert outcome(result) == PAY_BY_HAND
        assert told in result.detail

    def test_a_clear_refusal_is_told_in_the_words_of_the_pos(
        self, shop: Shop, pos: PointOfSale, action: SettleSale
    ) -> None:
        shop.watch("GET", "/sales", shop.world.pos.sales._rows.clear)

        result = settle_sale(pos, action)

        assert outcome(result) == PAY_BY_HAND
        assert "(404)" in result.detail

    def test_a_sale_that_is_gone_is_a_refusal(self, pos: PointOfSale, action: SettleSale) -> None:
        result = settle_sale(pos, replace(action, sale_id="11111111-1111-5111-8111-111111111111"))

        assert outcome(result) == REFUSED
        assert "the POS has no sale" in result.detail


class TestVoidingASale:
    @pytest.fixture(autouse=True)
    def closed(self, pos: PointOfSale, body: dict[str, Any]) -> None:
        create_sale(pos, body)

    def test_it_is_read_back_as_voided(self, shop: Shop, pos: PointOfSale) -> None:
        assert void_sale(pos, SALE).is_done
        assert shop.states(100) == ["voided"]
        assert shop.stock() == 50

    def test_a_voided_sale_is_left_alone(self, shop: Shop, pos: PointOfSale) -> None:
        void_sale(pos, SALE)
        shop.world.log.clear()

        assert void_sale(pos, SALE).is_done
        assert shop.writes() == []

    @pytest.mark.parametrize("fault", LOST_ANSWERS, **by_name)
    def test_an_answer_that_was_lost_is_looked_up(self, shop: Shop, pos: PointOfSale, fault: Fault) -> None:
        shop.fails(fault, "PUT", "/sales")

        assert void_sale(pos, SALE).is_done

    @pytest.mark.parametrize("fault", LOST_REQUESTS, **by_name)
    def test_a_request_that_may_have_been_lost_is_never_repeated(
        self, shop: Shop, pos: PointOfSale, fault: Fault
    ) -> None:
        shop.fails(fault, "PUT", "/sales")

        assert outcome(void_sale(pos, SALE)) == UNKNOWN
        assert len(shop.asked("pos", "PUT")) == 1

    @pytest.mark.parametrize(
        ("answer", "told"), [("ignored", "is closed and was not changed"), ("refused", "cannot be changed")]
    )
    def test_a_void_that_did_not_come_about_is_for_a_person(
        self, shop: Shop, pos: PointOfSale, answer: str, told: str
    ) -> None:
        shop.world.switch(void_by_put=answer)

        result = void_sale(pos, SALE)

        assert outcome(result) == BY_HAND
        assert told in result.detail
        assert result.detail.startswith(f"sale {shop.sales(100)[0]['invoice_number']} ({SALE})")

    def test_a_sale_without_a_receipt_number_is_named_by_its_id(self, shop: Shop, pos: PointOfSale) -> None:
        shop.world.switch(void_by_put="ignored")
        shop.sales(100)[0].update(invoice_number=None, receipt_number=None)

        assert void_sale(pos, SALE).detail == f"sale {SALE}: it is closed and was not changed"

    def test_a_sale_that_is_gone_is_for_a_person(self, pos: PointOfSale) -> None:
        assert outcome(void_sale(pos, "11111111-1111-5111-8111-111111111111")) == BY_HAND

    def test_a_sale_that_vanishes_meanwhile_is_for_a_person(self, shop: Shop, pos: PointOfSale) -> None:
        shop.watch("PUT", "/sales", shop.world.pos.sales._rows.clear)

        result = void_sale(pos, SALE)

        assert outcome(result) == BY_HAND
        assert "is gone" in result.detail


class TestCreatingACustomer:
    @pytest.mark.parametrize("lag", [0, 1000])
    @pytest.mark.parametrize("fault", LOST_ANSWERS, **by_name)
    def test_an_answer_that_was_lost_is_looked_up_past_a_search_that_lags(
        self, shop: Shop, pos: PointOfSale, fault: Fault, lag: int
    ) -> None:
        shop.world.switch(search_lag_requests=lag)
        since = next(page.version for page in pos.products_after(0))
        shop.fails(fault, "POST", "/customers")

        result = create_customer(pos, BUYER, ADA, since)

        [made] = shop.world.pos.customers
        assert result.result == made["id"]

    @pytest.mark.parametrize("fault", LOST_REQUESTS, **by_name)
    def test_a_request_that_may_have_been_lost_is_never_repeated(
        self, shop: Shop, pos: PointOfSale, fault: Fault
    ) -> None:
        shop.fails(fault, "POST", "/customers")

        assert outcome(create_customer(pos, BUYER, ADA, 0)) == UNKNOWN
        assert shop.writes() == ["POST /customers"]

    def test_one_that_the_pos_has_under_the_address_is_taken(self, shop: Shop, pos: PointOfSale) -> None:
        known = shop.world.pos.add_customer("Ada", "", "ADA@example.com")
        shop.world.switch(same_email="refused")

        assert create_customer(pos, BUYER, ADA, 10_000).result == known

    @pytest.mark.parametrize("email", ["ada@example.com", ""])
    def test_one_whose_code_is_taken_goes_without(self, shop: Shop, pos: PointOfSale, email: str) -> None:
        """It may be that of somebody who was deleted, or of a customer of another store: never the same person."""
        other = shop.world.pos.add_customer("Bob", "", "bob@example.com", code="BC-7")
        shop.world.switch(same_customer_code="refused")
        body = ADA | {"email": email or None}

        made = create_customer(pos, replace(BUYER, email=email), body, 10_000)

        assert made.is_done
        assert made.result != other
        assert shop.world.pos.customers.get(made.result)["customer_code"] != "BC-7"

    def test_one_without_an_address_is_found_by_its_code(self, shop: Shop, pos: PointOfSale) -> None:
        shop.world.pos.add_customer("Nobody", "", "")
        ours = shop.world.pos.add_customer("Somebody", "", "", code="BC-7")

        assert find_customer(pos, "BC-7", "", 0) == ours
        assert find_customer(pos, "BC-8", "", 0) is None

    def test_the_oldest_that_is_not_deleted_is_taken(self) -> None:
        def customer(name: str, created_at: str, *, is_deleted: bool = False) -> PosCustomer:
            return PosCustomer(id=name, code="", email="", created_at=created_at, is_deleted=is_deleted, version=1)

        rows = [customer("c", "2026-03"), customer("b", "2026-02"), customer("a", "2026-01", is_deleted=True)]

        assert oldest(rows) == "b"
        assert oldest([customer("y", "2026-01"), customer("x", "2026-01")]) == "x"
        assert oldest([]) is None


class TestCreatingAProduct:
    def test_its_stock_is_counted_or_not(self, shop: Shop, pos: PointOfSale) -> None:
        counted = create_product(pos, CUP, tracked=True)
        uncounted = create_product(pos, CUP | {"sku": "Cup-2"}, tracked=False)

        products = shop.world.pos.products
        assert products.get(counted.result)["has_inventory"] is True
        assert products.get(uncounted.result)["has_inventory"] is False

    @pytest.mark.parametrize("shape", ["list", "object"])
    @pytest.mark.parametrize("tracked", [True, False])
    @pytest.mark.parametrize("fault", LOST_ANSWERS, **by_name)
    def test_an_answer_that_was_lost_is_looked_up(
        self,
        shop: Shop,
        pos: PointOfSale,
        fault: Fault,
        tracked: bool,  # noqa: FBT001
        shape: str,
    ) -> None:
        shop.world.switch(sku_lookup=shape)
        shop.fails(fault, "POST", "/products")

        result = create_product(pos, CUP, tracked=tracked)

        [made] = shop.world.pos.with_code("Cup-1")
        assert (result.result, made["has_inventory"]) == (made["id"], tracked)

    @pytest.mark.parametrize("fault", LOST_REQUESTS, **by_name)
    def test_a_request_that_may_have_been_lost_is_never_repeated(
        self, shop: Shop, pos: PointOfSale, fault: Fault
    ) -> None:
        shop.fails(fault, "POST", "/products")

        assert outcome(create_product(pos, CUP, tracked=False)) == UNKNOWN
        assert shop.writes() == ["POST /products"]

    @pytest.mark.parametrize("fault", [*LOST_ANSWERS[:-1], *LOST_REQUESTS], **by_name)
    def test_switching_tracking_off_is_asked_once_more(self, shop: Shop, pos: PointOfSale, fault: Fault) -> None:
        shop.fails(fault, "PUT", "/products")

        result = create_product(pos, CUP, tracked=False)

        assert shop.world.pos.products.get(result.result)["has_inventory"] is False

    def test_a_product_that_stays_tracked_is_had_all_the_same(
        self, shop: Shop, pos: PointOfSale, caplog: pytest.LogCaptureFixture
    ) -> None:
        shop.fails(Fault.ERROR_500, "PUT", "/products", times=2)

        result = create_product(pos, CUP, tracked=False)

        assert result.is_done
        assert "stock tracking is still on" in caplog.text

    def test_several_under_one_code_are_nobodys(self, shop: Shop, pos: PointOfSale) -> None:
        for name in ("One", "Two"):
            shop.world.pos.add_product(name, "Cup-1", stock={OUTLET: "1"})

        assert find_product(pos, "Cup-1", tracked=True) is None
        assert outcome(create_product(pos, CUP, tracked=True)) == REFUSED


class TestTheWritesOfOneOrder:
    def test_after_one_that_is_not_done_none_is_sent(self) -> None:
        sent = send_in_turn(100, [lambda: refused("no"), lambda: pytest.fail("sent")], halt=Event(), stop=Event())

        assert sent.results == (refused("no"), NOT_SENT)
        assert (sent.error, sent.is_done) == (None, False)

    def test_after_an_error_that_write_stays_open_and_other_orders_are_not_begun(self) -> None:
        halt, error = Event(), Unreachable("down")

        def breaks() -> Result:
            raise error

        sent = send_in_turn(100, [breaks, lambda: pytest.fail("sent")], halt=halt, stop=Event())
        other = send_in_turn(101, [lambda: pytest.fail("sent")], halt=halt, stop=Event())

        assert [one.key for one in sent.settlements(["first", "second"])] == ["second"]
        assert [(one.key, one.detail) for one in other.settlements(["third"])] == [("third", "not sent")]
        assert stopped_by([other, sent]) is error

    def test_an_order_without_writes_is_done_also_while_the_run_stops(self) -> None:
        stop = Event()
        stop.set()

        assert send_in_turn(100, [], halt=Event(), stop=stop) == Sent(results=())
        assert stopped_by([send_in_turn(101, [lambda: NOT_SENT], halt=Event(), stop=stop)]) is STOPPED
