"""After a crash or an unclear answer: look first, finish the books, and end as if nothing had happened."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from shop import ADA, BASIL, GUEST, NOW, Killed, Shop

from bcpoll.checkpoint import IntentKind, IntentState, ReviewState, file
from bcpoll.core.rejected import Reason, Rejected
from bcpoll.core.sale import AppliedState
from bcpoll.core.status import OrderStatus
from bcpoll.errors import Unreachable, WrongAnswer
from bcpoll.recover import recover
from bcpoll.sandbox.drafts import Parcel
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.pos import Snapshot
from bcpoll.sandbox.switches import Switches

# The quick part recovers in `tests/failure_modes` and in the smaller of `tests/test_faults.py`.
pytestmark = pytest.mark.slow


def a_sale(shop: Shop) -> None:
    shop.order(shopper=ADA)


def a_customer(shop: Shop) -> None:
    shop.order(shopper=BASIL)


def a_product(shop: Shop) -> None:
    shop.sell("NEW", known=False)
    shop.order("NEW", 2)


def a_charge(shop: Shop) -> None:
    shop.order(parcels=(Parcel(cost="5.00"),))


def a_payment(shop: Shop) -> None:
    shop.happens(shop.store.pay, 101)


def a_void(shop: Shop) -> None:
    shop.happens(shop.store.cancel, 100)


def an_edit(shop: Shop) -> None:
    shop.edit(100, shop.store.item("MUG", 5))


EVENTS: dict[str, tuple[Callable[[Shop], None], str, str]] = {
    "sale": (a_sale, "POST", "/sales"),
    "customer": (a_customer, "POST", "/customers"),
    "product": (a_product, "POST", "/products"),
    "charge product": (a_charge, "POST", "/products"),
    "untracking": (a_charge, "PUT", "/products"),
    "payment": (a_payment, "PUT", "/sales"),
    "void": (a_void, "PUT", "/sales"),
    "edit's void": (an_edit, "PUT", "/sales"),
    "edit's sale": (an_edit, "POST", "/sales"),
}

# One for each way in which the program takes an answer; all of them, write by write, are tried in test_send.
UNCLEAR = [
    Fault.RESET_BEFORE,
    Fault.RESET_AFTER,
    Fault.CUT_BODY,
    *(pytest.param(fault, marks=pytest.mark.slow) for fault in (Fault.ERROR_500, Fault.ERROR_500_AFTER)),
    *(pytest.param(fault, marks=pytest.mark.slow) for fault in (Fault.BUSY_DATE, Fault.EMPTY_BODY)),
]


def opened(**more: Any) -> Shop:
    """A shop with a paid order (100) and an unpaid one (101) in the POS."""
    shop = Shop(**more)
    shop.order(quantity=2)
    shop.order(status=OrderStatus.AWAITING_PAYMENT)
    shop.pass_()
    return shop


class TestFaultsOnEveryKindOfWrite:
    @pytest.mark.parametrize("event", EVENTS)
    @pytest.mark.parametrize("fault", UNCLEAR, ids=lambda fault: fault.name)
    def test_one_of_each_exists_in_the_end(self, event: str, fault: Fault) -> None:
        shop = opened()
        happens, method, path = EVENTS[event]
        happens(shop)
        shop.fails(fault, method, path)

        shop.pass_()
        shop.later(2)

        assert (shop.lives(), shop.review(), shop.checkpoint.open_intents()) == ([], [], [])
        assert all(state in ("paid", "voided", "unpaid") for state in map(_state(shop), shop.store.orders))
        assert shop.later().counts["created"] == 0
        assert shop.writes() == []

    @pytest.mark.parametrize("event", EVENTS)
    @pytest.mark.parametrize(
        "fault", [Fault.RESET_AFTER, pytest.param(Fault.RESET_BEFORE, marks=pytest.mark.slow)], ids=lambda one: one.name
    )
    def test_a_look_up_that_fails_as_well_is_made_by_the_next_pass(self, event: str, fault: Fault) -> None:
        shop = opened()
        happens, method, path = EVENTS[event]
        happens(shop)
        shop.fails(fault, method, path)
        shop.watch(method, path, lambda: shop.fails(Fault.ERROR_503, "GET", "/api/", times=5))

        shop.later(3)

        assert (shop.lives(), shop.review(), shop.checkpoint.open_intents()) == ([], [], [])

    @pytest.mark.parametrize("event", EVENTS)
    @pytest.mark.parametrize("lag", [pytest.param(0, marks=pytest.mark.slow), 50])
    def test_a_pos_that_can_hardly_be_reached_is_only_a_delay(self, event: str, lag: int) -> None:
        shop = opened(switches=Switches(search_lag_requests=lag))
        EVENTS[event][0](shop)
        turns = itertools.count()
        shop.world.faults.on(
            Fault.RESET_AFTER, lambda request: request.side == "pos" and next(turns) % 3 == 0, times=30
        )

        shop.later(12)

        assert (shop.lives(), shop.review(), shop.checkpoint.open_intents()) == ([], [], [])

    @pytest.mark.parametrize("existing", ["overwrite", "conflict", "refused"])
    def test_a_lost_checkpoint_doubles_nothing(self, existing: str) -> None:
        shop = opened(switches=Switches(existing_sale=existing))
        before = shop.world.pos.snapshot()
        shop.forget()

        shop.pass_()

        assert shop.lives() == []
        assert shop.world.pos.snapshot() == before


def _state(shop: Shop) -> Callable[[int], str]:
    return lambda order_id: shop.row(order_id).applied.state.value


def busy(path: Path, **more: Any) -> Shop:
    """A shop in which every kind of write is due in the next pass."""
    shop = opened(path=path, **more)
    for happens in (a_customer, a_product, a_charge, a_payment, an_edit):
        happens(shop)
    shop.order(shopper=GUEST)
    shop.order(shopper=GUEST, status=OrderStatus.CANCELLED)
    return shop


def ends(shop: Shop) -> Snapshot:
    """What the POS holds after a fresh start and as many passes as it takes."""
    shop.restart()
    shop.later(2, minutes=10)
    assert (shop.lives(), shop.review(), shop.checkpoint.open_intents()) == ([], [], [])
    return shop.world.pos.snapshot()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """What the busy shop comes to where nothing goes wrong."""
    shop = busy(tmp_path_factory.mktemp("undisturbed") / "bcpoll.db")
    shop.pass_()
    return ends(shop)


class TestBeingKilled:
    # A pass of the busy shop writes so often; counted by the test below.
    WRITES = 13

    def test_the_busy_shop_writes_so_often(self, tmp_path: Path) -> None:
        shop = busy(tmp_path / "bcpoll.db")
        shop.pass_()

        assert len(shop.writes()) == self.WRITES
        assert {line.split()[0] + line.split("/")[1] for line in shop.writes()} == {
            "POSTcustomers",
            "POSTproducts",
            "PUTproducts",
            "POSTsales",
            "PUTsales",
        }

    @pytest.mark.parametrize("after", [pytest.param(False, marks=pytest.mark.slow), True], ids=["before", "after"])
    @pytest.mark.parametrize("number", range(1, WRITES + 1))
    def test_at_each_write_to_the_pos_ends_as_if_nothing_had_happened(
        self,
        tmp_path: Path,
        undisturbed: Snapshot,
        number: int,
        after: bool,  # noqa: FBT001
    ) -> None:
        shop = busy(tmp_path / "bcpoll.db")
        shop.dies_at_write(number, after=after)

        with pytest.raises(Killed):
            shop.pass_()

        assert ends(shop) == undisturbed

    @pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("lag", [0, 10_000])
    def test_at_each_commit_ends_as_if_nothing_had_happened(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        undisturbed: Snapshot,
        committed: bool,  # noqa: FBT001
        lag: int,
    ) -> None:
        for number in itertools.count(1):
            shop = busy(tmp_path / f"{number}.db", switches=Switches(search_lag_requests=lag))
            with monkeypatch.context() as patch:
                patch.setattr(file, "_transaction", deadly(number, committed=committed))
                try:
                    shop.pass_()
                except Killed:
                    pass
                else:
                    break
            assert ends(shop) == undisturbed

        assert number > 8

    def test_while_looking_up_what_an_earlier_kill_left(self, tmp_path: Path, undisturbed: Snapshot) -> None:
        shop = busy(tmp_path / "bcpoll.db")
        shop.dies_at_write(7, after=True)
        with pytest.raises(Killed):
            shop.pass_()
        shop.restart()
        shop.world.after.append(lambda request: _die_at(request, "GET", "/sales/"))
        with pytest.raises(Killed):
            shop.pass_()

        assert ends(shop) == undisturbed


def deadly(number: int, *, committed: bool) -> Callable[[Any], Any]:
    """The checkpoint's transactions, of which the one with this number is the last, before or after its commit."""
    real, count = file._transaction, itertools.count(1)

    @contextmanager
    def transaction(db: Any) -> Iterator[None]:
        is_last = not db.conn.in_transaction and next(count) == number
        with real(db):
            yield
            if is_last and not committed:
                raise Killed
        if is_last:
            raise Killed

    return transaction


