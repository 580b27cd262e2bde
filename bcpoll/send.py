"""Writes to the POS, and what became of each.

Owns the rule for unclear answers: a time-out, a broken connection, a 5xx, 409 or 422 leaves the outcome open, so it is
looked up before anything else is done about it. Owns as well where the writes of one order stop. Touches no checkpoint:
these functions run on pool threads.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bcpoll.checkpoint import THERE_ALREADY, IntentState, Settlement
from bcpoll.core.addresses import is_same, named_by_id, named_by_token
from bcpoll.core.bodies import settled_body, untracked_body, voided_body
from bcpoll.core.order import Json, code_key, email_key
from bcpoll.core.rejected import Reason
from bcpoll.core.sale import Buyer, SaleState, SettleSale
from bcpoll.core.shop import PosCustomer, PosProduct, PosSale
from bcpoll.errors import STOPPED, BcpollError, GiveUp, LookAgain
from bcpoll.logs import about_order
from bcpoll.ports import PointOfSale

log = logging.getLogger(__name__)

# Switching tracking off twice does no harm; a second try is enough for an answer that was lost on the way.
_UNTRACK_TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a write: done with the id it gave, refused, or unknown."""

    state: IntentState
    result: str = ""
    detail: str = ""
    reason: Reason = Reason.POS_REFUSED

    @property
    def is_done(self) -> bool:
        """Whether the write is in the POS."""
        return self.state is IntentState.DONE

    @property
    def is_unknown(self) -> bool:
        """Whether nobody can say if the write is in the POS."""
        return self.state is IntentState.UNKNOWN


NOT_SENT = Result(state=IntentState.REFUSED, detail="not sent")


def done(result: str) -> Result:
    """A write that is in the POS."""
    return Result(state=IntentState.DONE, result=result)


def refused(detail: str, reason: Reason = Reason.POS_REFUSED) -> Result:
    """A write that is not in the POS and was refused."""
    return Result(state=IntentState.REFUSED, detail=detail, reason=reason)


