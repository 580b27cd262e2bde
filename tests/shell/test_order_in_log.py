"""With each request, the log says for which order it was made, in every format a line of its own."""

import io
import json
import logging
import re
from typing import Any

import pytest
from shop import GUEST, Shop

from bcpoll import logs
from bcpoll.core.status import OrderStatus
from bcpoll.logs import LogFormat
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund

# What is asked once for all orders of a page, or for customers and products, which belong to several.
_SHARED = re.compile(
    r"/v2/orders: |/sales: |/v2/store|/v2/time|/refunds: |/v2/orders/count|/v3/catalog"
    r"|/(retailer|registers|outlets|users|payment_types|taxes|products|customers|search|inventory)\\b"
)


def told(shop: Shop) -> list[dict[str, Any]]:
    """Every line of a pass at debug level."""
    stream = io.StringIO()
    logs.configure(level=logging.DEBUG, stream=stream, environ={}, fmt=LogFormat.JSON)
    shop.pass_()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def orders_of(lines: list[dict[str, Any]], pattern: str) -> list[int | None]:
    """The orders that lines about such requests name, one after the other."""
    return [line["order"] for line in lines if re.search(pattern, line["message"])]


@pytest.mark.parametrize("workers", [1, 4])
def test_each_sale_is_sent_under_its_order(workers: int) -> None:
    shop = Shop(workers=workers)
    orders = [shop.order() for _ in range(3)]

    lines = told(shop)

    assert sorted(orders_of(lines, "POST .*/sales: ")) == orders
    assert {line["run"] for line in lines} == {"1"}


def test_what_is_read_for_one_order_is_read_under_it() -> None:
    shop = Shop()
    paid = shop.order(status=OrderStatus.AWAITING_PAYMENT)
    cut = shop.order(items=tuple(shop.store.item("MUG") for _ in range(60)))
    shop.pass_()
    shop.happens(shop.store.pay, paid)
    shop.store.refund(cut, Refund(lines={0: 1}))

    lines = told(shop)

    named = [line for line in lines if re.match("(GET|PUT|POST) ", line["message"])]
    assert [line["message"] for line in named if line["order"] is None and not _SHARED.search(line["message"])] == []
    assert {paid, cut} <= {line["order"] for line in named}


def test_a_write_that_is_looked_up_by_the_next_pass_is_looked_up_under_its_order() -> None:
    shop = Shop()
    order = shop.order()
    shop.fails(Fault.RESET_AFTER, "POST", "/sales")
    shop.fails(Fault.ERROR_503, "GET", "/sales/", times=50)
    with pytest.raises(Exception, match="Lightspeed"):
        shop.pass_()
    shop.restart()

    lines = told(shop)

    assert orders_of(lines, "GET .*/sales/") == [order]


@pytest.mark.parametrize("fmt", [one for one in LogFormat if one is not LogFormat.AUTO])
def test_no_line_of_a_pass_tells_who_bought(fmt: LogFormat) -> None:
    shop = Shop()
    shop.order(shopper=GUEST)
    shop.order(fields={"billing_address": "Ada Teacup, ada@example.com, 1 Kettle Lane"})
    shop.order(fields={"customer_message": {"text": "Ring at Kettle Lane 1"}})
    shop.fails(Fault.HTML_502, "POST", "/customers")
    stream = io.StringIO()
    logs.configure(level=logging.INFO, stream=stream, environ={}, fmt=fmt)

    shop.pass_()

    assert stream.getvalue().count("set aside") == 3
    assert re.findall("Teacup|Kettle|hazel|@example", stream.getvalue()) == []
