"""Every behaviour that the two APIs' documents leave open, as one switch each.

Owns the list of open questions and their most likely answers, which are the defaults. Must not carry any out: the
models and the routes do. bcpoll has to stay right under every combination.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How the sandbox answers where the documents do not say; one member per open question."""

    # BigCommerce: the list of orders.
    least_modified: Literal["inclusive", "exclusive"] = "inclusive"
    """Whether `min_date_modified` and `min_date_created` include the moment itself; the `max_` filters likewise."""
    least_id: Literal["inclusive", "exclusive"] = "inclusive"
    """Whether `min_id` includes the order that it names."""
    same_second: Literal["ascending", "descending"] = "ascending"
    """How orders of one second are sorted by id when the list is sorted by a date."""
    limit_above_maximum: Literal["refused", "clamped"] = "refused"
    """What a `limit` above 250 gets: 413, or a page of 250."""
    empty_list: Literal["204", "[]"] = "204"
    """How V2 answers with a list that has no rows."""
    archived_orders: Literal["listed", "left_out"] = "listed"
    """Whether the list holds archived orders."""
    list_lag_seconds: int = 0
    """How long an order stays out of the list after each change."""
    without_accept: Literal["json", "xml"] = "json"
    """What V2 answers to a request that does not ask for JSON."""

    # BigCommerce: what an order holds.
    consignments: Literal["as_asked", "object", "array"] = "as_asked"
    """Whether `consignment_structure` decides their shape, or they always have the same one."""
    embedded_lines: Literal[
        "complete", "warning_in_consignment", "warning_in_list", "warning_as_object", "empty", "cut_silently"
    ] = "warning_in_consignment"
    """What becomes of more than fifty lines in a consignment; `empty` embeds none at all."""
    bundle_children: Literal["counted", "left_out"] = "counted"
    """Whether `items_total` counts them."""
    sold_certificates: Literal["counted", "left_out"] = "counted"
    """Whether `items_total` counts gift certificates that are sold."""
    fees: Literal["in_total", "outside_total"] = "in_total"
    """Whether the order's total includes them."""
    shipping_coupons: Literal["lower_cost", "in_discount"] = "lower_cost"
    """Whether a coupon for shipping lowers the stated shipping cost, or counts as a discount on the order."""
    wrapping_cost: Literal["line", "unit"] = "line"
    """Whether a line's wrapping cost is for the line or for each unit of it."""
    tenders: Literal["leave_total", "lower_total"] = "leave_total"
    """Whether gift certificates and store credit lower `total_inc_tax`."""
    redeemed: Literal["in_transactions", "left_out"] = "in_transactions"
    """Whether gift certificates and store credit that pay for an order are among its transactions."""

    # BigCommerce: what moves an order's modification time.
    refunds: Literal["move_date", "leave_date"] = "move_date"
    """Whether a refund does; where it does not, not even one that changes the status."""
    captures: Literal["move_date", "leave_date"] = "move_date"
    """Whether taking authorized money does."""
    archiving: Literal["moves_date", "leaves_date"] = "moves_date"
    """Whether archiving does."""

    # BigCommerce: refunds.
    refund_amounts: Literal["with_tax", "without_tax"] = "with_tax"
    """Whether the amount that a refund requests for a charge includes its tax."""
    refund_lag_seconds: int = 0
    """How long a refund stays out of the list of refunds."""

    # The POS: sales.
    existing_sale: Literal["overwrite", "conflict", "refused", "doubles"] = "overwrite"
    """What `POST /sales` does with an id that exists: overwrite, 409, 422, or a second sale under an id of its own."""
    unknown_sale: Literal["404", "null", "empty_list", "empty_body"] = "404"
    """How `GET /sales/{id}` answers for an id that does not exist."""
    created_sale: Literal["full", "id_object", "bare_id"] = "full"
    """What `POST /sales` answers: the sale, an object with its id, or the id alone."""
    void_by_put: Literal["works", "refused", "ignored"] = "works"
    """What a PUT that voids a closed sale does."""
    edit_of_closed: Literal["works", "refused", "ignored"] = "works"
    """What a PUT that changes a closed sale without voiding it does."""
    left_out_on_put: Literal["dropped", "kept"] = "dropped"
    """What becomes of lines and payments whose ids a PUT does not name."""
    closed_register: Literal["accepted", "refused"] = "refused"
    """Whether a closed register accepts sales."""
    payment_sum: Literal["any", "must_match"] = "any"
    """Whether a closed sale with payments is refused where they do not add up to its total."""
    tax_amount: Literal["taken", "checked"] = "taken"
    """Whether a line's tax has to be the one that its tax id's rate gives."""
    number_text: Literal["accepted", "refused"] = "accepted"
    """Whether amounts may be sent as text."""
    account_customer: Literal["optional", "required"] = "optional"
    """Whether a sale on account needs a customer."""

    # The POS: stock.
    pending_fulfillment: Literal["leaves_stock", "moves_stock"] = "leaves_stock"
    """Whether a pending sale for delivery or pickup lowers the stock before it is fulfilled."""
    pending_plain: Literal["leaves_stock", "moves_stock"] = "leaves_stock"
    """Whether a pending sale without attributes lowers the stock."""
    negative_stock: Literal["allowed", "refused"] = "allowed"
    """Whether a sale may take more units than there are."""

    # The POS: customers and products.
    same_email: Literal["allowed", "refused"] = "allowed"
    """Whether two customers may have one e-mail address."""
    same_customer_code: Literal["allowed", "refused"] = "allowed"
    """Whether two customers may have one code."""
    email_search: Literal["any_case", "exact"] = "any_case"
    """How the search compares e-mail addresses."""
    search_lag_requests: int = 0
    """How many requests to the POS a new record stays out of the search."""
    search_lag_seconds: int = 0
    """How many seconds a new record stays out of the search."""
    sku_lookup: Literal["list", "object"] = "list"
    """Whether `GET /products?sku=` answers a hit with a list or with the product itself."""
    sku_case: Literal["exact", "any_case"] = "exact"
    """How `GET /products?sku=` compares."""
    inactive_product: Literal["sold", "refused"] = "sold"
    """Whether a product that is not active can be sold by the API."""
    deleted_codes: Literal["free", "taken"] = "free"
    """Whether the code of a deleted product can be used again."""

    # The POS: requests and answers in general.
    amounts: Literal["number", "text"] = "number"
    """How answers write amounts."""
    user_agent: Literal["optional", "required"] = "optional"
    """Whether a request has to name its program."""
    rate_window: Literal["fixed", "sliding"] = "fixed"
    """Whether the rate limit counts in fixed windows, or over the last five minutes at any moment."""
    largest_page: int = 500
    """The most rows that a page of a feed holds, whatever is asked for."""

    # The POS: logging in by OAuth.
    refreshed_access: Literal["dies", "lives"] = "dies"
    """Whether the access token of before a refresh stops working at once."""
    refused_grant: Literal["400", "401", "403", "422"] = "400"
    """How the token endpoint refuses a code or a refresh token."""
    denial: Literal["with_state", "without_state"] = "with_state"
    """What the browser brings back where somebody did not let the application in."""


def choices() -> Mapping[str, tuple[str, ...]]:
    """The switches that have a fixed set of positions, with every position, the default first."""
    return {field.name: _positions(field.type, field.default) for field in fields(Switches) if get_args(field.type)}


def _positions(kind: Any, default: Any) -> tuple[str, ...]:
    return (default, *(position for position in get_args(kind) if position != default))
