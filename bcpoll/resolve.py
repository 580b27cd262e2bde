"""Customers and products that a page of sales needs: found in the checkpoint, else in the POS, else created.

Owns the intents of those creations. What cannot be had is given as a failure per key, so that the orders that need it
are set aside and the others go on.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeAlias

from bcpoll.checkpoint import Checkpoint, Intent, IntentKind, Settlement
from bcpoll.core.addresses import address_body
from bcpoll.core.bodies import customer_body, product_body
from bcpoll.core.opening import Opening
from bcpoll.core.order import Json, code_key
from bcpoll.core.sale import Buyer, CreateSale, Move, ProductDraft
from bcpoll.core.shop import Shop
from bcpoll.ports import PointOfSale
from bcpoll.send import Result, add_address, create_customer, create_product, oldest, unknown

OpeningsOf: TypeAlias = Callable[[Collection[ProductDraft], Mapping[int, Sequence[Move]]], Mapping[str, Opening]]
"""What new products begin with, by code key: asked with what the orders at hand are about to move, by order."""

# The one version counter of the retailer is last known from the product feed: no change before it is of interest.
PRODUCT_FEED = "products"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Ids by key, what could not be had and why, and how many had to be created."""

    ids: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, Result] = field(default_factory=dict)
    created: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Write:
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


_Made: TypeAlias = tuple[_Write, Result]

_UNCLEAR = "an earlier try has no clear outcome yet"