class TestLookingUp:
    """What is left open by a pass is settled by the next one, found or not."""

    KINDS = pytest.mark.parametrize(
        ("event", "kind"),
        [
            ("sale", IntentKind.SALE),
            ("customer", IntentKind.CUSTOMER),
            ("product", IntentKind.PRODUCT),
            ("payment", IntentKind.SETTLE_SALE),
            ("void", IntentKind.VOID_SALE),
        ],
    )

    def left_open(self, event: str, *, after: bool) -> Shop:
        shop = opened()
        happens, method, path = EVENTS[event]
        happens(shop)
        hooks = shop.world.after if after else shop.world.before
        hooks.append(lambda request: _die_at(request, method, path))
        with pytest.raises(Killed):
            shop.pass_()
        shop.restart()
        return shop

    def looked_up(self, shop: Shop) -> int:
        with shop.connected() as shell:
            run_id = shop.checkpoint.begin_run("pass", shop.time.now())
            return recover(shell, run_id=run_id)["recovered"]

    @KINDS
    def test_what_is_found_was_written(self, event: str, kind: IntentKind) -> None:
        shop = self.left_open(event, after=True)
        [intent] = shop.checkpoint.open_intents()
        assert intent.kind is kind

        assert self.looked_up(shop) == 1

        assert shop.checkpoint.open_intents() == []
        report = shop.pass_()
        assert (report.counts["customers_created"], report.counts["products_created"]) == (0, 0)
        assert shop.lives() == []

    @KINDS
    def test_what_is_not_found_was_not_written(self, event: str, kind: IntentKind) -> None:
        shop = self.left_open(event, after=False)
        assert [intent.kind for intent in shop.checkpoint.open_intents()] == [kind]

        assert self.looked_up(shop) == 1

        assert shop.checkpoint.open_intents() == []
        shop.pass_()
        assert shop.lives() == []

    def test_a_found_sale_is_in_the_ledger_and_its_order_is_read_once_more(self) -> None:
        shop = self.left_open("sale", after=True)
        order = max(shop.store.orders)

        self.looked_up(shop)

        row = shop.row(order)
        assert (row.applied.state, row.applied.sale_id, row.fingerprint) == (
            AppliedState.PAID,
            shop.sales(order)[0]["id"],
            "",
        )
        assert shop.pass_().counts["created"] == 0
        assert shop.row(order).fingerprint != ""

    def test_a_look_up_that_fails_ends_the_run_and_leaves_the_intent(self) -> None:
        shop = self.left_open("sale", after=True)
        shop.fails(Fault.ERROR_503, "GET", "/sales", times=5)

        with pytest.raises(Unreachable):
            shop.pass_()

        assert [intent.state for intent in shop.checkpoint.open_intents()] == [IntentState.OPEN]
        assert shop.asked("store") == []

    @pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.ERROR_503, Fault.RESET_BEFORE, Fault.HTML_BODY])
    def test_a_pos_that_breaks_over_one_look_up_holds_up_no_other_for_long(self, fault: Fault) -> None:
        shop = self.left_open("sale", after=True)
        stuck, later = max(shop.store.orders), shop.order()
        unsettled = shop.sales(stuck)[0]["id"]
        shop.fails(fault, "GET", f"/sales/{unsettled}", times=1_000)

        for _ in range(2):
            with pytest.raises((Unreachable, WrongAnswer)):
                shop.pass_()
        report = shop.pass_()

        assert (report.set_aside, shop.states(later)) == (1, ["closed"])
        [item] = shop.review()
        assert (item.order_id, item.reason, item.field) == (stuck, Reason.OUTCOME_UNKNOWN, "sale")
        shop.world.faults.clear()
        shop.later()
        assert (shop.lives(), shop.review(), shop.checkpoint.open_intents()) == ([], [], [])

    def test_a_product_found_half_made_is_finished(self) -> None:
        shop = opened()
        a_charge(shop)
        shop.world.before.append(lambda request: _die_at(request, "PUT", "/products"))
        with pytest.raises(Killed):
            shop.pass_()
        shop.restart()

        self.looked_up(shop)

        assert shop.world.pos.with_code("BC-SHIPPING")[0]["has_inventory"] is False


