"""What holds of every order: true to the cent, the same twice, and no payload that raises."""

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any

from builders import (
    CHARGES,
    NOTHING_KNOWN,
    STORE,
    a_discount,
    a_line,
    a_pickup,
    a_policy,
    a_shop,
    a_status,
    a_structure,
    an_order,
    attempt,
    desired_of,
    numbered,
    reckoned,
    sale_of,
)
from hypothesis import given
from hypothesis import strategies as st

from bcpoll.core.bodies import sale_body
from bcpoll.core.consignments import lines_are_complete
from bcpoll.core.decode import Head, decode_head, decode_order, order_id_of
from bcpoll.core.money import ZERO, Currency, round_money, total
from bcpoll.core.order import Json, Order, code_key
from bcpoll.core.plan import after, plan
from bcpoll.core.rejected import Rejected
from bcpoll.core.sale import Applied, AppliedState, CreateSale, Desired, Sale, VoidSale
from bcpoll.core.shop import Edits, Fulfillment, Mismatch, Unpaid
from bcpoll.core.status import OrderStatus
from bcpoll.core.translate import checked_parts, is_wanted, not_wanted, product_codes, translate

# --- orders of all kinds ---------------------------------------------------------------------------------------------

CENTS = st.integers(0, 99_999).map(lambda cents: Decimal(cents).scaleb(-2))
RATES = st.sampled_from(["0", "0.05", "0.10", "0.20", "0.0825", "0.0762"])
PRICED = st.tuples(CENTS, RATES)
STATUSES = st.sampled_from(OrderStatus)


@st.composite
def lines(draw: st.DrawFn, *, inclusive: bool) -> Json:
    price, quantity, rate = draw(CENTS), draw(st.integers(1, 12)), draw(RATES)
    share = draw(st.sampled_from([0, 0, 10, 25, 33, 100]))
    off = round_money(price * quantity * share / 100, 2)
    code = draw(st.sampled_from(["SPRING", None]))
    return a_line(
        draw(st.sampled_from(["MUG", "PEN", "mug", ""])),
        price,
        quantity,
        rate=rate,
        off=[a_discount(off, code)] if off else (),
        inclusive=inclusive,
        tax_digits=draw(st.sampled_from([2, 4])),
        variant_id=draw(st.integers(0, 3)),
    )


@st.composite
def orders(draw: st.DrawFn) -> Json:
    """Orders as the builders make them: in both tax modes, of every age, with any charges."""
    inclusive = draw(st.booleans())
    sold = numbered(*draw(st.lists(lines(inclusive=inclusive), min_size=1, max_size=6)))
    if draw(st.booleans()):
        sold = [{name: value for name, value in line.items() if name != "discounted_total_inc_tax"} for line in sold]
    order = an_order(
        *sold,
        inclusive=inclusive,
        shipping=draw(PRICED),
        handling=draw(st.just("0") | PRICED),
        wrapping=draw(st.just("0") | PRICED),
        fees=draw(st.lists(st.tuples(st.sampled_from(["Delivery fee", ""]), PRICED), max_size=2)),
        fees_count=draw(st.booleans()),
        **a_status(draw(STATUSES)),
    )
    return order | draw(st.sampled_from([{}, {"is_tax_inclusive_pricing": None}]))


def stated(order: Json, digits: int = 2) -> Decimal:
    return round_money(Decimal(order["total_inc_tax"]), digits)


# --- true to the cent ------------------------------------------------------------------------------------------------


@given(orders())
def test_a_sale_comes_to_the_total_of_its_order(order: Json) -> None:
    sale = sale_of(order)
    assert reckoned(sale) == sale.total == stated(order)


@given(orders())
def test_the_taxes_of_a_sale_come_to_the_tax_of_its_order(order: Json) -> None:
    tax = round_money(total(line.unit_tax * line.quantity for line in sale_of(order).lines), 2)
    assert tax == round_money(Decimal(order["total_tax"]), 2)


@given(orders())
def test_a_sale_takes_and_charges_nothing_negative(order: Json) -> None:
    sale = sale_of(order)
    amounts = [amount for line in sale.lines for amount in (line.unit_price, line.unit_tax)]
    assert min([*amounts, *(payment.amount for payment in sale.payments)]) >= ZERO


