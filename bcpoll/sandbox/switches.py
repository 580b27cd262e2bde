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
    same_second: Literal["ascending", "descending"] = "ascending"
    """How orders of one second are sorted by id when the list is sorted by a date."""
    limit_above_maximum: Literal["refused", "clamped"] = "refused"
    empty_list: Literal["204", "[]"] = "204"
    archived_orders: Literal["listed", "left_out"] = "listed"
    list_lag_seconds: int = 0
    """How long a change of an order stays out of the list."""
    without_accept: Literal["json", "xml"] = "json"
    """What V2 answers to a request that does not ask for JSON."""

    # BigCommerce: what an order holds.
    consignments: Literal["as_asked", "object", "array"] = "as_asked"
    embedded_lines: Literal[
        "complete", "warning_in_consignment", "warning_in_list", "warning_as_object", "empty", "cut_silently"
    ] = "warning_in_consignment"
    """What becomes of more than fifty lines in a consignment; `empty` embeds none at all."""
    bundle_children: Literal["counted", "left_out"] = "counted"
    """Whether `items_total` counts them."""
    sold_certificates: Literal["counted", "left_out"] = "counted"
    """Whether `items_total` counts gift certificates that are sold."""
    fees: Literal["in_total", "outside_total"] = "in_total"
    shipping_coupons: Literal["lower_cost", "in_discount"] = "lower_cost"
    wrapping_cost: Literal["line", "unit"] = "line"
    """Whether a line's wrapping cost is for the line or for each unit of it."""
    tenders: Literal["leave_total", "lower_total"] = "leave_total"
    """Whether gift certificates and store credit lower `total_inc_tax`."""
    redeemed: Literal["in_transactions", "left_out"] = "in_transactions"
    """Whether gift certificates and store credit that pay for an order are among its transactions."""

    # BigCommerce: what moves an order's modification time.
    refunds: Literal["move_date", "leave_date"] = "move_date"
    """A refund that changes the status moves the date all the same."""
    refund_amounts: Literal["with_tax", "without_tax"] = "with_tax"
    """How a refund states what was asked for a charge."""
    refund_lag_seconds: int = 0
    """How long a refund stays out of the list of refunds."""
    captures: Literal["move_date", "leave_date"] = "move_date"
    archiving: Literal["moves_date", "leaves_date"] = "moves_date"

    # The POS: sales.
    existing_sale: Literal["overwrite", "conflict", "refused", "doubles"] = "overwrite"
    """What `POST /sales` does with an id that exists: 409, 422, or a second sale under an id of its own."""
    unknown_sale: Literal["404", "null", "empty_list", "empty_body"] = "404"
    created_sale: Literal["full", "id_object", "bare_id"] = "full"
    void_by_put: Literal["works", "refused", "ignored"] = "works"
    edit_of_closed: Literal["works", "refused", "ignored"] = "works"
    """Changing a closed sale by PUT without voiding it."""
    left_out_on_put: Literal["dropped", "kept"] = "dropped"
    """What becomes of payments whose ids a PUT does not name."""
    closed_register: Literal["accepted", "refused"] = "refused"
    payment_sum: Literal["any", "must_match"] = "any"
    """Whether a closed sale with payments is refused where they do not add up to its total."""
    tax_amount: Literal["taken", "checked"] = "taken"
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

    # The POS: customers, products and answers in general.
    same_email: Literal["allowed", "refused"] = "allowed"
    same_customer_code: Literal["allowed", "refused"] = "allowed"
    email_search: Literal["any_case", "exact"] = "any_case"
    search_lag_requests: int = 0
    """How many requests to the POS a new record stays out of the search."""
    search_lag_seconds: int = 0
    sku_lookup: Literal["list", "object"] = "list"
    sku_case: Literal["exact", "any_case"] = "exact"
    """How `GET /products?sku=` compares."""
    inactive_product: Literal["sold", "refused"] = "sold"
    """Whether a product that is not active can be sold by the API."""
    deleted_codes: Literal["free", "taken"] = "free"
    """Whether the code of a deleted product can be used again."""
    amounts: Literal["number", "text"] = "number"
    user_agent: Literal["optional", "required"] = "optional"
    rate_window: Literal["fixed", "sliding"] = "fixed"
    """Whether five minutes of the rate limit begin anew when the last have ended, or slide."""
    largest_page: int = 500

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
