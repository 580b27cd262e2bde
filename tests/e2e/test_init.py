"""`bcpoll init`: answered by hand, by options, wrongly first, and broken off."""

import getpass
import io
import json
import os
import re
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from program import LONGEST, TOKENS, Desk, Said, small_world
from terminal import Terminal

from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.seed import demo_world
from bcpoll.sandbox.world import STORE_SCOPES, World

# Each test starts the program: run_once, processes and demo show in the quick part that the command line works.
pytestmark = pytest.mark.slow

OpenDesk = Callable[[World], Desk]

# Takes what is proposed, or has no need to be answered.
ENTER = ""


class Person(io.StringIO):
    """Somebody at a terminal, who types one line at a time; a line that is an exception is raised in place of it."""

    def __init__(self, *lines: str | type[BaseException]) -> None:
        super().__init__()
        self.left = [*lines]

    def isatty(self) -> bool:
        return True

    def readline(self, *_: object) -> str:
        line = self.left.pop(0) if self.left else EOFError
        if not isinstance(line, str):
            raise line
        return line + "\n"


Types = Callable[..., Person]


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Types:
    """Put somebody at the terminal."""

    def sit_down(*lines: str | type[BaseException]) -> Person:
        person = Person(*lines)
        monkeypatch.setattr(sys, "stdin", person)
        monkeypatch.setattr(getpass, "getpass", lambda prompt, **_: person.readline().rstrip("\n"))
        return person

    return sit_down


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without anybody at it, and without a browser."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def desk(open_desk: OpenDesk) -> Desk:
    """A small shop with three orders, and no settings yet."""
    desk = open_desk(small_world(orders=3))
    desk.config.unlink()
    return desk


def init(desk: Desk, *arguments: str) -> Said:
    return desk.run("init", "--api-url", desk.url, *arguments)


def written(desk: Desk) -> dict[str, dict[str, Any]]:
    return tomllib.loads(desk.config.read_text())


ACCOUNTS = ("--store-hash", "sandbox", "--store-access-token", "store-token", "--domain-prefix", "sandbox")
BOTH = (*ACCOUNTS, "--pos-access-token", "pos-token")

# The answers to the last six parts, where everything is taken as it is proposed: one way of paying was seen.
THE_REST = (ENTER,) * 7


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_a_newcomer_gets_from_nothing_to_settings_that_work(desk: Desk, types: Types) -> None:
    person = types("sandbox", "store-token", "sandbox", "pos-token", *THE_REST, ENTER)

    said = init(desk)

    assert said.code == 0
    assert person.left == []
    assert written(desk)["pos"] == {
        "domain_prefix": "sandbox",
        "access_token": "pos-token",
        "api_url": desk.url,
        "register": "Online",
        "user": "online",
    }
    assert written(desk)["payments"] == {"default": "Online - Card", "Credit Card": "Online - Card"}
    assert written(desk)["taxes"] == {"default": "Sales Tax"}
    assert written(desk)["sync"] == {"fulfillment": "off", "unpaid": "closed"}
    assert said.out.splitlines()[-1] == "All is well."
    assert desk.run("run-once", "--dry-run").code == 0


def test_the_settings_explain_themselves_and_are_for_their_owner_alone(desk: Desk, types: Types) -> None:
    types("sandbox", "store-token", "sandbox", "pos-token", *THE_REST, ENTER)

    init(desk)

    text = desk.config.read_text()
    assert desk.config.stat().st_mode & 0o777 == 0o600
    assert "# Orders that are changed after their sale was written" in text
    assert "copy this file" not in text
    assert [path.name for path in desk.folder.iterdir()] == ["config.toml"]


def test_what_there_is_to_choose_from_is_shown(desk: Desk, types: Types) -> None:
    types("sandbox", "store-token", "sandbox", "pos-token", *THE_REST, ENTER)

    said = init(desk)

    for line in (
        "   1  Main Register  Main Store, open",
        "   2  online   Online Orders",
        "   5  Bank transfer",
        "   2  Sales Tax    8 %, the POS's default",
    ):
        assert line in said.err.splitlines()
    assert "Connected to Sandbox Shop, which keeps USD." in said.err