def unknown(detail: str) -> Result:
    """A write that may be in the POS or may still get there: it is looked up at the start of the next run."""
    return Result(state=IntentState.UNKNOWN, detail=detail, reason=Reason.OUTCOME_UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The writes of one order as far as they got: one result each, but none from the one on that `error` cut off.

    The outcome of that one is open; those after it were never sent.
    """

    results: tuple[Result, ...]
    error: BcpollError | None = None

    @property
    def is_done(self) -> bool:
        """Whether all of them are in the POS."""
        return self.error is None and all(result.is_done for result in self.results)

    def settlements(self, keys: Sequence[str]) -> Iterator[Settlement]:
        """How to settle the intents of these writes, given their keys; the one that an error cut off stays open."""
        for key, result in zip(keys, self.results, strict=False):
            yield Settlement(key=key, state=result.state, detail=result.detail, result=result.result)
        if self.error is not None:
            for key in keys[len(self.results) + 1 :]:
                yield Settlement(key=key, state=NOT_SENT.state, detail=NOT_SENT.detail)


def send_in_turn(
    order_id: int, writes: Sequence[Callable[[], Result]], *, halt: threading.Event, stop: threading.Event
) -> Sent:
    """Send the writes of one order, one after the other, up to the first that is not done.

    None is begun once the run is to `stop`, or once an error has set `halt`, which the orders sent side by side share.
    """
    if writes and (halt.is_set() or stop.is_set()):
        return Sent(results=(NOT_SENT,) * len(writes), error=STOPPED)
    results: list[Result] = []
    for write in writes:
        if results and not results[-1].is_done:
            results.append(NOT_SENT)
            continue
        try:
            with about_order(order_id):
                results.append(write())
        except BcpollError as error:
            halt.set()
            return Sent(results=tuple(results), error=error)
    return Sent(results=tuple(results))


def stopped_by(orders: Iterable[Sent]) -> BcpollError | None:
    """What cut a page short, if anything: the error itself rather than the stop that it caused for the others."""
    errors = [sent.error for sent in orders if sent.error]
    own = [error for error in errors if error is not STOPPED]
    return next(iter([*own, *errors]), None)


def send(write: Callable[[], str], look_up: Callable[[], str | None]) -> Result:
    """Write once; after an unclear answer look the outcome up and believe only what is found."""
    try:
        return done(write())
    except GiveUp as error:
        return refused(error.message)
    except LookAgain as error:
        return _after_unclear(error, look_up)


def _after_unclear(error: LookAgain, look_up: Callable[[], str | None]) -> Result:
    found = look_up()
    if found is None:
        return not_found(error)
    # Refused although it is there: somebody else was quicker, or a try of ours before this one.
    return replace(done(found), detail=THERE_ALREADY if error.status in _REFUSALS else "")


def not_found(error: LookAgain) -> Result:
    """What an unclear answer means where a look-up found nothing: refused, if the answer said so."""
    return refused(error.message) if error.status in _REFUSALS else unknown(error.message)


# Conflict and invalid content: with nothing found by the look-up, these were refusals.
_REFUSALS = frozenset({409, 422})


def create_sale(pos: PointOfSale, body: Json) -> Result:
    """Create a sale under the id in its body."""
    sale_id = str(body["id"])
    return send(lambda: pos.create_sale(body).id, lambda: find_sale(pos, sale_id))


def find_sale(pos: PointOfSale, sale_id: str) -> str | None:
    """The id of a sale if the POS holds it."""
    sale = pos.sale(sale_id)
    return sale.id if sale else None


def settle_sale(pos: PointOfSale, action: SettleSale) -> Result:
    """Add the payments to a sale, and believe it only once the sale is read back with them."""
    sale = pos.sale(action.sale_id)
    if sale is None:
        return refused(f"the POS has no sale {action.sale_id}")
    wanted = bool(action.sale.payments)
    if is_settled(sale, paid=wanted):
        return done(sale.id)
    body = settled_body(sale.document, action.sale)
    result = _change(pos, sale.id, body, lambda found: is_settled(found, paid=wanted))
    return _left_to_people(result, sale, Reason.PAY_BY_HAND)


def is_settled(sale: PosSale, *, paid: bool) -> bool:
    """Whether a sale is closed and, where it is to be `paid`, has payments."""
    payments = sale.document.get("payments") or []
    return sale.state == SaleState.CLOSED and (not paid or any(not one.get("deleted_at") for one in payments))


def void_sale(pos: PointOfSale, sale_id: str) -> Result:
    """Void a sale and read back that it is voided: some answers say yes and change nothing."""
    sale = pos.sale(sale_id)
    if sale is None:
        return refused(f"the POS has no sale {sale_id}", Reason.VOID_BY_HAND)
    if is_voided(sale):
        return done(sale.id)
    result = _change(pos, sale.id, voided_body(sale.document), is_voided)
    return _left_to_people(result, sale, Reason.VOID_BY_HAND)


def _left_to_people(result: Result, sale: PosSale, reason: Reason) -> Result:
    """What was refused is done by hand: the sale is named by the receipt number that staff find it by."""
    if result.state is not IntentState.REFUSED:
        return result
    number = sale.document.get("invoice_number") or sale.document.get("receipt_number")
    name = f"sale {number} ({sale.id})" if number else f"sale {sale.id}"
    return replace(result, reason=reason, detail=f"{name}: {result.detail}")


def _change(pos: PointOfSale, sale_id: str, body: Json, is_so: Callable[[PosSale], bool]) -> Result:
    """Replace a sale's document, and believe it only once it is read back that it `is_so`."""
    result = send(lambda: pos.replace_sale(sale_id, body).id, lambda: _found(pos.sale(sale_id), is_so))
    if result.state is IntentState.UNKNOWN:
        return result
    after = pos.sale(sale_id)
    if after is not None and is_so(after):
        return done(sale_id)
    state = after.state if after else "gone"
    return refused(result.detail or f"it is {state} and was not changed")


def is_voided(sale: PosSale) -> bool:
    """Whether a sale is voided."""
    return sale.state == SaleState.VOIDED


def fulfill_sale(pos: PointOfSale, sale_id: str) -> Result:
    """Fulfil what is open on a sale, and believe it only once the sale is read back as closed."""
    sale = pos.sale(sale_id)
    if sale is None:
        return refused(f"the POS has no sale {sale_id}")
    if is_closed(sale):
        return done(sale.id)

    def write() -> str:
        pos.fulfill_sale(sale_id)
        return sale_id

    result = send(write, lambda: _found(pos.sale(sale_id), is_closed))
    if not result.is_done:
        return result
    return result if _found(pos.sale(sale_id), is_closed) else refused(f"sale {sale_id} is still open")


def is_closed(sale: PosSale) -> bool:
    """Whether a sale is closed."""
    return sale.state == SaleState.CLOSED


def add_address(pos: PointOfSale, customer_id: str, body: Json) -> Result:
    """Have an address in a customer's address book, one that is there already or a new one; gives what names it."""
    known = find_address(pos, customer_id, body)
    if known is not None:
        return done(known)
    return send(
        lambda: named_by_token(pos.create_address(customer_id, body)), lambda: find_address(pos, customer_id, body)
    )


def find_address(pos: PointOfSale, customer_id: str, body: Json) -> str | None:
    """What names an address in a customer's address book."""
    return next(filter(None, (named_by_id(row) for row in pos.addresses(customer_id) if is_same(row, body))), None)


def create_customer(pos: PointOfSale, buyer: Buyer, body: Json, since: int) -> Result:
    """Create a customer; where that is refused, take the one who has the e-mail address, whom no search found.

    A search may mind the case that an address is written in. The feed from its beginning shows every customer there is.
    Where nobody has the address, the code may be taken, by a customer of another store or by one that was deleted: then
    the POS makes one up.
    """
    result = send(lambda: pos.create_customer(body), lambda: find_customer(pos, buyer.code, buyer.email, since))
    if result.state is not IntentState.REFUSED:
        return result
    found = find_customer(pos, "", buyer.email, 0) if buyer.email else None
    if found:
        return done(found)
    uncoded = {name: value for name, value in body.items() if name != "customer_code"}
    return send(lambda: pos.create_customer(uncoded), lambda: find_customer(pos, "", buyer.email, since))


def find_customer(pos: PointOfSale, code: str, email: str, since: int) -> str | None:
    """A customer that was created after a version of the feed, by our code if any, then by e-mail address."""
    found = [
        row
        for page in pos.customers_after(since)
        for row in page.rows
        if not row.is_deleted and ((code and row.code == code) or (email and email_key(row.email) == email))
    ]
    return oldest(found) or (oldest(pos.customers_with_email(email)) if email else None)


def oldest(customers: Iterable[PosCustomer]) -> str | None:
    """The customer to take where several fit: the oldest that is not deleted."""
    alive = [customer for customer in customers if not customer.is_deleted]
    return min(alive, key=lambda customer: (customer.created_at, customer.id)).id if alive else None


def create_product(pos: PointOfSale, body: Json, *, tracked: bool, since: int = 0) -> Result:
    """Create a product, and switch its stock tracking off where it is not to be counted.

    `since` is a version of the feed before the try: what is newer is found there if nowhere else.
    """
    code = str(body["sku"])

    def write() -> str:
        product_id = pos.create_product(body)
        if not tracked and not untrack(pos, product_id, code, since):
            raise LookAgain(f"product {product_id}: its stock tracking could not be switched off")
        return product_id

    return send(write, lambda: find_product(pos, code, tracked=tracked, since=since))


def find_product(pos: PointOfSale, code: str, *, tracked: bool, since: int = 0) -> str | None:
    """A product by its code, in the state it was to be created in; None where several go by the code."""
    found = _products_under(pos, code, since)
    if len(found) != 1:
        return None
    is_as_wanted = tracked or not found[0].tracks_stock or untrack(pos, found[0].id, code, since)
    return found[0].id if is_as_wanted else None


def _products_under(pos: PointOfSale, code: str, since: int) -> list[PosProduct]:
    """The products that go by a code: looked up, and where that finds none, from the feed after a version.

    A look-up may lag behind, or mind the case that a code is written in. The feed does neither.
    """
    found = [row for row in pos.products_with_code(code) if not row.is_deleted and _goes_by(row, code)]
    if found:
        return found
    newest = {row.id: row for page in pos.products_after(since) for row in page.rows}
    return [row for row in newest.values() if not row.is_deleted and _goes_by(row, code)]


def untrack(pos: PointOfSale, product_id: str, code: str, since: int = 0) -> bool:
    """Switch stock tracking off, and believe it only once it is read back: some answers say yes and change nothing.

    A product that stays tracked mostly sells all the same, so a refusal costs no order. False where no try got a clear
    answer: then the next run looks the product up. A POS that cannot even be read is out of order: that error goes to
    the caller.
    """
    is_clear = False
    for _ in range(_UNTRACK_TRIES):
        said = "it was said to be off"
        try:
            pos.update_product(product_id, untracked_body())
            is_clear = True
        except (GiveUp, LookAgain) as error:
            said, is_clear = error.message, is_clear or isinstance(error, GiveUp)
        if not any(row.tracks_stock for row in _products_under(pos, code, since) if row.id == product_id):
            return True
        log.warning("product %s: its stock tracking is still on: %s", product_id, said)
    return is_clear


def _goes_by(product: PosProduct, code: str) -> bool:
    return code_key(code) in map(code_key, product.codes)


def _found(sale: PosSale | None, is_so: Callable[[PosSale], bool]) -> str | None:
    return sale.id if sale is not None and is_so(sale) else None
