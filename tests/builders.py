"""Orders as BigCommerce sends them, and the shop they are sold in: valid by default, changed by keyword.

An order's amounts follow the equations of the orders API by construction, in either tax mode: lines are given by unit
price, quantity and rate, and everything else is added up from them. All data is invented, and nothing is random.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeAlias

from bcpoll.core.decode import Head, decode_head, decode_order, decode_refund, decode_transactions
from bcpoll.core.money import ZERO, Currency, round_money, total
from bcpoll.core.order import Json, Order, Transaction
from bcpoll.core.refunds import with_refunds
from bcpoll.core.rejected import Rejected
from bcpoll.core.sale import Desired, RefundSale, Sale
from bcpoll.core.shop import Charge, KnownProducts, Policy, Register, Shop, Tax, Tenders
from bcpoll.core.status import OrderStatus, StatusPolicy
from bcpoll.core.translate import translate

Amount: TypeAlias = str | Decimal
Priced: TypeAlias = Amount | tuple[Amount, Amount]
"""A charge: its amount in the order's tax mode, and its tax rate where it has one."""

STORE = "abc123"

REGISTER = Register(id="register-web", name="Web", outlet_id="outlet-main", is_open=True)
SECOND_REGISTER = Register(id="register-mill", name="Mill Lane", outlet_id="outlet-mill", is_open=True)

NO_TAX = Tax(id="tax-none", name="No Tax", rate=ZERO)
TAX_5 = Tax(id="tax-5", name="Reduced 5%", rate=Decimal("0.05"))
TAX_10 = Tax(id="tax-10", name="Standard 10%", rate=Decimal("0.1"), is_default=True)
TAX_20 = Tax(id="tax-20", name="Luxury 20%", rate=Decimal("0.2"))

CHARGES: Mapping[Charge, str] = MappingProxyType(
    {
        Charge.SHIPPING: "BC-SHIPPING",
        Charge.HANDLING: "BC-HANDLING",
        Charge.WRAPPING: "BC-WRAPPING",
        Charge.FEE: "BC-FEE",
        Charge.GIFT_CERTIFICATE: "BC-GIFT-CERTIFICATE",
        Charge.REFUND: "BC-REFUND",
        Charge.ADJUSTMENT: "BC-ADJUSTMENT",
    }
)


# --- the shop --------------------------------------------------------------------------------------------------------


def a_shop(**changes: Any) -> Shop:
    members: dict[str, Any] = {
        "store_hash": STORE,
        "currency": Currency("USD"),
        "no_tax_id": NO_TAX.id,
        "default_tax_id": TAX_10.id,
        "taxes": (NO_TAX, TAX_5, TAX_10, TAX_20),
        "prices_exclude_tax": True,
        "register": REGISTER,
        "author_id": "user-web",
        "tenders": Tenders(
            default_id="pay-web",
            gift_certificate_id="pay-certificate",
            store_credit_id="pay-credit",
            by_method=MappingProxyType({"cash on delivery": "pay-cash"}),
        ),
    }
    return Shop(**members | changes)


def a_policy(**changes: Any) -> Policy:
    members: dict[str, Any] = {"statuses": StatusPolicy.with_overrides({}), "charges": CHARGES}
    return Policy(**members | changes)


# --- lines -----------------------------------------------------------------------------------------------------------


def a_line(
    sku: str = "MUG-BLUE",
    price: Amount = "10.00",
    quantity: int = 1,
    *,
    rate: Amount = "0",
    off: Amount | Iterable[Json] = (),
    inclusive: bool = False,
    tax_digits: int = 2,
    **changes: Any,
) -> Json:
    """A raw order line. `off` is what was taken off the whole line: an amount by coupon, or `a_discount` or several."""
    discounts = [a_discount(off)] if isinstance(off, str | Decimal) else list(off)
    discount = total(Decimal(each["amount"]) for each in discounts)
    before, tax_before = Decimal(price) * quantity, _tax(Decimal(price) * quantity, rate, inclusive=inclusive)
    tax = round_money(_tax(before - discount, rate, inclusive=inclusive), tax_digits)
    line = {
        "id": 1,
        "product_id": 77,
        "variant_id": 770,
        "name": "Mug",
        "sku": sku,
        "type": "physical",
        "quantity": quantity,
        "total_ex_tax": _text(before - tax_before if inclusive else before),
        "total_inc_tax": _text(before if inclusive else before + tax_before),
        "total_tax": _text(tax),
        "discounted_total_inc_tax": _text(before - discount if inclusive else before - discount + tax),
        "applied_discounts": discounts,
        "product_options": [],
        "order_address_id": 500,
        "order_pickup_method_id": 0,
        "parent_order_product_id": None,
        "is_bundled_product": False,
        "wrapping_name": None,
        "wrapping_message": "",
        "event_name": None,
        "event_date": "",
    }
    return line | changes