@given(orders())
def test_payments_come_to_the_total_or_there_are_none(order: Json) -> None:
    sale = sale_of(order)
    assert total(payment.amount for payment in sale.payments) in (sale.total, ZERO)


@given(orders(), st.data())
def test_what_was_paid_is_what_the_payments_come_to(order: Json, data: st.DataObject) -> None:
    owed = stated(order)
    parts = st.integers(0, int(owed.scaleb(2))).map(lambda cents: Decimal(cents).scaleb(-2))
    certificate = data.draw(parts)
    credit = data.draw(parts.map(lambda amount: min(amount, owed - certificate)))
    paid = a_status(OrderStatus.COMPLETED) | {"gift_certificate_amount": str(certificate)}
    sale = sale_of(order | paid | {"store_credit_amount": str(credit)})
    taken = sorted(payment.amount for payment in sale.payments)
    assert taken == sorted(amount for amount in (certificate, credit, owed - certificate - credit) if amount)


@given(orders())
def test_the_units_of_every_sku_are_kept(order: Json) -> None:
    ordered: Counter[str] = Counter()
    for line in (line for group in order["consignments"]["shipping"] for line in group["line_items"]):
        without_sku = f"BC-77-{line['variant_id']}" if line["variant_id"] else "BC-77"
        ordered[code_key(line["sku"] or without_sku)] += line["quantity"]
    sold = _per_code(sale_of(order))
    assert {code: units for code, (units, *_) in sold.items() if code not in CHARGED} == ordered


CHARGED = {code_key(code) for code in CHARGES.values()}

# Whole amounts less a multiple of 0.20: each of the rates takes whole cents of them, so that no tax is rounded.
WHOLE = st.tuples(
    st.integers(1, 500), st.integers(1, 12), st.sampled_from(["0", "0.05", "0.10", "0.20"]), st.integers(0)
)


@given(st.lists(WHOLE, min_size=1, max_size=5))
def test_doubling_the_quantities_doubles_every_line(bought: list[tuple[int, int, str, int]]) -> None:
    once, twice = (
        _per_code(sale_of(an_order(*numbered(*(_whole(f"SKU-{n}", *each, times) for n, each in enumerate(bought))))))
        for times in (1, 2)
    )
    assert twice == {code: tuple(2 * each for each in sums) for code, sums in once.items()}


def _whole(sku: str, price: int, quantity: int, rate: str, fifths: int, times: int) -> Json:
    off = Decimal(fifths % (5 * price * quantity + 1) * times) / 5
    return a_line(sku, Decimal(price), quantity * times, rate=rate, off=[a_discount(off)] if off else ())


def _per_code(sale: Sale) -> dict[str, tuple[Decimal, ...]]:
    """Units, price and tax of each product of a sale, in cents."""
    sums: dict[str, tuple[Decimal, ...]] = {}
    for line in sale.lines:
        units, price, tax = sums.get(code_key(line.code), (ZERO, ZERO, ZERO))
        more = (units + line.quantity, price + line.unit_price * line.quantity, tax + line.unit_tax * line.quantity)
        sums[code_key(line.code)] = more
    return {code: tuple(round_money(each, 2) for each in three) for code, three in sums.items()}


@given(orders(), st.sampled_from([Mismatch.REVIEW, Mismatch.ADJUST]), st.integers(-500, 500).filter(bool))
def test_an_order_of_another_total_is_a_sale_of_that_total_or_none(order: Json, mismatch: Mismatch, cents: int) -> None:
    changed = Decimal(order["total_inc_tax"]) + Decimal(cents).scaleb(-2)
    desired = attempt(order | {"total_inc_tax": str(changed)}, policy=a_policy(mismatch=mismatch))
    assert isinstance(desired, Rejected) or reckoned(_sale(desired)) == round_money(changed, 2)


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 3000)), min_size=1, max_size=4),
    st.sampled_from(["JPY", "KWD"]),
)
def test_other_currencies_are_true_to_their_own_smallest_unit(bought: list[tuple[int, int]], code: str) -> None:
    currency = Currency(code)
    paid = [(Decimal(units).scaleb(-currency.digits), quantity) for units, quantity in bought]
    sold = numbered(*(a_line(price=amount / quantity, quantity=quantity) for amount, quantity in paid))
    exact = [line | {"discounted_total_inc_tax": str(amount)} for line, (amount, _) in zip(sold, paid, strict=True)]
    order = an_order(*exact, default_currency_code=code) | {"total_inc_tax": str(total(amount for amount, _ in paid))}
    sale = sale_of(order, a_shop(currency=currency))
    assert reckoned(sale, currency.digits) == sale.total == stated(order, currency.digits)


