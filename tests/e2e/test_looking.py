"""`bcpoll status` and `bcpoll review`: what is told from the checkpoint alone, and what a person may say to it."""

import re

import pytest
from program import Desk

from bcpoll.core.rejected import REASONS, Reason
from bcpoll.sandbox.refunds import Refund

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


@pytest.mark.parametrize("command", [["status"], ["review", "list"], ["review", "show", "1"], ["review", "retry", "1"]])
def test_without_a_checkpoint_it_is_said_how_there_comes_to_be_one(desk: Desk, command: list[str]) -> None:
    said = desk.run(*command)

    assert (said.code, said.out) == (74, "")
    assert f"There is no checkpoint at {desk.checkpoint}" in said.err
    assert "Correct [checkpoint] path in the settings; the first run creates the file." in said.err
    assert not desk.checkpoint.exists()


# --- review ----------------------------------------------------------------------------------------------------------


def test_review_list_gives_each_order_with_the_reason_both_sums_and_what_to_do(looked_at: Desk) -> None:
    said = looked_at.run("review", "list")

    title, heading, first, second, _, *hints = said.out.splitlines()
    assert (said.code, title, heading.split()) == (
        0,
        "Set aside",
        ["id", "order", "reason", "since", "next", "try", "detail"],
    )
    assert first.startswith(" 1    103  totals differ     20")
    assert "waits for you  order total 1.00 (tax 1.48), parts add up to 19.98 (tax 1.48)" in first
    assert second.startswith(" 2    104  foreign currency  20")
    assert second.endswith("order total 19.98 EUR, the POS keeps USD")
    assert hints == [f"{reason}: {REASONS[reason].hint}" for reason in (Reason.TOTALS_DIFFER, Reason.FOREIGN_CURRENCY)]


def test_review_list_as_json(looked_at: Desk) -> None:
    told = looked_at.run("--json", "review", "list").json["review"]

    assert [(item["id"], item["order"], item["reason"], item["state"]) for item in told] == [
        (1, 103, "totals differ", "open"),
        (2, 104, "foreign currency", "open"),
    ]
    assert {(item["next_try"], item["note"]) for item in told} == {(None, "")}
    assert told[0]["since"].endswith("Z")
    assert told[0]["hint"] == REASONS[Reason.TOTALS_DIFFER].hint


def test_review_list_where_nothing_is_set_aside(desk: Desk) -> None:
    desk.run("run-once")

    assert desk.run("review", "list").out == "Nothing is set aside.\n"
    assert desk.run("--json", "review", "list").json == {"review": []}


def test_review_show_gives_the_payload(looked_at: Desk) -> None:
    said = looked_at.run("review", "show", "2")

    assert said.code == 0
    assert said.out.startswith("Review 2\norder        104\nreason       foreign currency\n")
    assert f"what to do   {REASONS[Reason.FOREIGN_CURRENCY].hint}\n" in said.out
    assert '"default_currency_code": "EUR"' in said.out
    assert '"total_inc_tax": "19.9800"' in said.out


def test_review_show_as_json(looked_at: Desk) -> None:
    told = looked_at.run("--json", "review", "show", "2").json

    assert (told["order"], told["payload"]["id"], told["payload"]["currency_code"]) == (104, 104, "EUR")


def test_review_retry_tries_the_newest_version_with_the_next_pass(looked_at: Desk) -> None:
    said = looked_at.run("review", "retry", "1")
    assert (said.code, said.out) == (0, "1 will be tried again by the next pass (bcpoll run-once).\n")

    looked_at.world.before.clear()
    looked_at.world.store.overwrite(103, {"total_inc_tax": "19.9800"})
    after = looked_at.run("run-once")

    assert after.code == 0
    assert after.out.startswith("1 sale written")
    assert "1 waiting in review" in after.out
    assert len(looked_at.pos().sales["103"]) == 1


def test_review_retry_all(looked_at: Desk) -> None:
    assert looked_at.run("--json", "review", "retry", "--all").json == {"retried": 2}


def test_a_retry_that_fails_again_is_no_news(looked_at: Desk) -> None:
    looked_at.run("review", "retry", "--all")
    looked_at.world.before.clear()

    assert looked_at.run("run-once").code == 0


def test_review_dismiss_keeps_the_reason(looked_at: Desk) -> None:
    said = looked_at.run("review", "dismiss", "2", "--reason", "entered by hand")

    assert (said.code, said.out) == (0, "Dismissed 2.\n")
    assert "104" not in looked_at.run("review", "list").out
    everything = looked_at.run("review", "list", "--all").out
    assert " 2    104  dismissed  foreign currency" in everything
    assert "state        dismissed: entered by hand" in looked_at.run("review", "show", "2").out
    assert looked_at.run("--json", "status").json["set_aside"] == {"totals differ": 1}


def test_review_dismiss_as_json(looked_at: Desk) -> None:
    assert looked_at.run("--json", "review", "dismiss", "1", "--reason", "a test").json == {"dismissed": 1}


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
        (["retry"], "Name the ids to retry (bcpoll review list), or say --all."),
        (["retry", "1", "--all"], "Name the ids to retry (bcpoll review list), or say --all."),
        (["dismiss", "1"], "Missing option '--reason'."),
        (["show", "first"], "'first' is not a valid integer."),
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

    for command in (["review", "list"], ["review", "list", "--all"], ["status"]):
        said = looked_at.run(*command)
        assert [line for line in plain(said.out) if len(line) > width and str(looked_at.folder) not in line] == []


def test_in_a_narrow_terminal_a_long_text_stands_under_its_row(
    looked_at: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda console: True))
    monkeypatch.setenv("COLUMNS", "80")

    lines = plain(looked_at.run("review", "list").out)

    assert lines[1] == "id  order  reason            since                 next try"
    assert lines[3] == "    order total 1.00 (tax 1.48), parts add up to 19.98 (tax 1.48), difference"


def test_what_a_shopper_typed_cannot_steer_the_terminal(desk: Desk) -> None:
    wrong = desk.order(message="\x1b[2Jgone \x9b31m")
    desk.world.store.overwrite(wrong, {"default_currency_code": "E\x1b[1mUR"})
    desk.run("run-once")

    said = desk.run("review", "list").out + desk.run("review", "show", "1").out

    assert '"customer_message": "\\u001b[2Jgone \\x9b31m"' in said
    assert [letter for letter in said if letter != "\n" and not letter.isprintable()] == []


def plain(text: str) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in text.splitlines()]
