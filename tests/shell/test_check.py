"""What `check` finds about a shop: each subject in order and out of it, and that it writes nothing anywhere."""

import os
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from shop import NOW, Shop

from bcpoll.checkpoint import Checkpoint, RunOutcome
from bcpoll.config import Loaded
from bcpoll.errors import Problem, SettingsError
from bcpoll.monitoring import check, look
from bcpoll.monitoring.check import Finding, Verdict, exit_code, findings, other_link, wrong_settings
from bcpoll.monitoring.look import Look, Setup
from bcpoll.sandbox import pos_sales
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.world import POS_SCOPES, STORE_SCOPES

FINE, WARNING, PROBLEM = Verdict.FINE, Verdict.WARNING, Verdict.PROBLEM

CARD = {"payments": {"Credit Card": "Online - Card"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bcpoll.db"


def shop_at(path: Path, **changes: Any) -> Shop:
    """A shop with one order, whose checkpoint is to be at `path` and is not there yet."""
    settings = {**CARD, **changes.pop("settings", {}), "checkpoint": {"path": str(path)}}
    shop = Shop(settings=settings, **changes)
    shop.order()
    shop.world.log.clear()
    return shop


@pytest.fixture
def shop(path: Path) -> Shop:
    return shop_at(path)


@contextmanager
def setup_of(shop: Shop, **changes: Any) -> Iterator[Setup]:
    with shop.connected() as shell:
        setup = Setup(
            loaded=Loaded(shop.settings, Path("config.toml")),
            source=shell.source,
            pos=shell.pos,
            now=lambda: shop.time.now() + shop.skew,
            store_date=shop.time.now,
            pos_date=shop.time.now,
        )
        yield replace(setup, **changes)


def checked(shop: Shop, **changes: Any) -> list[Finding]:
    with setup_of(shop, **changes) as setup:
        return list(findings(setup))


def about(subject: str, found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.subject == subject]


def only(subject: str, found: list[Finding]) -> Finding:
    (finding,) = about(subject, found)
    return finding


def not_fine(found: list[Finding]) -> list[str]:
    return [finding.subject for finding in found if finding.verdict is not FINE]


# --- a shop in order -------------------------------------------------------------------------------------------------


def test_a_shop_in_order_has_nothing_but_ticks(shop: Shop) -> None:
    found = checked(shop)

    assert not_fine(found) == []
    assert [finding.subject for finding in found] == [subject for subject, _ in check._CHECKS]
    assert exit_code(found) == 0


def test_nothing_is_written_to_either_side_and_no_checkpoint_is_made(shop: Shop, path: Path) -> None:
    checked(shop)

    assert len(shop.world.log) > 10
    assert [request.path for request in shop.world.log if request.is_write] == []
    assert [*path.parent.iterdir()] == []


def test_each_thing_is_asked_for_once(shop: Shop) -> None:
    checked(shop)

    asked = [(request.side, request.path, str(request.params)) for request in shop.world.log]
    assert sorted(asked) == sorted(set(asked))


def test_a_store_without_orders_is_in_order(path: Path) -> None:
    shop = Shop(settings={"checkpoint": {"path": str(path)}})

    assert not_fine(checked(shop)) == []


# --- one failure hides no other --------------------------------------------------------------------------------------


def test_a_store_that_refuses_the_token_is_told_once_and_the_pos_is_checked_all_the_same(shop: Shop) -> None:
    shop.world.tokens.store = "another"

    found = checked(shop)

    token = only("BigCommerce token", found)
    assert (token.verdict, token.exit_code) == (PROBLEM, 77)
    assert "refused the token (401)" in token.detail
    assert only("BigCommerce scopes", found).detail == "not checked: BigCommerce did not let it be read, see above"
    assert only("BigCommerce scopes", found).verdict is WARNING
    assert only("register", found).verdict is FINE
    assert shop.world.log.count(side="store") == 1
    assert exit_code(found) == 77


def test_a_pos_that_refuses_the_token_leaves_the_store_checked(shop: Shop) -> None:
    shop.world.tokens.pos = "another"
    with setup_of(shop) as setup:
        shop.world.tokens.pos = "changed"
        found = list(findings(setup))

    assert only("POS token", found).exit_code == 77
    assert only("BigCommerce scopes", found).verdict is FINE
    assert only("checkpoint", found).verdict is FINE
    assert {finding.detail for finding in found if finding.subject in ("register", "routes", "user")} == {
        "not checked: the POS did not let it be read, see above"
    }
    assert shop.world.log.count(side="pos") == 1


def test_where_both_tokens_are_refused_they_may_have_been_swapped(shop: Shop) -> None:
    with setup_of(shop) as setup:
        tokens = shop.world.tokens
        tokens.store, tokens.pos = tokens.pos, tokens.store
        found = list(findings(setup))

    swapped = "the two probably were swapped"
    assert swapped in only("POS token", found).remedy
    assert only("POS token", found).exit_code == 77
    assert only("register", found).detail == "not checked: the POS did not let it be read, see above"
    assert [one.subject for one in found if swapped in one.remedy] == ["POS token"]
    assert exit_code(found) == 77


def test_a_side_that_cannot_be_reached_ends_with_69(shop: Shop) -> None:
    shop.fails(Fault.ERROR_503, "GET", "/v2/time", times=99, side="store")

    found = checked(shop)

    assert only("BigCommerce token", found).exit_code == 69
    assert exit_code(found) == 69


def test_one_read_that_breaks_down_leaves_the_others(shop: Shop) -> None:
    shop.fails(Fault.ERROR_500, "GET", "/catalog/products", times=99, side="store")

    found = checked(shop)

    first, second = about("BigCommerce scopes", found)
    assert (first.verdict, first.exit_code) == (PROBLEM, 69)
    assert second.detail == "may read orders and refunds, store information, transactions"
    assert only("currency", found).verdict is FINE


def test_a_bug_in_one_check_is_told_and_hides_nothing(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> datetime:
        raise KeyError("oops")

    found = checked(shop, store_date=broken)

    clock = only("clock", found)
    assert (clock.verdict, clock.exit_code, clock.detail) == (PROBLEM, 1, "KeyError('oops')")
    assert "this is a bug in bcpoll" in caplog.text
    assert not_fine(found) == ["clock"]
    assert exit_code(found) == 1


@pytest.mark.parametrize(
    ("codes", "worst"),
    [((), 0), ((0, 0), 0), ((69, 75), 69), ((74, 69), 74), ((77, 74, 69), 77), ((69, 78, 77), 78), ((78, 1), 1)],
)
def test_the_worst_finding_decides(codes: tuple[int, ...], worst: int) -> None:
    found = [Finding(subject="", verdict=PROBLEM, detail="", exit_code=code) for code in codes]
    assert exit_code(found) == worst


# --- settings --------------------------------------------------------------------------------------------------------


def test_each_problem_of_the_settings_is_a_finding_of_its_own() -> None:
    problems = [Problem("[pos] user", "is missing", "Write it."), Problem("file", "it is not TOML", "Mend it.")]

    first, second = wrong_settings(SettingsError(problems, source="config.toml"))

    assert (first.detail, first.remedy, first.exit_code) == ("[pos] user: is missing", "Write it.", 78)
    assert second.detail == "config.toml: it is not TOML"


def test_remarks_on_the_settings_are_warnings(shop: Shop) -> None:
    loaded = Loaded(shop.settings, Path("config.toml"), ("everybody can read it; run: chmod", "a name twice"))

    _, first, second = about("settings", checked(shop, loaded=loaded))

    assert (first.verdict, first.detail, first.remedy) == (WARNING, "everybody can read it", "run: chmod")
    assert (second.detail, second.remedy) == ("a name twice", "")


# --- scopes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        ("store_v2_orders_read_only", "GET /stores/sandbox/v2/orders"),
        ("store_v2_products_read_only", "GET /stores/sandbox/v3/catalog/products"),
        ("store_v2_information_read_only", "GET /stores/sandbox/v2/store"),
    ],
)
def test_a_scope_that_the_store_s_token_lacks_is_named(shop: Shop, scope: str, says: str) -> None:
    shop.world.store_scopes = STORE_SCOPES - {scope}

    found = checked(shop)

    problem, rest = about("BigCommerce scopes", found)
    assert scope in problem.remedy
    assert says in problem.detail
    assert (problem.exit_code, rest.verdict) == (77, FINE)
    assert only("BigCommerce token", found).verdict is FINE
    assert exit_code(found) == 77


def test_transactions_that_may_not_be_read_are_told_with_what_goes_by_the_status_then(shop: Shop) -> None:
    shop.world.store_scopes = STORE_SCOPES - {"store_v2_transactions_read_only"}

    found = checked(shop)

    warning, rest = about("BigCommerce scopes", found)
    assert (warning.verdict, rest.verdict) == (WARNING, FINE)
    assert "GET /stores/sandbox/v3/orders/" in warning.detail
    assert "store_v2_transactions_read_only" in warning.remedy
    assert "goes by its status alone" in warning.remedy
    assert "transactions" not in rest.detail
    assert exit_code(found) == 0


def test_transactions_are_not_asked_for_where_the_settings_leave_them_alone(path: Path) -> None:
    shop = shop_at(path, settings={"sync": {"transactions": "off"}})
    shop.world.store_scopes = STORE_SCOPES - {"store_v2_transactions_read_only"}

    assert not_fine(checked(shop)) == []


def test_the_right_to_read_transactions_is_tried_on_a_store_without_orders_too(path: Path) -> None:
    shop = Shop(settings={"checkpoint": {"path": str(path)}})
    shop.world.store_scopes = STORE_SCOPES - {"store_v2_transactions_read_only"}

    assert not_fine(checked(shop)) == ["BigCommerce scopes"]


def test_the_rights_that_are_asked_for_are_all_that_is_needed(shop: Shop) -> None:
    """What README and `bcpoll init` tell to give a token."""
    rights = ("orders", "transactions", "products", "information")
    shop.world.store_scopes = frozenset(f"store_v2_{right}_read_only" for right in rights)

    assert not_fine(checked(shop)) == []
    assert shop.pass_().counts["created"] == 1


POS_READS = (
    *("retailer:read", "registers:read", "outlets:read", "users:read", "payment_types:read", "taxes:read"),
    *("products:read", "customers:read", "sales:read", "inventory:write"),
)


@pytest.mark.parametrize("scope", POS_READS)
def test_a_scope_that_the_pos_s_token_lacks_is_named(shop: Shop, scope: str) -> None:
    shop.world.pos_scopes = (POS_SCOPES | {"inventory:write"}) - {scope}

    found = checked(shop)

    problems = [finding for finding in about("POS scopes", found) if finding.verdict is PROBLEM]
    assert problems
    assert all(scope in finding.remedy for finding in problems)
    assert only("POS token", found).verdict is FINE
    assert exit_code(found) == 77


def test_scopes_that_a_login_did_not_grant_are_named(shop: Shop) -> None:
    found = checked(shop, granted=lambda: frozenset({"sales:read"}), needed=("sales:read", "sales:write"))

    lacking = about("POS scopes", found)[-1]
    assert (lacking.exit_code, lacking.detail) == (77, "the login did not grant sales:write")


def test_a_login_that_did_not_say_what_it_granted_is_believed(shop: Shop) -> None:
    found = checked(shop, granted=frozenset, needed=("sales:read",))

    assert only("POS scopes", found).verdict is FINE


# --- the POS's API ---------------------------------------------------------------------------------------------------


def test_an_old_version_of_the_pos_s_api_is_told(path: Path) -> None:
    shop = shop_at(path, settings={"pos": {"api_url": "", "api_version": "2025-01"}})

    finding = only("POS API version", checked(shop))

    assert finding.verdict is WARNING
    assert finding.detail == "2025-01 is no longer sure to be supported"


# --- register, routes, user ------------------------------------------------------------------------------------------


def close(shop: Shop, name: str) -> None:
    (row,) = [row for row in shop.world.pos.registers if row["name"] == name]
    shop.world.pos.turn_register(row, is_open=False)


def test_a_register_that_the_pos_does_not_know_is_a_problem_of_the_settings(path: Path) -> None:
    found = checked(shop_at(path, settings={"pos": {"register": "Onlin"}}))

    register = only("register", found)
    assert register.detail == '[pos] register: the POS has no register "Onlin"'
    assert 'Did you mean "Online"?' in register.remedy
    assert not_fine(found) == ["register"]
    assert exit_code(found) == 78


@pytest.mark.parametrize(
    ("when_closed", "verdict", "says"),
    [
        ("try", WARNING, "The sales are sent all the same"),
        ("wait", WARNING, "The sales wait until somebody opens it."),
        ("open", FINE, ""),
    ],
)
def test_a_closed_register_is_told(path: Path, when_closed: str, verdict: Verdict, says: str) -> None:
    shop = shop_at(path, settings={"pos": {"when_closed": when_closed}})
    close(shop, "Online")

    found = checked(shop)

    register = only("register", found)
    assert register.verdict is verdict
    assert register.detail.startswith('"Online", at the outlet "Main Store", is closed')
    assert says in register.remedy
    assert exit_code(found) == 0


ROUTES = {"routes": [{"country": "NZ", "register": "Main Register"}, {"channel": 2, "register": "Main Register"}]}


def test_the_registers_of_routes_are_checked_like_the_other(path: Path) -> None:
    shop = shop_at(path, settings=ROUTES)
    close(shop, "Main Register")

    route = only("routes", checked(shop))

    assert (route.verdict, route.detail) == (WARNING, '"Main Register", at the outlet "Main Store", is closed')


def test_a_route_to_an_unknown_register_is_a_problem(path: Path) -> None:
    found = checked(shop_at(path, settings={"routes": [{"country": "NZ", "register": "Mill"}]}))

    route = only("routes", found)
    assert route.detail.startswith('[[routes]] 1 register: the POS has no register "Mill"')
    assert not_fine(found) == ["routes"]


def test_an_unknown_user_is_a_problem(path: Path) -> None:
    found = checked(shop_at(path, settings={"pos": {"user": "nobody"}}))

    assert only("user", found).detail == '[pos] user: the POS has no user "nobody"'
    assert not_fine(found) == ["user"]


def test_outlets_that_may_not_be_read_leave_the_register_checked(shop: Shop) -> None:
    shop.world.pos_scopes = (POS_SCOPES | {"inventory:write"}) - {"outlets:read"}

    assert only("register", checked(shop)).verdict is FINE


# --- payment types ---------------------------------------------------------------------------------------------------


def test_a_method_without_a_payment_type_goes_to_the_default_and_is_told(path: Path) -> None:
    shop = shop_at(path)
    shop.order(payment_method="Bank Deposit")

    finding = only("payment types", checked(shop))

    assert finding.verdict is WARNING
    assert finding.detail == '"Bank Deposit" is booked as "Online - Card", the default'
    assert '"Bank Deposit" = "Online - Card"' in finding.remedy


def test_gift_certificates_and_credit_without_a_payment_type_are_told(path: Path) -> None:
    shop = shop_at(path, settings={"payments": CARD["payments"] | {"gift_certificate": "", "store_credit": ""}})
    shop.order(gift_certificate="1.00", store_credit="1.00")

    details = [finding.detail for finding in about("payment types", checked(shop))]

    assert details == [
        'gift certificate is booked as "Online - Card", the default',
        'store credit is booked as "Online - Card", the default',
    ]


def test_a_payment_type_that_the_pos_lacks_is_a_problem(path: Path) -> None:
    shop = shop_at(path, settings={"payments": {"Credit Card": "Barter"}})

    found = checked(shop)

    assert only("payment types", found).detail == '[payments] "credit card": the POS has no payment type "Barter"'
    assert exit_code(found) == 78


# --- taxes and currency ----------------------------------------------------------------------------------------------


def test_a_rate_that_the_pos_lacks_is_told(path: Path) -> None:
    shop = shop_at(path)
    shop.order(quantity=10, tax_rate="0.20")

    finding = only("taxes", checked(shop))

    assert finding.verdict is WARNING
    assert finding.detail == f"no tax of the POS has 20 %, as on order {max(shop.store.orders)}"
    assert "under the POS's default" in finding.remedy


def test_an_unknown_default_tax_is_a_problem(path: Path) -> None:
    found = checked(shop_at(path, settings={"taxes": {"default": "GST"}}))

    assert only("taxes", found).detail == '[taxes] default: the POS has no tax "GST"'


def test_currencies_that_differ_are_a_problem(shop: Shop) -> None:
    shop.world.pos.retailer["currency"] = "NZD"

    finding = only("currency", checked(shop))

    assert (finding.verdict, finding.exit_code) == (PROBLEM, 78)
    assert finding.detail == "the store keeps USD, the POS NZD"


def test_orders_in_another_currency_are_told(shop: Shop) -> None:
    order = shop.order(currency="EUR")

    finding = only("currency", checked(shop))

    assert finding.verdict is WARNING
    assert finding.detail == "of the last 2 orders, 1 in another currency than USD"
    assert f"as order {order} will be" in finding.remedy


def test_orders_that_cannot_be_read_are_passed_over(shop: Shop) -> None:
    for fields in ({"status_id": 99}, {"total_inc_tax": "much"}, {"items_total": 77}):
        shop.store.orders[shop.order()].fields.update(fields)

    assert not_fine(checked(shop)) == []


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_a_clock_that_is_off_is_told_for_each_server(shop: Shop) -> None:
    shop.skew = timedelta(minutes=42)

    found = about("clock", checked(shop))

    assert [finding.detail for finding in found] == [
        "this host's clock is 42 minutes ahead of BigCommerce's",
        "this host's clock is 42 minutes ahead of the POS's",
    ]
    assert {finding.verdict for finding in found} == {WARNING}


def test_without_any_server_s_time_the_clock_is_not_checked(shop: Shop) -> None:
    finding = only("clock", checked(shop, store_date=lambda: None, pos_date=lambda: None))

    assert (finding.verdict, finding.detail) == (WARNING, "not checked: no server has told its time")


# --- Lightspeed's own link -------------------------------------------------------------------------------------------


def test_a_link_that_the_pos_lists_is_told(shop: Shop) -> None:
    shop.world.pos.channels = [{"channel_type": "bigcommerce", "store_url": "https://store-abc.mybigcommerce.com"}]

    finding = only("other link", checked(shop))

    assert finding.verdict is WARNING
    assert finding.detail == "the POS has a link of its own to https://store-abc.mybigcommerce.com"
    assert "every order is booked twice" in finding.remedy


def test_a_link_to_another_kind_of_store_is_none_of_our_business(shop: Shop) -> None:
    shop.world.pos.channels = [
        {"channel_type": "woocommerce", "store_url": "https://shop.example.com"},
        {"channel_type": "bigcommerce", "store_url": "", "deleted_at": "2026-01-01T00:00:00Z"},
    ]

    assert only("other link", checked(shop)).verdict is FINE


def sale_by_their_link(shop: Shop, at: datetime = NOW) -> str:
    """A sale as something else writes it, under an id of the kind that the POS itself gives."""
    point = shop.world.pos
    line = {
        "product": {"id": point.with_code("MUG")[0]["id"]},
        "quantity": 1,
        "pricing": {"price": Decimal("10.00")},
        "tax": {"id": point.retailer["no_tax_group_id"], "amount": 0},
    }
    source = {
        "register_id": point.id_of(point.registers, "Main Register"),
        "author_id": next(iter(point.users))["id"],
        "type": "BIGCOMMERCE",
        "id": "1",
    }
    sale_id = f"06bf537b-c7d7-11e7-ff13-0c5b8d1d6a{at.day:02}"
    body = {"id": sale_id, "state": "closed", "date": f"{at:%Y-%m-%dT%H:%M:%SZ}", "source": source}
    return str(pos_sales.create(point, body | {"line_items": [line]})["id"])


@pytest.mark.parametrize("channels", [[], None])
def test_sales_of_another_link_are_told_where_the_pos_lists_none(shop: Shop, channels: list[Any] | None) -> None:
    shop.world.pos.channels = channels
    sale_by_their_link(shop, NOW - timedelta(days=2))
    newest = sale_by_their_link(shop, NOW - timedelta(days=1))
    sale_by_their_link(shop, NOW - timedelta(days=20))

    finding = only("other link", checked(shop))

    assert finding.verdict is WARNING
    assert "the POS holds 2 sales of web orders that bcpoll did not write" in finding.detail
    assert f"the newest {newest} (2026-11-19)" in finding.detail


def test_one_sale_of_another_link_is_enough(shop: Shop) -> None:
    sale_by_their_link(shop)

    assert "the POS holds a sale of web orders" in only("other link", checked(shop)).detail


def test_our_own_sales_and_the_till_s_are_no_sign_of_another_link(shop: Shop) -> None:
    shop.pass_()
    shop.sell_at_till("MUG")

    finding = only("other link", checked(shop))

    assert finding.verdict is FINE
    assert "none is listed in the POS" in finding.detail


def test_a_list_of_links_that_is_refused_says_nothing(shop: Shop) -> None:
    shop.fails(Fault.SCOPE_REFUSED, "GET", "/channels")

    finding = only("other link", checked(shop))

    assert finding.verdict is FINE
    assert "listed" not in finding.detail


def test_another_link_can_be_asked_about_by_itself(shop: Shop) -> None:
    with setup_of(shop) as setup:
        assert other_link(Look(setup)) is None


# --- the checkpoint --------------------------------------------------------------------------------------------------


def kept(path: Path, *, claim: tuple[str, str] = ("sandbox", "sandbox")) -> None:
    with Checkpoint.open(path, now=NOW) as checkpoint:
        checkpoint.claim(*claim)


def test_a_sound_checkpoint_is_fine(shop: Shop, path: Path) -> None:
    kept(path)

    finding = only("checkpoint", checked(shop))

    assert finding.verdict is FINE
    assert "every page can be read" in finding.detail


def test_a_checkpoint_of_another_shop_is_a_problem(shop: Shop, path: Path) -> None:
    kept(path, claim=("another", "sandbox"))

    found = checked(shop)

    assert "belongs to the store 'another'" in only("checkpoint", found).detail
    assert exit_code(found) == 74


def test_a_damaged_checkpoint_is_a_problem_and_its_runs_are_not_checked(shop: Shop, path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)

    found = checked(shop)

    assert only("checkpoint", found).exit_code == 74
    assert only("last run", found).detail == "not checked: the checkpoint cannot be read, see above"


def test_a_page_that_is_damaged_is_found(shop: Shop, path: Path) -> None:
    kept(path)
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 4] = b"\xff" * 4096
    path.write_bytes(content)

    assert only("checkpoint", checked(shop)).exit_code == 74


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    found = checked(shop_at(tmp_path / "gone" / "bcpoll.db"))

    assert "does not exist" in only("checkpoint", found).detail
    assert exit_code(found) == 74


