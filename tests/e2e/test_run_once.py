"""`bcpoll run-once` from settings to exit code: what it writes, what it prints, and what it leaves alone."""

import json
import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

import pytest
from program import Desk

from bcpoll.core.sale import AppliedState
from bcpoll.sandbox.calls import utc_now

KNOWN = "2 + 0 requests to BigCommerce and the POS"


def test_the_first_run_writes_every_order_and_says_so_on_one_line(desk: Desk) -> None:
    said = desk.run("run-once")

    assert said.code == 0
    assert said.err == ""
    assert said.out.startswith("3 sales written, 1 product created (")
    assert said.out.count("\n") == 1
    assert [len(desk.pos().sales[str(number)]) for number in (100, 101, 102)] == [1, 1, 1]


def test_the_second_run_writes_nothing_and_asks_for_two_pages(desk: Desk) -> None:
    desk.run("run-once")
    before, writes = desk.pos(), desk.writes()

    said = desk.run("run-once")

    assert (said.code, said.out) == (0, f"3 unchanged ({KNOWN})\n")
    assert desk.writes() == writes
    assert desk.pos() == before


def test_with_json_it_prints_one_object(desk: Desk) -> None:
    said = desk.run("--json", "run-once")

    assert said.json["counts"]["created"] == 3
    assert said.json["requests"]["bigcommerce"] >= 1
    assert said.json["waiting"] == 0


def test_log_lines_go_to_stderr_and_name_the_order(desk: Desk) -> None:
    said = desk.run("-v", "run-once")

    assert "order 101: sale" in said.err
    assert said.out.count("\n") == 1


def test_every_log_line_of_a_pass_names_its_run_and_its_order(desk: Desk) -> None:
    wrong = desk.order()
    desk.world.store.overwrite(wrong, {"status_id": 99})

    for run in (1, 2):
        lines = [json.loads(line) for line in desk.run("--log-format", "json", "-vv", "run-once").err.splitlines()]
        assert lines
        assert {line["run"] for line in lines if " /api/" in line["message"]} <= {str(run)}
        assert {line["run"] for line in lines if line["order"]} <= {str(run)}
        assert [line for line in lines if line["message"].startswith("order ") and not line["order"]] == []
        told = {line["order"] for line in lines if line["order"]}
        assert told == ({100, 101, 102, wrong} if run == 1 else {wrong})


def test_what_is_set_aside_is_told_by_the_exit_code_once(desk: Desk) -> None:
    wrong = desk.order(fields={"total_inc_tax": "1.0000"})

    first, second = desk.run("run-once"), desk.run("run-once")

    assert first.code == 3
    assert f"order {wrong} set aside: totals differ" in first.err
    assert "1 set aside" in first.out
    assert second.code == 0
    assert "set aside" not in second.err
    assert "1 waiting in review (bcpoll review list)" in second.out


def test_an_order_that_is_set_aside_does_not_stop_the_others(desk: Desk) -> None:
    wrong = desk.order(currency="EUR")
    right = desk.order()

    desk.run("run-once")

    assert str(wrong) not in desk.pos().sales
    assert len(desk.pos().sales[str(right)]) == 1


def test_one_order_by_its_number(desk: Desk) -> None:
    said = desk.run("run-once", "--order", "101")

    assert said.code == 0
    assert said.out.startswith("1 sale written")
    assert list(desk.pos().sales) == ["101"]


def test_several_orders_by_their_numbers(desk: Desk) -> None:
    desk.run("run-once", "--order", "100", "--order", "102")

    assert sorted(desk.pos().sales) == ["100", "102"]


def test_an_order_that_does_not_exist_is_named(desk: Desk) -> None:
    said = desk.run("run-once", "--order", "999")

    assert said.code == 2
    assert "BigCommerce has no order 999" in said.err
    assert "This order is not in BigCommerce. Take the number from BigCommerce's list of orders" in said.err
    assert said.out.startswith("1 not found in BigCommerce")


def test_beside_an_order_that_does_not_exist_the_others_are_written(desk: Desk) -> None:
    said = desk.run("run-once", "--order", "100", "--order", "999", "--order", "101")

    assert said.code == 2
    assert "1 of these 3 orders is not in BigCommerce" in said.err
    assert sorted(desk.pos().sales) == ["100", "101"]