# --- the same in every order and twice -------------------------------------------------------------------------------


@given(st.data())
def test_the_order_of_lines_is_of_no_account(data: st.DataObject) -> None:
    order = data.draw(orders())
    sold = order["consignments"]["shipping"][0]["line_items"]
    assert desired_of(order | {"products": data.draw(st.permutations(sold))}) == desired_of(order)


@given(orders())
def test_exactly_the_codes_of_a_sale_are_looked_up_and_drafted(order: Json) -> None:
    desired = desired_of(order)
    codes = {code_key(line.code) for line in _sale(desired).lines}
    assert product_codes(checked_parts(_order(order), a_policy()), a_policy()) == codes
    assert [code_key(draft.code) for draft in desired.products] == list(
        dict.fromkeys(code_key(line.code) for line in _sale(desired).lines)
    )


@given(orders())
def test_a_body_can_be_made_of_every_sale(order: Json) -> None:
    desired = desired_of(order)
    ids = {code_key(draft.code): f"product of {draft.code}" for draft in desired.products}
    body = sale_body(_sale(desired), "sale-1", None, ids)
    assert [line["_metadata"]["sequence"] for line in body["line_items"]] == list(range(len(body["line_items"])))


POLICIES = st.builds(
    a_policy,
    edits=st.sampled_from(Edits),
    unpaid=st.sampled_from(Unpaid),
    fulfillment=st.sampled_from(Fulfillment),
)


@given(st.lists(orders(), min_size=1, max_size=4), POLICIES)
def test_after_a_plan_is_carried_out_there_is_nothing_to_do(versions: list[Json], policy: Any) -> None:
    applied = Applied(order_id=1001)
    for order in versions:
        wanted = _wanted(order, policy)
        for action in plan(wanted, applied, store_hash=STORE, policy=policy).actions:
            applied = after(applied, action, wanted.content)
        assert plan(wanted, applied, store_hash=STORE, policy=policy).actions == ()


@given(st.lists(orders(), min_size=1, max_size=6), POLICIES)
def test_an_order_never_has_two_live_sales(versions: list[Json], policy: Any) -> None:
    applied, live, created = Applied(order_id=1001), set(), []
    for order in versions:
        wanted = _wanted(order, policy)
        for action in plan(wanted, applied, store_hash=STORE, policy=policy).actions:
            applied = after(applied, action, wanted.content)
            if isinstance(action, CreateSale):
                created.append(action.sale_id)
                live |= {action.sale_id} if action.becomes is not AppliedState.VOIDED else set()
            elif isinstance(action, VoidSale):
                live -= {action.sale_id}
        assert len(live) <= 1
    assert len(set(created)) == len(created)


@given(orders())
def test_a_plan_is_made_alike_twice(order: Json) -> None:
    one, two = (
        plan(desired_of(deepcopy(order)), Applied(order_id=1001), store_hash=STORE, policy=a_policy()) for _ in range(2)
    )
    assert one == two


def _wanted(order: Json, policy: Any) -> Desired:
    return desired_of(order, policy=policy) if is_wanted(_head(order), policy) else not_wanted(1001)


def _sale(desired: Desired | Rejected) -> Sale:
    assert isinstance(desired, Desired)
    assert desired.sale is not None
    return desired.sale


def _head(order: Json) -> Head:
    head = decode_head(order)
    assert isinstance(head, Head)
    return head


def _order(raw: Json) -> Order:
    order = decode_order(raw, _head(raw))
    assert isinstance(order, Order)
    return order


# --- no payload raises -----------------------------------------------------------------------------------------------

