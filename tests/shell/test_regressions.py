"""Bugs that chance found (`test_model`), each with the shortest story that shows it."""

import pytest
from shop import ADA, Shop

from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.switches import Switches


@pytest.mark.parametrize("fault", [Fault.HTML_502, Fault.ERROR_500, Fault.RESET_BEFORE], ids=lambda fault: fault.name)
def test_an_unclear_sale_does_not_cost_the_link_to_a_customer_that_the_search_does_not_show_yet(fault: Fault) -> None:
    shop = Shop(switches=Switches(search_lag_requests=50))
    shop.order(shopper=ADA)
    shop.fails(fault, "POST", "/sales")

    shop.pass_()
    shop.order(shopper=ADA)
    shop.later(2)

    assert (shop.lives(), shop.review()) == ([], [])
    assert shop.customers()[ADA.email] == 1