def test_a_dry_run_refuses_an_order_that_does_not_exist_as_well(desk: Desk) -> None:
    said = desk.run("run-once", "--dry-run", "--order", "999")

    assert said.code == 2
    assert "This order is not in BigCommerce." in said.err


def test_reading_further_back_writes_nothing_twice(desk: Desk) -> None:
    desk.run("run-once")

    said = desk.run("run-once", "--since", "2020-01-01T00:00:00Z")

    assert said.out == f"3 unchanged ({KNOWN})\n"


@pytest.mark.parametrize("zone", ["America/Chicago", "Pacific/Auckland"])
def test_a_day_begins_at_midnight_in_the_time_zone_of_the_pos(desk: Desk, zone: str) -> None:
    desk.world.pos.retailer["timezone"] = zone
    desk.run("run-once")
    # A second before it, since the list may leave out the very moment that it is asked for.
    midnight = datetime(2025, 6, 1, tzinfo=ZoneInfo(zone)) - timedelta(seconds=1)

    for dry_run in ([], ["--dry-run"]):
        desk.world.log.clear()
        said = desk.run("run-once", *dry_run, "--since", "2025-06-01")

        (read,) = desk.world.log.matching(side="store", path="/v2/orders")
        assert said.code == 0
        assert parsedate_to_datetime(read.params["min_date_modified"]) == midnight


@pytest.mark.parametrize(
    ("at", "code"), [("2026-11-02T05:59:59Z", 2), ("2026-11-02T06:00:00Z", 0)], ids=["before", "at"]
)
def test_a_day_that_has_begun_elsewhere_alone_is_yet_to_come(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, at: str, code: int
) -> None:
    desk.run("run-once")
    monkeypatch.setattr("bcpoll.cli.wiring.now", lambda: datetime.fromisoformat(at))

    said = desk.run("run-once", "--since", "2026-11-02")

    assert (said.code, "2026-11-02 is yet to come" in said.err) == (code, code == 2)


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)], ids=["pass", "dry-run"])
def test_with_json_an_order_that_does_not_exist_is_told_in_the_one_object(desk: Desk, dry_run: tuple[str, ...]) -> None:
    said = desk.run("--json", "run-once", *dry_run, "--order", "999")

    assert (said.code, said.json["exit_code"]) == (2, 2)
    assert "This order is not in BigCommerce." in said.json["error"]
    assert "This order is not in BigCommerce." in said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--since", "nonsense"],
            "'nonsense' is neither a day nor a moment. Write 2026-11-30, or date, time and zone: ",
        ),
        (["--order", "x"], "'x' is not the id of an order. Write its number, such as 1042."),
        (
            ["--since", "2999-01-01T00:00:00Z"],
            "2999-01-01T00:00:00Z is yet to come. Name a day or a moment that has been.",
        ),
        (["--since", "2999-01-01"], "2999-01-01 is yet to come. Name a day or a moment that has been."),
        (["--since", "11/10/2026"], "'11/10/2026': in some countries the day stands first, in others the month."),
        (["--since", "11/10/2026 10:00:00Z"], "in some countries the day stands first, in others the month."),
        (["--since", "Tue, 10/11/2026 10:00:00Z"], "in some countries the day stands first, in others the month."),
        (["--since", "10.11.2026T10:00:00Z"], "in some countries the day stands first, in others the month."),
        (["--since", "2026-11-01T10:00"], "'2026-11-01T10:00' has no time zone."),
        (["--since", "2026-11-01", "--order", "100"], "Say either --order or --since"),
        (["--since", "0001-01-01T00:00:00Z"], "there were no orders in the year 1. See whether it is a slip."),
        (["--order", "0"], "'0' is not the id of an order."),
        (["--order", "9" * 5000], "is not the id of an order."),
        (["--dry-rum"], "Did you mean"),
        (["--bodies"], "--bodies goes with --dry-run."),
    ],
)
def test_a_wrong_option_is_a_usage_error_that_says_what_would_be_right(
    desk: Desk, arguments: list[str], told: str
) -> None:
    said = desk.run("run-once", *arguments)

    assert said.code == 2
    assert told in said.err
    assert len(desk.world.log) == 0