def a_discount(amount: Amount, code: str | None = "SPRING", name: str = "Spring sale", **changes: Any) -> Json:
    return {"id": "coupon", "amount": _text(amount), "name": name, "code": code, "target": "product"} | changes


def a_certificate(amount: Amount, **changes: Any) -> Json:
    """A gift certificate that is sold: a line without tax and without SKU."""
    members = {"type": "giftcertificate", "product_id": 0, "variant_id": None, "name": f"{amount} Gift Certificate"}
    return a_line("", amount, **members | changes)


def a_child(parent: Json, sku: str, quantity: int = 1, **changes: Any) -> Json:
    """A bundle child: it costs nothing, but its stock moves."""
    members = {"parent_order_product_id": parent["id"], "is_bundled_product": True, "name": f"Part {sku}"}
    return a_line(sku, "0", quantity, **members | changes)


def numbered(*lines: Json) -> list[Json]:
    """The same lines with ids of their own."""
    return [line | {"id": number} for number, line in enumerate(lines, 1)]


# --- consignments ----------------------------------------------------------------------------------------------------

PERSON: Mapping[str, str] = MappingProxyType(
    {
        "first_name": "Robin",
        "last_name": "Sample",
        "company": "",
        "street_1": "1 Test Street",
        "street_2": "",
        "city": "Exampleton",
        "state": "Ohio",
        "zip": "43004",
        "country": "United States",
        "country_iso2": "US",
        "phone": "555 0100",
        "email": "robin@example.com",
    }
)


def a_parcel(*lines: Json, **changes: Any) -> Json:
    costs = {"base_cost": 5.0, "cost_ex_tax": 5.0, "cost_inc_tax": 5.0, "cost_tax": 0}
    return {"id": 500, **PERSON, "shipping_method": "Ground", **costs, "line_items": list(lines)} | changes


def a_pickup(*lines: Json, **changes: Any) -> Json:
    location = {
        "id": 3,
        "name": "Mill Lane",
        "code": "MILL",
        "address_line_1": "7 Mill Lane",
        "address_line_2": "",
        "city": "Exampleton",
        "state": "Ohio",
        "postal_code": "43004",
        "country_alpha2": "US",
        "email": "mill@example.com",
        "phone": "",
    }
    members = {"id": 501, "pickup_method_id": 1, "pickup_method_display_name": "Collect", "location": location}
    return members | {"line_items": list(lines)} | changes


def a_structure(
    *, shipping: Any = (), pickups: Any = (), downloads: Any = (), certificates: Any = ()
) -> dict[str, Any]:
    groups = {"pickups": pickups, "shipping": shipping, "downloads": downloads}
    lists = {name: list(group) if isinstance(group, tuple) else group for name, group in groups.items()}
    return lists | {"email": {"gift_certificates": list(certificates)}}


def consigned(lines: Iterable[Json]) -> dict[str, Any]:
    """Lines in the groups they belong to: goods in one parcel, downloads and gift certificates by e-mail."""
    by_type: dict[str, list[Json]] = {"physical": [], "digital": [], "giftcertificate": []}
    for line in lines:
        by_type.setdefault(str(line.get("type")), []).append(line)
    goods = [line for kind, group in by_type.items() if kind not in ("digital", "giftcertificate") for line in group]
    mail = {"recipient_email": PERSON["email"]}
    return a_structure(
        shipping=[a_parcel(*goods)] if goods else [],
        downloads=[mail | {"line_items": by_type["digital"]}] if by_type["digital"] else [],
        certificates=[mail | {"line_items": by_type["giftcertificate"]}] if by_type["giftcertificate"] else [],
    )


# --- orders ----------------------------------------------------------------------------------------------------------


