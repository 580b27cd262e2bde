"""Whatever is wrong: the thing is named with its remedy, the exit code fits, and nothing is written."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from program import Desk, Said, small_world

from bcpoll.checkpoint import Checkpoint
from bcpoll.cli import run
from bcpoll.cli.wiring import now
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.world import World

# Each test starts the program: run_once, processes and demo show in the quick part that the command line works.
pytestmark = pytest.mark.slow


def refused(desk: Desk, code: int, *told: str) -> Said:
    """A run that ends with this code, says all of this, and writes nothing to the POS."""
    before = desk.pos()
    said = desk.run("run-once")
    assert (said.code, said.out) == (code, "")
    for words in told:
        assert words in said.err
    assert desk.pos() == before
    assert desk.writes() == 0
    return said


# --- settings (78) ---------------------------------------------------------------------------------------------------


def test_a_settings_file_that_is_missing(desk: Desk) -> None:
    desk.config.unlink()

    refused(desk, 78, f"{desk.config} has 1 problem", "there is no such file", "Make one with bcpoll init")


def test_no_settings_file_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        code = run(["run-once"])

    assert code == 78
    assert "or name your file with --config" in capsys.readouterr().err


def test_all_problems_of_the_settings_are_listed_at_once(desk: Desk) -> None:
    desk.write_config(
        ('register = "Online"\n', ""),
        ('start = "2000-01-01T00:00:00Z"', 'intervall = "5m"\noverlap = "soon"'),
        ('domain_prefix = "sandbox"', 'domain_prefix = "sandbox.retail.lightspeed.app"'),
    )

    said = refused(
        desk,
        78,
        "config.toml has 4 problems:",
        "[pos] register: is missing. Write the name of the register that web sales are booked on.",
        "[sync] intervall: is not a key of this section. Did you mean interval?",
        '[sync] overlap: "soon" is not a length of time.',
        'Write only its first part: "sandbox".',
    )
    assert said.err.count("\n") == 5
    assert len(desk.world.log) == 0


def test_with_json_an_error_is_an_object_on_stdout(desk: Desk) -> None:
    desk.write_config(('register = "Online"\n', ""))

    said = desk.run("--json", "run-once")

    assert said.code == 78
    assert said.json["exit_code"] == 78
    assert "[pos] register: is missing" in said.json["error"]


@pytest.mark.parametrize(
    ("before", "after", "key", "wrong", "known"),
    [
        ('register = "Online"', 'register = "Onlin"', "[pos] register", 'no register "Onlin"', '"Main Register"'),
        ('user = "online"', 'user = "nobody"', "[pos] user", 'no user "nobody"', '"counter", "online"'),
        (
            'default = "Online - Card"',
            'default = "Cheque"',
            "[payments] default",
            'no payment type "Cheque"',
            '"Bank transfer", "Cash"',
        ),
    ],
    ids=["register", "user", "payment type"],
)
def test_a_name_that_the_pos_does_not_know(
    desk: Desk, before: str, after: str, key: str, wrong: str, known: str
) -> None:
    desk.write_config((before, after))

    refused(desk, 78, f"{key}: the POS has {wrong}", known)


def test_all_names_that_the_pos_does_not_know_at_once(desk: Desk) -> None:
    desk.write_config(('register = "Online"', 'register = "Onlin"'), ('default = "Online - Card"', 'default = "Card"'))

    refused(desk, 78, "2 problems", 'Did you mean "Online"?', 'no payment type "Card"')


def test_plain_http_to_another_machine(desk: Desk) -> None:
    desk.write_config((f'access_token = "pos-token"\napi_url = "{desk.url}"', 'api_url = "http://pos.example.com"'))

    refused(desk, 78, '[pos] api_url: "http://pos.example.com" would send the token unencrypted', "Write https://")


def test_settings_that_others_can_read_are_warned_of_with_the_command_that_closes_them(desk: Desk) -> None:
    desk.config.chmod(0o644)

    said = desk.run("run-once")

    assert said.code == 0
    assert f"every user of this machine can read it; run: chmod o-rwx {desk.config}" in said.err


# --- the other side (69, 77, 75) -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("store-token", ("BigCommerce cannot be reached at 127.0.0.1:1", "[bigcommerce] api_url")),
        ("pos-token", ("Lightspeed cannot be reached at 127.0.0.1:1", "[pos] domain_prefix")),
    ],
    ids=["store", "pos"],
)
def test_a_host_that_cannot_be_reached(desk: Desk, no_waiting: list[float], token: str, told: tuple[str, str]) -> None:
    here, nowhere = (f'access_token = "{token}"\napi_url = "{url}"' for url in (desk.url, "http://127.0.0.1:1"))
    desk.write_config((here, nowhere))

    refused(desk, 69, "Connection refused", "Check the network", *told)

    assert len(no_waiting) == 4


def test_a_wrong_token_for_the_store(desk: Desk) -> None:
    desk.world.tokens.store = "another"

    refused(desk, 77, "BigCommerce refused the token (401)", "Put a valid token into [bigcommerce] access_token.")


def test_a_wrong_token_for_the_pos(desk: Desk) -> None:
    desk.world.tokens.pos = "another"

    refused(desk, 77, "Lightspeed refused the token (401)", "Put a valid token into [pos] access_token.")


def test_a_scope_that_the_store_token_lacks(desk: Desk) -> None:
    desk.world.store_scopes -= {"store_v2_orders_read_only"}

    refused(
        desk, 77, "BigCommerce does not allow", "lacks the scope store_v2_orders_read_only", "Make a new API account"
    )


@pytest.mark.parametrize("scope", ["registers:read", "products:read", "sales:write"])
def test_a_scope_that_the_pos_token_lacks(desk: Desk, scope: str) -> None:
    desk.world.pos_scopes -= {scope}
    before = desk.pos().sales

    said = desk.run("run-once")

    assert said.code == 77
    assert f"lacks the scope {scope}" in said.err
    assert desk.pos().sales == before


def test_after_a_refusal_a_run_with_the_right_token_completes(desk: Desk) -> None:
    desk.world.pos_scopes -= {"sales:write"}
    desk.run("run-once")
    desk.world.pos_scopes |= {"sales:write"}

    said = desk.run("run-once")

    assert said.code == 0
    assert sorted(desk.pos().sales) == ["100", "101", "102"]


def test_a_closed_register_makes_the_orders_wait(desk: Desk) -> None:
    desk.world.pos.open_register("Online", is_open=False)

    said = desk.run("run-once")

    assert (said.code, said.out) == (75, "")
    assert 'the register "Online" is closed' in said.err
    assert 'Open it in the POS, or set [pos] when_closed = "open"' in said.err
    assert desk.pos().sales == {}
    assert desk.run("--json", "review", "list").json["review"] == []

    desk.world.pos.open_register("Online")
    assert desk.run("run-once").code == 0
    assert len(desk.pos().sales) == 3


def test_a_page_of_html_is_no_empty_shop(desk: Desk, no_waiting: list[float]) -> None:
    desk.world.faults.on(Fault.HTML_BODY, lambda request: request.path.endswith("/orders"), times=99)

    refused(desk, 69, "BigCommerce answered GET", "text/html instead of JSON")


# --- the checkpoint (74) ---------------------------------------------------------------------------------------------


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 8192)


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE recipes (name TEXT)")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as later, later:
        later.execute("PRAGMA user_version = 99")


def something_else(path: Path) -> None:
    path.write_text("These are my notes.\n" * 400)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "told", "remedy"),
    [
        (damaged, "is damaged", "Restore it from a backup"),
        (foreign, "is not a checkpoint of bcpoll", "Correct [checkpoint] path"),
        (newer, "was written by a newer version of bcpoll", "Use the newer version"),
        (something_else, "is not an SQLite file", "Check [checkpoint] path."),
        (empty, "is empty: what it held is lost", "Restore it from a backup"),
    ],
    ids=["damaged", "of another program", "newer", "no database", "empty"],
)
@pytest.mark.parametrize("command", [["run-once"], ["run-once", "--dry-run"], ["status"], ["review", "list"]])
def test_a_checkpoint_that_cannot_be_used_is_left_as_it_is(
    desk: Desk, command: list[str], harm: Callable[[Path], None], told: str, remedy: str
) -> None:
    Checkpoint.open(desk.checkpoint, now=now()).close()
    harm(desk.checkpoint)
    content, requests = desk.checkpoint.read_bytes(), len(desk.world.log)

    said = desk.run(*command)

    assert (said.code, said.out) == (74, "")
    assert f"{desk.checkpoint}" in said.err
    assert told in said.err
    assert remedy in said.err
    assert desk.checkpoint.read_bytes() == content
    assert len(desk.world.log) == requests


def test_a_slip_in_the_settings_does_not_make_the_checkpoint_another_shops(desk: Desk) -> None:
    desk.order()
    desk.write_config(('store_hash = "sandbox"', 'store_hash = "sandbax"'))
    assert desk.run("run-once").code != 0
    desk.write_config()

    said = desk.run("run-once")

    assert said.code == 0
    assert "4 sales written" in said.out


def test_the_checkpoint_of_another_shop(desk: Desk) -> None:
    desk.run("run-once")
    writes = desk.writes()
    desk.write_config(('domain_prefix = "sandbox"', 'domain_prefix = "second"'))
    desk.order()

    said = desk.run("run-once")

    assert said.code == 74
    assert "belongs to the store 'sandbox' and the POS 'sandbox', not to 'sandbox' and 'second'" in said.err
    assert "Give every shop a checkpoint of its own" in said.err
    assert desk.writes() == writes


def test_two_shops_in_one_checkpoint_though_neither_has_an_order_yet(open_desk: Callable[[World], Desk]) -> None:
    desk = open_desk(small_world())
    assert desk.run("run-once").code == 0
    desk.write_config(('domain_prefix = "sandbox"', 'domain_prefix = "second"'))

    refused(desk, 74, "belongs to the store 'sandbox' and the POS 'sandbox', not to 'sandbox' and 'second'")


def test_the_first_run_tries_the_names_of_the_settings_though_there_is_no_order(
    open_desk: Callable[[World], Desk],
) -> None:
    desk = open_desk(small_world())
    desk.write_config(('register = "Online"', 'register = "Onlin"'))

    refused(desk, 78, 'the POS has no register "Onlin"')
    desk.write_config()
    assert desk.run("run-once").code == 0


def test_a_folder_for_the_checkpoint_that_does_not_exist(desk: Desk) -> None:
    desk.write_config(('path = "bcpoll.db"', 'path = "missing/bcpoll.db"'))

    refused(desk, 74, f"{desk.folder / 'missing'}", "Create the folder, or correct [checkpoint] path in the settings.")


def test_a_checkpoint_that_others_can_read_is_warned_of_with_the_command_that_closes_it(desk: Desk) -> None:
    desk.run("run-once")
    desk.checkpoint.chmod(0o644)

    said = desk.run("run-once")

    assert said.code == 0
    assert f"chmod 600 {desk.checkpoint}" in said.err


# --- orders (3) ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason", "where"),
    [
        ({"status_id": 99}, "unknown status", "status_id"),
        ({"total_inc_tax": "1.0000"}, "totals differ", "total_inc_tax"),
        ({"total_inc_tax": "many"}, "wrong type", "total_inc_tax"),
        ({"billing_address": 7}, "wrong type", "billing_address"),
        ({"default_currency_code": "EUR"}, "foreign currency", "default_currency_code"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_order_that_cannot_be_used_is_set_aside_and_the_rest_goes_on(
    desk: Desk, fields: dict[str, object], reason: str, where: str
) -> None:
    wrong = desk.order()
    desk.world.store.overwrite(wrong, fields)
    right = desk.order()

    said = desk.run("run-once")

    (item,) = desk.run("--json", "review", "list").json["review"]
    payload = desk.run("--json", "review", "show", str(item["id"])).json["payload"]
    assert said.code == 3
    assert (item["order"], item["reason"], item["field"]) == (wrong, reason, where)
    assert item["hint"]
    assert payload["id"] == wrong
    assert len(desk.pos().sales[str(right)]) == 1
    assert str(wrong) not in desk.pos().sales


def test_an_order_without_a_member_that_it_needs_is_set_aside(desk: Desk) -> None:
    wrong = desk.order()
    del desk.world.store.orders[wrong].fields["total_inc_tax"]

    said = desk.run("run-once")

    (item,) = desk.run("--json", "review", "list").json["review"]
    assert said.code == 3
    assert (item["order"], item["reason"], item["field"]) == (wrong, "missing member", "total_inc_tax")
    assert "total_inc_tax: missing" in desk.run("review", "list").out


def test_two_products_under_one_code_are_never_guessed(desk: Desk) -> None:
    desk.world.pos.add_product("Another mug", "mug", stock={"Main Store": "5"})

    said = desk.run("run-once")

    assert said.code == 3
    assert "ambiguous product (sku: several products go by 'MUG')" in said.err
    assert desk.pos().sales == {}


def test_a_bug_is_told_as_such_with_what_to_report(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bcpoll.cli.wiring.Checkpoint.open", replace)

    code = run(["--config", str(desk.config), "run-once"])

    assert code == 1
    assert "this is a bug in bcpoll" in desk.capture.readouterr().err


# --- every command ---------------------------------------------------------------------------------------------------

DATES = [
    ("run-once", "--since"),
    ("run-once", "--dry-run", "--since"),
    ("backfill", "--since"),
    ("backfill", "--since", "2026-01-01", "--until"),
    ("reconcile", "--since"),
    ("reconcile", "--until"),
    ("rebuild", "--start"),
]


@pytest.mark.parametrize("command", DATES, ids=" ".join)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("01/02/2026", "in some countries the day stands first, in others the month. Write "),
        ("3.4.26", "in some countries the day stands first, in others the month. Write "),
        ("yesterday", "Write "),
        ("2026-02-30", "Write "),
        ("2026-01-02T10:00:00", "Write "),
        ("0026-01-02T10:00:00Z", "there were no orders in the year 26"),
    ],
)
def test_a_date_that_could_mean_two_things_is_refused(
    desk: Desk, command: tuple[str, ...], text: str, told: str
) -> None:
    said = desk.run(*command, text)

    assert (said.code, said.out) == (2, "")
    assert f"Invalid value for '{command[-1]}': '{text}'" in " ".join(said.err.split())
    assert told in " ".join(said.err.split())
    assert len(desk.world.log) == 0


UNKNOWN = [
    (("run-once", "--order", "9999"), "This order is not in BigCommerce. Take the number from"),
    (("run-once", "--dry-run", "--order", "9999"), "This order is not in BigCommerce. Take the number from"),
    (("show", "9999"), "The checkpoint has no order 9999; --live asks BigCommerce for it."),
    (("show", "9999", "--live"), "9999"),
    (("stock", "9999"), "The checkpoint has no order 9999; --sku takes the number for a SKU."),
    (("stock", "NOPE"), "knows no product 'NOPE'. Write its SKU as it stands in the POS."),
    (("review", "show", "99"), "There is no item 99; see `bcpoll review list --all`."),
    (("review", "retry", "99"), "There is no item 99; see `bcpoll review list --all`."),
    (("review", "dismiss", "99", "--reason", "none"), "There is no open item 99; see `bcpoll review list --all`."),
]


@pytest.mark.parametrize(("command", "told"), UNKNOWN, ids=[" ".join(command) for command, _ in UNKNOWN])
def test_what_nobody_knows_is_refused_in_words_and_as_json(desk: Desk, command: tuple[str, ...], told: str) -> None:
    desk.run("run-once")
    before = desk.pos()

    said = desk.run(*command)
    as_json = desk.run("--json", *command)

    assert (said.code, as_json.code) == (2, 2)
    assert told in " ".join(said.err.split())
    assert told in as_json.out
    assert desk.pos() == before


def test_a_wrong_command_line_is_told_as_json_too(desk: Desk) -> None:
    said = desk.run("--json", "run-once", "--since", "01/02/2026")

    assert said.code == said.json["exit_code"] == 2
    assert "the day stands first" in said.json["error"]


READS_CHECKPOINT = [
    ("run-once",),
    ("run-once", "--dry-run"),
    ("run-once", "--order", "100"),
    ("backfill", "--all-orders", "--dry-run"),
    ("backfill", "--all-orders", "--yes"),
    ("backfill", "--undo", "--yes"),
    ("status",),
    ("show", "100"),
    ("show", "100", "--live"),
    ("stock", "100"),
    ("stock", "MUG"),
    ("reconcile",),
    ("review", "list"),
    ("review", "show", "1"),
    ("review", "retry", "--all"),
    ("review", "dismiss", "1", "--reason", "none"),
    ("alerts", "list"),
    ("check",),
    ("prune",),
    ("backup", "copy.db"),
    ("forget", "ada@example.com", "--yes"),
]


@pytest.mark.parametrize("command", READS_CHECKPOINT, ids=" ".join)
@pytest.mark.parametrize(
    ("was", "becomes"),
    [('domain_prefix = "sandbox"', 'domain_prefix = "second"'), ('store_hash = "sandbox"', 'store_hash = "second"')],
    ids=["another POS", "another store"],
)
def test_every_command_leaves_the_checkpoint_of_another_shop_alone(
    desk: Desk, command: tuple[str, ...], was: str, becomes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder)
    desk.run("run-once")
    content, before = desk.checkpoint.read_bytes(), desk.pos()
    desk.write_config((was, becomes))
    desk.config.write_text(f'{desk.config.read_text()}\n[alerts]\nwebhook = "http://127.0.0.1:1/"\n')

    said = desk.run(*command)

    told = " ".join((said.err + said.out).split())
    # A check goes on to ask both sides, and what they say of another account is worse.
    assert said.code in ((74,) if command != ("check",) else (74, 77, 69))
    assert "belongs to the store 'sandbox' and the POS 'sandbox', not to" in told
    assert "Give every shop a checkpoint of its own" in told
    assert (desk.checkpoint.read_bytes(), desk.pos()) == (content, before)
    assert not (desk.folder / "copy.db").exists()


ASKS_BOTH = [
    ("run-once",),
    ("run-once", "--dry-run"),
    ("run-once", "--order", "100"),
    ("run",),
    ("backfill", "--all-orders", "--yes"),
    ("show", "100", "--live"),
    ("reconcile",),
    ("check",),
    ("rebuild",),
]


@pytest.mark.parametrize("command", ASKS_BOTH, ids=" ".join)
def test_swapped_tokens_are_refused_with_the_thought_that_they_may_be(desk: Desk, command: tuple[str, ...]) -> None:
    if command[0] in ("show", "reconcile"):
        desk.run("run-once")
    before = desk.pos()
    desk.write_config(("store-token", "a-token"), ("pos-token", "store-token"), ("a-token", "pos-token"))

    said = desk.run(*command)

    told = " ".join((said.err + said.out).split())
    assert said.code == 77
    assert "refused the token (401)" in told
    assert "See that it was not swapped with the other side's." in told
    assert ("the two probably were swapped" in told) is (command == ("check",))
    assert desk.pos() == before