class Resolver:
    """Finds or creates what sales refer to."""

    def __init__(
        self,
        *,
        pos: PointOfSale,
        checkpoint: Checkpoint,
        shop: Shop,
        openings: OpeningsOf,
        pool: Executor,
        clock: Callable[[], datetime],
        run_id: int,
    ) -> None:
        self._pos = pos
        self._openings = openings
        self._checkpoint = checkpoint
        self._shop = shop
        self._pool = pool
        self._clock = clock
        self._run_id = run_id

    def known_products(self, code_keys: Collection[str], *, afresh: bool = False) -> Mapping[str, tuple[str, ...]]:
        """The POS products under each code key, after reading the version feed on if a key is missing.

        With `afresh` the feed is read on in any case: what an order failed over may have been mended there.
        """
        known = self._checkpoint.product_ids(code_keys)
        if afresh or len(known) < len(set(code_keys)):
            read_product_feed(self._pos, self._checkpoint)
            known = self._checkpoint.product_ids(code_keys)
        return known

    def customers(self, buyers: Iterable[Buyer]) -> Resolved:
        """A customer for each buyer, by buyer key: linked ones first, then by e-mail address, else created."""
        wanted = {buyer.key: buyer for buyer in buyers}
        ids = self._linked(wanted)
        missing = {buyer.email or key: buyer for key, buyer in wanted.items() if key not in ids}
        found = dict(zip(missing, self._pool.map(self._find_by_email, missing.values()), strict=True))
        results = self._create_customers([buyer for email, buyer in missing.items() if not found[email]])
        # Settled and linked at once: a created customer without a link might be created again while the search lags.
        with self._checkpoint.atomic():
            made = self._settled(results)
            by_email = {email: customer for email, customer in found.items() if customer} | dict(made.ids)
            links = {
                key: by_email[buyer.email or key]
                for key, buyer in wanted.items()
                if key not in ids and (buyer.email or key) in by_email
            }
            self._link(links, wanted)
        failures = {
            key: made.failures[buyer.email or key]
            for key, buyer in wanted.items()
            if (buyer.email or key) in made.failures
        }
        return Resolved(ids=ids | links, failures=failures, created=made.created)

    def known_customers(self, buyers: Iterable[Buyer]) -> dict[str, str]:
        """The customers that need not be created, by buyer key; only reads."""
        wanted = {buyer.key: buyer for buyer in buyers}
        ids = self._linked(wanted)
        missing = {key: buyer for key, buyer in wanted.items() if key not in ids}
        found = zip(missing, self._pool.map(self._find_by_email, missing.values()), strict=True)
        return ids | {key: customer for key, customer in found if customer}

    def products(self, page: Mapping[int, Sequence[Move]], drafts: Iterable[ProductDraft]) -> Resolved:
        """A product for each draft, by code key; those the POS lacks are created with their opening stock.

        `page` holds what the orders at hand are about to move.
        """
        by_key: dict[str, ProductDraft] = {}
        for draft in drafts:
            by_key.setdefault(code_key(draft.code), draft)
        known = self._checkpoint.product_ids(by_key)
        missing = [draft for key, draft in by_key.items() if key not in known]
        made = self._create_products(missing, page) if missing else Resolved()
        return Resolved(
            ids={key: ids[0] for key, ids in known.items()} | dict(made.ids),
            failures=made.failures,
            created=made.created,
        )

    def addresses(self, sales: Iterable[CreateSale], customer_ids: Mapping[str, str]) -> Resolved:
        """The token of the address for each sale that is to be delivered, by sale id.

        Sales to one address of one customer share a write: sent side by side, neither would find what the other added.
        A refusal costs no order and is no failure; a first try without a clear answer is one, so that the sale waits
        for the next run, and a second one is taken for a refusal.
        """
        # Whatever the order in which they come: the write is begun for the same one of them again.
        actions = sorted(sales, key=lambda action: action.order_id)
        order_ids = {action.sale_id: action.order_id for action in actions}
        wanted = {
            action.sale_id: (customer_id, address_body(action.sale.ship_to))
            for action in actions
            if action.sale.ship_to is not None and action.sale.buyer is not None
            for customer_id in [customer_ids.get(action.sale.buyer.key, "")]
            if customer_id
        }
        shared = {
            sale_id: next(first for first, other in wanted.items() if other == address)
            for sale_id, address in wanted.items()
        }
        writes = [
            _Write(
                name=sale_id,
                key=f"address:{sale_id}",
                kind=IntentKind.ADDRESS,
                target=customer_id,
                body={"request": body},
                send=partial(add_address, self._pos, customer_id, body),
                order_id=order_ids[sale_id],
            )
            for sale_id, (customer_id, body) in wanted.items()
            if shared[sale_id] == sale_id
        ]
        made = self._settled(self._carry_out(writes)) if writes else Resolved()
        unclear = {
            write.name: result
            for write in writes
            if (result := made.failures.get(write.name)) is not None
            and result.is_unknown
            and self._checkpoint.times_intended(write.key) == 1
        }
        return Resolved(
            ids={sale_id: made.ids[first] for sale_id, first in shared.items() if first in made.ids},
            failures={sale_id: unclear[first] for sale_id, first in shared.items() if first in unclear},
            created=made.created,
        )

    # --- customers ---------------------------------------------------------------------------------------------------

    def _linked(self, wanted: Mapping[str, Buyer]) -> dict[str, str]:
        """Ids from the checkpoint, by the buyer's own key or by the e-mail address of an earlier order."""
        email_keys = {f"email:{buyer.email}" for buyer in wanted.values() if buyer.email}
        known = self._checkpoint.customer_ids(wanted.keys() | email_keys)
        ids = {key: known.get(key) or known.get(f"email:{buyer.email}") for key, buyer in wanted.items()}
        return {key: customer for key, customer in ids.items() if customer}

    def _link(self, links: Mapping[str, str], wanted: Mapping[str, Buyer]) -> None:
        by_email = {f"email:{wanted[key].email}": customer for key, customer in links.items() if wanted[key].email}
        if links:
            self._checkpoint.link_customers(by_email | dict(links), self._clock())

    def _find_by_email(self, buyer: Buyer) -> str | None:
        return oldest(self._pos.customers_with_email(buyer.email)) if buyer.email else None

    def _create_customers(self, buyers: Sequence[Buyer]) -> list[_Made]:
        """Create customers, by e-mail address or, without one, by key."""
        since = self._checkpoint.feed_version(PRODUCT_FEED)
        writes = [
            _Write(
                name=buyer.email or buyer.key,
                key=f"customer:{buyer.key}",
                kind=IntentKind.CUSTOMER,
                target=buyer.key,
                body={"request": body, "email": buyer.email, "code": buyer.code},
                send=partial(create_customer, self._pos, buyer, body, since),
            )
            for buyer in buyers
            for body in [customer_body(buyer)]
        ]
        return self._carry_out(writes)

    # --- products ----------------------------------------------------------------------------------------------------

    def _create_products(self, drafts: Sequence[ProductDraft], page: Mapping[int, Sequence[Move]]) -> Resolved:
        """Create products, by code key."""
        openings = self._openings(drafts, page)
        writes = [self._product_write(draft, openings[code_key(draft.code)]) for draft in drafts]
        results = self._carry_out(writes)
        with self._checkpoint.atomic():
            for write, result in results:
                if result.is_done:
                    name = str(write.body["request"]["name"])
                    tracked = bool(write.body["tracked"])
                    self._checkpoint.link_product(write.name, result.result, name, tracks_stock=tracked)
            return self._settled(results)

    def _product_write(self, draft: ProductDraft, opening: Opening) -> _Write:
        key, is_tracked = code_key(draft.code), opening.stock is not None
        since = self._checkpoint.feed_version(PRODUCT_FEED)
        body = product_body(draft, self._shop, opening.stock, opening.price)
        return _Write(
            name=key,
            key=f"product:{key}",
            kind=IntentKind.PRODUCT,
            target=draft.code,
            body={"request": body, "tracked": is_tracked},
            send=partial(create_product, self._pos, body, tracked=is_tracked, since=since),
        )

    # --- intents -----------------------------------------------------------------------------------------------------

    def _carry_out(self, writes: Sequence[_Write]) -> list[_Made]:
        """Record the writes, then send them; one whose last try is still unclear is not tried over it."""
        unclear = {intent.key for intent in self._checkpoint.open_intents()}
        clear = [write for write in writes if write.key not in unclear]
        self._intend(clear)
        sent = zip(clear, self._pool.map(lambda write: write.send(), clear), strict=True)
        return [*sent, *((write, unknown(_UNCLEAR)) for write in writes if write.key in unclear)]

    def _intend(self, writes: Iterable[_Write]) -> None:
        now, since = self._clock(), self._checkpoint.feed_version(PRODUCT_FEED)
        self._checkpoint.intend(
            Intent(
                key=write.key,
                order_id=write.order_id,
                kind=write.kind,
                target=write.target,
                body=write.body,
                since=since,
                created_at=now,
                run_id=self._run_id,
            )
            for write in writes
        )

    def _settled(self, results: Iterable[_Made]) -> Resolved:
        made = list(results)
        self._checkpoint.settle_many(
            (
                Settlement(key=write.key, state=result.state, detail=result.detail, result=result.result)
                for write, result in made
            ),
            at=self._clock(),
        )
        return Resolved(
            ids={write.name: result.result for write, result in made if result.is_done},
            failures={write.name: result for write, result in made if not result.is_done},
            created=sum(result.is_done for _, result in made),
        )


def read_product_feed(pos: PointOfSale, checkpoint: Checkpoint) -> None:
    """Bring what is known of the POS's products up to date."""
    for page in pos.products_after(checkpoint.feed_version(PRODUCT_FEED)):
        checkpoint.save_products(page.rows, page.version)