def an_order(
    *lines: Json,
    inclusive: bool = False,
    shipping: Priced = "0",
    handling: Priced = "0",
    wrapping: Priced = "0",
    fees: Iterable[tuple[str, Priced]] = (),
    coupon_rest: Amount = "0",
    rest_tax: Amount = "0",
    fees_count: bool = True,
    **changes: Any,
) -> Json:
    """A raw order of these lines, or of one mug; `changes` replace whole members.

    `coupon_rest` is a discount that no line shows, `rest_tax` the tax that it saved. Fees count into the total unless
    told otherwise.
    """
    sold = list(lines) or [a_line(inclusive=inclusive)]
    costs = {"shipping": shipping, "handling": handling, "wrapping": wrapping}
    charges = {name: _split(priced, inclusive=inclusive) for name, priced in costs.items()}
    fee_rows = [(name, _split(priced, inclusive=inclusive)) for name, priced in fees]
    counted = [*charges.values(), *(split for _, split in fee_rows if fees_count)]
    on_lines = [each for line in sold for each in line.get("applied_discounts") or ()]
    coupons = total(Decimal(each["amount"]) for each in on_lines if each["code"]) + Decimal(coupon_rest)
    manual = total(Decimal(each["amount"]) for each in on_lines if not each["code"])

    subtotal_ex, subtotal_inc = (_sum(sold, name) for name in ("total_ex_tax", "total_inc_tax"))
    tax = _sum(sold, "total_tax") + total(split[2] for split in counted) - Decimal(rest_tax)
    if inclusive:
        inc = subtotal_inc + total(split[1] for split in counted) - coupons - manual
        ex = inc - tax
    else:
        ex = subtotal_ex + total(split[0] for split in counted) - coupons - manual
        inc = ex + tax
    order = {
        "id": 1001,
        "customer_id": 0,
        "date_created": "Mon, 02 Mar 2026 09:15:00 +0000",
        "date_modified": "Mon, 02 Mar 2026 09:16:30 +0000",
        "date_shipped": "",
        **a_status(OrderStatus.AWAITING_FULFILLMENT),
        "is_tax_inclusive_pricing": inclusive,
        "subtotal_ex_tax": _text(subtotal_ex),
        "subtotal_inc_tax": _text(subtotal_inc),
        "subtotal_tax": _text(subtotal_inc - subtotal_ex),
        **{f"{name}_cost_{side}": _text(split[at]) for name, split in charges.items() for at, side in enumerate(SIDES)},
        "total_ex_tax": _text(ex),
        "total_inc_tax": _text(inc),
        "total_tax": _text(tax),
        "items_total": sum(line["quantity"] for line in sold),
        "items_shipped": 0,
        "payment_method": "Credit Card",
        "payment_provider_id": None,
        "payment_status": "captured",
        "refunded_amount": "0.0000",
        "order_is_digital": False,
        "store_credit_amount": "0.0000",
        "gift_certificate_amount": "0.0000",
        "currency_code": "USD",
        "default_currency_code": "USD",
        "staff_notes": "",
        "customer_message": "",
        "discount_amount": _text(manual),
        "coupon_discount": _text(coupons),
        "is_deleted": False,
        "is_email_opt_in": False,
        "billing_address": dict(PERSON) | {"form_fields": []},
        "order_source": "www",
        "channel_id": 1,
        "external_source": None,
        "products": a_link("/orders/1001/products"),
        "consignments": consigned(sold),
        "fees": [_fee(number, name, split) for number, (name, split) in enumerate(fee_rows, 1)],
    }
    return order | changes


SIDES = ("ex_tax", "inc_tax", "tax")


def a_status(status: OrderStatus) -> Json:
    return {"status_id": int(status), "status": status.title, "custom_status": status.title}


def a_link(resource: str) -> Json:
    return {"url": f"https://api.example.com/stores/{STORE}/v2{resource}", "resource": resource}


def _fee(number: int, name: str, split: tuple[Decimal, ...]) -> Json:
    costs = {f"cost_{side}": _text(split[at]) for at, side in enumerate(SIDES)}
    return {"id": number, "type": "custom_fee", "display_name_customer": name, "source": "app", **costs}


def _split(priced: Priced, *, inclusive: bool) -> tuple[Decimal, Decimal, Decimal]:
    """A charge as ex_tax, inc_tax and tax."""
    amount, rate = priced if isinstance(priced, tuple) else (priced, "0")
    given, tax = Decimal(amount), round_money(_tax(Decimal(amount), rate, inclusive=inclusive), 2)
    return (given - tax, given, tax) if inclusive else (given, given + tax, tax)


def _tax(amount: Decimal, rate: Amount, *, inclusive: bool) -> Decimal:
    share = Decimal(rate)
    return round_money(amount * share / (1 + share) if inclusive else amount * share, 4)


def _sum(lines: Iterable[Json], name: str) -> Decimal:
    return total(Decimal(line[name]) for line in lines)


def _text(amount: Amount) -> str:
    """An amount as orders carry it: "2369.6667"."""
    return f"{round_money(Decimal(amount), 4):f}"


# --- refunds ---------------------------------------------------------------------------------------------------------


def a_refund(*items: Json, total: Amount, tax: Amount = "0", **changes: Any) -> Json:
    """A raw refund of these items; it goes back by the order's own way of paying unless `payments` say otherwise."""
    refund = {
        "id": 31,
        "order_id": 1001,
        "user_id": 0,
        "created": "2026-03-05T14:00:00+00:00",
        "reason": "",
        "total_amount": Decimal(total),
        "total_tax": Decimal(tax),
        "uses_merchant_override_values": False,
        "payments": [a_refund_payment(total)],
        "items": list(items),
    }
    return refund | changes


