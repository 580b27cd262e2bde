"""BigCommerce as a source: no order missed however the list moves, and no answer taken for "nothing changed"."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from loopback import NO_CONTENT, Answer, Loopback, Seen, StillClock, html, json_answer, loopback_server

from bcpoll import ports
from bcpoll.adapters import bigcommerce
from bcpoll.adapters.bigcommerce import BigCommerce
from bcpoll.core.order import Json
from bcpoll.core.shop import StockLevel, StoreFacts
from bcpoll.core.times import parse_time, rfc2822
from bcpoll.errors import AccessRefused, SettingsError, Unreachable, WrongAnswer

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def an_order(order_id: int, modified: float, **more: Any) -> Json:
    return {"id": order_id, "date_modified": rfc2822(later(modified)), "status_id": 11} | more


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback_server() as loopback:
        yield loopback


@pytest.fixture
def still() -> StillClock:
    return StillClock()


@pytest.fixture
def connect(server: Loopback, still: StillClock) -> Iterator[Callable[..., BigCommerce]]:
    with bigcommerce.connect(server.url, "xyzzy", clock=still.clock) as client:
        yield lambda **named: BigCommerce(client, "abc123", **named)


@pytest.fixture
def source(connect: Callable[..., BigCommerce]) -> BigCommerce:
    return connect()


class Store:
    """The list of orders the way BigCommerce keeps it: sorted, filtered and cut into pages at every request."""

    def __init__(self, server: Loopback, orders: list[Json], *, inclusive: bool = True, most: int = 250) -> None:
        self.orders = {order["id"]: order for order in orders}
        self.inclusive = inclusive
        self.most = most
        self.between: list[Callable[[Store], None]] = []
        self.asked: list[Seen] = []
        server.reply = self.reply

    def touch(self, order_id: int, modified: float) -> None:
        self.orders[order_id] = an_order(order_id, modified)

    def reply(self, seen: Seen) -> Answer:
        if self.asked and self.between:
            self.between.pop(0)(self)
        self.asked.append(seen)
        since = parse_time(seen.query["min_date_modified"])
        assert since is not None
        after = since if self.inclusive else since + timedelta(seconds=1)
        rows = sorted(self.orders.values(), key=_modified)
        rows = [row for row in rows if _modified(row) >= after]
        limit, page = min(int(seen.query["limit"]), self.most), int(seen.query["page"])
        rows = rows[(page - 1) * limit : page * limit]
        return json_answer(rows) if rows else NO_CONTENT


def _modified(row: Json) -> datetime:
    return parse_time(row["date_modified"]) or NOON


def ids(pages: Iterator[list[Json]]) -> list[int]:
    return [row["id"] for page in pages for row in page]


def a_placed(order_id: int, created: float, **more: Any) -> Json:
    return {"id": order_id, "date_created": rfc2822(later(created)), "status_id": 11} | more


class Shelf:
    """The list of orders by id within a time, sorted, filtered and cut into pages at every request."""

    def __init__(self, server: Loopback, orders: list[Json]) -> None:
        self.orders = orders
        self.between: list[Callable[[Shelf], None]] = []
        server.reply = self.reply

    def reply(self, seen: Seen) -> Answer:
        if self.between:
            self.between.pop(0)(self)
        since, until = (parse_time(seen.query[f"{end}_date_created"]) for end in ("min", "max"))
        assert since is not None
        assert until is not None
        assert seen.query["sort"] == "id:asc"
        placed = ((row, parse_time(row["date_created"]) or NOON) for row in self.orders)
        rows = [row for row, at in placed if since <= at <= until and row["id"] >= int(seen.query.get("min_id", 0))]
        rows = sorted(rows, key=lambda row: row["id"])[: int(seen.query["limit"])]
        return json_answer(rows) if rows else NO_CONTENT


class TestCreatedBetween:
    def test_everything_that_is_needed_is_asked_for_in_one_request(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([a_placed(1, 0)]))

        assert ids(source.created_between(NOON, later(60))) == [1]

        [seen] = server.seen
        assert seen.query == {
            "min_date_created": "Mon, 23 Nov 2026 11:59:59 +0000",
            "max_date_created": "Mon, 23 Nov 2026 12:01:01 +0000",
            "sort": "id:asc",
            "min_id": "1",
            "limit": "250",
            "include": "consignments.line_items,fees",
            "consignment_structure": "object",
        }

    def test_from_the_first_order_on_there_is_no_lower_bound(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([a_placed(1, -100_000), a_placed(2, 0)]))

        assert ids(source.created_between(None, later(60))) == [1, 2]

        [seen] = server.seen
        assert "min_date_created" not in seen.query

    def test_it_begins_behind_an_id(self, server: Loopback, source: BigCommerce) -> None:
        Shelf(server, [a_placed(number, 1) for number in range(1, 8)])

        assert ids(source.created_between(NOON, later(60), after=5)) == [6, 7]

    def test_orders_are_counted_by_status(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer({"statuses": [{"id": 11, "count": 3}, {"id": 5, "count": "0"}], "count": 3}))

        assert source.order_counts(None, later(60)) == {11: 3, 5: 0}

        [seen] = server.seen
        assert seen.path == "/stores/abc123/v2/orders/count"
        assert seen.query == {"max_date_created": "Mon, 23 Nov 2026 12:01:00 +0000"}

    @pytest.mark.parametrize("answer", [[], {"count": 3}, {"statuses": [{"count": 3}]}])
    def test_a_count_that_is_none_is_no_answer(self, server: Loopback, source: BigCommerce, answer: object) -> None:
        server.says(json_answer(answer))

        with pytest.raises(WrongAnswer, match="/v2/orders/count"):
            source.order_counts(NOON, later(60))

    def test_the_end_of_the_window_is_not_in_it(self, server: Loopback, source: BigCommerce) -> None:
        Shelf(server, [a_placed(number, at) for number, at in enumerate((-1, 0, 59, 60, 61), 1)])

        assert ids(source.created_between(NOON, later(60))) == [2, 3]

    def test_pages_go_on_from_the_last_id_whatever_is_placed_meanwhile(
        self, server: Loopback, connect: Callable[..., BigCommerce]
    ) -> None:
        shelf = Shelf(server, [a_placed(number, 1) for number in range(10, 130)])
        shelf.between = [lambda _: None, lambda shelf: shelf.orders.append(a_placed(5, 1))]

        assert ids(connect(page_size=50).created_between(NOON, later(60))) == list(range(10, 130))

    def test_an_order_whose_time_cannot_be_read_is_given(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([a_placed(1, 0) | {"date_created": "?"}]))

        assert ids(source.created_between(NOON, later(60))) == [1]

    @pytest.mark.parametrize("number", ["?", None, 0])
    def test_an_order_whose_id_cannot_be_read_is_given_and_the_walk_goes_on(
        self, server: Loopback, connect: Callable[..., BigCommerce], number: object
    ) -> None:
        rows = [a_placed(number, 1) for number in range(10, 61)]
        rows[20]["id"] = number
        server.says(json_answer(rows[:50]), json_answer(rows[49:]))

        assert ids(connect(page_size=50).created_between(NOON, later(60))) == [row["id"] for row in rows]
        assert server.seen[1].query["min_id"] == "59"

    def test_a_list_that_stays_where_it_is_is_no_end_of_it(
        self, server: Loopback, connect: Callable[..., BigCommerce]
    ) -> None:
        page = json_answer([a_placed(number, 1) for number in range(10, 60)])
        server.says(page, page)

        with pytest.raises(WrongAnswer, match="without an order behind 59"):
            list(connect(page_size=50).created_between(NOON, later(60)))

    @pytest.mark.parametrize("at", [-60, 600])
    def test_a_filter_that_was_ignored_is_no_answer(self, server: Loopback, source: BigCommerce, at: int) -> None:
        server.says(json_answer([a_placed(1, at)]))

        with pytest.raises(WrongAnswer, match="a filter was ignored: asked for Mon, 23 Nov 2026 11:59:59"):
            list(source.created_between(NOON, later(60)))

    def test_a_sort_that_was_ignored_is_no_answer(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([a_placed(2, 0), a_placed(1, 0)]))

        with pytest.raises(WrongAnswer, match="sort=id:asc was ignored"):
            list(source.created_between(NOON, later(60)))

    def test_a_page_over_which_the_server_breaks_down_is_read_in_smaller_ones(
        self, server: Loopback, source: BigCommerce
    ) -> None:
        broken = json_answer([], 500)
        server.says(broken, broken, json_answer([a_placed(1, 0)]))

        assert ids(source.created_between(NOON, later(60))) == [1]
        assert [seen.query["limit"] for seen in server.seen] == ["250", "250", "125"]

    def test_below_the_smallest_page_it_gives_up(self, server: Loopback, connect: Callable[..., BigCommerce]) -> None:
        server.reply = lambda seen: json_answer([], 500)

        with pytest.raises(Unreachable):
            list(connect(page_size=25).created_between(NOON, later(60)))


class TestChangedSince:
    def test_everything_that_is_needed_is_asked_for_in_one_request(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([an_order(1, 0)]))

        assert ids(source.changed_since(NOON)) == [1]

        [seen] = server.seen
        assert seen.path == "/stores/abc123/v2/orders"
        assert seen.headers["X-Auth-Token"] == "xyzzy"
        assert seen.query == {
            "min_date_modified": "Mon, 23 Nov 2026 11:59:59 +0000",
            "sort": "date_modified:asc",
            "limit": "250",
            "page": "1",
            "include": "consignments.line_items,fees",
            "consignment_structure": "object",
        }

    @pytest.mark.parametrize("answer", [NO_CONTENT, json_answer([])])
    def test_an_empty_list_comes_in_two_ways(self, server: Loopback, source: BigCommerce, answer: Answer) -> None:
        server.says(answer)

        assert list(source.changed_since(NOON)) == []

    @pytest.mark.parametrize("inclusive", [True, False])
    def test_it_does_not_matter_whether_the_bound_includes_its_second(
        self, server: Loopback, connect: Callable[..., BigCommerce], *, inclusive: bool
    ) -> None:
        orders = [an_order(number, number // 4) for number in range(1, 60)]
        Store(server, [an_order(100, -2), an_order(101, -1), an_order(102, 0), *orders], inclusive=inclusive)

        assert ids(connect(page_size=5).changed_since(NOON)) == [102, *range(1, 60)]

    def test_a_time_within_a_second_starts_with_the_next_second(self, server: Loopback, source: BigCommerce) -> None:
        Store(server, [an_order(1, 0), an_order(2, 1)])

        assert ids(source.changed_since(later(0.5))) == [2]

    @pytest.mark.parametrize("inclusive", [True, False])
    @pytest.mark.parametrize("step", [1, 2, 3, 4])
    def test_an_order_that_moves_to_the_end_while_pages_are_read_pushes_no_other_out_of_sight(
        self, server: Loopback, connect: Callable[..., BigCommerce], step: int, *, inclusive: bool
    ) -> None:
        store = Store(server, [an_order(number, number) for number in range(1, 31)], inclusive=inclusive)

        def move(number: int) -> Callable[[Store], None]:
            return lambda store: store.touch(number, 50 + number)

        store.between = [move(number) for number in range(1, 9, step)]

        assert set(ids(connect(page_size=5).changed_since(NOON))) == set(range(1, 31))

    @pytest.mark.parametrize("inclusive", [True, False])
    def test_more_orders_in_one_second_than_a_page_holds_are_all_found(
        self, server: Loopback, source: BigCommerce, *, inclusive: bool
    ) -> None:
        crowd = [an_order(number, 5) for number in range(10, 610)]
        store = Store(server, [an_order(1, 1), *crowd, an_order(2, 9)], inclusive=inclusive)

        found = ids(source.changed_since(NOON))

        assert sorted(found) == [1, 2, *range(10, 610)]
        assert len(store.asked) < 12

    def test_an_order_that_leaves_a_crowded_second_hides_no_other(
        self, server: Loopback, connect: Callable[..., BigCommerce]
    ) -> None:
        store = Store(server, [an_order(number, 5) for number in range(20)])
        store.between = [lambda store: None, lambda store: store.touch(0, 8), lambda store: store.touch(1, 9)]

        found = ids(connect(page_size=5).changed_since(NOON))

        assert set(found) == set(range(20))

    def test_a_list_that_is_cut_at_the_default_length_is_read_on(self, server: Loopback, source: BigCommerce) -> None:
        Store(server, [an_order(number, number) for number in range(1, 121)], most=50)

        assert ids(source.changed_since(NOON)) == [*range(1, 121)]

    def test_a_new_version_of_an_order_is_given_again_and_an_old_one_is_not(
        self, server: Loopback, connect: Callable[..., BigCommerce]
    ) -> None:
        store = Store(server, [an_order(number, number) for number in range(1, 7)])
        store.between = [lambda store: store.touch(1, 7)]

        assert ids(connect(page_size=4).changed_since(NOON)) == [1, 2, 3, 4, 5, 6, 1]

    def test_an_order_whose_time_cannot_be_read_is_given_once(
        self, server: Loopback, connect: Callable[..., BigCommerce]
    ) -> None:
        odd = {"id": 9, "date_modified": "sometime"}
        first = [odd, an_order(1, 1), an_order(2, 3)]
        server.says(json_answer(first), json_answer([odd, an_order(2, 3)]))

        assert ids(connect(page_size=3).changed_since(NOON)) == [9, 1, 2]

    @pytest.mark.parametrize("row", [{"id": 9}, {"id": 9, "date_modified": ""}, {"id": 9, "date_modified": None}])
    def test_a_page_without_any_time_is_a_wrong_answer(self, server: Loopback, source: BigCommerce, row: Json) -> None:
        server.says(json_answer([row, row]))

        with pytest.raises(WrongAnswer, match="date_modified"):
            list(source.changed_since(NOON))

    def test_an_ignored_filter_is_a_wrong_answer(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([an_order(1, -86_400), an_order(2, 5)]))

        with pytest.raises(
            WrongAnswer, match=r"a filter was ignored: asked since .* 11:59:59 .*, got Sun, 22 Nov 2026"
        ):
            next(source.changed_since(NOON))

    def test_a_filter_that_is_ignored_on_a_later_page_is_a_wrong_answer(
        self, server: Loopback, connect: Callable[..., BigCommerce]
    ) -> None:
        page = [an_order(1, 1), an_order(2, 5)]
        server.says(json_answer(page), json_answer(page))
        pages = connect(page_size=2).changed_since(NOON)

        assert len(next(pages)) == 2
        with pytest.raises(WrongAnswer, match="a filter was ignored"):
            next(pages)

    def test_an_ignored_order_is_a_wrong_answer(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([an_order(1, 5), an_order(2, 4)]))

        with pytest.raises(WrongAnswer, match="sort=date_modified:asc was ignored"):
            list(source.changed_since(NOON))

    def test_an_ignored_page_number_is_a_wrong_answer(
        self, server: Loopback, connect: Callable[..., BigCommerce]
    ) -> None:
        server.reply = lambda _: json_answer([an_order(1, 0), an_order(2, 0)])

        with pytest.raises(WrongAnswer, match="page=2 was ignored"):
            list(connect(page_size=2).changed_since(NOON))

    @pytest.mark.parametrize(
        "answer", [json_answer({"orders": []}), json_answer(None), json_answer("x"), json_answer([1]), html()]
    )
    def test_what_is_no_list_of_orders_is_a_wrong_answer(
        self, server: Loopback, source: BigCommerce, answer: Answer
    ) -> None:
        server.says(answer)

        with pytest.raises(WrongAnswer):
            list(source.changed_since(NOON))


class TestHeavyPages:
    @pytest.mark.parametrize("status", [500, 504])
    def test_pages_are_halved_until_the_server_can_carry_them(
        self, server: Loopback, source: BigCommerce, status: int
    ) -> None:
        store = Store(server, [an_order(number, number) for number in range(1, 200)])
        good = store.reply
        limits: list[str] = []

        def reply(seen: Seen) -> Answer:
            limits.append(seen.query["limit"])
            return html(status) if int(seen.query["limit"]) > 62 else good(seen)

        server.reply = reply

        assert ids(source.changed_since(NOON)) == [*range(1, 200)]
        assert limits[:5] == ["250", "250", "125", "125", "62"]

    def test_a_server_that_breaks_down_over_the_smallest_page_is_unreachable(
        self, server: Loopback, source: BigCommerce
    ) -> None:
        server.reply = lambda _: html(500)

        with pytest.raises(Unreachable):
            list(source.changed_since(NOON))

        sizes = [int(seen.query["limit"]) for seen in server.seen]
        assert sorted(set(sizes)) == [25, 31, 62, 125, 250]
        assert sizes.count(25) == 4

    def test_halving_within_a_crowded_second_loses_nothing(self, server: Loopback, source: BigCommerce) -> None:
        store = Store(server, [an_order(number, 5) for number in range(600)])
        good = store.reply

        def reply(seen: Seen) -> Answer:
            return html(504) if seen.query["page"] == "2" and seen.query["limit"] == "250" else good(seen)

        server.reply = reply

        assert sorted(ids(source.changed_since(NOON))) == [*range(600)]


class TestSingleOrders:
    def test_an_order_comes_with_its_lines(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer(an_order(7, 0)))

        assert source.order(7) == an_order(7, 0)
        assert server.seen[0].path == "/stores/abc123/v2/orders/7"
        assert server.seen[0].query["include"] == "consignments.line_items,fees"

    def test_an_order_that_does_not_exist_is_none(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([{"status": 404, "message": "Not found"}], 404))

        assert source.order(7) is None

    @pytest.mark.parametrize("answer", [json_answer([]), Answer(b"")])
    def test_an_order_that_is_no_object_is_a_wrong_answer(
        self, server: Loopback, source: BigCommerce, answer: Answer
    ) -> None:
        server.says(answer)

        with pytest.raises(WrongAnswer):
            source.order(7)

    def test_lines_are_read_to_the_end(self, server: Loopback, source: BigCommerce) -> None:
        lines = [{"id": number} for number in range(1, 301)]
        server.says(json_answer(lines[:250]), json_answer(lines[250:]), NO_CONTENT)

        assert source.order_lines(7) == lines
        assert [(seen.query["page"], seen.query["limit"]) for seen in server.seen] == [
            ("1", "250"), ("2", "250"), ("3", "250"),
        ]  # fmt: skip

    def test_lines_that_repeat_end_the_reading(self, server: Loopback, source: BigCommerce) -> None:
        lines = [{"id": number} for number in range(1, 61)]
        server.says(json_answer(lines), json_answer(lines))

        assert source.order_lines(7) == lines

    @pytest.mark.parametrize("answer", [NO_CONTENT, json_answer([]), json_answer([], 404)])
    def test_an_order_without_lines_has_none(self, server: Loopback, source: BigCommerce, answer: Answer) -> None:
        server.says(answer)

        assert source.order_lines(7) == []

    def test_a_line_without_an_id_is_a_wrong_answer(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([{"name": "x"}]))

        with pytest.raises(WrongAnswer, match="without 'id'"):
            source.order_lines(7)


class TestIdsWithStatus:
    @pytest.mark.parametrize("inclusive", [True, False])
    def test_all_ids_are_found_page_by_page(
        self, server: Loopback, connect: Callable[..., BigCommerce], *, inclusive: bool
    ) -> None:
        def reply(seen: Seen) -> Answer:
            first = int(seen.query.get("min_id", 0)) + (0 if inclusive else 1)
            rows = [{"id": number, "status_id": 0} for number in range(3, 20) if number >= first]
            assert seen.query["sort"] == "id:asc"
            return json_answer(rows[: int(seen.query["limit"])])

        server.reply = reply

        assert list(connect(page_size=3).order_ids_with_status(0)) == [*range(3, 20)]

    def test_none_are_found_where_there_are_none(self, server: Loopback, source: BigCommerce) -> None:
        server.says(NO_CONTENT)

        assert list(source.order_ids_with_status(0)) == []

    def test_a_status_that_was_not_asked_for_is_a_wrong_answer(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([{"id": 1, "status_id": 11}]))

        with pytest.raises(WrongAnswer, match="status_id=0 was ignored"):
            list(source.order_ids_with_status(0))

    def test_an_order_that_has_left_the_status_is_left_out(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([{"id": 1, "status_id": 11}, {"id": 2, "status_id": 1}, {"id": 3, "status_id": "?"}]))

        assert [[row["id"] for row in rows] for rows in source.orders_with_status(1)] == [[2, 3]]

    @pytest.mark.parametrize("bad", [{"id": "abc"}, {}, {"id": 10**30}])
    def test_an_order_without_a_number_that_can_be_read_hides_no_other(
        self, server: Loopback, source: BigCommerce, bad: Json
    ) -> None:
        server.says(json_answer([bad | {"status_id": "0"}, {"id": 7, "status_id": None}]))

        assert list(source.order_ids_with_status(0)) == [7]


class TestStoreFacts:
    def test_the_store_tells_name_and_currency(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer({"name": "Shop", "currency": "usd"}))

        assert source.store() == StoreFacts(name="Shop", currency="USD")

    def test_a_store_without_a_currency_is_a_wrong_answer(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer({"name": "Shop"}), json_answer([]))

        with pytest.raises(WrongAnswer, match="/v2/store: a row without 'currency'"):
            source.store()
        with pytest.raises(WrongAnswer, match="/v2/store: no object"):
            source.store()

    @pytest.mark.parametrize("told", [1795435200, "1795435200", Decimal("1795435200.0")])
    def test_the_store_tells_the_time(self, server: Loopback, source: BigCommerce, told: object) -> None:
        server.says(json_answer({"time": told}))

        assert source.server_time() == datetime(2026, 11, 23, 12, tzinfo=UTC)

    @pytest.mark.parametrize("told", [None, "noon", 10**30, 1.5, True])
    def test_a_time_that_is_none_is_a_wrong_answer(self, server: Loopback, source: BigCommerce, told: object) -> None:
        server.says(json_answer({"time": told}))

        with pytest.raises(WrongAnswer, match="/v2/time"):
            source.server_time()

    def test_a_missing_scope_is_named(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer([{"status": 403, "message": "scope"}], 403))

        with pytest.raises(AccessRefused) as raised:
            list(source.changed_since(NOON))

        assert "store_v2_orders_read_only" in raised.value.hint

    def test_an_open_address_is_refused_under_its_key(self) -> None:
        with pytest.raises(SettingsError, match=r"\[bigcommerce\] api_url"):
            bigcommerce.connect("http://api.bigcommerce.com", "xyzzy")


def a_product(product_id: int, tracking: str, level: object, *variants: tuple[int, object]) -> Json:
    listed = [{"id": number, "inventory_level": amount} for number, amount in variants]
    return {"id": product_id, "inventory_tracking": tracking, "inventory_level": level, "variants": listed}


class TestStock:
    def answer(self, *products: Json, pages: int = 1) -> Answer:
        return json_answer({"data": list(products), "meta": {"pagination": {"total_pages": pages}}})

    def stock(self, server: Loopback, source: BigCommerce, product: Json) -> Mapping[tuple[int, int], StockLevel]:
        server.says(self.answer(product))
        return source.stock([product["id"]])

    def test_variants_are_counted_each_alone(self, server: Loopback, source: BigCommerce) -> None:
        product = a_product(5, "variant", 99, (51, 3), (52, "4"), (53, None))

        assert self.stock(server, source, product) == {
            (5, 51): StockLevel(tracked=True, level=Decimal(3)),
            (5, 52): StockLevel(tracked=True, level=Decimal(4)),
            (5, 53): StockLevel(tracked=True, level=Decimal(0)),
            (5, 0): StockLevel(tracked=True, level=Decimal(7)),
        }

    def test_a_product_that_is_counted_as_a_whole_has_one_level(self, server: Loopback, source: BigCommerce) -> None:
        whole = StockLevel(tracked=True, level=Decimal(9))

        found = self.stock(server, source, a_product(5, "product", 9, (51, 0), (52, 0)))

        assert found == {(5, 0): whole, (5, 51): whole, (5, 52): whole}

    @pytest.mark.parametrize("tracking", ["none", "", "by the moon"])
    def test_a_product_that_is_not_counted_has_no_level(
        self, server: Loopback, source: BigCommerce, tracking: str
    ) -> None:
        found = self.stock(server, source, a_product(5, tracking, 9, (51, 3)))

        assert found == {(5, 0): StockLevel(tracked=False), (5, 51): StockLevel(tracked=False)}

    def test_a_variant_has_a_price_of_its_own_or_the_product_s(self, server: Loopback, source: BigCommerce) -> None:
        product = a_product(5, "none", 0, (51, 0), (52, 0)) | {"price": "9.99"}
        product["variants"][1]["price"] = "12.50"

        found = self.stock(server, source, product)

        assert {key: str(level.price) for key, level in found.items()} == {
            (5, 0): "9.99",
            (5, 51): "9.99",
            (5, 52): "12.50",
        }

    def test_a_product_that_is_gone_is_absent(self, server: Loopback, source: BigCommerce) -> None:
        server.says(self.answer())

        assert source.stock([5]) == {}

    def test_nothing_is_asked_for_no_products(self, server: Loopback, source: BigCommerce) -> None:
        assert source.stock([]) == {}
        assert server.seen == []

    def test_fifty_products_are_asked_for_at_once(self, server: Loopback, source: BigCommerce) -> None:
        server.says(self.answer(), self.answer())

        source.stock([*range(60, 0, -1), 1, 2])

        assert [seen.query["id:in"].split(",") for seen in server.seen] == [
            [str(number) for number in range(1, 51)],
            [str(number) for number in range(51, 61)],
        ]
        assert server.seen[0].path == "/stores/abc123/v3/catalog/products"
        assert (server.seen[0].query["include"], server.seen[0].query["limit"]) == ("variants", "250")

    def test_an_answer_in_several_pages_is_read_to_the_end(self, server: Loopback, source: BigCommerce) -> None:
        server.says(self.answer(a_product(1, "none", 0), pages=2), self.answer(a_product(2, "none", 0), pages=2))

        assert set(source.stock([1, 2])) == {(1, 0), (2, 0)}

    def test_an_answer_without_page_counts_is_one_page(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer({"data": [a_product(1, "none", 0)]}))

        assert set(source.stock([1])) == {(1, 0)}

    @pytest.mark.parametrize("answer", [NO_CONTENT, json_answer([]), json_answer({}), json_answer({"data": [{}]})])
    def test_what_is_no_list_of_products_is_a_wrong_answer(
        self, server: Loopback, source: BigCommerce, answer: Answer
    ) -> None:
        server.says(answer)

        with pytest.raises(WrongAnswer, match="catalog/products"):
            source.stock([1])


def test_the_adapter_is_what_the_flow_asks_for(source: BigCommerce) -> None:
    wanted: ports.OrderSource = source

    assert isinstance(wanted, BigCommerce)


class TestRefunds:
    def refund(self, number: int, order: int = 7, created: str = "2026-11-23T12:00:00+00:00") -> Json:
        return {"id": number, "order_id": order, "created": created, "total_amount": 1}

    def answer(self, *rows: Json) -> Answer:
        return json_answer({"data": list(rows), "meta": {}})

    def test_they_are_read_page_by_page_until_a_short_one(self, server: Loopback, source: BigCommerce) -> None:
        full = [self.refund(number) for number in range(1, 251)]
        # Of the second page the first row was on the page before: a row can be told twice, and counts once.
        server.says(self.answer(*full), self.answer(full[-1], self.refund(251)))

        pages = list(source.refunds_since(NOON))

        assert [[row["id"] for row in page] for page in pages] == [list(range(1, 251)), [251]]
        assert [seen.query["page"] for seen in server.seen] == ["1", "2"]

    def test_the_time_is_named_with_its_zone(self, server: Loopback, source: BigCommerce) -> None:
        server.says(self.answer())

        assert list(source.refunds_since(datetime(2026, 11, 20, 9, 0, 0, 500, tzinfo=UTC))) == []
        assert server.seen[0].query["created:min"] == "2026-11-20T09:00:00+00:00"

    def test_a_list_without_a_body_is_empty(self, server: Loopback, source: BigCommerce) -> None:
        server.says(Answer(status=204))

        assert list(source.refunds_since(NOON)) == []

    def test_a_value_that_is_no_json_costs_no_other_refund(self, server: Loopback, source: BigCommerce) -> None:
        answer = self.answer(self.refund(1) | {"total_amount": "?"}, self.refund(2))
        server.says(replace(answer, body=answer.body.replace(b'"?"', b"NaN")))

        [page] = source.refunds_since(NOON)

        assert [(row["id"], row["total_amount"]) for row in page] == [(1, "NaN"), (2, 1)]

    def test_a_page_that_comes_again_is_the_last(self, server: Loopback, source: BigCommerce) -> None:
        full = self.answer(*(self.refund(number) for number in range(1, 251)))
        server.says(full, full)

        assert [len(page) for page in source.refunds_since(NOON)] == [250]

    def test_a_filter_that_was_ignored_stops_it(self, server: Loopback, source: BigCommerce) -> None:
        server.says(self.answer(self.refund(1, created="2020-01-01T00:00:00+00:00")))

        with pytest.raises(WrongAnswer, match="a filter was ignored"):
            list(source.refunds_since(NOON))

    def test_those_of_orders_are_asked_for_in_groups(self, server: Loopback, source: BigCommerce) -> None:
        server.says(self.answer(self.refund(1, 1)), self.answer(self.refund(2, 60)))

        found = source.refunds_of(range(1, 61))

        assert [row["id"] for row in found] == [1, 2]
        assert [len(seen.query["order_id:in"].split(",")) for seen in server.seen] == [50, 10]

    def test_those_of_no_order_cost_nothing(self, server: Loopback, source: BigCommerce) -> None:
        assert source.refunds_of([]) == []
        assert server.seen == []

    def test_those_of_other_orders_stop_it(self, server: Loopback, source: BigCommerce) -> None:
        server.says(self.answer(self.refund(1, 8)))

        with pytest.raises(WrongAnswer, match="order_id:in was ignored"):
            source.refunds_of([7])

    @pytest.mark.parametrize("answer", [json_answer([]), json_answer({}), json_answer({"data": None})])
    def test_what_is_no_list_is_not_taken_for_none(self, server: Loopback, source: BigCommerce, answer: Answer) -> None:
        server.says(answer)

        with pytest.raises(WrongAnswer):
            source.refunds_of([7])


class TestTransactions:
    def test_an_order_without_any_has_none_however_that_is_said(self, server: Loopback, source: BigCommerce) -> None:
        for answer in (NO_CONTENT, json_answer({"data": []}), json_answer({"data": None}), json_answer({}, 404)):
            server.says(answer)
            assert source.transactions(7) == []

    def test_they_are_read_order_by_order(self, server: Loopback, source: BigCommerce) -> None:
        server.says(json_answer({"data": [{"id": 1, "order_id": "7", "amount": Decimal("1.10")}]}))

        assert source.transactions(7) == [{"id": 1, "order_id": "7", "amount": Decimal("1.10")}]
        assert server.seen[-1].path == "/stores/abc123/v3/orders/7/transactions"

    @pytest.mark.parametrize("body", [[], {"data": "none"}, {"data": [{"id": 1, "order_id": "8"}]}], ids=str)
    def test_what_is_no_list_of_this_order_s_is_not_taken_for_nothing(
        self, server: Loopback, source: BigCommerce, body: object
    ) -> None:
        server.says(json_answer(body))

        with pytest.raises(WrongAnswer):
            source.transactions(7)