# --- dry run ---------------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_writes_and_what_they_would_do_to_the_stock(desk: Desk) -> None:
    wrong = desk.order(fields={"total_inc_tax": "1.0000"})

    said = desk.run("run-once", "--dry-run")

    lines = [line.split() for line in said.out.splitlines()]
    assert said.code == 3
    assert ["100", "create", "sale,", "closed", "19.98", "1.48"] in lines
    assert ["MUG", "-6"] in lines
    assert ["BC-SHIPPING", "-3"] not in lines
    assert ["BC-SHIPPING", "Shipping", "(BigCommerce)", "not", "counted"] in lines
    assert "sales      3 x create sale, closed (100.44)" in said.out
    assert "money      +100.44, of which tax +7.44" in said.out
    assert "payments   Online - Card 100.44" in said.out
    assert "customers  0 created, 1 found in the POS" in said.out
    assert "example.com" not in said.out
    assert any(line[:3] == [str(wrong), "totals", "differ"] for line in lines)


def test_a_dry_run_on_a_fresh_machine_leaves_nothing_on_either_side_or_on_the_disk(desk: Desk) -> None:
    before = desk.pos()

    desk.run("run-once", "--dry-run")

    assert desk.pos() == before
    assert desk.writes() == 0
    assert [file.name for file in desk.folder.iterdir()] == ["config.toml"]


def test_a_dry_run_on_a_checkpoint_leaves_the_ledger_as_it_is(desk: Desk) -> None:
    desk.run("run-once")
    desk.world.store.cancel(100)
    new = desk.order()
    before, ledger, writes = desk.pos(), desk.ledger(), desk.writes()

    said = desk.run("run-once", "--dry-run")

    assert ("100  void sale" in said.out, f"{new}  create sale" in said.out) == (True, True)
    assert (desk.pos(), desk.ledger(), desk.writes()) == (before, ledger, writes)


def test_a_dry_run_shows_the_exact_bodies_on_request(desk: Desk) -> None:
    said = desk.run("run-once", "--dry-run", "--order", "100", "--bodies")

    product, untracked, sale = said.out.split("\n\n")[-3:]
    assert product.startswith('POST /products\n{\n  "name": "Shipping (BigCommerce)"')
    assert untracked.startswith("PUT /products/(new product BC-SHIPPING)\n")
    head, _, body = sale.partition("\n")
    assert head == "POST /sales  (order 100)"
    assert json.loads(body)["line_items"][1]["product"]["id"] == "(new product BC-SHIPPING)"
    # Amounts are numbers with all their digits, as they are sent.
    assert '"price": 12.50000,' in body


def test_a_dry_run_with_json_shows_bodies_on_request(desk: Desk) -> None:
    desk.order(fields={"total_inc_tax": "1.0000"})
    asked = ("run-once", "--dry-run", "--order", "100", "--order", "103")

    plain, told = desk.run("--json", *asked).json, desk.run("--json", *asked, "--bodies").json

    assert (plain.get("requests"), plain["stock"], plain["money"]) == (None, {"MUG": -1}, "19.98")
    assert [(write["order"], write["action"]) for write in plain["writes"]] == [(100, "create sale, closed")]
    assert plain["products"] == [{"code": "BC-SHIPPING", "name": "Shipping (BigCommerce)", "opening_stock": None}]
    assert plain["set_aside"][0]["money"] == {
        "adds_up": False,
        "order_total": "1.00",
        "order_tax": "1.48",
        "parts_total": "19.98",
        "parts_tax": "1.48",
        "difference": "-18.98",
        "in": "total",
        "look_at": [],
    }
    assert [(one["method"], one["path"]) for one in told["requests"]][-1] == ("POST", "/sales")
    assert told["requests"][-1]["body"]["payments"][0]["amount"] == 19.98


def test_a_dry_run_tries_the_settings_out_although_there_is_nothing_to_write(desk: Desk) -> None:
    desk.write_config(('start = "2000-01-01T00:00:00Z"', 'start = "now"'), ('register = "Online"', 'register = "Web"'))

    said = desk.run("run-once", "--dry-run")

    assert said.code == 78
    assert 'the POS has no register "Web"' in said.err