def a_returned(line: int = 1, units: int = 1, *, kept: Amount = "0", **changes: Any) -> Json:
    """Units of an order line, by its id, that are refunded."""
    adjustments = [{"amount": -Decimal(kept), "description": "Kept back"}] if Decimal(kept) else []
    item = {"item_type": "PRODUCT", "item_id": line, "quantity": units, "requested_amount": None, "reason": ""}
    return item | {"adjustments": adjustments} | changes


def a_money_back(kind: str, amount: Amount | None, **changes: Any) -> Json:
    """Money that is given back for a charge, or for the order as a whole."""
    requested = None if amount is None else Decimal(amount)
    return {"item_type": kind, "item_id": 500, "requested_amount": requested, "reason": "", **changes}


def a_refund_payment(amount: Amount, provider: str = "bigcommerce_payments", *, declined: bool = False) -> Json:
    return {
        "id": 1,
        "provider_id": provider,
        "amount": Decimal(amount),
        "offline": False,
        "is_declined": declined,
        "declined_message": "Declined" if declined else "",
        "transaction_id": None,
    }


# --- transactions ----------------------------------------------------------------------------------------------------


def a_transaction(
    amount: Amount = "10.00", event: str = "purchase", method: str = "credit_card", **changes: Any
) -> Json:
    """A raw transaction that went well; give those of one order numbers of their own."""
    transaction = {
        "id": 1,
        "order_id": "1001",
        "event": event,
        "method": method,
        "amount": Decimal(amount),
        "currency": "USD",
        "gateway": "bigcommerce_payments",
        "gateway_transaction_id": {},
        "status": "ok",
        "test": False,
        "fraud_review": False,
        "reference_transaction_id": {},
        "date_created": "2026-03-02T09:15:05+00:00",
        "gift_certificate": {},
        "store_credit": {},
        "offline": {},
        "custom": {},
        "payment_method_id": "bigcommerce_payments.card",
    }
    return transaction | changes


def told_of(*transactions: Json) -> tuple[Transaction, ...]:
    """Transactions, decoded."""
    told = decode_transactions(transactions, 1001)
    assert not isinstance(told, Rejected), told
    return told


# --- what becomes of them --------------------------------------------------------------------------------------------


def head_of(raw: Json) -> Head:
    head = decode_head(raw)
    assert isinstance(head, Head), head
    return head


def read(raw: Json) -> Order:
    """The order, decoded."""
    order = decode_order(raw, head_of(raw))
    assert isinstance(order, Order), order
    return order


def attempt(
    raw: Json,
    shop: Shop | None = None,
    policy: Policy | None = None,
    transactions: Iterable[Json] | None = None,
) -> Desired | Rejected:
    """What is made of an order, with its transactions where they were read: desired or rejected."""
    told = None if transactions is None else told_of(*transactions)
    return translate(read(raw), shop or a_shop(), policy or a_policy(), NOTHING_KNOWN, transactions=told)


def desired_of(
    raw: Json,
    shop: Shop | None = None,
    policy: Policy | None = None,
    transactions: Iterable[Json] | None = None,
) -> Desired:
    desired = attempt(raw, shop, policy, transactions)
    assert isinstance(desired, Desired), desired
    return desired


def sale_of(raw: Json, shop: Shop | None = None, policy: Policy | None = None) -> Sale:
    sale = desired_of(raw, shop, policy).sale
    assert sale is not None
    return sale


def rejected_of(raw: Json, shop: Shop | None = None, policy: Policy | None = None) -> Rejected:
    rejected = attempt(raw, shop, policy)
    assert isinstance(rejected, Rejected), rejected
    return rejected


def refunded_of(raw: Json, *refunds: Json, shop: Shop | None = None, policy: Policy | None = None) -> Desired:
    """What is made of an order together with refunds of it."""
    shop, policy = shop or a_shop(), policy or a_policy()
    told = tuple(map(decode_refund, refunds))
    desired = desired_of(raw, shop, policy)
    return with_refunds(desired, read(raw), told, shop=shop, policy=policy, known=NOTHING_KNOWN)


def refund_of(raw: Json, refund: Json, shop: Shop | None = None, policy: Policy | None = None) -> RefundSale:
    (found,) = refunded_of(raw, refund, shop=shop, policy=policy).refunds
    assert isinstance(found, RefundSale), found
    return found


NOTHING_KNOWN: KnownProducts = MappingProxyType({})


def reckoned(sale: Sale, digits: int = 2) -> Decimal:
    """A sale's total the way the POS reckons it."""
    return round_money(total((line.unit_price + line.unit_tax) * line.quantity for line in sale.lines), digits)
