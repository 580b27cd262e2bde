"""`bcpoll status` and `bcpoll review`: what is told from the checkpoint alone, and what a person may say to it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from program import ADA, LONGEST, Desk, command, environment, small_world, start

from bcpoll.checkpoint import POLL, Checkpoint, RunOutcome
from bcpoll.cli.wiring import now
from bcpoll.core.personal import HIDDEN
from bcpoll.core.rejected import REASONS, Reason, Rejected
from bcpoll.sandbox.drafts import Draft
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.refunds import Refund
from bcpoll.sandbox.world import World

# Each test starts the program: run_once, processes and demo show in the quick part that the command line works.
pytestmark = pytest.mark.slow


@pytest.fixture
def looked_at(desk: Desk) -> Desk:
    """After a run that set two orders aside: 103 has a wrong total, 104 another currency. Nothing may ask further."""
    desk.order(fields={"total_inc_tax": "1.0000"})
    desk.order(currency="EUR")
    assert desk.run("run-once").code == 3
    desk.world.log.clear()
    desk.world.before.append(asked_for_nothing)
    return desk


def asked_for_nothing(request: object) -> None:
    raise AssertionError(f"{request} was asked for")


# --- status ----------------------------------------------------------------------------------------------------------


def test_status_says_where_the_sync_stands(looked_at: Desk) -> None:
    said = looked_at.run("status")

    lines = said.out.splitlines()
    assert (said.code, said.err) == (0, "")
    assert lines[0] == "Status"
    assert lines[1].startswith(f"checkpoint      {looked_at.checkpoint} (")
    assert "start           2000-01-01 00:00:00 UTC; older orders are left alone" in lines
    assert any(line.startswith("cursor          2025-06-01 09:04:00 UTC (") for line in lines)
    assert any(line.startswith("last success  ") and line.endswith("(just now)") for line in lines)
    assert "orders          2 without a sale, 3 paid" in lines
    assert "set aside       1 foreign currency, 1 totals differ (bcpoll review list)" in lines
    assert "unclear writes  none" in lines
    assert lines[-1].endswith("set aside  3 sales written, 1 product created, 2 set aside")


def test_status_as_json(looked_at: Desk) -> None:
    told = looked_at.run("--json", "status").json

    assert (told["start"], told["cursor"]) == ("2000-01-01T00:00:00Z", "2025-06-01T09:04:00Z")
    assert told["last_success"].endswith("Z")
    assert {name: count for name, count in told["orders"].items() if count} == {"nothing": 2, "paid": 3}
    assert told["set_aside"] == {"foreign currency": 1, "totals differ": 1}
    assert told["unsettled_intents"] == 0
    assert [run["outcome"] for run in told["runs"]] == ["set_aside"]
    assert told["runs"][0]["counts"]["created"] == 3


def test_status_counts_refunds(desk: Desk) -> None:
    desk.run("run-once")
    desk.world.store.refund(100, Refund(lines={0: 1}))
    desk.world.store.refund(101, Refund(lines={0: 1}, declined=True))

    ran, told = desk.run("run-once"), desk.run("status")

    assert "1 refund booked, 1 declined refund left out" in ran.out
    assert "refunds         1 booked, 1 declined" in told.out
    assert desk.run("--json", "status").json["refunds"] == {"booked": 1, "declined": 1}


def test_status_before_the_first_success(desk: Desk) -> None:
    desk.world.tokens.store = "another"
    desk.run("run-once")

    text, told = desk.run("status"), desk.run("--json", "status").json

    assert "last success    never" in text.out
    assert "orders          none yet" in text.out
    assert "set aside       none" in text.out
    assert "failed   nothing to do; BigCommerce refused the token (401)" in text.out
    assert (told["cursor"], told["last_success"], told["set_aside"]) == (None, None, {})


def test_status_before_the_first_pass_got_anywhere_says_what_fixes_the_start(desk: Desk) -> None:
    desk.world.tokens.store = "another"
    desk.run("run-once")

    assert "start           fixed by the first pass" in desk.run("status").out


def test_status_tells_lag_orders_of_both_sides_budgets_and_the_fortnight(desk: Desk) -> None:
    place_at(desk, now())
    desk.run("run-once")

    said, told = desk.run("status"), desk.run("--json", "status").json

    lines = said.out.splitlines()
    assert any(re.fullmatch(r"lag             \d+ s behind BigCommerce", line) for line in lines)
    assert any(re.fullmatch(r"last 14 days    ▁{13}█ 0 to 1 orders a day", line) for line in lines)
    assert any(re.fullmatch(r"today +1 +\d+\.\d\d +1 +\d+\.\d\d", line) for line in lines)
    assert "next run        not known yet" in lines
    assert told["today"]["orders"] == told["today"]["sales"] == told["last_14_days"]["sales"] == 1
    assert told["today"]["ordered"] == told["today"]["sold"] != "0.00"
    assert [day["orders"] for day in told["days"]] == [0] * 13 + [1]
    assert told["lag_seconds"] < 60


def place_at(desk: Desk, at: datetime) -> None:
    items = (desk.world.store.item("MUG", 1),)
    desk.world.store.place(Draft(items=items, shopper=ADA), at=at)


def test_status_says_when_the_next_run_is_late(desk: Desk) -> None:
    desk.run("run-once")
    with Checkpoint.open(desk.checkpoint, now=now()) as checkpoint:
        for minutes in (60, 55, 50, 45):
            run_id = checkpoint.begin_run(POLL, now() - timedelta(minutes=minutes))
            checkpoint.end_run(run_id, now(), RunOutcome.DONE, {})
        checkpoint._write("UPDATE ledger SET run_id = NULL")
        checkpoint._write("UPDATE intents SET run_id = NULL")
        checkpoint._write("DELETE FROM runs WHERE id = 1")

    said = desk.run("status")

    assert "next run        late: expected " in said.out
    assert "about every 5 min; see whether bcpoll run, cron or the timer still runs" in said.out
    assert desk.run("--json", "status").json["next_run"]["is_late"] is True


def test_status_tells_when_bcpoll_run_comes_next_for_as_long_as_it_runs(desk: Desk) -> None:
    with start("--config", str(desk.config), "run", folder=desk.folder) as process:
        process.says("sales written")
        during = desk.run("status").out
        process.signal(signal.SIGTERM)
        assert process.ends().code == 0

    assert re.search(r"^next run        \d{4}-.* UTC, by bcpoll run$", during, re.MULTILINE)
    assert "by bcpoll run" not in desk.run("status").out


def test_watching_needs_a_terminal(desk: Desk) -> None:
    desk.run("run-once")

    assert desk.run("status", "--watch").code == 2
    assert "--watch shows a page on a terminal" in desk.run("--json", "status", "--watch").err


def test_watching_shows_news_and_leaves_cleanly_on_ctrl_c(desk: Desk) -> None:
    desk.run("run-once")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        command("--config", str(desk.config), "status", "--watch"),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment(TERM="xterm"),
    )
    os.close(theirs)
    try:
        shown = read_until(ours, "3 paid")
        desk.order()
        desk.run("run-once")
        shown += read_until(ours, "4 paid")
        process.send_signal(signal.SIGINT)
        shown += read_until(ours, "\x1b[?1049l")
        assert process.wait(LONGEST) == 0
    finally:
        process.kill()
        _, complaints = process.communicate()
        os.close(ours)

    # It showed its page on a screen of its own, and gave the terminal back as it was, the cursor included.
    assert "\x1b[?1049h" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert complaints == b""


def read_until(handle: int, words: str) -> str:
    shown = ""
    while words not in shown:
        ready, _, _ = select.select([handle], [], [], LONGEST)
        assert ready, f"never showed {words!r}, but {shown!r}"
        shown += os.read(handle, 65536).decode()
    return shown


@pytest.mark.parametrize("command", [["status"], ["review", "list"], ["review", "show", "1"], ["review", "retry", "1"]])
def test_without_a_checkpoint_it_is_said_how_there_comes_to_be_one(desk: Desk, command: list[str]) -> None:
    said = desk.run(*command)

    assert (said.code, said.out) == (74, "")
    assert f"There is no checkpoint at {desk.checkpoint}" in said.err
    assert "The first run makes it: bcpoll run-once." in said.err
    assert not desk.checkpoint.exists()


# --- review ----------------------------------------------------------------------------------------------------------


def test_review_list_groups_by_reason_with_both_sums_the_cause_and_what_to_do(looked_at: Desk) -> None:
    said = looked_at.run("review", "list")

    lines = said.out.splitlines()
    assert (said.code, lines[0]) == (0, "totals differ (1)")
    assert lines[1].split() == ["id", "order", "since", "next", "try", "detail"]
    assert lines[2].startswith(" 1    103  20")
    assert "waits for you  order total 1.00 (tax 1.48), parts add up to 19.98 (tax 1.48)" in lines[2]
    assert lines[3:6] == [REASONS[Reason.TOTALS_DIFFER].hint, "", "foreign currency (1)"]
    assert lines[7].startswith(" 2    104  20")
    assert lines[7].endswith("order total 19.98 EUR, the POS keeps USD")
    assert lines[8:] == [REASONS[Reason.FOREIGN_CURRENCY].hint]


def test_review_list_as_json(looked_at: Desk) -> None:
    told = looked_at.run("--json", "review", "list").json

    items = told["review"]
    assert [(item["id"], item["order"], item["reason"], item["state"]) for item in items] == [
        (1, 103, "totals differ", "open"),
        (2, 104, "foreign currency", "open"),
    ]
    assert {(item["next_try"], item["note"]) for item in items} == {(None, "")}
    assert items[0]["since"].endswith("Z")
    assert items[0]["hint"] == REASONS[Reason.TOTALS_DIFFER].hint
    assert [(one["reason"], one["count"], one["remedy"]) for one in told["reasons"]] == [
        (reason, 1, REASONS[reason].remedy) for reason in (Reason.TOTALS_DIFFER, Reason.FOREIGN_CURRENCY)
    ]


def test_review_list_of_one_reason(looked_at: Desk) -> None:
    told = looked_at.run("--json", "review", "list", "--for", "Foreign-Currency").json

    assert [item["order"] for item in told["review"]] == [104]


def test_review_list_where_nothing_is_set_aside(desk: Desk) -> None:
    desk.run("run-once")

    assert desk.run("review", "list").out == "Nothing is set aside.\n"
    assert desk.run("--json", "review", "list").json == {"reasons": [], "review": []}


def test_review_show_gives_cause_remedy_and_payload_but_nobodys_name(looked_at: Desk) -> None:
    said = looked_at.run("review", "show", "2")

    assert said.code == 0
    assert said.out.startswith("Review 2\norder        104\nreason       foreign currency\n")
    assert f"cause        {REASONS[Reason.FOREIGN_CURRENCY].cause}\n" in said.out
    assert f"what to do   {REASONS[Reason.FOREIGN_CURRENCY].remedy}\n" in said.out
    assert '"default_currency_code": "EUR"' in said.out
    assert '"total_inc_tax": "19.9800"' in said.out
    assert "What was sent to the POS" not in said.out
    assert [word for word in ("Ada", "Teacup", "ada@example.com") if word in said.out] == []


def test_review_show_gives_names_to_whoever_asks_for_them(looked_at: Desk) -> None:
    said = looked_at.run("review", "show", "2", "--personal")

    assert '"first_name": "Ada"' in said.out
    assert '"email": "ada@example.com"' in said.out


def test_review_show_as_json(looked_at: Desk) -> None:
    told = looked_at.run("--json", "review", "show", "2").json

    assert (told["order"], told["payload"]["id"], told["payload"]["currency_code"]) == (104, 104, "EUR")
    assert told["payload"]["billing_address"]["email"] == HIDDEN
    assert told["sent"] is None


def test_review_show_gives_what_the_pos_refused_as_well(open_desk: Callable[[World], Desk]) -> None:
    desk = open_desk(small_world())
    desk.world.switch(negative_stock="refused")
    refused = desk.order(quantity=1000, message="Ring twice, Basil")
    desk.run("run-once")
    (item,) = desk.run("--json", "review", "list").json["review"]
    assert (item["order"], item["reason"]) == (refused, "refused by the POS")

    said = desk.run("review", "show", str(item["id"]))

    assert "What was sent to the POS last (20" in said.out
    assert "UTC, sale: refused)" in said.out
    assert '"is_price_override": true' in said.out
    assert "Basil" not in said.out
    assert "Basil" in desk.run("review", "show", str(item["id"]), "--personal").out


def test_review_retry_says_at_once_what_it_did(looked_at: Desk) -> None:
    looked_at.world.before.clear()
    looked_at.world.store.overwrite(103, {"total_inc_tax": "19.9800"})

    said = looked_at.run("review", "retry", "1", "2")

    lines = said.out.splitlines()
    assert (said.code, lines[0]) == (3, "Tried again")
    assert re.fullmatch(r" 1    103  went through: sale [0-9a-f-]{36}, paid", lines[2])
    assert lines[3] == " 2    104  set aside again: foreign currency: order total 19.98 EUR, the POS keeps USD"
    assert len(looked_at.pos().sales["103"]) == 1
    assert looked_at.run("run-once").code == 0


def test_review_retry_all_as_json(looked_at: Desk) -> None:
    looked_at.world.before.clear()

    told = looked_at.run("--json", "review", "retry", "--all").json

    assert told["retried"] == 2
    assert [(one["order"], one["outcome"]) for one in told["results"]] == [
        (103, "set aside again"),
        (104, "set aside again"),
    ]


def test_review_retry_by_reason(looked_at: Desk) -> None:
    looked_at.world.before.clear()
    looked_at.world.store.overwrite(104, {"currency_code": "USD", "default_currency_code": "USD"})

    said = looked_at.run("review", "retry", "--for", "foreign currency")

    assert said.code == 0
    assert "104  went through" in said.out
    assert "103" not in said.out


def test_review_retry_looks_at_no_other_order(looked_at: Desk) -> None:
    looked_at.world.before.clear()
    looked_at.order()

    looked_at.run("review", "retry", "1")

    assert "105" not in looked_at.pos().sales
    assert looked_at.run("--json", "status").json["runs"][0]["kind"] == "orders"


def test_a_retry_that_cannot_reach_the_store_is_left_to_the_next_pass(looked_at: Desk, no_waiting: list[float]) -> None:
    looked_at.world.before.clear()
    looked_at.world.store.overwrite(103, {"total_inc_tax": "19.9800"})
    looked_at.world.faults.on(Fault.ERROR_503, lambda one: one.side == "store", times=99)

    said = looked_at.run("review", "retry", "1")
    looked_at.world.faults.clear()

    assert (said.code, said.out) == (69, "")
    assert "What was not tried yet is tried again by the next pass." in said.err
    assert looked_at.run("run-once").out.startswith("1 sale written")


def test_review_retry_later_leaves_it_to_the_next_pass(looked_at: Desk) -> None:
    said = looked_at.run("review", "retry", "1", "--later")
    assert (said.code, said.out) == (0, "1 will be tried again by the next pass (bcpoll run-once).\n")

    looked_at.world.before.clear()
    looked_at.world.store.overwrite(103, {"total_inc_tax": "19.9800"})
    after = looked_at.run("run-once")

    assert after.code == 0
    assert after.out.startswith("1 sale written")
    assert "1 waiting in review" in after.out
    assert len(looked_at.pos().sales["103"]) == 1


def test_a_retry_that_fails_again_is_no_news(looked_at: Desk) -> None:
    looked_at.run("review", "retry", "--all", "--later")
    looked_at.world.before.clear()

    assert looked_at.run("run-once").code == 0


def test_what_came_without_an_id_cannot_be_tried_again(looked_at: Desk) -> None:
    looked_at.world.before.clear()
    unreadable = Rejected(order_id=0, reason=Reason.MISSING_MEMBER, field="id", detail="is missing")
    with Checkpoint.open(looked_at.checkpoint, now=now()) as checkpoint:
        checkpoint.set_aside(unreadable, {}, fingerprint="f", now=now())

    said = looked_at.run("review", "retry", "3")

    assert said.code == 3
    assert "not tried: it came without an id by which it could be read again" in said.out


def test_review_dismiss_keeps_the_reason(looked_at: Desk) -> None:
    said = looked_at.run("review", "dismiss", "2", "--reason", "entered by hand")

    assert (said.code, said.out) == (0, "Dismissed 2.\n")
    assert "104" not in looked_at.run("review", "list").out
    everything = looked_at.run("review", "list", "--all").out
    assert re.search(r"^ 2    104  dismissed  20", everything, re.MULTILINE)
    assert "state        dismissed: entered by hand" in looked_at.run("review", "show", "2").out
    assert looked_at.run("--json", "status").json["set_aside"] == {"totals differ": 1}


def test_review_dismiss_as_json(looked_at: Desk) -> None:
    assert looked_at.run("--json", "review", "dismiss", "1", "--reason", "a test").json == {"dismissed": [1]}


def test_review_dismiss_several_and_by_reason(looked_at: Desk) -> None:
    assert looked_at.run("review", "dismiss", "--for", "totals differ", "--reason", "a test").out == "Dismissed 1.\n"
    assert (
        looked_at.run("review", "dismiss", "--for", "totals differ", "--reason", "x").out == "Nothing is set aside.\n"
    )
    assert looked_at.run("review", "retry", "1", "--later").code == 0
    assert looked_at.run("review", "dismiss", "1", "2", "--reason", "both").out == "Dismissed 1, 2.\n"
    assert looked_at.run("review", "list").out == "Nothing is set aside.\n"


def test_of_several_that_are_to_be_dismissed_all_are_or_none(looked_at: Desk) -> None:
    assert looked_at.run("review", "dismiss", "1", "99", "--reason", "x").code == 2

    assert len(looked_at.run("--json", "review", "list").json["review"]) == 2


def test_what_was_dismissed_comes_back_when_the_order_changes(looked_at: Desk) -> None:
    looked_at.run("review", "dismiss", "2", "--reason", "entered by hand")
    looked_at.world.before.clear()
    looked_at.world.store.overwrite(104, {"staff_notes": "changed"})

    assert looked_at.run("run-once").code == 3
    assert "104" in looked_at.run("review", "list").out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "99"], "There is no item 99; see `bcpoll review list --all`."),
        (["retry", "1", "99"], "There is no item 99; see `bcpoll review list --all`."),
        (["dismiss", "99", "--reason", "x"], "There is no open item 99; see `bcpoll review list --all`."),
        (["retry"], "Name the ids to retry (bcpoll review list), or say --all, or --for and a reason."),
        (["retry", "1", "--all"], "Name the ids to retry (bcpoll review list), or say --all, or --for and a reason."),
        (["retry", "--for", "total differs"], "Did you mean 'totals differ'?"),
        (["list", "--for", "rain"], "They stand in the titles of bcpoll review list."),
        (["dismiss", "--reason", "x"], "Name the ids to dismiss (bcpoll review list), or say --for and a reason."),
        (["dismiss", "1"], "Missing option '--reason'."),
        (["show", "first"], "'first' is not the id of an item. They stand in bcpoll review list."),
        (["retry", "9" * 30], "is not the id of an item."),
    ],
)
def test_a_wrong_id_is_a_usage_error_that_says_where_to_look(looked_at: Desk, arguments: list[str], told: str) -> None:
    said = looked_at.run("review", *arguments)

    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert len(looked_at.run("--json", "review", "list").json["review"]) == 2


# --- how it looks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [74, 80, 100, 132, 200])
def test_no_line_is_wider_than_the_terminal(looked_at: Desk, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda console: True))
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")

    for asked in (["review", "list"], ["review", "list", "--all"], ["status"]):
        said = looked_at.run(*asked)
        assert [line for line in plain(said.out) if len(line) > width and str(looked_at.folder) not in line] == []


@pytest.mark.parametrize("width", [32, 40, 60, 80])
def test_no_figure_of_the_status_is_broken_in_a_narrow_terminal(
    looked_at: Desk, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    place_at(looked_at, now())
    looked_at.world.before.clear()
    looked_at.run("run-once")
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda console: True))
    monkeypatch.setenv("COLUMNS", str(width))

    lines = plain(looked_at.run("status").out)

    today = " ".join(lines[next(number for number, line in enumerate(lines) if line.startswith("today")) :][:2])
    assert re.findall(r"\d+\.\d\d\b", today)[:2] == ["13.50", "13.50"]
    assert [line for line in lines if len(line) > width] == []


def test_in_a_narrow_terminal_a_long_text_stands_under_its_row(
    looked_at: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda console: True))
    monkeypatch.setenv("COLUMNS", "80")

    lines = plain(looked_at.run("review", "list").out)

    assert lines[1] == "id  order  since                 next try"
    assert lines[3] == "    order total 1.00 (tax 1.48), parts add up to 19.98 (tax 1.48), difference"


def test_what_a_shopper_typed_cannot_steer_the_terminal(desk: Desk) -> None:
    wrong = desk.order(message="\x1b[2Jgone \x9b31m")
    desk.world.store.overwrite(wrong, {"default_currency_code": "E\x1b[1mUR"})
    desk.run("run-once")

    said = desk.run("review", "list").out + desk.run("review", "show", "1", "--personal").out

    assert '"customer_message": "\\u001b[2Jgone \\x9b31m"' in said
    assert [letter for letter in said if letter != "\n" and not letter.isprintable()] == []


def plain(text: str) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in text.splitlines()]
