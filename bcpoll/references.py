"""Reference data of the POS: read once a day, kept in the checkpoint, and joined with the settings to a `Shop`.

Owns the question whether the names in the settings (register, user, payment types, taxes) exist in the POS. Customers
and products are not here; they are looked up order by order (`apply`).
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from bcpoll.checkpoint import Checkpoint
from bcpoll.config import PaymentNames, RouteRule, Settings
from bcpoll.core.money import Currency
from bcpoll.core.shop import Outlet, PaymentType, Register, Retailer, Route, Shop, Tax, Tenders, User
from bcpoll.errors import Problem, SettingsError
from bcpoll.ports import PointOfSale

# Registers, users and taxes change a few times a year; a name that is not found is looked for afresh at once.
_KEPT = timedelta(days=1)
_CACHE = "pos reference"

# What reading the answer of another version of bcpoll, which kept other members, can raise.
_NOT_OURS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """All that the POS says about itself, as far as settings name it."""

    retailer: Retailer
    registers: tuple[Register, ...]
    outlets: tuple[Outlet, ...]
    users: tuple[User, ...]
    payment_types: tuple[PaymentType, ...]
    taxes: tuple[Tax, ...]


def load_shop(settings: Settings, pos: PointOfSale, checkpoint: Checkpoint, now: datetime) -> Shop:
    """The shop, from reference data of today or, where a name is not among it, from fresh ones.

    Raises SettingsError with every name that the POS does not know.
    """
    cached = checkpoint.cached(_CACHE)
    if cached is not None and timedelta(0) <= now - cached[1] < _KEPT:
        try:
            return join(settings, _from_json(cached[0]))
        except (SettingsError, *_NOT_OURS):
            checkpoint.forget_cached()
    references = read(pos)
    shop = join(settings, references)
    checkpoint.cache(_CACHE, _to_json(references), now)
    return shop


def read(pos: PointOfSale) -> References:
    """Ask the POS for all of its reference data."""
    return References(
        retailer=pos.retailer(),
        registers=pos.registers(),
        outlets=pos.outlets(),
        users=pos.users(),
        payment_types=pos.payment_types(),
        taxes=pos.taxes(),
    )


def payment_names(checkpoint: Checkpoint) -> Mapping[str, str]:
    """The names of the payment types by id, as the POS last told them; empty where it never did."""
    cached = checkpoint.cached(_CACHE)
    try:
        return {str(row["id"]): str(row["name"]) for row in cached[0]["payment_types"]} if cached else {}
    except _NOT_OURS:
        return {}


def outlet_names(checkpoint: Checkpoint) -> Mapping[str, str]:
    """The names of the outlets by id, as the POS last told them; empty where it never did."""
    cached = checkpoint.cached(_CACHE)
    try:
        return {str(row["id"]): str(row["name"]) for row in cached[0]["outlets"]} if cached else {}
    except _NOT_OURS:
        return {}


def known_retailer(checkpoint: Checkpoint) -> Retailer | None:
    """The POS account as it last told of itself; None where it never did."""
    cached = checkpoint.cached(_CACHE)
    try:
        return Retailer(**cached[0]["retailer"]) if cached else None
    except _NOT_OURS:
        return None


def join(settings: Settings, references: References) -> Shop:
    """Put ids in place of the settings' names; raises SettingsError with every name that is unknown."""
    names = _Names(references)
    tenders = _tenders(settings.payments, names)
    shop = Shop(
        store_hash=settings.bigcommerce.store_hash,
        currency=Currency(references.retailer.currency),
        no_tax_id=references.retailer.no_tax_id,
        default_tax_id=names.default_tax(settings.taxes.default),
        taxes=references.taxes,
        prices_exclude_tax=references.retailer.prices_exclude_tax,
        register=names.register("[pos] register", settings.pos.register_name),
        author_id=names.user(settings.pos.user),
        tenders=tenders,
        routes=tuple(_routes(settings.routes, names)),
        timezone=references.retailer.timezone,
    )
    if names.problems:
        raise SettingsError(names.problems, source="the settings file, compared with the POS,")
    return shop


