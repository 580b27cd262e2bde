"""Customers and products that a page of sales needs: found in the checkpoint, else in the POS, else created.

Owns the intents of those creations. What cannot be had is given as a failure per key, so that the orders that need it
are set aside and the others go on.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from bcpoll.checkpoint import Checkpoint, Intent, IntentKind, Settlement
from bcpoll.core.bodies import customer_body, product_body
from bcpoll.core.order import Json, code_key
from bcpoll.core.sale import Buyer, CreateSale, ProductDraft, SaleState
from bcpoll.core.shop import Shop, StockLevel
from bcpoll.ports import OrderSource, PointOfSale
from bcpoll.send import Result, create_customer, create_product, oldest

# The one version counter of the retailer is last known from the product feed: no change before it is of interest.
PRODUCT_FEED = "products"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Ids by key, what could not be had and why, and how many had to be created."""

    ids: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, Result] = field(default_factory=dict)
    created: int = 0


class Resolver:
    """Finds or creates what sales refer to."""

    def __init__(
        self,
        *,
        pos: PointOfSale,
        source: OrderSource,
        checkpoint: Checkpoint,
        shop: Shop,
        pool: Executor,
        clock: Callable[[], datetime],
        run_id: int,
    ) -> None:
        self._pos = pos
        self._source = source
        self._checkpoint = checkpoint
        self._shop = shop
        self._pool = pool
        self._clock = clock
        self._run_id = run_id

    def known_products(self, code_keys: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """The POS products under each code key, after reading the version feed on if a key is missing."""
        known = self._checkpoint.product_ids(code_keys)
        if len(known) < len(set(code_keys)):
            self._read_product_feed()
            known = self._checkpoint.product_ids(code_keys)
        return known

    def customers(self, buyers: Iterable[Buyer]) -> Resolved:
        """A customer for each buyer, by buyer key: linked ones first, then by e-mail address, else created."""
        wanted = {buyer.key: buyer for buyer in buyers}
        ids = self._linked(wanted)
        missing = {buyer.email or key: buyer for key, buyer in wanted.items() if key not in ids}
        found = dict(zip(missing, self._pool.map(self._find_by_email, missing.values()), strict=True))
        made = self._create_customers([buyer for email, buyer in missing.items() if not found[email]])
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

    def products(self, sales: Sequence[CreateSale], drafts: Iterable[ProductDraft]) -> Resolved:
        """A product for each draft, by code key; those the POS lacks are created with their opening stock."""
        by_key: dict[str, ProductDraft] = {}
        for draft in drafts:
            by_key.setdefault(code_key(draft.code), draft)
        known = self._checkpoint.product_ids(by_key)
        missing = [draft for key, draft in by_key.items() if key not in known]
        made = self._create_products(missing, sold_units(sales)) if missing else Resolved()
        return Resolved(
            ids={key: ids[0] for key, ids in known.items()} | dict(made.ids),
            failures=made.failures,
            created=made.created,
        )

    def _read_product_feed(self) -> None:
        for page in self._pos.products_after(self._checkpoint.feed_version(PRODUCT_FEED)):
            self._checkpoint.save_products(page.rows, page.version)

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

    def _create_customers(self, buyers: Sequence[Buyer]) -> Resolved:
        """Create customers, by e-mail address or, without one, by key."""
        since = self._checkpoint.feed_version(PRODUCT_FEED)
        bodies = {buyer.email or buyer.key: (buyer, customer_body(buyer)) for buyer in buyers}
        keys = {name: f"customer:{buyer.key}" for name, (buyer, _) in bodies.items()}
        self._intend(
            (keys[name], IntentKind.CUSTOMER, buyer.key, {"request": body, "email": buyer.email, "code": buyer.code})
            for name, (buyer, body) in bodies.items()
        )
        results = self._pool.map(lambda pair: create_customer(self._pos, pair[0], pair[1], since), bodies.values())
        return self._settled(dict(zip(bodies, results, strict=True)), keys)

    # --- products ----------------------------------------------------------------------------------------------------

    def _create_products(self, drafts: Sequence[ProductDraft], sold: Mapping[str, int]) -> Resolved:
        """Create products, by code key."""
        stock = self._source.stock({draft.product_id for draft in drafts if draft.product_id})
        openings = {code_key(draft.code): opening_stock(draft, stock, sold) for draft in drafts}
        outlet_id = self._shop.register.outlet_id
        bodies = {
            key: product_body(draft, self._shop, outlet_id, openings[key])
            for draft in drafts
            for key in [code_key(draft.code)]
        }
        keys = {key: f"product:{key}" for key in bodies}
        self._intend(
            (keys[key], IntentKind.PRODUCT, str(body["sku"]), {"request": body, "tracked": openings[key] is not None})
            for key, body in bodies.items()
        )
        results = self._pool.map(
            lambda key: create_product(self._pos, bodies[key], tracked=openings[key] is not None), bodies
        )
        made = dict(zip(bodies, results, strict=True))
        with self._checkpoint.atomic():
            for key, result in made.items():
                if result.is_done:
                    tracked = openings[key] is not None
                    self._checkpoint.link_product(key, result.result, str(bodies[key]["name"]), tracks_stock=tracked)
            return self._settled(made, keys)

    # --- intents -----------------------------------------------------------------------------------------------------

    def _intend(self, writes: Iterable[tuple[str, IntentKind, str, Json]]) -> None:
        now, since = self._clock(), self._checkpoint.feed_version(PRODUCT_FEED)
        self._checkpoint.intend(
            Intent(
                key=key,
                order_id=0,
                kind=kind,
                target=target,
                body=body,
                since=since,
                created_at=now,
                run_id=self._run_id,
            )
            for key, kind, target, body in writes
        )

    def _settled(self, results: Mapping[str, Result], keys: Mapping[str, str]) -> Resolved:
        self._checkpoint.settle_many(
            (
                Settlement(key=keys[name], state=result.state, detail=result.detail, result=result.result)
                for name, result in results.items()
            ),
            at=self._clock(),
        )
        return Resolved(
            ids={name: result.result for name, result in results.items() if result.is_done},
            failures={name: result for name, result in results.items() if not result.is_done},
            created=sum(result.is_done for result in results.values()),
        )


def sold_units(sales: Iterable[CreateSale]) -> dict[str, int]:
    """How many units of each code these sales take out of stock; voided ones take none."""
    units: dict[str, int] = {}
    for action in sales:
        if action.sale.state is SaleState.VOIDED:
            continue
        for line in action.sale.lines:
            key = code_key(line.code)
            units[key] = units.get(key, 0) + line.quantity
    return units


def opening_stock(
    draft: ProductDraft, stock: Mapping[tuple[int, int], StockLevel], sold: Mapping[str, int]
) -> Decimal | None:
    """The stock a new product starts with, so that after these sales the POS shows what BigCommerce has left.

    None where stock is not counted: charges, custom products, products gone from the catalogue or untracked there.
    """
    level = stock.get((draft.product_id, draft.variant_id)) or stock.get((draft.product_id, 0))
    if draft.is_charge or not draft.product_id or level is None or not level.tracked:
        return None
    return level.level + sold.get(code_key(draft.code), 0)