def next_commands(said: Said) -> list[str]:
    """The lines below `Next:` that begin with a command; what each is for stands beside it, or below."""
    return [line for line in said.err.partition("Next:\n")[2].splitlines() if line.startswith("  bcpoll ")]


def test_no_question_and_no_answer_is_broken_within_a_word_in_a_narrow_terminal(
    desk: Desk, types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    types("sandbox", "store-token", "sandbox", "pos-token", *THE_REST, ENTER)

    said = init(desk)

    asked, _, _ = said.err.partition("Written:")
    lines = [line for line in asked.splitlines() if str(desk.config) not in line]
    assert [line for line in lines if len(line) > 40] == []
    assert "page? [y/N]:" in asked


def test_the_next_three_commands_are_shown(desk: Desk, types: Types) -> None:
    types("sandbox", "store-token", "sandbox", "pos-token", *THE_REST, ENTER)

    said = init(desk)

    commands = [line.split("   ")[0].strip() for line in next_commands(said)]
    named = f"bcpoll --config {desk.config}"
    assert commands == [f"{named} run-once --dry-run", f"{named} run-once", f"{named} run"]


def test_a_choice_is_made_by_number_or_name_and_asked_again_where_it_is_neither(desk: Desk, types: Types) -> None:
    types("sandbox", "store-token", "sandbox", "pos-token", "7", "Till", "main register", "1", *THE_REST[2:], ENTER)

    said = init(desk)

    assert '"7" is none of them. Type a number from 1 to 2, or a name.' in said.err
    assert '"Till" is none of them.' in said.err
    assert (written(desk)["pos"]["register"], written(desk)["pos"]["user"]) == ("Main Register", "counter")


def test_what_cannot_be_right_is_asked_again_at_once(desk: Desk, types: Types) -> None:
    types(
        *("https://api.bigcommerce.com/stores/sandbox/v3/", "sandbox", "two words", "store-token"),
        *("sandbox.retail.lightspeed.app", "sandbox", "pos-token", *THE_REST, ENTER),
    )

    said = init(desk)

    assert said.code == 0
    assert 'Write only the hash: "sandbox".' in " ".join(said.err.split())
    assert 'Write only its first part: "sandbox".' in " ".join(said.err.split())
    assert "blanks or characters that no token has" in said.err


def test_a_refused_token_is_asked_for_again_with_the_account(desk: Desk, types: Types) -> None:
    types("other", "store-token", "sandbox", "store-token", "sandbox", "wrong", ENTER, "pos-token", *THE_REST, ENTER)
    desk.world.store.store_hash = "sandbox"

    said = init(desk)

    assert said.code == 0
    assert "Lightspeed refused the token (401)" in said.err
    assert "The token belongs to one account alone" in said.err


def test_every_scope_that_a_token_lacks_is_named_before_another_is_asked_for(desk: Desk, types: Types) -> None:
    lacking = {"store_v2_products_read_only", "store_v2_information_read_only"}
    desk.world.store_scopes = STORE_SCOPES - lacking

    class Mends(str):
        """A token of an account that has all scopes."""

        def __add__(self, end: str) -> str:
            desk.world.store_scopes = STORE_SCOPES
            return str.__add__(self, end)

    types("sandbox", "store-token", ENTER, Mends("store-token"), "sandbox", "pos-token", *THE_REST, ENTER)

    said = init(desk)

    assert said.code == 0
    asked_again = said.err.partition("Once more:")[0]
    assert all(scope in asked_again for scope in lacking)


def test_a_side_that_cannot_be_reached_can_be_tried_again(desk: Desk, types: Types, no_waiting: list[float]) -> None:
    desk.world.faults.on_path(Fault.ERROR_503, "GET", "/v2/time", times=2)
    types("sandbox", "store-token", ENTER, "store-token", "sandbox", "pos-token", *THE_REST, ENTER)

    said = init(desk)

    assert said.code == 0
    assert "BigCommerce is out of order (503)" in said.err


# --- correcting ------------------------------------------------------------------------------------------------------


def test_an_answer_is_corrected_without_starting_again(desk: Desk, types: Types) -> None:
    types("sandbox", "store-token", "sandbox", "pos-token", *THE_REST, "4", "counter", "9", "7", "y", ENTER)

    said = init(desk)

    assert said.code == 0
    assert "  4  user                    online" in said.err
    assert "  4  user                    counter" in said.err
    assert written(desk)["pos"]["user"] == "counter"
    assert written(desk)["sync"]["fulfillment"] == "track"


def test_another_pos_has_its_names_chosen_anew(desk: Desk, types: Types) -> None:
    pos = desk.world.pos
    types(*("2", ENTER, "pos-token", ENTER, ENTER, ENTER, ENTER, ENTER), ENTER)
    (row,) = [row for row in pos.registers if row["name"] == "Main Register"]
    pos.delete(pos.registers, row["id"])

    said = init(desk, *BOTH, "--register", "Online", "--unpaid", "on_account", *rest_by_flags())

    assert said.code == 0
    assert said.err.count("3 of 8: register") == 2
    assert written(desk)["sync"]["unpaid"] == "on_account"


def rest_by_flags() -> tuple[str, ...]:
    return (
        *("--user", "online", "--default-payment", "Online - Card", "--payment", "Credit Card=Bank transfer"),
        *("--tax", "Sales Tax", "--fulfillment", "off"),
    )


# --- payment types ---------------------------------------------------------------------------------------------------


def test_payment_types_are_proposed_for_the_ways_of_paying_that_were_seen(open_desk: OpenDesk, types: Types) -> None:
    desk = open_desk(demo_world())
    desk.config.unlink()
    types(*(ENTER,) * 4, *THE_REST)

    said = init(desk, *BOTH)

    assert said.code == 0
    assert written(desk)["payments"] == {
        "default": "Online - Card",
        "gift_certificate": "Gift certificate",
        "store_credit": "Store credit",
        "Credit Card": "Online - Card",
        "Cash on Delivery": "Cash",
    }
    assert '"Cash on Delivery" (1 order) [Cash]' in said.err
    told = "Online - Card; Cash on Delivery: Cash; gift certificate: Gift certificate; store credit: Store credit"
    assert told in " ".join(said.err.split())


# --- by options ------------------------------------------------------------------------------------------------------


def test_with_yes_and_the_accounts_nothing_is_asked(desk: Desk) -> None:
    said = init(desk, *BOTH, "--yes")

    assert said.code == 0
    assert written(desk)["pos"]["register"] == "Online"
    assert "Your answers" not in said.err


def test_every_question_can_be_answered_by_an_option(desk: Desk) -> None:
    options = ("--unpaid", "on_account", "--gift-certificate", "gift certificate", "--store-credit", "4")

    said = init(desk, *BOTH, "--register", "1", "--yes", *options, *rest_by_flags(), "--payment", "Cash=Cash")

    assert said.code == 0
    made = written(desk)
    assert made["pos"]["register"] == "Main Register"
    assert made["payments"] == {
        "default": "Online - Card",
        "gift_certificate": "Gift certificate",
        "store_credit": "Store credit",
        "Credit Card": "Bank transfer",
        "Cash": "Cash",
    }
    assert made["sync"] == {"fulfillment": "off", "unpaid": "on_account"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "or give --store-hash; with --yes"),
        (ACCOUNTS, "or give --pos-access-token; with --yes"),
        (BOTH, "or give --register; with --yes"),
        ((*BOTH, "--register", "Online", *rest_by_flags()), "or give --unpaid; with --yes"),
        ((*BOTH, "--register", "Online", "--unpaid", "closed", *rest_by_flags()), "or give --yes; with --yes"),
        (("--store-hash", "a/b"), '--store-hash: "a/b" is not a store hash'),
        ((*BOTH, "--register", "Till"), '--register: "Till" is none of them'),
        (("--payment", "Cash"), '"Cash" is not METHOD=TYPE'),
        (("--unpaid", "later"), "'later' is not one of"),
    ],
)
def test_with_nobody_to_ask_the_option_is_named(desk: Desk, arguments: tuple[str, ...], says: str) -> None:
    said = init(desk, *arguments)

    assert said.code == 2
    assert says in said.err
    assert not desk.config.exists()