NUMBERS = (
    st.integers()
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.sampled_from([Decimal("1e999999999"), Decimal("-1e-999999999"), Decimal("0.5"), 2, 0, -1])
)
TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["", "NaN", "-0.01", "1e400", "\ud800", "\x00", "0.0001"]
)
GARBAGE = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "quantity", "amount", "0", "__warning__", "url"]), inner, max_size=3)
    ),
    max_leaves=6,
)
TRACKED = a_policy(fulfillment=Fulfillment.TRACK, mismatch=Mismatch.ADJUST)


def _rich() -> Json:
    """An order that has a bit of everything."""
    mug, pen, ebook = numbered(
        a_line("MUG", "11.00", 3, rate="0.10", off=[a_discount("2.00"), a_discount("1.00", None)]),
        a_line("PEN", order_address_id=0, order_pickup_method_id=1, product_options=[{"display_name": "Ink"}]),
        a_line("EBOOK", type="digital"),
    )
    order = an_order(
        mug, pen, ebook, shipping=("5.00", "0.05"), wrapping="2.00", fees=[("Delivery fee", "1.00")], coupon_rest="1.00"
    )
    shipping = order["consignments"]["shipping"][0] | {"line_items": [mug]}
    downloads = [{"line_items": [ebook]}]
    return order | {"consignments": a_structure(shipping=[shipping], pickups=[a_pickup(pen)], downloads=downloads)}


RICH = _rich()


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every member of a document."""
    members: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*path, name)
        yield from _places(member, (*path, name))


PLACES = list(_places(RICH))


def _removed(holder: Any, name: Any, _garbage: Any) -> None:
    del holder[name]


def _replaced(holder: Any, name: Any, garbage: Any) -> None:
    holder[name] = garbage


def _doubled(holder: Any, name: Any, _garbage: Any) -> None:
    holder[name] = [holder[name], holder[name]]


MUTATIONS: list[Callable[[Any, Any, Any], None]] = [_removed, _replaced, _replaced, _doubled]


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    """A rich order with one to three members removed, replaced by garbage, or doubled."""
    order: Any = deepcopy(RICH)
    for path in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        holder = order
        for name in path[:-1]:
            holder = holder[name] if _holds(holder, name) else None
        if _holds(holder, path[-1]):
            draw(st.sampled_from(MUTATIONS))(holder, path[-1], draw(GARBAGE))
    return dict(order)


def _holds(holder: Any, name: Any) -> bool:
    if isinstance(holder, dict):
        return name in holder
    return isinstance(holder, list) and isinstance(name, int) and name < len(holder)


def test_the_rich_order_is_a_sale_before_anything_happens_to_it() -> None:
    assert isinstance(attempt(RICH), Desired)


@given(mutated(), st.sampled_from([a_policy(), TRACKED]))
def test_no_mutation_of_an_order_raises(raw: Json, policy: Any) -> None:
    outcome = _fate(raw, policy)
    assert isinstance(outcome, Desired | Rejected)
    assert outcome.order_id == order_id_of(raw)


@given(st.dictionaries(st.sampled_from(sorted(RICH)), GARBAGE))
def test_no_garbage_raises(raw: Json) -> None:
    assert isinstance(_fate(raw, a_policy()), Desired | Rejected)


@given(mutated())
def test_a_mutated_order_is_true_to_its_total_all_the_same(raw: Json) -> None:
    outcome = _fate(raw, a_policy())
    if isinstance(outcome, Desired) and outcome.sale is not None:
        assert reckoned(outcome.sale) == outcome.sale.total
        assert {line.code for line in outcome.sale.lines} >= {draft.code for draft in outcome.products}


def _fate(raw: Json, policy: Any) -> Desired | Rejected:
    """The way of a raw order from decoding to its plan."""
    lines_are_complete(raw)
    head = decode_head(raw)
    if isinstance(head, Rejected):
        return head
    if not is_wanted(head, policy):
        return not_wanted(head.id)
    order = decode_order(raw, head)
    if isinstance(order, Rejected):
        return order
    product_codes(checked_parts(order, policy), policy)
    desired = translate(order, a_shop(), policy, NOTHING_KNOWN)
    if isinstance(desired, Desired):
        plan(desired, Applied(order_id=order.id), store_hash=STORE, policy=policy)
    return desired
