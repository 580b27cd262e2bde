"""The POS adapter: every shape an answer may have, paging by version, and writes that are never taken for granted."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from loopback import NO_CONTENT, Answer, Loopback, Seen, StillClock, html, json_answer, loopback_server

from bcpoll import ports
from bcpoll.adapters import pos as adapter
from bcpoll.adapters.pos import LightspeedPos
from bcpoll.core.order import Json
from bcpoll.core.shop import Outlet, PaymentType, PosCustomer, PosProduct, PosSale, Register, Retailer, Tax, User
from bcpoll.errors import AccessRefused, GiveUp, LookAgain, SettingsError, WrongAnswer

SALE_ID = "0d6f2f3e-6c1e-5f0e-8f57-0a4a8c3a9f10"
# What a sale cannot be written back without.
WHOLE = {"source": {"type": "BigCommerce", "id": "1001"}, "line_items": [{"id": "line-1"}]}
EMPTY = json_answer({"data": [], "version": {"min": None, "max": None}})


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback_server() as loopback:
        yield loopback


@pytest.fixture
def pos(server: Loopback) -> Iterator[LightspeedPos]:
    with adapter.connect(server.url, "xyzzy", clock=StillClock().clock) as client:
        yield LightspeedPos(client)


def listed(*rows: Json, reached: int = 9) -> Answer:
    return json_answer({"data": list(rows), "version": {"min": 1, "max": reached}})


class TestReferenceData:
    def test_the_account_is_read_in_every_envelope(self, server: Loopback, pos: LightspeedPos) -> None:
        row = {"id": "r", "name": "Shop", "currency": "nzd", "no_tax_group_id": "t0", "tax_exclusive": True}
        server.says(json_answer({"data": row}), json_answer(row), json_answer([row]))

        for _ in range(3):
            assert pos.retailer() == Retailer(
                id="r", name="Shop", currency="NZD", no_tax_id="t0", prices_exclude_tax=True
            )
        assert server.seen[0].path == "/api/2026-07/retailer"
        assert server.seen[0].headers["Authorization"] == "Bearer xyzzy"

    def test_the_currency_may_be_an_object(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer({"data": {"currency": {"code": "USD", "symbol": "$"}, "no_tax_group_id": "t0"}}))

        assert pos.retailer().currency == "USD"

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (json_answer({"data": {"no_tax_group_id": "t0"}}), "retailer: a row without 'currency'"),
            (json_answer({"data": {"currency": "USD"}}), "retailer: a row without 'no_tax_group_id'"),
            (json_answer({"data": None}), "retailer: no object"),
            (json_answer("r"), "an object was expected, not 'r'"),
            (json_answer([{}, {}]), "an object was expected"),
        ],
    )
    def test_an_account_that_lacks_what_is_needed_is_a_wrong_answer(
        self, server: Loopback, pos: LightspeedPos, answer: Answer, told: str
    ) -> None:
        server.says(answer)

        with pytest.raises(WrongAnswer, match=told):
            pos.retailer()

    def test_registers_are_read_page_by_page_without_deleted_ones(self, server: Loopback, pos: LightspeedPos) -> None:
        online = {"id": "g1", "name": "Online", "outlet_id": "o1", "is_open": True}
        server.says(listed(online, online | {"id": "g2", "deleted_at": "2026-01-01T00:00:00Z"}), EMPTY)

        assert pos.registers() == (Register(id="g1", name="Online", outlet_id="o1", is_open=True),)
        assert [seen.query for seen in server.seen] == [
            {"after": "0", "page_size": "200"},
            {"after": "9", "page_size": "200"},
        ]

    @pytest.mark.parametrize("is_open", [False, 0, "0", "false", None])
    def test_a_register_is_closed_unless_it_says_that_it_is_open(
        self, server: Loopback, pos: LightspeedPos, is_open: object
    ) -> None:
        server.says(json_answer([{"id": "g1", "outlet_id": "o1", "is_open": is_open}]))

        assert pos.registers()[0].is_open is False

    def test_a_register_without_an_outlet_is_a_wrong_answer(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer({"data": [{"id": "g1", "name": "Online"}]}))

        with pytest.raises(WrongAnswer, match="registers: a row without 'outlet_id'"):
            pos.registers()

    def test_other_lists_are_read_without_deleted_rows(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer({"data": [{"id": "o1", "name": "Main"}]}))
        server.says(json_answer({"data": [{"id": "u1", "username": "web", "display_name": "Web Shop"}]}))
        server.says(json_answer({"data": [{"id": 7, "name": "Online"}, {"id": 8, "deleted_at": "2026-01-01"}]}))

        assert pos.outlets() == (Outlet(id="o1", name="Main"),)
        assert pos.users() == (User(id="u1", username="web", name="Web Shop"),)
        assert pos.payment_types() == (PaymentType(id="7", name="Online"),)

    def test_the_rate_of_a_tax_is_the_sum_of_its_rates(self, server: Loopback, pos: LightspeedPos) -> None:
        group = {"id": "t1", "name": "State", "rates": [{"rate": 0.05}, {"rate": "0.02"}], "is_default": True}
        old = {"id": "t2", "name": "GST", "rate": Decimal("0.15")}
        none = {"id": "t0", "name": "No Tax", "rates": [{"rate": 0}]}
        strange = {"id": "t3", "rates": [{"rate": None}]}
        server.says(json_answer({"data": [group, old, none, strange]}))

        assert pos.taxes() == (
            Tax(id="t1", name="State", rate=Decimal("0.07"), is_default=True),
            Tax(id="t2", name="GST", rate=Decimal("0.15")),
            Tax(id="t0", name="No Tax", rate=Decimal(0)),
            Tax(id="t3", name="", rate=Decimal(0)),
        )

    def test_a_refused_list_names_the_scope(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer({"error": "permission denied"}, 403))

        with pytest.raises(AccessRefused) as raised:
            pos.taxes()

        assert "taxes:read" in raised.value.hint

    def test_a_register_is_opened(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(Answer(b""))

        pos.open_register("g/1", datetime(2026, 11, 23, 9, 15, tzinfo=UTC))

        [seen] = server.seen
        assert (seen.method, seen.path) == ("PUT", "/api/2026-07/registers/g%2F1/actions/open")
        assert seen.json == {"register_open_time": "2026-11-23T09:15:00Z"}


class TestPaging:
    def test_a_feed_is_read_until_a_page_is_empty(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(
            listed({"id": "a", "version": 4}, {"id": "b", "version": 7, "deleted_at": "2026-01-01"}, reached=7),
            json_answer({"data": [{"id": "c", "version": "8"}]}),
            EMPTY,
        )

        pages = list(pos.products_after(3))

        assert [([row.id for row in page.rows], page.version) for page in pages] == [(["a", "b"], 7), (["c"], 8)]
        assert pages[0].rows[1].is_deleted
        assert [seen.query["after"] for seen in server.seen] == ["3", "7", "8"]
        assert {seen.query["deleted"] for seen in server.seen} == {"true"}

    def test_a_feed_with_nothing_new_gives_nothing(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(EMPTY, NO_CONTENT, json_answer([]), json_answer({"data": None}), json_answer({}))

        for _ in range(5):
            assert list(pos.customers_after(5)) == []

    def test_a_feed_that_does_not_move_on_is_a_wrong_answer(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(listed({"id": "a"}, reached=5))

        with pytest.raises(WrongAnswer, match="sales: after=5 was ignored"):
            list(pos.sales_after(5))

    @pytest.mark.parametrize(
        "answer", [json_answer("x"), json_answer({"data": ["a"]}), json_answer({"data": 1}), html()]
    )
    def test_what_is_no_list_is_a_wrong_answer(self, server: Loopback, pos: LightspeedPos, answer: Answer) -> None:
        server.says(answer)

        with pytest.raises(WrongAnswer):
            list(pos.products_after(0))

    def test_sales_are_not_asked_for_by_members_that_would_be_ignored(
        self, server: Loopback, pos: LightspeedPos
    ) -> None:
        row = {"id": SALE_ID, "state": "closed", "_metadata": {"version": 12}}
        server.says(json_answer({"data": [row]}), EMPTY)

        [page] = pos.sales_after(5)

        assert (page.rows[0].version, page.version) == (12, 12)
        assert server.seen[0].query == {"after": "5", "page_size": "200"}

    def test_adjustments_are_fed_raw(self, server: Loopback, pos: LightspeedPos) -> None:
        row = {"id": "x", "quantity": "-2", "version": 6}
        server.says(listed(row), EMPTY)

        assert [page.rows for page in pos.adjustments_after(5)] == [(row,)]


def a_product(**changes: Any) -> Json:
    return {"id": "p1", "name": "Mug", "sku": "MUG-1", "version": 4} | changes


class TestProducts:
    def test_a_product_goes_by_all_its_codes(self, server: Loopback, pos: LightspeedPos) -> None:
        codes = [{"type": "CUSTOM", "code": "MUG-1"}, {"type": "EAN", "code": "4006381333931"}, {"type": "X"}, "odd"]
        server.says(listed(a_product(product_codes=codes, is_active=False, has_inventory=False)), EMPTY)

        [page] = pos.products_after(0)

        assert page.rows == (
            PosProduct(
                id="p1",
                name="Mug",
                codes=("MUG-1", "4006381333931"),
                is_active=False,
                is_deleted=False,
                tracks_stock=False,
                version=4,
            ),
        )

    @pytest.mark.parametrize("codes", [None, [], "MUG", {"code": "MUG"}])
    def test_codes_that_cannot_be_read_do_not_hide_a_product(
        self, server: Loopback, pos: LightspeedPos, codes: object
    ) -> None:
        server.says(listed(a_product(product_codes=codes, active=1)), EMPTY)

        [page] = pos.products_after(0)

        assert page.rows[0].codes == ("MUG-1",)
        assert (page.rows[0].is_active, page.rows[0].tracks_stock) == (True, True)

    def test_a_product_without_an_id_is_a_wrong_answer(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(listed({"name": "Mug"}))

        with pytest.raises(WrongAnswer, match="products: a row without 'id'"):
            list(pos.products_after(0))

    @pytest.mark.parametrize(
        "answer",
        [
            json_answer({"data": [a_product()]}),
            json_answer({"data": a_product()}),
            json_answer([a_product()]),
            json_answer(a_product()),
            json_answer([a_product(id="p2", sku="other"), a_product()]),
            json_answer([a_product(id="p2", deleted_at="2026-01-01"), a_product()]),
            json_answer([a_product(sku="other", product_codes=[{"code": " mug-1 "}])]),
        ],
        ids=["list", "object", "bare list", "bare object", "another", "deleted", "second code"],
    )
    def test_a_product_is_found_by_its_code_without_regard_to_case(
        self, server: Loopback, pos: LightspeedPos, answer: Answer
    ) -> None:
        server.says(answer)

        assert [product.id for product in pos.products_with_code("Mug-1")] == ["p1"]
        assert server.seen[0].query == {"sku": "Mug-1"}

    @pytest.mark.parametrize("answer", [EMPTY, json_answer([]), json_answer({"data": None}), json_answer({"data": {}})])
    def test_a_code_that_nobody_has_is_found_nowhere(
        self, server: Loopback, pos: LightspeedPos, answer: Answer
    ) -> None:
        server.says(answer)

        assert pos.products_with_code("MUG-1") == ()

    @pytest.mark.parametrize(
        "content",
        [{"data": ["p1", "p2"]}, {"data": {"id": "p1"}}, {"data": "p1"}, ["p1"], {"id": "p1"}, [{"id": "p1"}], "p1"],
    )
    def test_the_id_of_a_new_product_is_read_from_any_shape(
        self, server: Loopback, pos: LightspeedPos, content: object
    ) -> None:
        server.says(json_answer(content))

        assert pos.create_product({"name": "Mug"}) == "p1"
        assert (server.seen[0].method, server.seen[0].json) == ("POST", {"name": "Mug"})

    @pytest.mark.parametrize("answer", [json_answer({"data": []}), json_answer({}), NO_CONTENT, json_answer(1), html()])
    def test_a_new_product_without_an_id_is_looked_up(
        self, server: Loopback, pos: LightspeedPos, answer: Answer
    ) -> None:
        server.says(answer)

        with pytest.raises(LookAgain):
            pos.create_product({})

    def test_a_product_is_changed(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer({"data": a_product()}))

        pos.update_product("p1", {"common": {"track_inventory": False}})

        assert (server.seen[0].method, server.seen[0].path) == ("PUT", "/api/2026-07/products/p1")


def a_customer(customer_id: str, email: str, **changes: Any) -> Json:
    row = {"id": customer_id, "email": email, "customer_code": "BC-7", "created_at": "2026-01-01T00:00:00Z"}
    return row | changes


class TestCustomers:
    def test_customers_are_compared_by_address_in_lower_case(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(
            json_answer(
                {
                    "data": [
                        a_customer("c1", "Ann@Example.com", version=3),
                        a_customer("c2", "ann@example.com.au"),
                        a_customer("c3", "ann@example.com", deleted_at="2026-02-02"),
                        {"id": "c4", "email": None},
                    ]
                }
            )
        )

        assert pos.customers_with_email(" ANN@example.com") == (
            PosCustomer(
                id="c1",
                code="BC-7",
                email="Ann@Example.com",
                created_at="2026-01-01T00:00:00Z",
                is_deleted=False,
                version=3,
            ),
        )
        assert server.seen[0].path == "/api/2026-07/search"
        assert server.seen[0].query["type"] == "customers"

    def test_a_long_search_is_read_to_the_end(self, server: Loopback, pos: LightspeedPos) -> None:
        rows = [a_customer(f"c{number}", "a@b.c") for number in range(250)]
        server.says(json_answer({"data": rows[:200]}), json_answer({"data": rows[200:]}))

        assert len(pos.customers_with_email("a@b.c")) == 250
        assert [seen.query["offset"] for seen in server.seen] == ["0", "200"]

    def test_a_search_that_ignores_the_offset_comes_to_an_end(self, server: Loopback, pos: LightspeedPos) -> None:
        rows = [a_customer(f"c{number}", "a@b.c") for number in range(200)]
        server.says(json_answer({"data": rows}), json_answer({"data": rows}))

        assert len(pos.customers_with_email("a@b.c")) == 200

    def test_a_customer_is_read_by_its_id(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer({"data": a_customer("c1", "a@b.c", deleted_at="2026-02-02")}))

        found = pos.customer("c1")

        assert found is not None
        assert (found.id, found.is_deleted, server.seen[0].path) == ("c1", True, "/api/2026-07/customers/c1")

    @pytest.mark.parametrize("body", [None, {"data": None}, []], ids=["404", "null", "an empty list"])
    def test_a_customer_that_is_gone_is_none(self, server: Loopback, pos: LightspeedPos, body: Any) -> None:
        server.says(json_answer(body, 404 if body is None else 200))

        assert pos.customer("c1") is None

    def test_a_customer_is_created(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer({"data": {"id": "c1"}}, 201))

        assert pos.create_customer({"first_name": None, "last_name": None}) == "c1"

    def test_customers_are_fed_with_deleted_ones(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(listed(a_customer("c1", "a@b.c", deleted_at="2026-02-02")), EMPTY)

        assert [row.is_deleted for page in pos.customers_after(0) for row in page.rows] == [True]


def a_sale(**changes: Any) -> Json:
    row: Json = {
        "id": SALE_ID,
        "state": "closed",
        "source": {"id": "1001", "type": "BigCommerce", "register_id": "g1"},
        "totals": {"price": 22, "price_incl_tax": Decimal("25.3"), "tax": Decimal("3.3")},
        "_metadata": {"version": 40},
    }
    return row | changes


class TestSales:
    @pytest.mark.parametrize(
        "answer",
        [
            json_answer({"data": a_sale()}),
            json_answer(a_sale()),
            json_answer({"data": [a_sale()]}),
            json_answer([a_sale()]),
            json_answer({"data": a_sale(totals={"price_incl_tax": "25.3"})}),
        ],
        ids=["wrapped", "bare", "list", "bare list", "numbers as text"],
    )
    def test_a_sale_is_read_from_any_shape(self, server: Loopback, pos: LightspeedPos, answer: Answer) -> None:
        server.says(answer)

        sale = pos.sale(SALE_ID.upper())

        assert sale is not None
        assert (sale.id, sale.state, sale.total) == (SALE_ID, "closed", Decimal("25.3"))
        assert (sale.source_id, sale.source_type, sale.version) == ("1001", "BigCommerce", 40)
        assert sale.document["source"]["register_id"] == "g1"
        assert "register_id" not in repr(sale)

    @pytest.mark.parametrize(
        "answer",
        [
            json_answer({"error": "not found"}, 404),
            json_answer({"data": None}),
            json_answer({"data": []}),
            json_answer({"data": {}}),
            json_answer([]),
            json_answer({}),
            json_answer(None),
            html(404),
            NO_CONTENT,
        ],
    )
    def test_a_sale_that_is_not_there_is_none(self, server: Loopback, pos: LightspeedPos, answer: Answer) -> None:
        server.says(answer)

        assert pos.sale(SALE_ID) is None

    def test_an_empty_answer_means_no_sale_where_the_pos_answers_other_questions_and_says_it_again(
        self, server: Loopback, pos: LightspeedPos
    ) -> None:
        retailer = json_answer({"data": {"currency": "USD", "no_tax_group_id": "t0"}})
        server.says(Answer(b""), retailer, Answer(b""))

        assert pos.sale(SALE_ID) is None

    def test_an_empty_answer_means_nothing_where_the_pos_answers_nothing_else_either(
        self, server: Loopback, pos: LightspeedPos
    ) -> None:
        server.says(Answer(b""), Answer(b""))

        with pytest.raises(WrongAnswer):
            pos.sale(SALE_ID)

    @pytest.mark.parametrize(
        "answer",
        [
            html(),
            json_answer([a_sale(), a_sale()]),
            json_answer({"data": {"state": "closed"}}),
            json_answer(a_sale(id="another")),
            json_answer("x"),
        ],
    )
    def test_what_may_be_another_sale_or_none_is_a_wrong_answer(
        self, server: Loopback, pos: LightspeedPos, answer: Answer
    ) -> None:
        server.says(answer)

        with pytest.raises(WrongAnswer):
            pos.sale(SALE_ID)

    @pytest.mark.parametrize(
        ("changes", "total"),
        [
            ({"totals": {"price": "22", "tax": "3.3"}}, Decimal("25.3")),
            ({"totals": None, "total_price": -200, "total_tax": -30}, Decimal(-230)),
            ({"totals": None, "total_price_incl": 25}, Decimal(25)),
            ({"totals": {"price": 22}}, None),
            ({"totals": {"price_incl_tax": "much"}}, None),
            ({"totals": {"price_incl_tax": Decimal("1E+99")}}, Decimal("1E+99")),
            ({"totals": {"price_incl_tax": "1" * 50}}, None),
            ({"totals": {"price_incl_tax": "1.2.3"}}, None),
        ],
    )
    def test_the_total_is_with_tax_or_unknown(
        self, server: Loopback, pos: LightspeedPos, changes: Json, total: Decimal | None
    ) -> None:
        server.says(json_answer(a_sale(**changes)))

        sale = pos.sale(SALE_ID)

        assert sale is not None
        assert sale.total == total

    @pytest.mark.parametrize(
        ("status", "state"),
        [
            ("SAVED", "parked"),
            ("CLOSED", "closed"),
            ("ONACCOUNT_CLOSED", "closed"),
            ("DISPATCHED_CLOSED", "closed"),
            ("VOIDED", "voided"),
            ("ONACCOUNT", "pending"),
            ("AWAITING_PICKUP", "pending"),
            ("", ""),
        ],
    )
    def test_the_legacy_status_stands_in_for_a_missing_state(
        self, server: Loopback, pos: LightspeedPos, status: str, state: str
    ) -> None:
        flat = {"id": SALE_ID, "status": status, "source": "BigCommerce", "source_id": "1001", "version": 3}
        server.says(json_answer({"data": flat}))

        sale = pos.sale(SALE_ID)

        assert sale is not None
        assert (sale.state, sale.source_type, sale.source_id, sale.version) == (state, "BigCommerce", "1001", 3)

    @pytest.mark.parametrize(
        "content", [{"data": {"id": SALE_ID}}, {"id": SALE_ID}, {"data": SALE_ID}, {"data": [SALE_ID]}, SALE_ID]
    )
    def test_a_new_sale_of_which_only_the_id_is_told_has_no_total(
        self, server: Loopback, pos: LightspeedPos, content: object
    ) -> None:
        server.says(json_answer(content))

        assert pos.create_sale({}) == PosSale(
            id=SALE_ID, state="", total=None, source_id="", source_type="", document={"id": SALE_ID}
        )

    @pytest.mark.parametrize("content", [{"data": a_sale()}, a_sale(), {"data": [a_sale()]}])
    def test_a_new_sale_is_read_from_the_answer(self, server: Loopback, pos: LightspeedPos, content: object) -> None:
        server.says(json_answer(content))

        sale = pos.create_sale({"price": Decimal("4.34783")})

        assert (sale.id, sale.total, sale.state) == (SALE_ID, Decimal("25.3"), "closed")
        assert server.seen[0].body == b'{"price":4.34783}'

    @pytest.mark.parametrize(
        "answer", [NO_CONTENT, Answer(b""), json_answer({"data": None}), json_answer({"data": {}})]
    )
    @pytest.mark.parametrize("write", [lambda pos: pos.create_sale({}), lambda pos: pos.replace_sale(SALE_ID, WHOLE)])
    def test_a_success_that_tells_nothing_is_looked_up(
        self, server: Loopback, pos: LightspeedPos, answer: Answer, write: Callable[[LightspeedPos], PosSale]
    ) -> None:
        server.says(answer)

        with pytest.raises(LookAgain):
            write(pos)

    def test_a_sale_is_replaced_as_a_whole(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer({"data": a_sale(state="voided")}))

        assert pos.replace_sale(SALE_ID, WHOLE | {"state": "voided"}).state == "voided"
        assert (server.seen[0].method, server.seen[0].path) == ("PUT", f"/api/2026-07/sales/{SALE_ID}")

    @pytest.mark.parametrize("part", [{"line_items": []}, {"source": {"type": "BigCommerce"}}, {"source": None}])
    def test_a_sale_that_was_read_in_part_is_not_written_back(
        self, server: Loopback, pos: LightspeedPos, part: Any
    ) -> None:
        with pytest.raises(GiveUp, match="not written back"):
            pos.replace_sale(SALE_ID, WHOLE | part)

        assert server.seen == []

    @pytest.mark.parametrize("wrong", [{"line_items": 7}, {"payments": ["x"]}, {"attributes": {"a": 1}}])
    def test_a_sale_in_no_known_shape_is_a_wrong_answer_to_a_read_and_unclear_after_a_write(
        self, server: Loopback, pos: LightspeedPos, wrong: Any
    ) -> None:
        server.says(*[json_answer({"data": a_sale(**wrong)})] * 2)

        with pytest.raises(WrongAnswer):
            pos.sale(SALE_ID)
        with pytest.raises(LookAgain):
            pos.create_sale({})

    @pytest.mark.parametrize("version", [-1, 2**63, 10**30])
    def test_a_version_that_cannot_be_is_a_wrong_answer(
        self, server: Loopback, pos: LightspeedPos, version: int
    ) -> None:
        server.says(json_answer({"data": [a_sale()], "version": {"min": 0, "max": version}}))

        with pytest.raises(WrongAnswer, match="reaches to"):
            list(pos.sales_after(5))

    def test_a_sale_that_was_refused_tells_why(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer({"error": "register is closed"}, 409), json_answer({"error": "bad line"}, 400))

        with pytest.raises(LookAgain, match="register is closed"):
            pos.create_sale({})
        with pytest.raises(GiveUp, match="bad line"):
            pos.create_sale({})


def a_level(product: str, level: object, **changes: Any) -> Json:
    return {"product_id": product, "outlet_id": "o1", "current_inventory_level": level, "version": 3} | changes


class TestStock:
    def test_all_levels_are_read_upwards_page_by_page(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(
            json_answer([a_level("p1", Decimal("12.0")), a_level("p2", "3.50", version=4)]),
            json_answer(
                [a_level("p3", -2, version=5), a_level("p4", None, version=6), a_level("p5", 1, deleted_at="x")]
            ),
            json_answer([]),
        )

        assert pos.stock_levels() == {("p1", "o1"): "12", ("p2", "o1"): "3.5", ("p3", "o1"): "-2", ("p4", "o1"): "0"}
        assert [seen.json for seen in server.seen] == [
            {"after": after, "size": 1000, "sort_direction": "asc"} for after in (0, 4, 6)
        ]
        assert (server.seen[0].method, server.seen[0].path) == ("POST", "/api/2026-07/inventory")

    def test_a_few_products_are_asked_for_one_by_one(self, server: Loopback, pos: LightspeedPos) -> None:
        def reply(seen: Seen) -> Answer:
            rows = [a_level(seen.json["product_id"], 100)] if seen.json["after"] == 0 else []
            return json_answer({"data": rows})

        server.reply = reply

        assert pos.stock_levels(["p2", "p1"]) == {("p1", "o1"): "100", ("p2", "o1"): "100"}

    def test_many_products_are_picked_from_the_whole_list(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer([a_level(f"p{number}", number) for number in range(40)]), json_answer([]))

        levels = pos.stock_levels([f"p{number}" for number in range(30)])

        assert len(levels) == 30
        assert "product_id" not in server.seen[0].json

    def test_a_list_without_versions_is_one_page(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer([a_level("p1", 1, version=None)]))

        assert pos.stock_levels() == {("p1", "o1"): "1"}

    def test_a_list_that_does_not_move_on_is_a_wrong_answer(self, server: Loopback, pos: LightspeedPos) -> None:
        rows = [a_level(f"p{number}", 1) for number in range(1000)]
        server.says(json_answer(rows), json_answer(rows))

        with pytest.raises(WrongAnswer, match="inventory: after=3 was ignored"):
            pos.stock_levels()

    def test_reading_stock_by_post_is_repeated(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(Answer(fault="reset"), json_answer([]))

        assert pos.stock_levels() == {}

    def test_adjusting_stock_is_never_repeated(self, server: Loopback, pos: LightspeedPos) -> None:
        item = {"product_id": "p1", "outlet_id": "o1", "quantity": "-2", "reason": "CUSTOM"}
        server.says(json_answer({"data": [item]}, 201), Answer(fault="reset"))

        pos.adjust_stock([item])
        with pytest.raises(LookAgain):
            pos.adjust_stock([item])

        assert [seen.json for seen in server.seen] == [{"stock_adjustments": [item]}] * 2

    @pytest.mark.parametrize("answer", [json_answer({"data": []}, 201), json_answer({}), Answer(body=b"")])
    def test_an_adjustment_that_the_answer_does_not_show_is_looked_up(
        self, server: Loopback, pos: LightspeedPos, answer: Answer
    ) -> None:
        server.says(answer)

        with pytest.raises(LookAgain):
            pos.adjust_stock([{"product_id": "p1", "outlet_id": "o1", "quantity": "-2", "reason": "CUSTOM"}])

    def test_reasons_for_putting_in_are_others(self, server: Loopback, pos: LightspeedPos) -> None:
        kinds = enumerate(("NEGATIVE", "POSITIVE"), 1)
        rows = [{"id": f"r{at}", "name": kind, "type": kind, "version": at} for at, kind in kinds]
        server.says(json_answer({"data": rows, "version": {"max": 2}}), json_answer({"data": []}))
        server.says(json_answer({"data": {"id": "r9"}}))

        assert pos.adjustment_reasons(adds=True) == {"POSITIVE": "r2"}
        assert pos.create_adjustment_reason("Ours", adds=True) == "r9"
        assert server.seen[-1].json == {"name": "Ours", "enabled": True, "type": "POSITIVE"}

    def test_our_reasons_are_those_for_taking_out_that_are_switched_on(
        self, server: Loopback, pos: LightspeedPos
    ) -> None:
        rows = [
            {"id": "r1", "name": "Ours", "type": "NEGATIVE", "enabled": True, "version": 1},
            {"id": "r2", "name": "Found", "type": "POSITIVE", "enabled": True, "version": 2},
            {"id": "r3", "name": "Off", "type": "NEGATIVE", "enabled": False, "version": 3},
            {"id": "r4", "name": "Gone", "type": "NEGATIVE", "enabled": True, "deleted_at": "2026", "version": 4},
        ]
        server.says(json_answer({"data": rows, "version": {"min": 1, "max": 4}}), json_answer({"data": []}))

        assert pos.adjustment_reasons() == {"Ours": "r1"}
        assert [seen.query["page_size"] for seen in server.seen] == ["100", "100"]

    def test_a_new_reason_has_an_id(self, server: Loopback, pos: LightspeedPos) -> None:
        server.says(json_answer({"data": {"id": "r9"}}))

        assert pos.create_adjustment_reason("Ours") == "r9"
        assert server.seen[0].json == {"name": "Ours", "enabled": True, "type": "NEGATIVE"}


class Tokens:
    """A source whose first token is refused."""

    token = "old"

    def current(self) -> str:
        return self.token

    def renewed(self, refused: str) -> str:
        self.token = "new"
        return self.token


class TestConnecting:
    def test_another_version_is_part_of_every_address(self, server: Loopback) -> None:
        server.says(EMPTY)
        with adapter.connect(server.url, "xyzzy", clock=StillClock().clock) as client:
            LightspeedPos(client, version="2026-10").users()

        assert server.seen[0].path == "/api/2026-10/users"

    def test_a_refused_token_is_renewed(self, server: Loopback) -> None:
        server.says(json_answer({"error": "expired"}, 401), EMPTY)
        with adapter.connect(server.url, Tokens(), clock=StillClock().clock) as client:
            LightspeedPos(client).users()

        assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer old", "Bearer new"]

    def test_a_token_that_was_got_by_a_login_is_mended_by_a_login(self, server: Loopback) -> None:
        server.says(*[json_answer({"error": "expired"}, 401)] * 2, json_answer({"error": "no"}, 403))
        with adapter.connect(server.url, Tokens(), clock=StillClock().clock) as client:
            for _ in range(2):
                with pytest.raises(AccessRefused) as raised:
                    LightspeedPos(client).users()
                assert "bcpoll login" in raised.value.hint

    def test_an_open_address_is_refused_under_its_key(self) -> None:
        with pytest.raises(SettingsError, match=r"\[pos\]"):
            adapter.connect("http://shop.retail.lightspeed.app", "xyzzy")

    def test_the_adapter_is_what_the_flow_asks_for(self, pos: LightspeedPos) -> None:
        wanted: ports.PointOfSale = pos

        assert isinstance(wanted, LightspeedPos)