def test_a_dry_run_before_the_start_says_why_older_orders_are_missing(desk: Desk) -> None:
    desk.write_config(('start = "2000-01-01T00:00:00Z"', 'start = "now"'))

    said = desk.run("run-once", "--dry-run")

    assert (said.code, said.out) == (0, "Nothing would be written.\n")
    assert "orders placed before it are left alone" in said.err
    assert "name it with --order" in said.err


def test_a_dry_run_after_a_run_has_nothing_to_show(desk: Desk) -> None:
    desk.run("run-once")

    said = desk.run("run-once", "--dry-run")

    assert (said.code, said.out, said.err) == (0, "Nothing would be written.\n", "")


def test_the_ledger_says_what_was_written(desk: Desk) -> None:
    desk.run("run-once")

    assert {row.applied.state for row in desk.ledger().values()} == {AppliedState.PAID}


# --- in the foreground -----------------------------------------------------------------------------------------------


def test_the_loop_leaves_the_signals_of_its_caller_as_they_were(desk: Desk) -> None:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    desk.world.after.append(lambda request: request.is_write and os.kill(os.getpid(), signal.SIGTERM))

    said = desk.run("run")

    assert said.code == 0
    assert "stopping after what is in flight" in said.err
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_loop_whose_settings_are_wrong_ends(desk: Desk) -> None:
    desk.write_config(('user = "online"', 'user = "nobody"'))

    said = desk.run("run")

    assert said.code == 78
    assert 'the POS has no user "nobody"' in said.err


@pytest.mark.parametrize("width", [60, 200])
def test_on_a_terminal_the_line_is_folded_between_words(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))

    lines = desk.run("run-once").out.splitlines()

    assert len(lines) == (1 if width > 100 else 2)
    assert max(map(len, lines)) <= width
    assert " ".join(lines).endswith("requests to BigCommerce and the POS)")


@pytest.mark.parametrize(
    ("hours", "told"),
    [(26, "clock is 1560 minutes behind BigCommerce's"), (-26, "clock is 1560 minutes ahead of BigCommerce's")],
    ids=["behind", "ahead"],
)
def test_a_host_whose_clock_is_far_off_is_told_so_and_syncs_all_the_same(desk: Desk, hours: int, told: str) -> None:
    desk.world.set_clock(lambda: utc_now() + timedelta(hours=hours, seconds=20 if hours > 0 else -20))

    said = desk.run("run-once")

    assert said.code == 0
    assert told in said.err
    assert "3 sales written" in said.out


# --- what reads the lines --------------------------------------------------------------------------------------------


def refused(desk: Desk) -> None:
    desk.world.tokens.store = "another"


def closed(desk: Desk) -> None:
    desk.world.pos.open_register("Online", is_open=False)


@pytest.mark.parametrize(("harm", "code", "priority"), [(refused, 77, 3), (closed, 75, 4)])
def test_in_the_journal_what_ended_a_run_has_its_priority_and_the_runs_id(
    desk: Desk, harm: Callable[[Desk], None], code: int, priority: int
) -> None:
    desk.run("run-once")
    desk.order()
    harm(desk)

    said = desk.run("--log-format", "journal", "run-once")

    assert said.code == code
    what, remedy = said.err.splitlines()[-2:]
    assert what.startswith(f"<{priority}>[2] ")
    assert remedy.startswith(f"<{priority}> ")
    assert all(line[0] == "<" for line in said.err.splitlines())


def test_every_line_of_a_run_is_json_to_what_reads_json(desk: Desk) -> None:
    wrong = desk.order(fields={"total_inc_tax": "1.0000"})
    desk.config.chmod(0o644)
    through = desk.run("--log-format", "json", "-vv", "run-once")
    refused(desk)
    stopped = desk.run("--log-format", "json", "run-once")

    lines = [json.loads(line) for line in (through.err + stopped.err).splitlines()]
    assert (through.code, stopped.code) == (3, 77)
    assert {"time", "level", "run", "order", "message"} <= set.intersection(*(set(line) for line in lines))
    assert {line["order"] for line in lines if line["level"] == "warning"} == {None, wrong}
    assert (lines[-1]["level"], lines[-1]["run"]) == ("error", "2")
    assert lines[-1]["message"].startswith("BigCommerce refused the token (401)")