def test_a_checkpoint_that_others_can_open_is_told(shop: Shop, path: Path) -> None:
    kept(path)
    path.chmod(0o644)

    warning, fine = about("checkpoint", checked(shop))

    assert (warning.verdict, fine.verdict) == (WARNING, FINE)
    assert "Other users can open the checkpoint" in warning.detail
    assert "chmod 600" in warning.remedy


def test_a_folder_that_cannot_be_written_is_a_problem(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)

    found = checked(shop)

    assert about("checkpoint", found)[0].detail.endswith("cannot be written")
    assert exit_code(found) == 74


def test_a_checkpoint_of_another_user_of_the_machine_is_told(
    shop: Shop, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(path)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    warning = about("checkpoint", checked(shop))[0]

    assert (warning.verdict, warning.detail) == (WARNING, f"{path} belongs to another user of this machine")


def test_a_disk_that_is_nearly_full_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9, 5 * 1024 * 1024))

    warning = about("checkpoint", checked(shop))[0]

    assert (warning.verdict, warning.detail.split(" on ")[0]) == (WARNING, "only 5 MiB are free")


# --- the last run ----------------------------------------------------------------------------------------------------


def ran(
    path: Path, ago: timedelta, outcome: RunOutcome | None = RunOutcome.DONE, message: str = "", kind: str = "pass"
) -> None:
    with Checkpoint.open(path, now=NOW) as checkpoint:
        number = checkpoint.begin_run(kind, NOW - ago)
        if outcome is not None:
            checkpoint.end_run(number, NOW - ago, outcome, {}, message)