def test_with_nobody_to_ask_a_refused_token_ends_it(desk: Desk) -> None:
    said = init(desk, *ACCOUNTS, "--pos-access-token", "wrong-token", "--yes")

    assert said.code == 77
    assert "Lightspeed refused the token (401)" in said.err
    assert not desk.config.exists()


def test_a_wrong_option_is_asked_about_where_somebody_is_there(desk: Desk, types: Types) -> None:
    types("sandbox", "1")

    said = init(desk, "--store-hash", "a/b", *BOTH[2:], "--yes", "--register", "Till")

    assert said.code == 0
    assert '--store-hash: "a/b" is not a store hash' in said.err
    assert '--register: "Till" is none of them' in said.err
    assert written(desk)["pos"]["register"] == "Main Register"


def test_tokens_from_the_environment_stay_out_of_the_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCPOLL_BIGCOMMERCE__ACCESS_TOKEN", "store-token")
    monkeypatch.setenv("BCPOLL_POS__ACCESS_TOKEN", "pos-token")

    said = init(desk, "--store-hash", "sandbox", "--domain-prefix", "sandbox", "--yes")

    assert said.code == 0
    assert not [token for token in TOKENS if token in desk.config.read_text()]
    assert "from BCPOLL_POS__ACCESS_TOKEN" in said.err


