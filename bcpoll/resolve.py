"""Customers, products and addresses that a page of sales needs: found in the checkpoint or the POS, else created.

Owns the intents of those creations. What cannot be had is given as a failure per key, so that the orders that need it
are set aside and the others go on.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from bcpoll.checkpoint import Checkpoint, Intent, IntentKind, Settlement
from bcpoll.core.addresses import address_body
from bcpoll.core.bodies import customer_body, product_body
from bcpoll.core.opening import Opening
from bcpoll.core.order import Json, code_key
from bcpoll.core.sale import Buyer, CreateSale, Move, ProductDraft
from bcpoll.core.shop import Shop
from bcpoll.errors import TooHeavy, WrongAnswer
from bcpoll.logs import about_order
from bcpoll.ports import PointOfSale
from bcpoll.send import Result, add_address, create_customer, create_product, done, oldest, refused, unknown
from bcpoll.shell import Shell

OpeningsOf: TypeAlias = Callable[[Collection[ProductDraft], Mapping[int, Sequence[Move]]], Mapping[str, Opening]]
"""Gives the opening stock and price of new products, by code key, from their drafts and the moves of orders at hand."""

# All feeds of the POS share one version counter, and we know it best from the product feed: whatever is written from
# now on has a higher version, in any feed.
PRODUCT_FEED = "products"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Ids by key, what could not be had and why, and how many had to be created."""

    ids: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, Result] = field(default_factory=dict)
    created: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Creation:
    """One customer or product to create, by the name under which the result is wanted."""

    name: str
    key: str
    kind: IntentKind
    target: str
    body: Json
    """What the intent remembers, the request among it."""
    send: Callable[[], Result]
    order_id: int = 0
    """The order that waits for it, where it serves one alone or is the first of several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """A sale that is to be delivered, with its address as the POS wants it."""

    order_id: int
    sale_id: str
    customer_id: str
    address: Json

    def goes_to_same_place(self, other: "_Delivery") -> bool:
        """Whether both go to one address of one customer."""
        return (self.customer_id, self.address) == (other.customer_id, other.address)


def _deliveries(sales: Iterable[CreateSale], customer_ids: Mapping[str, str]) -> Iterator[_Delivery]:
    for action in sales:
        buyer, ship_to = action.sale.buyer, action.sale.ship_to
        customer_id = customer_ids.get(buyer.key, "") if buyer else ""
        if ship_to is not None and customer_id:
            yield _Delivery(
                order_id=action.order_id,
                sale_id=action.sale_id,
                customer_id=customer_id,
                address=address_body(ship_to),
            )


_Made: TypeAlias = tuple[_Creation, Result]

_NOBODY = done("")

_UNCLEAR = "an earlier try has no clear outcome yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Finds or creates what sales refer to."""

    shell: Shell
    shop: Shop
    openings: OpeningsOf
    pool: Executor
    run_id: int

    def known_products(self, code_keys: Collection[str], *, afresh: bool = False) -> Mapping[str, tuple[str, ...]]:
        """The POS products under each code key, after reading the version feed on if a key is missing.

        With `afresh` the feed is read on in any case: what made an order fail may have been mended there.
        """
        known = self.shell.checkpoint.product_ids(code_keys)
        if afresh or len(known) < len(set(code_keys)):
            read_product_feed(self.shell.pos, self.shell.checkpoint)
            known = self.shell.checkpoint.product_ids(code_keys)
        return known

    def customers(self, buyers: Iterable[Buyer]) -> Resolved:
        """A customer for each buyer, by buyer key: linked ones first, then by e-mail address, else created."""
        wanted = {buyer.key: buyer for buyer in buyers}
        ids = self._linked(wanted)
        missing = {buyer.email or key: buyer for key, buyer in wanted.items() if key not in ids}
        if not missing:
            return Resolved(ids=ids)
        answers = dict(zip(missing, self.pool.map(self._find_by_email, missing.values()), strict=True))
        results = self._create_customers([missing[email] for email, answer in answers.items() if answer == _NOBODY])
        # Settled and linked at once: a created customer without a link might be created again while the search lags.
        with self.shell.checkpoint.atomic():
            made = self._settled(results)
            by_email = {email: answer.result for email, answer in answers.items() if answer.result} | dict(made.ids)
            links = {
                key: by_email[buyer.email or key]
                for key, buyer in wanted.items()
                if key not in ids and (buyer.email or key) in by_email
            }
            self._link(links, wanted)
        failed = {email: answer for email, answer in answers.items() if not answer.is_done} | dict(made.failures)
        failures = {key: failed[buyer.email or key] for key, buyer in wanted.items() if (buyer.email or key) in failed}
        return Resolved(ids=ids | links, failures=failures, created=made.created)

    def known_customers(self, buyers: Iterable[Buyer]) -> dict[str, str]:
        """The customers that need not be created, by buyer key; only reads."""
        wanted = {buyer.key: buyer for buyer in buyers}
        ids = self._linked(wanted)
        missing = {key: buyer for key, buyer in wanted.items() if key not in ids}
        found = zip(missing, self.pool.map(self._find_by_email, missing.values()), strict=True)
        return ids | {key: answer.result for key, answer in found if answer.result}

    def products(self, page: Mapping[int, Sequence[Move]], drafts: Iterable[ProductDraft]) -> Resolved:
        """A product for each draft, by code key; those the POS lacks are created with their opening stock.

        `page` holds what the orders at hand are about to move.
        """
        by_key: dict[str, ProductDraft] = {}
        for draft in drafts:
            by_key.setdefault(code_key(draft.code), draft)
        known = self.shell.checkpoint.product_ids(by_key)
        missing = [draft for key, draft in by_key.items() if key not in known]
        made = self._create_products(missing, page) if missing else Resolved()
        return Resolved(
            ids={key: ids[0] for key, ids in known.items()} | dict(made.ids),
            failures=made.failures,
            created=made.created,
        )

    def addresses(self, sales: Iterable[CreateSale], customer_ids: Mapping[str, str]) -> Resolved:
        """What names the address of each sale that is to be delivered, by sale id.

        Sales to one address of one customer share a write: sent side by side, neither would find what the other added.
        A refusal is no failure, since it costs no order. A first try without a clear answer is one, so that the sale
        waits for the next run; a second one is taken for a refusal.
        """
        # In an order of their own, so that the same sale of several begins the write when it is tried again.
        wanted = list(_deliveries(sorted(sales, key=lambda action: action.order_id), customer_ids))
        leaders: dict[str, _Delivery] = {}
        for delivery in wanted:
            same = (other for other in leaders.values() if other.goes_to_same_place(delivery))
            leaders[delivery.sale_id] = next(same, delivery)
        creations = [self._address_creation(one) for one in wanted if leaders[one.sale_id] is one]
        made = self._settled(self._carry_out(creations)) if creations else Resolved()
        first_of = {sale_id: leader.sale_id for sale_id, leader in leaders.items()}
        unclear = {
            creation.name: made.failures[creation.name]
            for creation in creations
            if self._is_first_unclear(creation, made)
        }
        return Resolved(
            ids={sale_id: made.ids[first] for sale_id, first in first_of.items() if first in made.ids},
            failures={sale_id: unclear[first] for sale_id, first in first_of.items() if first in unclear},
            created=made.created,
        )

    def _address_creation(self, delivery: "_Delivery") -> _Creation:
        return _Creation(
            name=delivery.sale_id,
            key=f"address:{delivery.sale_id}",
            kind=IntentKind.ADDRESS,
            target=delivery.customer_id,
            body={"request": delivery.address},
            send=partial(add_address, self.shell.pos, delivery.customer_id, delivery.address),
            order_id=delivery.order_id,
        )

    def _is_first_unclear(self, creation: _Creation, made: Resolved) -> bool:
        """Whether a creation was tried for the first time and got no clear answer."""
        failure = made.failures.get(creation.name)
        if failure is None or not failure.is_unknown:
            return False
        return self.shell.checkpoint.times_intended(creation.key, creation.order_id) == 1

    # --- customers ---------------------------------------------------------------------------------------------------

    def _linked(self, wanted: Mapping[str, Buyer]) -> dict[str, str]:
        """Ids from the checkpoint, by the buyer's own key or by the e-mail address of an earlier order."""
        email_keys = {f"email:{buyer.email}" for buyer in wanted.values() if buyer.email}
        known = self.shell.checkpoint.customer_ids(wanted.keys() | email_keys)
        ids = {key: known.get(key) or known.get(f"email:{buyer.email}") for key, buyer in wanted.items()}
        return {key: customer for key, customer in ids.items() if customer}

    def _link(self, links: Mapping[str, str], wanted: Mapping[str, Buyer]) -> None:
        by_email = {f"email:{wanted[key].email}": customer for key, customer in links.items() if wanted[key].email}
        if links:
            self.shell.checkpoint.link_customers(by_email | dict(links), self.shell.clock())

    def _find_by_email(self, buyer: Buyer) -> Result:
        """The customer with an e-mail address, if any; a refusal where the POS breaks over this search alone."""
        if not buyer.email:
            return _NOBODY
        try:
            return done(oldest(self.shell.pos.customers_with_email(buyer.email)) or "")
        except (TooHeavy, WrongAnswer) as error:
            # An address that the POS cannot read must not keep all orders waiting. If all of it is down, this says so.
            self.shell.pos.retailer()
            return refused(error.message)

    def _create_customers(self, buyers: Sequence[Buyer]) -> list[_Made]:
        """Create customers, by e-mail address or, without one, by key."""
        since = self.shell.checkpoint.feed_version(PRODUCT_FEED)
        creations = [
            _Creation(
                name=buyer.email or buyer.key,
                key=f"customer:{buyer.key}",
                kind=IntentKind.CUSTOMER,
                target=buyer.key,
                body={"request": body, "email": buyer.email, "code": buyer.code},
                send=partial(create_customer, self.shell.pos, buyer, body, since),
            )
            for buyer in buyers
            for body in [customer_body(buyer)]
        ]
        return self._carry_out(creations)

    # --- products ----------------------------------------------------------------------------------------------------

    def _create_products(self, drafts: Sequence[ProductDraft], page: Mapping[int, Sequence[Move]]) -> Resolved:
        """Create products, by code key."""
        openings = self.openings(drafts, page)
        creations = [self._product_creation(draft, openings[code_key(draft.code)]) for draft in drafts]
        results = self._carry_out(creations)
        with self.shell.checkpoint.atomic():
            for creation, result in results:
                if result.is_done:
                    name = str(creation.body["request"]["name"])
                    tracked = bool(creation.body["tracked"])
                    self.shell.checkpoint.link_product(creation.name, result.result, name, tracks_stock=tracked)
            return self._settled(results)

    def _product_creation(self, draft: ProductDraft, opening: Opening) -> _Creation:
        key, is_tracked = code_key(draft.code), opening.stock is not None
        since = self.shell.checkpoint.feed_version(PRODUCT_FEED)
        body = product_body(draft, self.shop, opening.stock, opening.price)
        return _Creation(
            name=key,
            key=f"product:{key}",
            kind=IntentKind.PRODUCT,
            target=draft.code,
            body={"request": body, "tracked": is_tracked},
            send=partial(create_product, self.shell.pos, body, tracked=is_tracked, since=since),
        )

    # --- intents -----------------------------------------------------------------------------------------------------

    def _carry_out(self, creations: Sequence[_Creation]) -> list[_Made]:
        """Record the creations, then send them; one whose last try is still unclear is not tried over it."""
        unclear = {intent.key for intent in self.shell.checkpoint.open_intents()}
        clear = [creation for creation in creations if creation.key not in unclear]
        self._intend(clear)
        sent = zip(clear, self.pool.map(_sent, clear), strict=True)
        return [*sent, *((creation, unknown(_UNCLEAR)) for creation in creations if creation.key in unclear)]

    def _intend(self, creations: Iterable[_Creation]) -> None:
        now, since = self.shell.clock(), self.shell.checkpoint.feed_version(PRODUCT_FEED)
        self.shell.checkpoint.intend(
            Intent(
                key=creation.key,
                order_id=creation.order_id,
                kind=creation.kind,
                target=creation.target,
                body=creation.body,
                since=since,
                created_at=now,
                run_id=self.run_id,
            )
            for creation in creations
        )

    def _settled(self, results: Iterable[_Made]) -> Resolved:
        made = list(results)
        self.shell.checkpoint.settle_many(
            (
                Settlement(key=creation.key, state=result.state, detail=result.detail, result=result.result)
                for creation, result in made
            ),
            at=self.shell.clock(),
        )
        return Resolved(
            ids={creation.name: result.result for creation, result in made if result.is_done},
            failures={creation.name: result for creation, result in made if not result.is_done},
            created=sum(result.is_done for _, result in made),
        )


def _sent(creation: _Creation) -> Result:
    """Send it; runs on the pool."""
    with about_order(creation.order_id):
        return creation.send()


def read_product_feed(pos: PointOfSale, checkpoint: Checkpoint) -> None:
    """Bring what is known of the POS's products up to date."""
    for page in pos.products_after(checkpoint.feed_version(PRODUCT_FEED)):
        checkpoint.save_products(page.rows, page.version)