def _die_at(request: Any, method: str, path: str) -> None:
    if request.method == method and path in request.path:
        raise Killed


class TestUnknownOutcomes:
    @pytest.fixture
    def shop(self) -> Shop:
        """A shop with an order whose sale got no answer, and of which no sale was found."""
        shop = opened()
        shop.order()
        shop.fails(Fault.HANG_BEFORE, "POST", "/sales")
        shop.pass_()
        return shop

    def test_they_are_set_aside_with_what_to_look_for(self, shop: Shop) -> None:
        [item] = shop.review()

        assert (item.order_id, item.reason, item.field) == (102, Reason.OUTCOME_UNKNOWN, "sale")
        assert "gave no answer" in item.detail
        assert "looked up again" in item.hint
        assert [intent.state for intent in shop.checkpoint.open_intents()] == [IntentState.UNKNOWN]

    def test_the_next_pass_writes_what_did_not_get_there(self, shop: Shop) -> None:
        report = shop.pass_()

        assert (report.counts["recovered"], report.counts["created"], report.waiting) == (1, 1, 0)
        assert shop.lives() == []

    def test_the_next_pass_takes_what_got_there_late(self, shop: Shop) -> None:
        [intent] = shop.checkpoint.open_intents()
        self._arrives(shop, intent.body["request"])

        report = shop.pass_()

        assert (report.counts["recovered"], report.counts["created"], report.waiting) == (1, 0, 0)
        assert shop.states(102) == ["closed"]
        assert shop.row(102).applied.state is AppliedState.PAID

    @staticmethod
    def _arrives(shop: Shop, body: dict[str, Any]) -> None:
        with shop.connected() as shell:
            shell.pos.create_sale(body)

    def test_what_a_person_dismissed_stays_dismissed(self, shop: Shop) -> None:
        shop.checkpoint.dismiss(shop.review()[0].id, "entered by hand", shop.time.now())

        shop.later(2)

        assert shop.checkpoint.review_item_of(102).state is ReviewState.DISMISSED
        assert shop.states(102) == []

    def test_an_item_that_waits_for_another_reason_is_left_as_it_is(self, shop: Shop) -> None:
        item = shop.review()[0]
        other = Rejected(order_id=102, reason=Reason.FOREIGN_CURRENCY, field="", detail="")
        shop.checkpoint.set_aside(other, item.payload, fingerprint=item.fingerprint, now=NOW)

        report = shop.pass_()

        assert report.counts["recovered"] == 1
        assert [(one.reason, one.next_try) for one in shop.review()] == [(Reason.FOREIGN_CURRENCY, None)]

    def test_nothing_is_written_over_one_within_the_same_pass(self) -> None:
        shop = opened(page_size=1)
        order = shop.order()
        shop.fails(Fault.HANG_BEFORE, "POST", "/sales")
        # The order changes while its page is written, so that the next page holds it once more.
        shop.watch("POST", "/sales", lambda: shop.happens(shop.store.touch, order))

        shop.pass_()

        assert shop.writes() == ["POST /sales"]
        assert [item.reason for item in shop.review()] == [Reason.OUTCOME_UNKNOWN]
        shop.later()
        assert (shop.lives(), shop.review()) == ([], [])

    @pytest.mark.slow
    def test_one_that_never_gets_there_is_sent_less_and_less_often(self) -> None:
        shop = opened()
        order = shop.order()
        shop.fails(Fault.ERROR_500, "POST", "/sales", times=1_000)
        sent = 0
        for _ in range(96):
            shop.time.forward(minutes=5)
            shop.pass_()
            sent += shop.writes().count("POST /sales")

        assert [item.order_id for item in shop.review()] == [order]
        assert sent == 5
        shop.world.faults.clear()
        shop.later(hours=25)
        assert (shop.lives(), shop.review(), shop.checkpoint.open_intents()) == ([], [], [])

    def test_a_stock_adjustment_of_a_backfill_that_cannot_be_looked_up_is_told_and_taken_back_once_it_can(self) -> None:
        shop = Shop()
        shop.order(at=NOW - timedelta(days=30))
        shop.count_stock()
        shop.fails(Fault.RESET_BEFORE, "POST", "/stock_adjustments")
        broken = Fault.ERROR_500, "GET", "/stock_adjustments"
        shop.watch("POST", "/stock_adjustments", lambda: shop.fails(*broken, times=1_000))
        with pytest.raises(Unreachable):
            shop.backfill()
        for _ in range(2):
            with pytest.raises(Unreachable):
                shop.pass_()

        report = shop.pass_()

        assert report.set_aside == 1
        [item] = shop.review()
        assert (item.order_id, item.reason, item.field) == (0, Reason.OUTCOME_UNKNOWN, "stock")
        assert "inventory history" in item.hint
        assert shop.pass_().set_aside == 0
        shop.world.faults.clear()
        shop.later(2)
        assert (shop.lives(), shop.review(), shop.checkpoint.open_intents()) == ([], [], [])