def test_a_run_at_the_pace_of_the_settings_is_fine(shop: Shop, path: Path) -> None:
    ran(path, timedelta(minutes=4))

    finding = only("last run", checked(shop))

    assert (finding.verdict, finding.detail) == (FINE, "4 minutes ago, at a pace of 5m")


def test_a_checkpoint_without_a_run_is_fine(shop: Shop, path: Path) -> None:
    kept(path)

    assert only("last run", checked(shop)).detail == "none yet"


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        ({"minutes": 16}, "16 minutes"),
        ({"hours": 3}, "3 hours"),
        ({"days": 9}, "9 days"),
    ],
)
def test_a_timer_that_stands_still_is_told(shop: Shop, path: Path, ago: Mapping[str, int], said: str) -> None:
    ran(path, timedelta(**ago))

    finding = only("last run", checked(shop))

    assert finding.verdict is WARNING
    assert finding.detail == f"the last run began {said} ago, at a pace of 5m"


def test_a_slow_pace_is_given_its_time(path: Path) -> None:
    shop = shop_at(path, settings={"sync": {"interval": "1d"}})
    ran(path, timedelta(days=2))

    assert only("last run", checked(shop)).verdict is FINE


def test_a_run_that_stopped_early_is_told(shop: Shop, path: Path) -> None:
    ran(path, timedelta(minutes=9))
    ran(path, timedelta(minutes=4), RunOutcome.STOPPED, "The register is closed")

    finding = only("last run", checked(shop))

    assert (finding.verdict, finding.detail) == (WARNING, "the last run stopped early: The register is closed")


