"""The POS: its account, catalogue, customers, sales and stock, in memory.

Owns the records and what keeps them consistent: ids, versions, stock levels, search. What each kind of request does to
them stands in `pos_products`, `pos_customers`, `pos_sales` and `pos_stock`. Knows nothing of HTTP.
"""

import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from bcpoll.core.money import ZERO, round_money
from bcpoll.sandbox.calls import Clock, Json, Refused, rfc3339, utc_now
from bcpoll.sandbox.feed import Feed, Versions
from bcpoll.sandbox.switches import Switches

_NAMESPACE = UUID("b7c1d2a4-0d2f-5f4e-9a55-0e0d6c1b7a10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a POS holds, in plain comparable values and without random ids."""

    sales: Mapping[str, tuple[Mapping[str, object], ...]]
    """By source id, each with state, total, tax, lines and payments."""
    stock: Mapping[tuple[str, str], str]
    """Units by product code and outlet name, where there are any; below zero counts."""
    customers: Mapping[str, int]
    """How many customers there are by lower-cased e-mail."""
    products: Mapping[str, str]
    """Names by code."""


class Pos:
    """An X-Series account in memory. Every method may be called from any thread."""

    def __init__(
        self,
        *,
        name: str = "Sandbox Shop",
        currency: str = "USD",
        tax_exclusive: bool = True,
        seed: str = "sandbox",
        clock: Clock = utc_now,
        switches: Switches | None = None,
    ) -> None:
        self.clock = clock
        self.switches = switches or Switches()
        self.currency = currency
        self.versions = Versions()
        self.requests = 0
        """Counted by the web layer; the search lags behind by it where the switch says so."""
        self.outlets = Feed(self.versions)
        self.registers = Feed(self.versions)
        self.users = Feed(self.versions)
        self.payment_types = Feed(self.versions)
        self.taxes = Feed(self.versions)
        self.products = Feed(self.versions)
        self.customers = Feed(self.versions)
        self.sales = Feed(self.versions)
        self.inventory = Feed(self.versions)
        self.adjustments = Feed(self.versions)
        self.adjustment_reasons = Feed(self.versions)
        self.fulfillments: dict[str, Json] = {}
        self.channels: list[Json] | None = []
        """The web stores that the POS is linked to by itself; None where it has no such list (documented for 2.0)."""
        self.customer_addresses: dict[str, list[Json]] = {}
        self.codes: dict[str, list[str]] = {}
        """Product ids by code in lower case, deleted products included."""
        self.emails: dict[str, list[str]] = {}
        self.customer_codes: dict[str, list[str]] = {}
        self._levels: dict[tuple[str, str], Json] = {}
        self._born: dict[str, tuple[int, datetime]] = {}
        self._seed = seed
        self._ids = 0
        self._numbers: dict[str, int] = {}
        self._lock = threading.RLock()
        self.retailer = self._new_retailer(name, tax_exclusive=tax_exclusive)

    def _new_retailer(self, name: str, *, tax_exclusive: bool) -> Json:
        return {
            "id": self.new_id("retailer"),
            "name": name,
            "domain_prefix": "sandbox",
            "currency": self.currency,
            "country": "US",
            "timezone": "America/Chicago",
            "tax_exclusive": tax_exclusive,
            "no_tax_group_id": self.add_tax("No Tax", "0"),
            "discount_product_id": self.new_id("discount"),
            "sku_sequence": {"enabled": True, "value": 10000},
            "loyalty": {"enabled": False, "ratio": 0},
            "version": self.versions.next(),
        }

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """Held while a request is answered or the shop changes."""
        return self._lock

    # Setting up

    def add_tax(self, name: str, rate: str, *, is_default: bool = False) -> str:
        """Add a tax with one rate, a fraction such as "0.08"; gives its id like all `add_` methods."""
        named = {"name": name, "display_name": name}
        rates = [{"id": self.new_id("rate"), **named, "rate": Decimal(rate)}]
        return self._add(self.taxes, "tax", {**named, "is_default": is_default, "rates": rates})

    def add_outlet(self, name: str) -> str:
        """Add an outlet."""
        plain = {"time_zone": "America/Chicago", "currency": self.currency, "display_prices": "exclusive"}
        return self._add(self.outlets, "outlet", {"name": name, **plain})

    def add_register(self, name: str, outlet: str, *, is_open: bool = True) -> str:
        """Add a register at an outlet, by the outlet's name."""
        sequence = {"invoice_prefix": f"{name[:2].upper()}-", "invoice_suffix": "", "invoice_sequence": 0}
        row = {"name": name, "outlet_id": self.id_of(self.outlets, outlet), "is_open": is_open, **sequence}
        opened = self.new_id("opening") if is_open else None
        return self._add(self.registers, "register", {**row, "register_open_sequence_id": opened})

    def add_user(self, username: str, display_name: str = "") -> str:
        """Add somebody who may stand as a cashier."""
        row = {"username": username, "display_name": display_name or username, "account_type": "admin", "enabled": True}
        return self._add(self.users, "user", row)

    def add_payment_type(self, name: str, type_id: int = 3) -> str:
        """Add a way to pay; 1 is cash, 3 anything else."""
        return self._add(self.payment_types, "payment type", {"name": name, "type_id": type_id, "config": {}})

    def add_product(
        self, name: str, *codes: str, price: str = "0", stock: Mapping[str, str] | None = None, tracked: bool = True
    ) -> str:
        """Add a product with its codes, price without tax, and units by outlet name. Codes need not be unique here."""
        with self._lock:
            product_id = self.new_id("product")
            row = product_row(self, product_id, name, codes, Decimal(price), tracked=tracked)
            self.keep_product(row)
            for outlet, units in (stock or {}).items():
                self.set_stock(product_id, self.id_of(self.outlets, outlet), Decimal(units))
            return product_id

    def add_customer(self, first_name: str, last_name: str, email: str, *, code: str = "") -> str:
        """Add a customer."""
        with self._lock:
            row = {"first_name": first_name, "last_name": last_name, "email": email, "customer_code": code}
            return str(self.keep_customer(row)["id"])

    def delete(self, feed: Feed, row_id: str) -> None:
        """Delete a record as the POS does: it stays, with the time of its deletion."""
        with self._lock:
            row = self.wanted(feed, row_id, "record")
            row["deleted_at"] = self.now()
            row["version"] = feed.put(row_id, row)

    def open_register(self, name: str, *, is_open: bool = True) -> None:
        """Open or close a register by its name."""
        with self._lock:
            row = self.wanted(self.registers, self.id_of(self.registers, name), "register")
            self.turn_register(row, is_open=is_open)

    def turn_register(self, row: Json, *, is_open: bool) -> None:
        """Open or close a register."""
        row["is_open"] = is_open
        row["register_open_sequence_id"] = self.new_id("opening") if is_open else None
        row["register_open_time"] = self.now() if is_open else None
        row["version"] = self.registers.put(row["id"], row)

    # Looking up

    def now(self) -> str:
        """The time as records hold it."""
        return rfc3339(self.clock())

    def id_of(self, feed: Feed, name: str) -> str:
        """The id of a record by its name."""
        return str(next(row["id"] for row in feed if row["name"] == name))

    def wanted(self, feed: Feed, row_id: object, what: str) -> Json:
        """A record by its id, or a refusal that names it; a deleted one is not found."""
        row = feed.get(row_id) if isinstance(row_id, str) else None
        if row is None or row.get("deleted_at"):
            raise Refused(422, f"{what} {row_id!r} does not exist")
        return row

    def with_code(self, code: str, *, deleted: bool = False) -> list[Json]:
        """The products that go by a code, in any case."""
        rows = [self.products.get(product_id) for product_id in self.codes.get(code.lower(), [])]
        return [row for row in rows if row and (deleted or not row["deleted_at"])]

    def with_email(self, email: str) -> list[Json]:
        """The customers with an e-mail address, in any case, oldest first."""
        rows = [self.customers.get(customer_id) for customer_id in self.emails.get(email.lower(), [])]
        return [row for row in rows if row and not row["deleted_at"]]

    def is_searchable(self, row_id: str) -> bool:
        """Whether the search index has caught up with a record."""
        born = self._born.get(row_id)
        if born is None:
            return True
        waited = (self.clock() - born[1]).total_seconds()
        caught_up = self.requests - born[0] > self.switches.search_lag_requests
        return caught_up and waited >= self.switches.search_lag_seconds

    # Keeping records

    def new_id(self, kind: str) -> str:
        """The next id: it looks random, and is the same in every world that went the same way."""
        with self._lock:
            self._ids += 1
            return str(uuid5(_NAMESPACE, f"{self._seed}:{kind}:{self._ids}"))

    def new_number(self, kind: str) -> int:
        """The next running number of a kind."""
        with self._lock:
            self._numbers[kind] = self._numbers.get(kind, 0) + 1
            return self._numbers[kind]

    def remember_birth(self, row_id: str) -> None:
        """Note when a record came about, for the lag of the search."""
        if self.switches.search_lag_requests or self.switches.search_lag_seconds:
            self._born[row_id] = (self.requests, self.clock())

    def keep_product(self, row: Json) -> None:
        """Keep a new or changed product and find it by its codes."""
        for code in {each["code"].lower() for each in row["product_codes"]}:
            owners = self.codes.setdefault(code, [])
            if row["id"] not in owners:
                owners.append(row["id"])
        row["updated_at"] = self.now()
        row["version"] = self.products.put(row["id"], row)

    def forget_codes(self, row: Json) -> None:
        """Take a product out of the code index, before its codes change."""
        for each in row["product_codes"]:
            owners = self.codes.get(each["code"].lower(), [])
            if row["id"] in owners:
                owners.remove(row["id"])

    def keep_customer(self, members: Mapping[str, object]) -> Json:
        """Keep a new customer."""
        first, last = (str(members.get(name) or "") for name in ("first_name", "last_name"))
        code = members.get("customer_code") or f"{first or 'UNNAMED'}-{self.new_number('customer'):04X}"
        now = self.now()
        row: Json = {
            **_NEW_CUSTOMER,
            **members,
            "id": self.new_id("customer"),
            "customer_code": code,
            "name": f"{first} {last}".strip(),
            "created_at": now,
            "updated_at": now,
        }
        row["version"] = self.customers.put(row["id"], row)
        self.remember_birth(row["id"])
        self.emails.setdefault(str(row["email"] or "").lower(), []).append(row["id"])
        self.customer_codes.setdefault(str(code).lower(), []).append(row["id"])
        return row

    # Stock

    def units(self, product_id: str, outlet_id: str) -> Decimal:
        """The stock of a product at an outlet."""
        row = self._levels.get((product_id, outlet_id))
        return Decimal(row["current_inventory_level"]) if row else ZERO

    def stock(self, code: str, outlet: str) -> Decimal:
        """The stock of a product at an outlet, by code and name."""
        products = self.with_code(code)
        return self.units(products[0]["id"], self.id_of(self.outlets, outlet)) if products else ZERO

    def set_stock(self, product_id: str, outlet_id: str, units: Decimal) -> None:
        """Set the stock of a product at an outlet."""
        row = self._level(product_id, outlet_id)
        row["current_inventory_level"] = units
        row["version"] = self.inventory.put(row["id"], row)

    def move_stock(self, outlet_id: str, product_id: str, units: Decimal) -> None:
        """Move units of a product, if it is tracked."""
        product = self.products.get(product_id)
        if units and product and product["has_inventory"]:
            self.set_stock(product_id, outlet_id, self.units(product_id, outlet_id) + units)

    def move_procurement(self, outlet_id: str, product_id: str, units: Decimal) -> None:
        """Change what open fulfilments still need of a product."""
        row = self._level(product_id, outlet_id)
        row["quantity_to_procure"] += units
        row["version"] = self.inventory.put(row["id"], row)

    def _level(self, product_id: str, outlet_id: str) -> Json:
        key = (product_id, outlet_id)
        if key not in self._levels:
            self._levels[key] = {
                "id": self.new_id("level"),
                "product_id": product_id,
                "outlet_id": outlet_id,
                "current_inventory_level": ZERO,
                "quantity_to_procure": ZERO,
                **_NEW_LEVEL,
            }
        return self._levels[key]

    def _add(self, feed: Feed, kind: str, row: Json) -> str:
        with self._lock:
            row_id = self.new_id(kind)
            kept = {"id": row_id, **row, "deleted_at": None}
            kept["version"] = feed.put(row_id, kept)
            return row_id

    # Comparing

    def snapshot(self) -> Snapshot:
        """Everything that two worlds are compared by."""
        with self._lock:
            return Snapshot(
                sales=self._sales_by_source(),
                stock=self._stock_by_code(),
                customers=self._customers_by_email(),
                products={row["sku"]: row["name"] for row in self.products if not row["deleted_at"]},
            )

    def _sales_by_source(self) -> dict[str, tuple[Mapping[str, object], ...]]:
        found: dict[str, list[Json]] = {}
        for sale in self.sales:
            found.setdefault(sale["source"]["id"] or "", []).append(self._plain_sale(sale))
        return {source: tuple(sorted(sales, key=repr)) for source, sales in sorted(found.items())}

    def _plain_sale(self, sale: Json) -> Json:
        return {
            "state": sale["state"],
            "attributes": tuple(sorted(sale["attributes"])),
            "total": _cents(sale["totals"]["price_incl_tax"]),
            "tax": _cents(sale["totals"]["tax"]),
            "register": self._name(self.registers, sale["source"]["register_id"]),
            "customer": self._email(sale["customer_id"]),
            "lines": tuple(sorted(self._plain_line(line) for line in sale["line_items"])),
            "payments": tuple(sorted((each["type"]["name"], _cents(each["amount"])) for each in sale["payments"])),
        }

    def _plain_line(self, line: Json) -> tuple[str, str, str]:
        product = self.products.get(line["product"]["id"])
        worth = line["pricing"]["total"] + line["tax"]["total"]
        return (product["sku"] if product else "", f"{line['quantity']:f}", _cents(worth))

    def _stock_by_code(self) -> dict[tuple[str, str], str]:
        return {
            (self._sku(row["product_id"]), self._name(self.outlets, row["outlet_id"])): f"{units.normalize():f}"
            for row in self.inventory
            if (units := Decimal(row["current_inventory_level"]))
        }

    def _customers_by_email(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in self.customers:
            if not row["deleted_at"]:
                email = str(row["email"] or "").lower()
                counts[email] = counts.get(email, 0) + 1
        return counts

    def _sku(self, product_id: str) -> str:
        product = self.products.get(product_id)
        return str(product["sku"]) if product else ""

    def _email(self, customer_id: str | None) -> str:
        row = self.customers.get(customer_id) if customer_id else None
        return str(row["email"] or "").lower() if row else ""

    def _name(self, feed: Feed, row_id: str | None) -> str:
        row = feed.get(row_id) if row_id else None
        return str(row["name"]) if row else ""


_NEW_CUSTOMER: Mapping[str, object] = {
    "email": None,
    "company_name": None,
    "phone": None,
    "mobile": None,
    "do_not_email": False,
    "enable_loyalty": True,
    "enable_promotional_sms": False,
    "note": None,
    "balance": 0,
    "loyalty_balance": 0,
    "year_to_date": 0,
    "deleted_at": None,
}

_NEW_LEVEL: Mapping[str, object] = {
    "average_cost": 0,
    "reorder_method": None,
    "reorder_point": None,
    "reorder_amount": None,
    "reorder_target": None,
    "deleted_at": None,
}


def product_row(
    pos: Pos, product_id: str, name: str, codes: Iterable[str], price: Decimal, *, tracked: bool = True
) -> Json:
    """A standard product as the POS answers it; the first code is the SKU."""
    known = list(codes)
    now = pos.now()
    return {
        "id": product_id,
        "name": name,
        "variant_name": name,
        "handle": (known[0] if known else name).lower(),
        "sku": known[0] if known else "",
        "product_codes": [{"type": "CUSTOM", "code": code} for code in known],
        "active": True,
        "is_active": True,
        "has_inventory": tracked,
        "is_composite": False,
        "has_variants": False,
        "variant_parent_id": None,
        "source": "USER",
        "source_id": None,
        "supply_price": ZERO,
        "price_excluding_tax": price,
        "price_including_tax": price,
        "created_at": now,
        "updated_at": now,
        "deleted_at": None,
    }


def _cents(amount: object) -> str:
    return f"{round_money(Decimal(str(amount)), 2):f}"
