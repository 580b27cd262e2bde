"""The web store's products and what is left of them.

Owns stock levels and the V3 JSON of products and variants. Must not know orders.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from bcpoll.core.order import LineKind
from bcpoll.sandbox.calls import Json
from bcpoll.sandbox.drafts import Amount, Item


@dataclass(slots=True, kw_only=True)
class Variant:
    """One choice of a product; it has stock of its own."""

    id: int
    sku: str
    stock: int = 0
    options: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class Product:
    """A product of the web store; a `stock` of None is not counted."""

    id: int
    name: str
    sku: str = ""
    price: Amount = "0"
    stock: int | None = 0
    variants: list[Variant] = field(default_factory=list)
    kind: LineKind = LineKind.PHYSICAL
    tax_rate: Amount | None = None


class Catalogue:
    """All products of the store."""

    def __init__(self) -> None:
        self._products: dict[int, Product] = {}
        self._by_sku: dict[str, tuple[Product, Variant | None]] = {}

    def __iter__(self) -> Iterator[Product]:
        return iter(self._products.values())

    def add(self, product: Product) -> Product:
        """Put a product on sale."""
        self._products[product.id] = product
        if product.sku:
            self._by_sku[product.sku] = (product, None)
        for variant in product.variants:
            self._by_sku[variant.sku] = (product, variant)
        return product

    def remove(self, product_id: int) -> None:
        """Delete a product; orders go on naming it."""
        product = self._products.pop(product_id)
        for sku in (product.sku, *(variant.sku for variant in product.variants)):
            self._by_sku.pop(sku, None)

    def get(self, product_id: int) -> Product | None:
        """A product by its id."""
        return self._products.get(product_id)

    def item(self, sku: str, quantity: int = 1) -> Item:
        """An order line for what is sold under a SKU, at its price; change the rest with `dataclasses.replace`."""
        product, variant = self._by_sku[sku]
        return Item(
            name=product.name,
            sku=sku,
            product_id=product.id,
            variant_id=variant.id if variant else product.id + _BASE_VARIANT,
            price=product.price,
            quantity=quantity,
            kind=product.kind,
            options=variant.options if variant else (),
            tax_rate=product.tax_rate,
        )

    def move(self, lines: Iterable[Json], sign: int) -> None:
        """Take the units of order lines out of stock (-1) or put them back (1)."""
        for line in lines:
            product = self._products.get(int(line.get("product_id") or 0))
            if product is None or product.stock is None:
                continue
            units = sign * int(line.get("quantity", 1))
            variant = next((each for each in product.variants if each.id == line.get("variant_id")), None)
            if variant:
                variant.stock += units
            else:
                product.stock += units

    def left(self, sku: str) -> int | None:
        """How many units are left under a SKU; None where they are not counted."""
        product, variant = self._by_sku[sku]
        return variant.stock if variant and product.stock is not None else product.stock


# Products without variants have one base variant in BigCommerce; its id only has to be stable and of its own.
_BASE_VARIANT = 5000


def product_json(product: Product, *, with_variants: bool) -> Json:
    """A product as V3 answers it."""
    level = sum(variant.stock for variant in product.variants) if product.variants else product.stock or 0
    served: Json = {
        "id": product.id,
        "name": product.name,
        "type": "digital" if product.kind is LineKind.DIGITAL else "physical",
        "sku": product.sku,
        "price": Decimal(product.price),
        "inventory_level": level if product.stock is not None else 0,
        "inventory_tracking": _tracking(product),
        "is_visible": True,
        "base_variant_id": None if product.variants else product.id + _BASE_VARIANT,
    }
    return served | {"variants": _variants_json(product)} if with_variants else served


def _tracking(product: Product) -> str:
    if product.stock is None:
        return "none"
    return "variant" if product.variants else "product"


def _variants_json(product: Product) -> list[Json]:
    if not product.variants:
        base = Variant(id=product.id + _BASE_VARIANT, sku=product.sku, stock=product.stock or 0)
        return [_variant_json(product, base)]
    return [_variant_json(product, variant) for variant in product.variants]


def _variant_json(product: Product, variant: Variant) -> Json:
    return {
        "id": variant.id,
        "product_id": product.id,
        "sku": variant.sku,
        "inventory_level": variant.stock,
        "price": None,
        "option_values": [{"option_display_name": name, "label": value} for name, value in variant.options],
    }