def test_what_was_looked_at_by_name_is_no_run_of_the_timer(shop: Shop, path: Path) -> None:
    ran(path, timedelta(minutes=4))
    ran(path, timedelta(minutes=1), kind="orders")
    by_the_timer = only("last run", checked(shop))
    path.unlink()
    ran(path, timedelta(hours=3))
    ran(path, timedelta(minutes=1), kind="orders")
    by_hand = only("last run", checked(shop))

    assert (by_the_timer.verdict, by_the_timer.detail) == (FINE, "4 minutes ago, at a pace of 5m")
    assert by_hand.detail == "the last run began 3 hours ago, at a pace of 5m"


def test_a_run_under_way_is_fine(shop: Shop, path: Path) -> None:
    ran(path, timedelta(minutes=1), None)

    assert only("last run", checked(shop)).verdict is FINE


# --- looking ---------------------------------------------------------------------------------------------------------


def test_a_failure_is_raised_once_and_then_only_mentioned() -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        raise SettingsError([], source="a file")

    once: look.Once[int] = look.Once(look._Side("it"), ask)

    assert isinstance(once.outcome(), SettingsError)
    with pytest.raises(SettingsError):
        once()
    with pytest.raises(look.NotRead, match="it did not let it be read"):
        once()
    assert len(asked) == 1


def test_what_was_read_is_kept() -> None:
    numbers: Callable[[], int] = iter([1, 2]).__next__
    once: look.Once[int] = look.Once(look._Side("it"), numbers)

    assert (once(), once(), once.outcome()) == (1, 1, 1)
