"""Order files are served as they are, and what had to be made up for them is said."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from wsgi import Client

from bcpoll.sandbox.files import load_world
from bcpoll.sandbox.limits import Limits

SHARED = Path(os.environ.get("BCPOLL_SHARED", Path(__file__).parents[2].parent / "shared"))
SAMPLES = SHARED / "samples" / "bigcommerce"

ORDER: dict[str, Any] = {
    "id": 7,
    "status_id": 11,
    "date_created": "Tue, 05 Mar 2019 21:40:11 +0000",
    "date_modified": "Mon, 11 Mar 2019 15:17:25 +0000",
    "subtotal_ex_tax": "30.0000",
    "subtotal_inc_tax": "33.0000",
    "total_ex_tax": "30.0000",
    "total_inc_tax": "33.0000",
    "total_tax": "3.0000",
    "items_total": 3,
    "billing_address": {"email": "test@example.com"},
}
LINE: dict[str, Any] = {
    "id": 1,
    "order_id": 7,
    "quantity": 1,
    "type": "physical",
    "sku": "A",
    "total_ex_tax": "10.0000",
    "total_inc_tax": "11.0000",
    "total_tax": "1.0000",
}


def load(folder: Path, **files: Any) -> tuple[Client, list[str]]:
    for name, content in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    world, notices = load_world(folder, limits=Limits.off())
    return Client(world), notices


def lines(client: Client, number: int = 7) -> list[dict[str, Any]]:
    answer = client.store(f"/v2/orders/{number}/products")
    return list(answer.json()) if answer.status_code == 200 else []


def test_an_order_is_served_with_the_members_of_its_file(tmp_path: Path) -> None:
    client, _ = load(tmp_path, one=ORDER)
    served = client.store("/v2/orders/7").json()
    assert {name: served[name] for name in ORDER} == ORDER
    assert "currency_code" not in served


def test_orders_may_lie_in_a_folder_of_their_own_and_in_lists(tmp_path: Path) -> None:
    client, _ = load(tmp_path, orders__both=[ORDER, ORDER | {"id": 8}], orders__page={"data": [ORDER | {"id": 9}]})
    assert [order["id"] for order in client.store("/v2/orders").json()] == [7, 8, 9]


def test_what_is_no_order_is_left_out_by_name(tmp_path: Path) -> None:
    _, notices = load(tmp_path, broken="{", other={"id": 1}, odd=[3])
    assert [notice.split(":")[0] for notice in notices] == ["broken.json", "odd.json", "other.json"]


def test_a_repeated_number_gets_a_free_one(tmp_path: Path) -> None:
    client, notices = load(tmp_path, a=ORDER, b=ORDER, c=ORDER | {"id": 8})
    assert [order["id"] for order in client.store("/v2/orders").json()] == [7, 8, 9]
    assert "b.json: order 7 was there already; this one is served as order 9" in notices


def test_complete_line_files_are_served_alone(tmp_path: Path) -> None:
    rest = LINE | {"id": 2, "quantity": 2, "total_ex_tax": "20.0000", "total_inc_tax": "22.0000"}
    client, notices = load(tmp_path, orders__a=ORDER, products__1=LINE, order_products__2=rest)
    assert lines(client) == [LINE, rest]
    assert notices == []


def test_an_order_without_lines_gets_one_stand_in(tmp_path: Path) -> None:
    discounted = ORDER | {"discount_amount": "3.0000", "total_inc_tax": "30.0000", "total_ex_tax": "27.0000"}
    client, notices = load(tmp_path, a=discounted)
    (stand_in,) = lines(client)
    assert (stand_in["quantity"], stand_in["total_inc_tax"], stand_in["total_tax"]) == (3, "33.0000", "3.0000")
    assert stand_in["applied_discounts"][0]["amount"] == "3.0000"
    assert stand_in["discounted_total_inc_tax"] == "30.0000"
    assert notices == ["a.json: order 7: no line files; 3 units in one stand-in line"]


def test_a_stand_in_claims_no_discounted_total_that_contradicts_the_order(tmp_path: Path) -> None:
    client, _ = load(tmp_path, a=ORDER | {"coupon_discount": "5.0000"})
    assert "discounted_total_inc_tax" not in lines(client)[0]


def test_a_stand_in_covers_the_rest_of_partial_lines(tmp_path: Path) -> None:
    client, notices = load(tmp_path, orders__a=ORDER, products__1=LINE)
    first, rest = lines(client)
    assert first == LINE
    assert (rest["quantity"], rest["total_ex_tax"], rest["total_tax"]) == (2, "20.0000", "2.0000")
    assert "for a part only" in notices[0]


def test_lines_that_contradict_the_order_are_replaced(tmp_path: Path) -> None:
    client, notices = load(tmp_path, orders__a=ORDER, products__1=LINE | {"total_ex_tax": "99.0000"})
    assert [line["sku"] for line in lines(client)] == ["STAND-IN"]
    assert "contradict" in notices[0]


def test_lines_are_embedded_for_orders_without_consignments(tmp_path: Path) -> None:
    client, _ = load(tmp_path, a=ORDER)
    order = client.store("/v2/orders", include="consignments.line_items", consignment_structure="object").json()[0]
    assert order["consignments"]["shipping"][0]["line_items"][0]["sku"] == "STAND-IN"


def test_odd_consignments_are_served_as_they_are(tmp_path: Path) -> None:
    odd = {"pickups": None, "shipping": {"addresses": {"city": "Austin"}}}
    client, _ = load(tmp_path, a=ORDER | {"consignments": odd})
    order = client.store("/v2/orders", include="consignments.line_items", consignment_structure="object").json()[0]
    assert order["consignments"] == odd


def test_consignment_files_belong_to_the_order_they_link_to(tmp_path: Path) -> None:
    pickup = {"pickup_method_id": 1, "line_items": [{"resource": "/orders/7/products/1"}]}
    stranger = {"pickup_method_id": 1, "line_items": [{"resource": "/orders/70/products/1"}]}
    client, notices = load(tmp_path, orders__a=ORDER, consignments__a=pickup, consignments__b=stranger)
    order = client.store("/v2/orders", include="consignments").json()[0]
    assert order["consignments"]["pickups"] == [pickup]
    assert notices[0] == "1 consignment of the files belong to none of the orders; left out"


def test_the_pos_begins_empty_in_dollars(tmp_path: Path) -> None:
    client, _ = load(tmp_path, a=ORDER)
    assert client.pos("GET", "/retailer").json()["data"]["currency"] == "USD"
    assert client.pos("GET", "/products").json()["data"] == []
    assert "Online" in [row["name"] for row in client.pos("GET", "/registers").json()["data"]]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the documented examples are not at hand")
def test_the_documented_examples_are_served() -> None:
    world, notices = load_world(SAMPLES, limits=Limits.off())
    client = Client(world)
    params = {"include": "consignments.line_items,fees", "consignment_structure": "object", "limit": 250}
    orders = client.store("/v2/orders", **params).json()
    assert len(orders) == len(list((SAMPLES / "orders").glob("*.json")))
    assert sum("was there already" in notice for notice in notices) == 4
    assert [line["id"] for line in lines(client, 247)] == [238, 239, 240, 241]
    assert [line["sku"] for line in lines(client, 636)] == ["e1-1"]
    assert client.store("/v2/orders", min_date_modified="Wed, 02 Jun 2021 00:00:00 +0000").json()[0]["id"] == 636