def test_what_the_environment_sets_wrongly_cannot_be_asked_about(
    desk: Desk, types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCPOLL_POS__DOMAIN_PREFIX", "sandbox")
    monkeypatch.setenv("BCPOLL_POS__ACCESS_TOKEN", "wrong-token")
    types()

    said = init(desk, *ACCOUNTS[:4])

    assert said.code == 77
    assert "Lightspeed refused the token (401)" in said.err


def test_a_setting_of_the_environment_that_is_none_shows_before_anything_is_asked(
    desk: Desk, types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCPOLL_SYNC__INTERVAL", "now and then")
    person = types("sandbox")

    said = init(desk)

    assert said.code == 78
    assert "BCPOLL_SYNC__INTERVAL" in said.err
    assert person.left == ["sandbox"]


def test_the_check_at_its_end_can_be_had_as_json(desk: Desk) -> None:
    said = desk.run("--json", "init", "--api-url", desk.url, *BOTH, "--yes")

    assert said.json["exit_code"] == 0
    assert {finding["verdict"] for finding in said.json["findings"]} == {"fine"}


def test_settings_with_a_problem_are_written_and_the_problem_is_told(desk: Desk) -> None:
    desk.world.pos.retailer["currency"] = "NZD"

    said = init(desk, *BOTH, "--yes")

    assert said.code == 78
    assert "Careful: the store keeps USD." in said.err
    assert "✗  currency            the store keeps USD, the POS NZD" in said.out
    assert desk.config.exists()


def test_lightspeed_s_own_link_is_warned_of(desk: Desk) -> None:
    desk.world.pos.channels = [{"channel_type": "bigcommerce", "store_url": "https://shop.example.com"}]

    said = init(desk, *BOTH, "--yes")

    assert "Careful: the POS has a link of its own to https://shop.example.com" in said.err
    assert "every order is booked twice" in " ".join(said.err.split())


def test_a_rate_that_the_pos_lacks_is_told(desk: Desk) -> None:
    order = desk.order(quantity=9, tax_rate="0.20")

    said = init(desk, *BOTH, "--yes")

    assert f"there are rates that no tax of the POS has: 20 % (order {order})" in " ".join(said.err.split())


# --- the file --------------------------------------------------------------------------------------------------------


def test_settings_that_are_there_are_left_alone(desk: Desk) -> None:
    desk.config.write_text("precious")

    said = init(desk, *BOTH, "--yes")

    assert said.code == 2
    assert "is there already. --force writes over it" in said.err
    assert desk.config.read_text() == "precious"
    assert len(desk.world.log) == 0


def test_with_force_they_are_written_over_and_closed_to_others(desk: Desk) -> None:
    desk.config.write_text("precious")
    desk.config.chmod(0o644)

    said = init(desk, *BOTH, "--yes", "--force")

    assert said.code == 0
    assert desk.config.stat().st_mode & 0o777 == 0o600


def test_settings_that_come_to_be_meanwhile_are_left_alone(desk: Desk, types: Types) -> None:
    class Slow(str):
        def __add__(self, end: str) -> str:
            desk.config.write_text("theirs")
            return str.__add__(self, end)

    types(*THE_REST, Slow())

    said = init(desk, *BOTH)

    assert said.code == 2
    assert "has come to be meanwhile" in said.err
    assert desk.config.read_text() == "theirs"
    assert [path.name for path in desk.folder.iterdir()] == ["config.toml"]


def test_a_folder_in_the_place_of_the_file_is_told(desk: Desk) -> None:
    desk.config.mkdir()

    assert "is a folder. Name the file in it" in init(desk).err


def test_a_folder_that_is_not_there_or_cannot_be_written_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = desk.folder / "gone" / "config.toml"
    capture = desk.run("--config", str(gone), "init")
    monkeypatch.setattr(os, "access", lambda *_: False)
    closed = init(desk)

    assert (capture.code, closed.code) == (2, 2)
    assert f"The folder {gone.parent} is not there." in capture.err
    assert f"The folder {desk.folder} cannot be written." in closed.err


def test_a_disk_that_takes_nothing_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    said = init(desk, *BOTH, "--yes")

    assert said.code == 2
    assert "cannot be written: No space left on device" in said.err
    assert [*desk.folder.iterdir()] == []


@pytest.mark.parametrize("answered", range(12))
def test_ctrl_c_anywhere_leaves_everything_as_it_was(desk: Desk, types: Types, answered: int) -> None:
    answers = ("sandbox", "store-token", "sandbox", "pos-token", *THE_REST, ENTER)
    types(*answers[:answered], KeyboardInterrupt)

    said = init(desk)

    assert said.code == 130
    assert [*desk.folder.iterdir()] == []
    assert desk.writes() == 0


# --- without a personal token ----------------------------------------------------------------------------------------


def opened_elsewhere(desk: Desk) -> str:
    """The address that a browser on another machine ends on."""
    import urllib.request
    from urllib.error import HTTPError

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    (url,) = re.findall(r"^http\S+/connect\S+$", desk.capture.readouterr().err, re.MULTILINE)
    try:
        urllib.request.build_opener(Stay).open(url, timeout=LONGEST)
    except HTTPError as answer:
        return str(answer.headers["Location"])
    raise AssertionError("the page does not send anybody back")


def pastes(desk: Desk) -> str:
    class Pasted(str):
        def __add__(self, end: str) -> str:
            return opened_elsewhere(desk) + end

    return Pasted()


BY_LOGIN = (ENTER, "client", "client-secret", ENTER)


def test_without_a_personal_token_a_login_is_offered_and_its_names_are_shown(desk: Desk, types: Types) -> None:
    person = types(*BY_LOGIN, "y", pastes(desk), *THE_REST, ENTER)

    said = init(desk, *ACCOUNTS)

    assert said.code == 0
    assert person.left == []
    assert "access_token" not in written(desk)["pos"]
    assert written(desk)["pos"]["client_id"] == "client"
    assert "by bcpoll login" in said.out
    assert sorted(path.name for path in desk.folder.iterdir()) == [
        "bcpoll.db.oauth.json",
        "bcpoll.db.oauth.json.lock",
        "config.toml",
    ]
    assert desk.run("run-once", "--dry-run").code == 0


def test_a_login_that_nothing_came_of_is_taken_back(desk: Desk, types: Types) -> None:
    types(*BY_LOGIN, "y", pastes(desk), ENTER, KeyboardInterrupt)

    said = init(desk, *ACCOUNTS)

    assert said.code == 130
    assert desk.world.tokens.issued == 1
    assert [*desk.folder.iterdir()] == []


def test_the_login_can_wait(desk: Desk, types: Types) -> None:
    types(*BY_LOGIN, "n", "Online", "online", "Online - Card", ENTER, ENTER, ENTER)

    said = init(desk, *ACCOUNTS)

    assert said.code == 0
    assert said.out == ""
    assert "The POS is connected later, by bcpoll login." in said.err
    assert [line.split()[3] for line in next_commands(said)] == ["login", "check", "run-once"]
    assert written(desk)["pos"]["register"] == "Online"
    assert desk.run("check").code == 77


def test_a_login_of_before_is_taken(desk: Desk, types: Types) -> None:
    types(*BY_LOGIN, "y", pastes(desk), *THE_REST, ENTER)
    init(desk, *ACCOUNTS)
    types(*THE_REST, KeyboardInterrupt)

    said = init(desk, *ACCOUNTS, "--client-id", "client", "--client-secret", "client-secret", "--force", "--yes")

    assert said.code == 0
    assert desk.world.tokens.issued == 1
    assert desk.config.exists()


def test_a_check_renews_a_login_whose_token_has_ended(desk: Desk, types: Types) -> None:
    types(*BY_LOGIN, "y", pastes(desk), *THE_REST, ENTER)
    init(desk, *ACCOUNTS)
    desk.world.tokens.ends.clear()
    desk.world.tokens.pos = "ended"

    said = desk.run("check")

    assert said.code == 0
    assert desk.world.tokens.issued == 2


def test_with_options_alone_an_application_is_connected_later(desk: Desk) -> None:
    options = (
        "--client-id",
        "client",
        "--client-secret",
        "client-secret",
        "--redirect-url",
        "https://shop.example/back",
    )

    said = init(desk, *ACCOUNTS, *options, "--register", "Online", "--tax", "GST", *rest_by_flags()[:4], "--yes")

    assert said.code == 0
    assert written(desk)["pos"]["redirect_url"] == "https://shop.example/back"
    assert written(desk)["taxes"]["default"] == "GST"


# --- at a real terminal ----------------------------------------------------------------------------------------------


@pytest.fixture
def terminal(desk: Desk) -> Iterator[Terminal]:
    made = Terminal(desk.folder, "init", "--api-url", desk.url)
    yield made
    made.process.kill()
    made.process.wait(LONGEST)


def test_at_a_terminal_tokens_are_not_shown_as_they_are_typed(desk: Desk, terminal: Terminal) -> None:
    for words, line in (
        ("Store hash:", "sandbox"),
        ("Access token (not shown):", "store-token"),
        ("Domain prefix:", "sandbox"),
        ("Personal token (not shown):", "pos-token"),
        ("Register [Online]:", ""),
        ("User [online]:", ""),
        ("Payment type for web orders [Online - Card]:", ""),
        ('"Credit Card" (3 orders) [Online - Card]:', ""),
        ("Tax where no rate fits [Sales Tax]:", ""),
        ("Fulfillments page? [y/N]:", ""),
        ("until they are paid? [y/N]:", ""),
        ("a number changes that answer:", ""),
    ):
        terminal.says(words)
        terminal.types(line)
    terminal.says("bcpoll run-once --dry-run")
    terminal.says("cron")

    assert terminal.ends() == 0
    assert not [token for token in TOKENS if token in terminal.text]
    assert "All is well." in terminal.text
    assert json.dumps(written(desk)["pos"]["access_token"]) == '"pos-token"'


def test_ctrl_c_at_a_terminal_leaves_nothing(desk: Desk, terminal: Terminal) -> None:
    terminal.says("Store hash:")
    terminal.types("sandbox")
    terminal.says("Access token (not shown):")
    terminal.process.send_signal(signal.SIGINT)
    terminal.says("Interrupted.")

    assert terminal.ends() == 130
    assert [*desk.folder.iterdir()] == []
