"""Reference data: every unknown name told at once, kept for a day, and read afresh when a name is missing."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from shop import GUEST, NOW, Shop

from bcpoll.config import Settings
from bcpoll.core.shop import Shop as Names
from bcpoll.errors import SettingsError
from bcpoll.references import load_shop, read
from bcpoll.sandbox.drafts import Parcel, Pickup

CACHE = "pos reference"


def load(shop: Shop, settings: Settings | None = None) -> Names:
    """Load the names the way a pass does; the request log holds this alone."""
    shop.world.log.clear()
    with shop.connected() as shell:
        return load_shop(settings or shop.settings, shell.pos, shop.checkpoint, shop.time.now())


def changed(**sections: Any) -> Shop:
    return Shop(settings=sections, is_new=True)


def test_names_become_ids() -> None:
    shop = changed(
        payments={"gift_certificate": "gift CERTIFICATE ", "store_credit": "", "Cash on Delivery": "Cash"},
        pos={"register": " online", "user": "Online Orders"},
        taxes={"default": "reduced tax"},
    )

    names = load(shop)

    pos = shop.world.pos
    kinds = {name: pos.id_of(pos.payment_types, name) for name in ("Cash", "Online - Card", "Gift certificate")}
    assert names.tenders.default_id == names.tenders.store_credit_id == kinds["Online - Card"]
    assert names.tenders.gift_certificate_id == kinds["Gift certificate"]
    assert names.tenders.by_method == {"cash on delivery": kinds["Cash"]}
    assert names.register.name == "Online"
    assert names.author_id == next(user["id"] for user in pos.users if user["username"] == "online")
    assert names.default_tax_id == pos.id_of(pos.taxes, "Reduced Tax")
    assert (names.currency.code, names.prices_exclude_tax) == ("USD", True)


def test_an_id_is_as_good_as_a_name() -> None:
    shop = Shop(is_new=True)
    register = shop.world.pos.id_of(shop.world.pos.registers, "Main Register")

    names = load(shop, changed(pos={"register": register}).settings)

    assert names.register.name == "Main Register"


def test_every_unknown_name_is_told_at_once_with_what_there_is() -> None:
    shop = changed(
        payments={"default": "Online Card", "gift_certificate": "Voucher", "Bank Deposit": "Bank"},
        pos={"register": "Onlin", "user": "nobody at all"},
        taxes={"default": "GST"},
        routes=[{"register": "Outlet", "country": "NZ"}],
    )

    with pytest.raises(SettingsError) as raised:
        load(shop)

    problems = {problem.key: (problem.message, problem.remedy) for problem in raised.value.problems}
    assert list(problems) == [
        "[payments] default",
        "[payments] gift_certificate",
        '[payments] "bank deposit"',
        "[taxes] default",
        "[pos] register",
        "[pos] user",
        "[[routes]] 1 register",
    ]
    assert problems["[pos] register"] == (
        'the POS has no register "Onlin"',
        'Did you mean "Online"? It has: "Main Register", "Online".',
    )
    assert problems["[pos] user"][1] == 'It has: "counter", "online".'
    assert raised.value.exit_code == 78


def test_a_pos_without_any_says_so() -> None:
    shop = Shop(is_new=True)
    for kind in list(shop.world.pos.payment_types):
        shop.world.pos.delete(shop.world.pos.payment_types, kind["id"])

    with pytest.raises(SettingsError, match="It has: none"):
        load(shop)


class TestKeeping:
    def test_names_are_asked_for_once_a_day(self) -> None:
        shop = Shop(is_new=True)
        first = load(shop)
        assert "GET /retailer" in shop.asked("pos")

        shop.time.forward(hours=23, minutes=59)
        assert load(shop) == first
        assert shop.asked("pos") == []

        shop.time.forward(minutes=1)
        assert load(shop) == first
        assert "GET /retailer" in shop.asked("pos")

    def test_what_is_kept_is_what_was_read(self) -> None:
        shop = Shop(is_new=True)
        shop.world.pos.add_tax("Odd", "0.0825")

        assert load(shop) == load(shop)
        assert Decimal("0.0825") in [tax.rate for tax in load(shop).taxes]

    def test_a_name_that_is_missing_is_looked_for_afresh(self) -> None:
        shop = Shop(is_new=True)
        load(shop)
        settings = changed(pos={"register": "Christmas Market"}).settings
        shop.world.pos.add_register("Christmas Market", "Main Store")

        assert load(shop, settings).register.name == "Christmas Market"
        assert load(shop, settings).register.name == "Christmas Market"
        assert shop.asked("pos") == []

    def test_names_that_are_wrong_are_not_kept(self) -> None:
        shop = Shop(is_new=True)
        load(shop)

        for _ in range(2):
            with pytest.raises(SettingsError):
                load(shop, changed(pos={"user": "nobody"}).settings)
            assert "GET /users" in shop.asked("pos")

    def test_a_clock_that_was_set_back_reads_afresh(self) -> None:
        shop = Shop(is_new=True)
        load(shop)
        shop.time.at = NOW - timedelta(days=3)

        load(shop)

        assert "GET /retailer" in shop.asked("pos")

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(lambda kept: kept.pop("retailer"), id="member gone"),
            pytest.param(lambda kept: kept["retailer"].pop("currency"), id="member of a member gone"),
            pytest.param(lambda kept: kept["registers"][0].update(colour="red"), id="member too many"),
            pytest.param(lambda kept: kept["taxes"][0].update(rate="much"), id="no number"),
            pytest.param(lambda kept: kept.update(taxes=[7]), id="no object"),
            pytest.param(lambda kept: kept.update(users=None), id="no list"),
        ],
    )
    def test_what_another_version_kept_is_read_afresh(self, spoil: Callable[[Any], Any]) -> None:
        shop = Shop(is_new=True)
        names = load(shop)
        kept, _ = shop.checkpoint.cached(CACHE)
        spoil(kept)
        shop.checkpoint.cache(CACHE, kept, shop.time.now())

        assert load(shop) == names
        assert "GET /retailer" in shop.asked("pos")
        assert load(shop) == names
        assert shop.asked("pos") == []

    @pytest.mark.parametrize("kept", [[], "text", None])
    def test_what_is_no_reference_data_at_all_is_read_afresh(self, kept: object) -> None:
        shop = Shop(is_new=True)
        shop.checkpoint.cache(CACHE, kept, shop.time.now())

        assert load(shop).register.name == "Online"


class TestTaxes:
    def test_without_a_name_it_is_the_default_of_the_pos(self) -> None:
        shop = Shop(is_new=True)

        assert load(shop).default_tax_id == shop.world.pos.id_of(shop.world.pos.taxes, "Sales Tax")

    def test_and_where_that_has_none_the_no_tax_group(self) -> None:
        shop = Shop(is_new=True)
        for tax in shop.world.pos.taxes:
            tax["is_default"] = False

        assert load(shop).default_tax_id == shop.world.pos.id_of(shop.world.pos.taxes, "No Tax")


class TestRoutes:
    def test_orders_go_to_the_first_register_that_matches(self) -> None:
        shop = changed(
            routes=[
                {"register": "Main Register", "pickup_location": "MAIN"},
                {"register": "Main Register", "channel": 4},
                {"register": "Main Register", "country": "nz"},
            ]
        )
        abroad = Parcel(to=GUEST.__class__(first_name="A", last_name="B", country="New Zealand", country_code="NZ"))
        orders = [
            shop.order(parcels=(Pickup(code="MAIN", name="Main Store"),)),
            shop.order(channel_id=4),
            shop.order(parcels=(abroad,)),
            shop.order(),
        ]

        shop.pass_()

        registers = [shop.world.pos.snapshot().sales[str(number)][0]["register"] for number in orders]
        assert registers == ["Main Register"] * 3 + ["Online"]
        assert shop.lives() == []

    def test_everything_is_read_that_settings_name(self) -> None:
        shop = Shop(is_new=True)
        with shop.connected() as shell:
            references = read(shell.pos)

        assert [register.name for register in references.registers] == ["Main Register", "Online"]
        assert [outlet.name for outlet in references.outlets] == ["Main Store", "Warehouse"]
        assert references.retailer.currency == "USD"
