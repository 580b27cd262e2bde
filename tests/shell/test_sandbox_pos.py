"""The sandbox's POS answers as the API of 2026-07 is documented to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
from wsgi import BASE_URL, Client

from bcpoll.sandbox.limits import Limits
from bcpoll.sandbox.world import World, furnish, new_world

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Till:
    """Writes request bodies with the ids of one world."""

    def __init__(self, world: World) -> None:
        pos = self.pos = world.pos
        self.client = Client(world)
        self.mug = pos.add_product("Mug", "MUG", price="10", stock={"Main Store": "20"})
        self.charge = pos.add_product("Shipping", "SHIP", tracked=False)
        self.tax = pos.id_of(pos.taxes, "Sales Tax")
        self.outlet = pos.id_of(pos.outlets, "Main Store")
        self.register = pos.id_of(pos.registers, "Online")
        self.author = next(row["id"] for row in pos.users if row["username"] == "online")
        self.cash = pos.id_of(pos.payment_types, "Cash")

    def line(self, quantity: int = 2, product: str = "", price: Any = 10, tax: Any = 0.8, **more: Any) -> Any:
        pricing = {"price": price}
        tax_part = {"id": self.tax, "amount": tax}
        return {
            "product": {"id": product or self.mug},
            "quantity": quantity,
            "pricing": pricing,
            "tax": tax_part,
            "_metadata": {"is_price_override": True},
            **more,
        }

    def sale(self, state: str = "closed", paid: Any = 21.6, **changes: Any) -> dict[str, Any]:
        source = {"author_id": self.author, "register_id": self.register, "type": "BigCommerce", "id": "100"}
        payments = [{"amount": paid, "type": {"config_id": self.cash}}] if paid else []
        return {"source": source, "state": state, "line_items": [self.line()], "payments": payments, **changes}

    def post(self, body: Any, status: int = 200) -> Any:
        answer = self.client.pos("POST", "/sales", body)
        assert answer.status_code == status, answer.text
        return answer.json().get("data")

    def put(self, sale_id: str, body: Any, status: int = 200) -> Any:
        answer = self.client.pos("PUT", f"/sales/{sale_id}", body)
        assert answer.status_code == status, answer.text
        return answer.json().get("data")

    @property
    def left(self) -> Decimal:
        return self.pos.stock("MUG", "Main Store")


@pytest.fixture
def world() -> World:
    world = new_world(clock=lambda: NOON, limits=Limits.off())
    furnish(world.pos)
    return world


@pytest.fixture
def till(world: World) -> Till:
    return Till(world)


@pytest.fixture
def client(till: Till) -> Client:
    return till.client


# Feeds and reference records


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/outlets", "Main Store"),
        ("/registers", "Online"),
        ("/payment_types", "Online - Card"),
        ("/taxes", "No Tax"),
        ("/products", "Mug"),
    ],
)
def test_reference_records_are_feeds(client: Client, path: str, name: str) -> None:
    page = client.pos("GET", path).json()
    assert name in [row["name"] for row in page["data"]]
    assert page["version"]["max"] == max(row["version"] for row in page["data"])


def test_the_retailer_names_currency_and_no_tax(till: Till, client: Client) -> None:
    retailer = client.pos("GET", "/retailer").json()["data"]
    assert (retailer["currency"], retailer["tax_exclusive"]) == ("USD", True)
    assert retailer["no_tax_group_id"] == till.pos.id_of(till.pos.taxes, "No Tax")


def test_a_feed_goes_on_after_a_version_and_ends_with_nulls(client: Client) -> None:
    first = client.pos("GET", "/payment_types", page_size=2).json()
    rest = client.pos("GET", "/payment_types", after=first["version"]["max"]).json()
    assert (len(first["data"]), len(rest["data"])) == (2, 3)
    end = client.pos("GET", "/payment_types", after=rest["version"]["max"]).json()
    assert end == {"data": [], "version": {"min": None, "max": None}}


def test_a_changed_record_moves_to_the_end_of_its_feed(till: Till, client: Client) -> None:
    end = client.pos("GET", "/products").json()["version"]["max"]
    client.pos("PUT", f"/products/{till.mug}", {"common": {"name": "Cup"}})
    assert [row["name"] for row in client.pos("GET", "/products", after=end).json()["data"]] == ["Cup"]
    assert [row["name"] for row in client.pos("GET", "/products").json()["data"]] == ["Shipping", "Cup"]


def test_deleted_records_show_on_request_only(till: Till, client: Client) -> None:
    till.pos.delete(till.pos.products, till.mug)
    assert len(client.pos("GET", "/products").json()["data"]) == 1
    everything = client.pos("GET", "/products", deleted="true").json()["data"]
    assert [bool(row["deleted_at"]) for row in everything] == [False, True]


def test_a_page_is_no_larger_than_the_server_allows(world: World, client: Client) -> None:
    world.switch(largest_page=1)
    assert len(client.pos("GET", "/taxes", page_size=9000).json()["data"]) == 1


# Access and limits


def test_a_bad_token_is_401_and_a_missing_scope_403(world: World, client: Client) -> None:
    world.pos_scopes = frozenset({"sales:read"})
    assert client.pos("GET", "/sales").status_code == 200
    assert client.pos("POST", "/sales", {}).status_code == 403
    assert client.pos("GET", "/search", type="products").status_code == 403
    bad = client.session.get(f"{BASE_URL}/api/2026-07/sales", headers={"Authorization": "Bearer no"}, timeout=5)
    assert (bad.status_code, bad.json()) == (401, {"error": "Access token is not valid"})


def test_an_unknown_path_is_404(client: Client) -> None:
    assert client.pos("GET", "/lemonade").json() == {"error": "service not found"}


def test_the_rate_limit_follows_from_the_registers(world: World, client: Client) -> None:
    world.limits = Limits()
    assert client.pos("GET", "/taxes").headers["X-RateLimit-Limit"] == "650"
    world.limits = Limits(pos_quota=2)
    client.pos("GET", "/taxes")
    over = client.pos("GET", "/taxes")
    assert over.json() == {"error": "Too Many Requests", "message": "Rate limiting enforced"}
    assert over.headers["Retry-After"] == "Fri, 20 Nov 2026 12:05:01 GMT"


FORM = {"client_id": "client", "client_secret": "client-secret"}
PAGE = {
    "client_id": "client",
    "response_type": "code",
    "redirect_uri": "http://127.0.0.1:9/back",
    "scope": "taxes:read",
}


def refresh(client: Client, token: str) -> Any:
    form = FORM | {"grant_type": "refresh_token", "refresh_token": token}
    return client.session.post(f"{BASE_URL}/api/1.0/token", data=form, timeout=5)


def log_in(client: Client, **changes: str) -> Mapping[str, str]:
    """What the browser brings back from the login page."""
    answer = client.session.get(f"{BASE_URL}/connect", params=PAGE | changes, allow_redirects=False, timeout=5)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("http://127.0.0.1:9/back?")
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def exchange(client: Client, code: str, redirect_uri: str = PAGE["redirect_uri"]) -> Any:
    form = FORM | {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    return client.session.post(f"{BASE_URL}/api/1.0/token", data=form, timeout=5)


def test_the_token_endpoint_rotates_both_tokens(world: World, client: Client) -> None:
    first = refresh(client, "refresh-token").json()
    assert client.pos("GET", "/taxes").status_code == 200
    assert world.tokens.pos == first["access_token"]
    assert refresh(client, "refresh-token").status_code == 400
    second = refresh(client, first["refresh_token"]).json()
    assert client.pos("GET", "/taxes").status_code == 200
    world.tokens.pos = first["access_token"]
    assert first["access_token"] not in world.tokens.ends
    assert second["access_token"] in world.tokens.ends


def test_an_access_token_may_outlive_its_refresh(world: World, client: Client) -> None:
    world.switch(refreshed_access="lives")
    first = refresh(client, "refresh-token").json()
    refresh(client, first["refresh_token"])

    assert world.tokens.let_in(f"Bearer {first['access_token']}", world.clock())
    assert not world.tokens.let_in(first["access_token"], world.clock())


def test_an_access_token_ends_by_the_clock_of_the_world(world: World, client: Client) -> None:
    told = refresh(client, "refresh-token").json()
    begin = world.clock()
    world.set_clock(lambda: begin + timedelta(seconds=told["expires_in"]) - timedelta(seconds=1))
    assert client.pos("GET", "/taxes").status_code == 200
    world.set_clock(lambda: begin + timedelta(seconds=told["expires_in"]))
    assert client.pos("GET", "/taxes").status_code == 401
    assert told["expires"] == int((begin + timedelta(days=1)).timestamp())


def test_a_login_gives_a_code_that_is_good_once_and_for_its_scopes(client: Client) -> None:
    back = log_in(client, state="mine")
    given = exchange(client, back["code"])

    assert {**back, "code": ""} == {"code": "", "domain_prefix": "sandbox", "state": "mine"}
    assert given.json()["scope"] == "taxes:read"
    assert client.pos("GET", "/taxes").status_code == 200
    assert client.pos("GET", "/users").status_code == 403
    assert exchange(client, back["code"]).status_code == 400


def test_a_code_is_good_for_the_redirect_that_it_was_given_for(client: Client) -> None:
    code = log_in(client)["code"]
    assert exchange(client, code, "http://127.0.0.1:9/other").status_code == 400


@pytest.mark.parametrize(("status", "told"), [("400", 400), ("401", 401), ("403", 403), ("422", 422)])
def test_a_grant_is_refused_as_the_switch_says(world: World, client: Client, status: str, told: int) -> None:
    world.switch(refused_grant=status)
    answer = refresh(client, "another")
    assert (answer.status_code, answer.json()) == (told, {"error": "invalid_grant"})


def test_a_login_is_denied_with_and_without_its_state(world: World, client: Client) -> None:
    assert log_in(client, scope="", state="mine") == {"error": "access_denied", "state": "mine"}
    world.tokens.denies = True
    world.switch(denial="without_state")
    assert log_in(client, state="mine") == {"error": "access_denied"}


def test_the_login_page_sends_nobody_back_for_an_application_that_it_does_not_know(client: Client) -> None:
    page = PAGE | {"client_id": "another"}
    answer = client.session.get(f"{BASE_URL}/connect", params=page, allow_redirects=False, timeout=5)
    assert answer.status_code == 400


def test_the_token_endpoint_has_a_limit_of_its_own(world: World, client: Client) -> None:
    world.limits = Limits(pos_quota=50, token_quota=1)
    assert refresh(client, "refresh-token").headers["X-RateLimit-Limit"] == "1"
    over = refresh(client, world.tokens.refresh)
    assert (over.status_code, over.headers["X-RateLimit-Reset"]) == (429, str(int(NOON.timestamp()) + 60))
    assert client.pos("GET", "/taxes").headers["X-RateLimit-Limit"] == "50"


# Sales


def test_a_closed_sale_is_kept_with_totals_and_lowers_the_stock(till: Till, client: Client) -> None:
    mine = str(uuid4())
    sale = till.post(till.sale(id=mine, line_items=[till.line(3, price=12.5, tax=1)]))
    assert (sale["id"], sale["state"], sale["source"]["id"]) == (mine, "closed", "100")
    assert sale["totals"] == {"price": 37.5, "price_incl_tax": 40.5, "tax": 3, "loyalty": 0, "surcharge": 0}
    assert sale["payments"][0]["type"]["name"] == "Cash"
    assert client.pos("GET", f"/sales/{mine}").json()["data"] == sale
    assert till.left == 17


def test_a_price_is_the_products_own_unless_it_is_marked_as_an_override(till: Till) -> None:
    sale = till.post(till.sale(line_items=[till.line(price=12.5), till.line(price=12.5, _metadata={})]))
    assert [line["pricing"]["price"] for line in sale["line_items"]] == [12.5, 10]


def test_totals_are_exact_where_doubles_are_not(till: Till) -> None:
    line = till.line(3, price=33.33333, tax=0.1)
    assert till.post(till.sale(line_items=[line]))["totals"]["price_incl_tax"] == 100.29999


def test_stock_moves_by_state_and_attributes(till: Till) -> None:
    expected = {("parked", ()): 0, ("voided", ()): 0, ("pending", ()): 0, ("pending", ("onaccount",)): 2}
    for (state, attributes), units in expected.items():
        before = till.left
        till.post(till.sale(state, attributes=list(attributes)))
        assert before - till.left == units, (state, attributes)


def test_products_without_tracking_do_not_move(till: Till) -> None:
    till.post(till.sale(line_items=[till.line(2, till.charge)]))
    assert till.pos.stock("SHIP", "Main Store") == 0


def test_a_refund_sale_gives_units_back(till: Till) -> None:
    sale = till.post(till.sale(line_items=[till.line(-1)], paid=-10.8))
    assert (till.left, sale["return"]["is_return"]) == (21, True)


def test_voiding_gives_the_stock_back_and_drops_the_payments(till: Till) -> None:
    sale = till.post(till.sale())
    voided = till.put(sale["id"], till.sale("voided"))
    assert (voided["state"], voided["payments"], till.left) == ("voided", [], 20)
    till.put(sale["id"], till.sale(), status=422)
    till.put(sale["id"], till.sale("voided"), status=422)


def test_a_put_replaces_lines_and_payments_and_moves_the_difference(till: Till) -> None:
    sale = till.post(till.sale())
    line = till.line(5) | {"id": sale["line_items"][0]["id"]}
    changed = till.put(sale["id"], till.sale(line_items=[line]))
    assert changed["line_items"][0]["id"] == sale["line_items"][0]["id"]
    assert changed["payments"][0]["id"] != sale["payments"][0]["id"]
    assert (till.left, changed["invoice_number"]) == (15, sale["invoice_number"])


def test_a_closed_sale_becomes_voided_only(till: Till) -> None:
    sale = till.post(till.sale())
    till.put(sale["id"], till.sale("parked"), status=422)
    till.put(str(uuid4()), till.sale(), status=404)


UNKNOWN = str(uuid4())
BROKEN = {
    "source is required": lambda till: {"state": "closed"},
    "source.author_id is required": lambda till: till.sale(source={"register_id": till.register}),
    "state": lambda till: till.sale("done"),
    "line_items[0].product is required": lambda till: till.sale(line_items=[till.line() | {"product": None}]),
    "line_items[0].quantity is required": lambda till: till.sale(line_items=[till.line(quantity=None)]),
    "line_items[0].pricing.price is required": lambda till: till.sale(line_items=[till.line() | {"pricing": {}}]),
    "line_items[0].tax.id is required": lambda till: till.sale(line_items=[till.line() | {"tax": {"amount": 1}}]),
    "line_items[0].tax.amount is required": lambda till: till.sale(line_items=[till.line(tax=None)]),
    "payments[0].amount is required": lambda till: till.sale(payments=[{"type": {"config_id": till.cash}}]),
    "payments[0].type.config_id is required": lambda till: till.sale(payments=[{"amount": 1, "type": {}}]),
    "product '": lambda till: till.sale(line_items=[till.line(product=UNKNOWN)]),
    "register '": lambda till: till.sale(source={"author_id": till.author, "register_id": UNKNOWN}),
    "user '": lambda till: till.sale(source={"author_id": UNKNOWN}),
    "customer '": lambda till: till.sale(customer_id=UNKNOWN),
    "tax '": lambda till: till.sale(line_items=[till.line() | {"tax": {"id": UNKNOWN, "amount": 1}}]),
    "payment type '": lambda till: till.sale(payments=[{"amount": 1, "type": {"config_id": UNKNOWN}}]),
    "is not a UUID": lambda till: till.sale(id="100"),
    "do not go together": lambda till: till.sale(attributes=["pickup", "delivery"]),
    "is not a number": lambda till: till.sale(paid="ten"),
    "is not a time": lambda till: till.sale(date="yesterday"),
    "has no offset": lambda till: till.sale(date="2026-11-20T12:00:00"),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_sale_is_refused_by_name_and_leaves_nothing(till: Till, client: Client, message: str) -> None:
    answer = client.pos("POST", "/sales", BROKEN[message](till))
    assert answer.status_code == 422
    assert message in answer.json()["error"]
    assert (len(till.pos.sales), till.left) == (0, 20)


def test_card_numbers_are_blotted_out(till: Till) -> None:
    assert till.post(till.sale(note="card 4111 1111 1111 1111, thanks"))["note"] == "card [REDACTED], thanks"


@pytest.mark.parametrize("body", [b"{", b"[]"])
def test_a_body_that_is_no_object_is_400(client: Client, body: bytes) -> None:
    headers = {"Authorization": "Bearer pos-token"}
    answer = client.session.post(f"{BASE_URL}/api/2026-07/sales", data=body, headers=headers, timeout=5)
    assert answer.status_code == 400


def test_a_feed_can_be_read_up_to_a_version(client: Client) -> None:
    versions = [row["version"] for row in client.pos("GET", "/taxes").json()["data"]]
    page = client.pos("GET", "/taxes", before=versions[-1]).json()
    assert [row["version"] for row in page["data"]] == versions[:-1]


# Fulfilment


def delivery(till: Till, **changes: Any) -> dict[str, Any]:
    line = till.line(_metadata={"fulfillment_method": "DISPATCH"})
    details = [{"type": "DISPATCH", "shipping_address_token": "token"}]
    return till.sale("pending", attributes=["delivery"], line_items=[line], fulfillment_details=details) | changes


def test_a_pending_delivery_awaits_fulfilment(till: Till, client: Client) -> None:
    sale = till.post(delivery(till))
    waiting = [row for row in till.pos.fulfillments.values() if row["sale_id"] == sale["id"]]
    assert (waiting[0]["state"], waiting[0]["type"], till.left) == ("OPEN", "DISPATCH", 20)
    assert client.pos("POST", "/inventory", {"product_id": till.mug}).json()[0]["quantity_to_procure"] == 2


def test_fulfilling_closes_the_sale_once(till: Till, client: Client) -> None:
    sale = till.post(delivery(till))
    for _ in range(2):
        assert client.pos("POST", "/fulfillments/fulfill", {"sale_id": sale["id"]}).status_code == 200
    assert client.pos("GET", f"/sales/{sale['id']}").json()["data"]["state"] == "closed"
    assert till.left == 18
    assert client.pos("POST", "/inventory", {"product_id": till.mug}).json()[0]["quantity_to_procure"] == 0


def test_a_delivery_needs_an_address(till: Till) -> None:
    till.post(delivery(till, fulfillment_details=[]), status=422)


def test_a_delivery_names_an_address_of_its_customer(till: Till) -> None:
    till.post(delivery(till, fulfillment_details=[{"type": "DISPATCH", "shipping_address_id": "7"}]), status=422)


def test_only_the_answer_to_its_creation_has_the_token_of_an_address(till: Till, client: Client) -> None:
    path = f"/customers/{till.pos.add_customer('Ada', 'Teacup', 'ada@example.com')}/addresses"
    body = {"type": "SHIPPING", "country_code": "GB", "postcode": "SW1A 1AA", "city": "London"}
    made = client.pos("POST", path, body | {"address_line_1": "1 Sample Street", "first_name": "Ada"}).json()["data"]
    [listed] = client.pos("GET", path).json()["data"]
    assert (listed["id"], "id_token" in made, "id_token" in listed, "first_name" in made) == (
        made["id"],
        True,
        False,
        False,
    )


def test_a_list_with_a_documented_maximum_refuses_longer_pages(client: Client) -> None:
    path = "/custom_inventory_adjustment_reasons?page_size="
    assert [client.pos("GET", path + size).status_code for size in ("100", "101")] == [200, 400]


def test_addresses_are_checked_strictly(till: Till, client: Client) -> None:
    customer = till.pos.add_customer("Ada", "Teacup", "ada@example.com")
    good = {"type": "SHIPPING", "country_code": "US", "state_code": "IL", "postcode": "62701", "city": "Springfield"}
    good |= {"address_line_1": "1 Sample Street"}
    path = f"/customers/{customer}/addresses"
    assert client.pos("POST", path, good).json()["data"]["id_token"]
    for change in ({"postcode": "ABC"}, {"state_code": None}, {"city": "x" * 29}, {"type": "HOME"}):
        assert client.pos("POST", path, good | change).status_code == 400, change


# Products


def test_creating_a_product_answers_its_id_in_a_list(till: Till, client: Client) -> None:
    stock = [{"outlet_id": till.outlet, "current_amount": 7}]
    body = {"name": "Kettle", "sku": "KETTLE", "price_excluding_tax": 129, "inventory": stock}
    (product_id,) = client.pos("POST", "/products", body).json()["data"]
    product = till.pos.products.get(product_id)
    assert product is not None
    assert (product["sku"], product["has_inventory"], till.pos.stock("KETTLE", "Main Store")) == ("KETTLE", True, 7)


@pytest.mark.parametrize(
    "body",
    [
        {"sku": "NEW"},
        {"name": "Mug two", "sku": "mug"},
        {"name": "New", "product_codes": [{"type": "CUSTOM", "code": "MUG"}]},
        {"name": "New", "price_excluding_tax": 1, "price_including_tax": 1},
        {"name": "New", "inventory": [{"outlet_id": "nowhere", "current_amount": 1}]},
        {"name": "New", "outlet_taxes": [{"outlet_id": "nowhere", "tax_id": "none"}]},
    ],
)
def test_a_broken_product_is_refused(till: Till, client: Client, body: Any) -> None:
    assert client.pos("POST", "/products", body).status_code == 422
    assert len(till.pos.products) == 2


def test_a_product_without_a_code_gets_the_next_number(till: Till, client: Client) -> None:
    client.pos("POST", "/products", {"name": "Unnamed"})
    assert till.pos.with_code("10001")


def test_tracking_is_switched_off_by_put(till: Till, client: Client) -> None:
    client.pos("PUT", f"/products/{till.mug}", {"common": {"track_inventory": False}})
    till.post(till.sale())
    assert till.left == 20


def test_products_are_found_by_any_code(till: Till, client: Client) -> None:
    codes = [{"type": "CUSTOM", "code": "MUG"}, {"type": "EAN", "code": "4000"}]
    client.pos("PUT", f"/products/{till.mug}", {"details": {"product_codes": codes}})
    assert [row["name"] for row in client.pos("GET", "/products", sku="4000").json()["data"]] == ["Mug"]
    assert client.pos("GET", "/products", sku="NONE").json() == {"data": []}
    assert client.pos("GET", "/search", type="products", sku="mug").json()["data"][0]["id"] == till.mug
    assert client.pos("GET", "/search", type="products", sku="MUG").json()["data"] == []


# Customers


def test_a_customer_needs_names_though_they_may_be_null(client: Client) -> None:
    assert client.pos("POST", "/customers", {"first_name": "Ada"}).status_code == 422
    answer = client.pos("POST", "/customers", {"first_name": None, "last_name": None, "email": "a@example.com"})
    assert (answer.status_code, answer.json()["data"]["enable_loyalty"]) == (201, True)


def test_customers_are_searched_without_regard_to_case(till: Till, client: Client) -> None:
    first = till.pos.add_customer("Ada", "Teacup", "Ada@Example.com")
    till.pos.delete(till.pos.customers, till.pos.add_customer("Ada", "Gone", "ada@example.com"))
    found = client.pos("GET", "/search", type="customers", email="ada@example.COM").json()["data"]
    assert [row["id"] for row in found] == [first]


# Stock


def adjustment(till: Till, quantity: str = "-2", reason: str = "DAMAGE", **more: Any) -> dict[str, Any]:
    return {"product_id": till.mug, "outlet_id": till.outlet, "quantity": quantity, "reason": reason, **more}


def test_adjustments_move_stock_and_have_a_feed(till: Till, client: Client) -> None:
    items = [adjustment(till), adjustment(till, "5", "STOCK_FOUND")]
    answer = client.pos("POST", "/stock_adjustments", {"stock_adjustments": items})
    assert (answer.status_code, [row["quantity"] for row in answer.json()["data"]]) == (201, ["-2", "5"])
    assert till.left == 23
    assert len(client.pos("GET", "/stock_adjustments").json()["data"]) == 2


BAD_ADJUSTMENTS = {
    "unknown member": lambda till: adjustment(till, note="x"),
    "quantity as number": lambda till: adjustment(till) | {"quantity": -2},
    "sign against reason": lambda till: adjustment(till, "2"),
    "unknown reason": lambda till: adjustment(till, reason="BORED"),
    "custom without id": lambda till: adjustment(till, reason="CUSTOM"),
    "unknown product": lambda till: adjustment(till) | {"product_id": "none"},
}


@pytest.mark.parametrize("bad", BAD_ADJUSTMENTS.values(), ids=BAD_ADJUSTMENTS)
def test_one_bad_adjustment_refuses_all(till: Till, client: Client, bad: Any) -> None:
    answer = client.pos("POST", "/stock_adjustments", {"stock_adjustments": [adjustment(till), bad(till)]})
    assert (answer.status_code, till.left) == (422, 20)


def test_custom_reasons_are_unique_and_have_a_sign(till: Till, client: Client) -> None:
    reason = {"name": "BigCommerce out", "enabled": True, "type": "NEGATIVE"}
    created = client.pos("POST", "/custom_inventory_adjustment_reasons", reason)
    assert created.status_code == 200
    assert client.pos("POST", "/custom_inventory_adjustment_reasons", reason).status_code == 409
    custom = {"reason": "CUSTOM", "custom_inventory_adjustment_reason_id": created.json()["data"]["id"]}
    for quantity, status in (("-1", 201), ("1", 422)):
        items = [adjustment(till, quantity) | custom]
        assert client.pos("POST", "/stock_adjustments", {"stock_adjustments": items}).status_code == status


def test_inventory_is_a_bare_list_newest_first(till: Till, client: Client) -> None:
    till.post(till.sale())
    till.pos.set_stock(till.charge, till.outlet, Decimal(4))
    levels = client.pos("POST", "/inventory", {"size": 10}).json()
    assert [row["current_inventory_level"] for row in levels] == [4, 18]
    ascending = client.pos("POST", "/inventory", {"sort_direction": "asc", "after": levels[1]["version"]}).json()
    assert [row["product_id"] for row in ascending] == [till.charge]


# Registers


def test_a_closed_register_refuses_sales_until_it_is_opened(till: Till, client: Client) -> None:
    till.pos.open_register("Online", is_open=False)
    till.post(till.sale(), status=409)
    opened = client.pos("PUT", f"/registers/{till.register}/actions/open", {"register_open_time": "2026-11-20T12:00Z"})
    assert opened.json()["data"]["is_open"] is True
    till.post(till.sale())


# Snapshots


def test_snapshots_of_worlds_that_went_the_same_way_are_equal() -> None:
    def lived() -> World:
        world = new_world(clock=lambda: NOON)
        furnish(world.pos)
        till = Till(world)
        till.pos.add_customer("Ada", "Teacup", "Ada@Example.com")
        till.post(till.sale())
        return world

    one, two = lived(), lived()
    assert one.pos.snapshot() == two.pos.snapshot()
    assert [row["id"] for row in one.pos.sales] == [row["id"] for row in two.pos.sales]
    snapshot = one.pos.snapshot()
    (sale,) = snapshot.sales["100"]
    assert (sale["state"], sale["total"], sale["payments"]) == ("closed", "21.60", (("Cash", "21.60"),))
    assert snapshot.stock["MUG", "Main Store"] == "18"
    assert snapshot.customers == {"ada@example.com": 1}


# Switches


@pytest.mark.parametrize(
    ("position", "status", "sales", "left"),
    [("overwrite", 200, 1, 17), ("conflict", 409, 1, 18), ("refused", 422, 1, 18), ("doubles", 200, 2, 15)],
)
def test_switch_existing_sale(world: World, till: Till, position: Any, status: int, sales: int, left: int) -> None:
    world.switch(existing_sale=position)
    mine = str(uuid4())
    till.post(till.sale(id=mine))
    answer = till.post(till.sale(id=mine, line_items=[till.line(3)]), status)
    assert (len(till.pos.sales), till.left) == (sales, left)
    assert position != "doubles" or answer["id"] != mine


@pytest.mark.parametrize(
    ("position", "status", "body"),
    [
        ("404", 404, b'{"error":"sale does not exist"}'),
        ("null", 200, b'{"data":null}'),
        ("empty_list", 200, b'{"data":[]}'),
        ("empty_body", 200, b""),
    ],
)
def test_switch_unknown_sale(world: World, client: Client, position: Any, status: int, body: bytes) -> None:
    world.switch(unknown_sale=position)
    answer = client.pos("GET", f"/sales/{UNKNOWN}")
    assert (answer.status_code, answer.content) == (status, body)


@pytest.mark.parametrize(
    ("position", "shape"),
    [("full", None), ("id_object", {"id": UNKNOWN}), ("bare_id", UNKNOWN)],
    ids=["full", "id_object", "bare_id"],
)
def test_switch_created_sale(world: World, till: Till, position: Any, shape: Any) -> None:
    world.switch(created_sale=position)
    answer = till.post(till.sale(id=UNKNOWN))
    assert answer == shape or (shape is None and answer["totals"])


@pytest.mark.parametrize(
    ("position", "status", "left"), [("works", 200, 20), ("refused", 422, 18), ("ignored", 200, 18)]
)
def test_switch_void_by_put(world: World, till: Till, position: Any, status: int, left: int) -> None:
    world.switch(void_by_put=position)
    sale = till.post(till.sale())
    till.put(sale["id"], till.sale("voided"), status)
    assert till.left == left


@pytest.mark.parametrize(("position", "status", "paid"), [("works", 200, 1), ("refused", 422, 0), ("ignored", 200, 0)])
def test_switch_edit_of_closed(world: World, till: Till, position: Any, status: int, paid: int) -> None:
    world.switch(edit_of_closed=position)
    sale = till.post(till.sale(paid=None))
    till.put(sale["id"], till.sale(), status)
    kept = till.pos.sales.get(sale["id"])
    assert kept is not None
    assert len(kept["payments"]) == paid


@pytest.mark.parametrize(("position", "count"), [("dropped", 1), ("kept", 2)])
def test_switch_left_out_on_put(world: World, till: Till, position: Any, count: int) -> None:
    world.switch(left_out_on_put=position)
    sale = till.post(till.sale())
    changed = till.put(sale["id"], till.sale())
    assert (len(changed["payments"]), len(changed["line_items"])) == (count, count)


@pytest.mark.parametrize(("position", "status"), [("accepted", 200), ("refused", 409)])
def test_switch_closed_register(world: World, till: Till, position: Any, status: int) -> None:
    world.switch(closed_register=position)
    till.pos.open_register("Online", is_open=False)
    till.post(till.sale(), status)


@pytest.mark.parametrize(("position", "status"), [("any", 200), ("must_match", 422)])
def test_switch_payment_sum(world: World, till: Till, position: Any, status: int) -> None:
    world.switch(payment_sum=position)
    till.post(till.sale(paid=5), status)
    till.post(till.sale(paid=None))
    till.post(till.sale())


@pytest.mark.parametrize(("position", "status"), [("taken", 200), ("checked", 422)])
def test_switch_tax_amount(world: World, till: Till, position: Any, status: int) -> None:
    world.switch(tax_amount=position)
    till.post(till.sale(line_items=[till.line(tax=2)]), status)
    till.post(till.sale())


@pytest.mark.parametrize(("position", "status"), [("accepted", 200), ("refused", 422)])
def test_switch_number_text(world: World, till: Till, position: Any, status: int) -> None:
    world.switch(number_text=position)
    till.post(till.sale(line_items=[till.line(price="10.00", tax="0.8")]), status)
    till.post(till.sale(line_items=[till.line() | {"pricing": {"price": 10, "discount": "1"}}]), status)


@pytest.mark.parametrize(("position", "status"), [("optional", 200), ("required", 422)])
def test_switch_account_customer(world: World, till: Till, position: Any, status: int) -> None:
    world.switch(account_customer=position)
    till.post(till.sale("pending", attributes=["onaccount"], paid=None), status)


@pytest.mark.parametrize(("position", "left"), [("leaves_stock", 20), ("moves_stock", 18)])
def test_switch_pending_fulfillment(world: World, till: Till, client: Client, position: Any, left: int) -> None:
    world.switch(pending_fulfillment=position)
    sale = till.post(delivery(till))
    assert till.left == left
    client.pos("POST", "/fulfillments/fulfill", {"sale_id": sale["id"]})
    assert till.left == 18


@pytest.mark.parametrize(("position", "left"), [("leaves_stock", 20), ("moves_stock", 18)])
def test_switch_pending_plain(world: World, till: Till, position: Any, left: int) -> None:
    world.switch(pending_plain=position)
    till.post(till.sale("pending"))
    assert till.left == left


@pytest.mark.parametrize(("position", "status"), [("allowed", 200), ("refused", 422)])
def test_switch_negative_stock(world: World, till: Till, position: Any, status: int) -> None:
    world.switch(negative_stock=position)
    till.post(till.sale(line_items=[till.line(21)]), status)
    till.post(till.sale(line_items=[till.line(99, till.charge)]))


@pytest.mark.parametrize("member", ["email", "customer_code"])
@pytest.mark.parametrize(("position", "status"), [("allowed", 201), ("refused", 422)])
def test_switch_same_customer(world: World, client: Client, member: str, position: Any, status: int) -> None:
    world.switch(**{"same_email" if member == "email" else "same_customer_code": position})
    body = {"first_name": "Ada", "last_name": "Teacup", member: "ada@example.com"}
    assert client.pos("POST", "/customers", body).status_code == 201
    assert client.pos("POST", "/customers", body | {member: "ADA@example.com"}).status_code == status


@pytest.mark.parametrize(("position", "found"), [("any_case", 1), ("exact", 0)])
def test_switch_email_search(world: World, till: Till, client: Client, position: Any, found: int) -> None:
    world.switch(email_search=position)
    till.pos.add_customer("Ada", "Teacup", "Ada@Example.com")
    assert len(client.pos("GET", "/search", type="customers", email="ada@example.com").json()["data"]) == found


def test_switch_search_lag_by_requests(world: World, client: Client) -> None:
    world.switch(search_lag_requests=2)
    client.pos("POST", "/customers", {"first_name": "Ada", "last_name": "Teacup", "email": "ada@example.com"})
    counts = [len(client.pos("GET", "/search", type="customers").json()["data"]) for _ in range(3)]
    assert counts == [0, 0, 1]
    assert client.pos("GET", "/customers").json()["data"]


def test_switch_search_lag_by_seconds(world: World, client: Client) -> None:
    world.switch(search_lag_seconds=30)
    client.pos("POST", "/customers", {"first_name": "Ada", "last_name": "Teacup", "email": "ada@example.com"})
    assert client.pos("GET", "/search", type="customers").json()["data"] == []
    world.set_clock(lambda: NOON + timedelta(seconds=30))
    assert len(client.pos("GET", "/search", type="customers").json()["data"]) == 1


@pytest.mark.parametrize(("position", "shape"), [("list", list), ("object", dict)])
def test_switch_sku_lookup(world: World, client: Client, position: Any, shape: type) -> None:
    world.switch(sku_lookup=position)
    assert isinstance(client.pos("GET", "/products", sku="MUG").json()["data"], shape)
    assert client.pos("GET", "/products", sku="NONE").json()["data"] == []


@pytest.mark.parametrize(("position", "found"), [("exact", 0), ("any_case", 1)])
def test_switch_sku_case(world: World, client: Client, position: Any, found: int) -> None:
    world.switch(sku_case=position)
    assert len(client.pos("GET", "/products", sku="mug").json()["data"]) == found


@pytest.mark.parametrize(("position", "status"), [("free", 200), ("taken", 422)])
def test_switch_deleted_codes(world: World, till: Till, client: Client, position: Any, status: int) -> None:
    world.switch(deleted_codes=position)
    till.pos.delete(till.pos.products, till.mug)
    assert client.pos("POST", "/products", {"name": "Mug again", "sku": "MUG"}).status_code == status


@pytest.mark.parametrize(("position", "expected"), [("number", 21.6), ("text", "21.6")])
def test_switch_amounts(world: World, till: Till, position: Any, expected: Any) -> None:
    world.switch(amounts=position)
    assert till.post(till.sale())["totals"]["price_incl_tax"] == expected


@pytest.mark.parametrize(("position", "status"), [("optional", 200), ("required", 403)])
def test_switch_user_agent(world: World, client: Client, position: Any, status: int) -> None:
    world.switch(user_agent=position)
    client.session.headers.update({"User-Agent": ""})
    assert client.pos("GET", "/taxes").status_code == status