def _tenders(payments: PaymentNames, names: "_Names") -> Tenders:
    """The payment types by id; the default one stands in for gift certificates and store credit where none is set."""
    default = names.payment_type("[payments] default", payments.default)
    own = {key: name for key in ("gift_certificate", "store_credit") if (name := getattr(payments, key))}
    ids = {key: names.payment_type(f"[payments] {key}", name) for key, name in own.items()}
    by_method = {
        method: names.payment_type(f'[payments] "{method}"', name) for method, name in payments.by_method.items()
    }
    return Tenders(
        default_id=default,
        gift_certificate_id=ids.get("gift_certificate", default),
        store_credit_id=ids.get("store_credit", default),
        by_method=MappingProxyType(by_method),
    )


def _routes(rules: Iterable[RouteRule], names: "_Names") -> Iterator[Route]:
    for number, rule in enumerate(rules, 1):
        yield Route(
            register=names.register(f"[[routes]] {number} register", rule.register_name),
            pickup_location=rule.pickup_location,
            channel=rule.channel,
            country=rule.country,
        )


class _Names:
    """Looks names up among the reference data and gathers those that are not there."""

    def __init__(self, references: References) -> None:
        self._references = references
        self.problems: list[Problem] = []

    def register(self, key: str, name: str) -> Register:
        found = _by_name(self._references.registers, name, lambda register: (register.name, register.id))
        if found is None:
            self._unknown(key, "register", name, (register.name for register in self._references.registers))
        return found or Register(id="", name=name, outlet_id="", is_open=False)

    def user(self, name: str) -> str:
        found = _by_name(self._references.users, name, lambda user: (user.username, user.name, user.id))
        if found is None:
            self._unknown("[pos] user", "user", name, (user.username for user in self._references.users))
        return found.id if found else ""

    def payment_type(self, key: str, name: str) -> str:
        found = _by_name(self._references.payment_types, name, lambda kind: (kind.name, kind.id))
        if found is None:
            self._unknown(key, "payment type", name, (kind.name for kind in self._references.payment_types))
        return found.id if found else ""

    def default_tax(self, name: str) -> str:
        """The tax of that name; without a name the POS's own default, and where it has none the no-tax group."""
        taxes = self._references.taxes
        if not name:
            own = next((tax.id for tax in taxes if tax.is_default), "")
            return own or self._references.retailer.no_tax_id
        found = _by_name(taxes, name, lambda tax: (tax.name, tax.id))
        if found is None:
            self._unknown("[taxes] default", "tax", name, (tax.name for tax in taxes))
        return found.id if found else ""

    def _unknown(self, key: str, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(filter(None, known))
        near = difflib.get_close_matches(name, names, n=1)
        meant = f'Did you mean "{near[0]}"? ' if near else ""
        listed = ", ".join(f'"{one}"' for one in names) or "none"
        self.problems.append(Problem(key, f'the POS has no {what} "{name}"', f"{meant}It has: {listed}."))


def _by_name(rows: Sequence[Any], name: str, names_of: Any) -> Any:
    """The row that goes by a name, without regard to case and outer blanks."""
    wanted = name.strip().casefold()
    return next((row for row in rows if wanted in (text.strip().casefold() for text in names_of(row))), None)


_KINDS: Mapping[str, type[Any]] = MappingProxyType(
    {"registers": Register, "outlets": Outlet, "users": User, "payment_types": PaymentType}
)


def _to_json(references: References) -> dict[str, Any]:
    rows = asdict(references)
    rows["taxes"] = [row | {"rate": str(row["rate"])} for row in rows["taxes"]]
    return rows


def _from_json(rows: Mapping[str, Any]) -> References:
    return References(
        retailer=Retailer(**rows["retailer"]),
        taxes=tuple(_taxes(rows["taxes"])),
        **{name: tuple(kind(**row) for row in rows[name]) for name, kind in _KINDS.items()},
    )


def _taxes(rows: Iterable[Mapping[str, Any]]) -> Iterator[Tax]:
    for row in rows:
        yield Tax(**{**row, "rate": Decimal(row["rate"])})
