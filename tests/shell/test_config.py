"""What the settings accept, what they refuse and in which words, and where they are read from."""

import contextlib
import json
import re
import tomllib
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcpoll import config
from bcpoll.core.shop import CancelledUnseen, Charge, Edits, Mismatch, Unpaid
from bcpoll.core.status import Disposition, OrderStatus
from bcpoll.errors import Problem, SettingsError

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
BC_TOKEN = "bc-token-0123456789abcdefghij"
POS_TOKEN = "pos-token-0123456789abcdefghi"

LEAST: dict[str, dict[str, Any]] = {
    "bigcommerce": {"store_hash": "abc123", "access_token": BC_TOKEN},
    "pos": {"domain_prefix": "myshop", "access_token": POS_TOKEN, "register": "Online", "user": "web"},
    "payments": {"default": "Card"},
}

Write = Callable[..., Path]


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(key))} = {toml(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else str(value)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the least settings that will do, with keys changed (None takes one out) and lines put at the end."""

    def written(changes: Mapping[str, Mapping[str, Any]] | None = None, more: str = "") -> Path:
        lines = []
        for section in LEAST | dict(changes or {}):
            keys = LEAST.get(section, {}) | dict((changes or {}).get(section, {}))
            lines.append(f"[{section}]")
            lines += [f"{toml(key)} = {toml(value)}" for key, value in keys.items() if value is not None]
        file = tmp_path / "config.toml"
        file.write_text("\n".join([*lines, more, ""]))
        file.chmod(0o600)
        return file

    return written


def loaded(path: Path | None, **environ: str) -> config.Settings:
    return config.load(path, environ).settings


def problems(path: Path | None, **environ: str) -> tuple[Problem, ...]:
    with pytest.raises(SettingsError) as caught:
        config.load(path, environ)
    return caught.value.problems


# --- what is accepted ---


def test_the_least_settings_get_the_defaults(write: Write) -> None:
    settings = loaded(write())

    assert settings.sync.interval == timedelta(minutes=5)
    assert settings.sync.start is None
    assert settings.sync.unpaid is Unpaid.CLOSED
    assert settings.charges.gift_certificate == "BC-GIFT-CERTIFICATE"
    assert settings.routes == ()


def test_addresses_follow_from_the_account(write: Write) -> None:
    settings = loaded(write())
    assert settings.bigcommerce.base_url == "https://api.bigcommerce.com"
    assert settings.pos.base_url == "https://myshop.retail.lightspeed.app"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080", "https://pos.example.com"]
)
def test_another_address_may_be_set(write: Write, url: str) -> None:
    settings = loaded(write({"pos": {"api_url": url}, "bigcommerce": {"api_url": url + "/"}}))
    assert settings.pos.base_url == url
    assert settings.bigcommerce.base_url == url


DURATIONS = [("30s", 30), ("5m", 300), ("2h", 7200), ("3d", 259200), (" 10m ", 600), ("090s", 90)]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_a_length_of_time_is_read(text: str, seconds: int) -> None:
    assert config.read_duration(text) == timedelta(seconds=seconds)


def test_the_password_of_a_mail_account_may_hold_blanks_and_signs() -> None:
    choices = config.AlertChoices(smtp_user="ada", smtp_password=' abcd <efgh> "i" ')

    assert choices.smtp_password is not None
    assert choices.smtp_password.get_secret_value() == 'abcd <efgh> "i"'


@pytest.mark.parametrize(
    "text",
    ["", "5", "5 m", "m", "5M", "1.5h", "-5m", "0m", "5m30s", "1w", "5\u0665m", "9999999d", "PT5M", 5, 5.0, None],
)
def test_nonsense_is_no_length_of_time(text: object) -> None:
    with pytest.raises(ValueError, match="is not a length of time"):
        config.read_duration(text)


@given(st.integers(1, 999999), st.sampled_from("smhd"))
def test_a_length_of_time_survives_writing_and_reading(count: int, unit: str) -> None:
    length = config.read_duration(f"{count}{unit}")
    assert config.read_duration(config.duration_text(length)) == length


STARTS = ['"2026-11-01T00:00:00+13:00"', '"2026-10-31T11:00:00Z"', "2026-11-01T00:00:00+13:00", "2026-10-31T11:00:00Z"]


@pytest.mark.parametrize("text", STARTS)
def test_start_is_a_moment(write: Write, text: str) -> None:
    assert loaded(write(more=f"[sync]\nstart = {text}")).sync.start == datetime(2026, 10, 31, 11, tzinfo=UTC)


def test_a_status_may_be_mapped_otherwise(write: Write) -> None:
    settings = loaded(write({"status_map": {"13": "not_imported"}}))
    assert settings.status_map == {OrderStatus.DISPUTED: Disposition.NOT_IMPORTED}


def test_a_payment_method_is_any_further_key(write: Write) -> None:
    payments = loaded(write({"payments": {"Cash on Delivery": "Cash"}})).payments
    assert payments.by_method == {"cash on delivery": "Cash"}


@pytest.mark.parametrize("key", ['pickup_location = "PIER"', "channel = 3", 'country = "nz"'])
def test_a_route_goes_by_one_thing(write: Write, key: str) -> None:
    (route,) = loaded(write(more=f'[[routes]]\nregister = "Pier"\n{key}')).routes
    assert route.register_name == "Pier"
    assert [route.pickup_location, route.channel, route.country].count("NZ") == ("country" in key)


def test_an_oauth_pair_stands_in_for_a_token(write: Write) -> None:
    settings = loaded(write({"pos": {"access_token": None, "client_id": "one", "client_secret": "two"}}))
    assert settings.pos.access_token is None
    assert settings.secrets == (BC_TOKEN, "two")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8765/callback",
        "http://localhost",
        "http://[::1]:9/",
        "https://shop.example/bcpoll?from=pos",
    ],
)
def test_a_redirect_address_is_taken_to_the_letter(write: Write, url: str) -> None:
    assert loaded(write({"pos": {"redirect_url": url}})).pos.redirect_url == url


@pytest.mark.parametrize(
    ("api_url", "page"),
    [
        ("", "https://secure.retail.lightspeed.app/connect"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/connect"),
    ],
)
def test_the_login_page_follows_from_the_address(write: Write, api_url: str, page: str) -> None:
    assert loaded(write({"pos": {"api_url": api_url}})).pos.connect_url == page


def test_a_token_beside_an_oauth_pair_is_remarked_on(write: Write) -> None:
    (warning,) = config.load(write({"pos": {"client_id": "one", "client_secret": "two"}}), {}).warnings
    assert warning == "[pos] access_token is used, not client_id and client_secret; take it out to use `bcpoll login`"
    alone = {"pos": {"access_token": None, "client_id": "one", "client_secret": "two"}}
    assert config.load(write(alone), {}).warnings == ()


def test_one_token_for_both_sides_is_remarked_on(write: Write) -> None:
    both = {"bigcommerce": {"access_token": "one"}, "pos": {"access_token": "one"}}
    (warning,) = config.load(write(both), {}).warnings
    assert warning.endswith("are the same; each side has a token of its own")


def test_settings_cannot_be_changed(write: Write) -> None:
    settings = loaded(write())
    with pytest.raises(ValueError, match="frozen"):
        settings.sync.workers = 5
    with pytest.raises(ValueError, match="frozen"):
        settings.sync = config.SyncChoices()


def test_the_policy_holds_the_choices(write: Write) -> None:
    chosen = {
        "sync": {"unpaid": "on_account", "edits": "review", "cancelled_unseen": "skip"},
        "money": {"mismatch": "adjust"},
        "charges": {"fee": "FEE-1"},
        "status_map": {"13": "voided"},
    }
    policy = config.policy(loaded(write(chosen, more=""), BCPOLL_SYNC__IGNORE_SOURCES="POS, till"))

    assert policy.unpaid is Unpaid.ON_ACCOUNT
    assert policy.edits is Edits.REVIEW
    assert policy.cancelled_unseen is CancelledUnseen.SKIP
    assert policy.mismatch is Mismatch.ADJUST
    assert policy.ignore_sources == {"POS", "till"}
    assert policy.statuses.disposition(OrderStatus.DISPUTED) is Disposition.VOIDED
    assert policy.statuses.disposition(OrderStatus.SHIPPED) is Disposition.CLOSED
    assert set(policy.charges) == set(Charge)
    assert policy.charges[Charge.FEE] == "FEE-1"


def test_settings_built_directly_do_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCPOLL_POS__USER", "somebody else")
    assert config.Settings(**LEAST).pos.user == "web"  # type: ignore[arg-type]


def test_settings_built_directly_take_values_as_the_program_has_them() -> None:
    sync, statuses = {"interval": timedelta(hours=1)}, {OrderStatus.DISPUTED: Disposition.VOIDED}
    settings = config.Settings(**LEAST, sync=sync, status_map=statuses)  # type: ignore[arg-type]
    assert (settings.sync.interval, settings.status_map) == (timedelta(hours=1), statuses)


# --- what is refused, and in which words ---


def row(name: str, key: str, value: object, message: str, remedy: str) -> Any:
    """A key with a wrong value (None: left out), and pieces of what is said about it."""
    section, _, bare = key.partition("] ")
    return pytest.param({section[1:]: {bare.strip('"'): value}}, key, message, remedy, id=name)


REFUSED = [
    row(
        "store hash is an API path",
        "[bigcommerce] store_hash",
        "https://api.bigcommerce.com/stores/ABC123/v3/",
        "is more than the store hash",
        '"abc123"',
    ),
    row(
        "store hash with stores/",
        "[bigcommerce] store_hash",
        "stores/abc",
        '"stores/abc" is more than the store hash',
        'only the hash: "abc"',
    ),
    row(
        "store hash is the control panel's address",
        "[bigcommerce] store_hash",
        "https://store-abc.mybigcommerce.com/manage",
        "is more than the store hash",
        '"abc"',
    ),
    row(
        "store hash with a blank",
        "[bigcommerce] store_hash",
        "abc def",
        '"abc def" is not a store hash',
        "after /stores/",
    ),
    row("store hash missing", "[bigcommerce] store_hash", None, "is missing", "after /stores/"),
    row(
        "store hash still the placeholder",
        "[bigcommerce] store_hash",
        "<store hash>",
        "still the example's placeholder",
        "your own value",
    ),
    row(
        "BigCommerce token missing",
        "[bigcommerce] access_token",
        None,
        "is missing",
        "BCPOLL_BIGCOMMERCE__ACCESS_TOKEN",
    ),
    row("token with a blank", "[bigcommerce] access_token", "two words", "holds blanks", "Copy the token once more"),
    row(
        "token still the placeholder",
        "[pos] access_token",
        "<access token>",
        "still the example's placeholder",
        "Paste the token",
    ),
    row("token not text", "[pos] access_token", 12345, "the value is not text", "in quotes"),
    row("neither token nor pair", "[pos] access_token", None, "is missing", "client_id and client_secret instead"),
    row(
        "redirect in the open", "[pos] redirect_url", "http://a.example/x", "the code unencrypted", "this machine only"
    ),
    row("redirect to no address", "[pos] redirect_url", "callback", '"callback" is not a web address', "8765/callback"),
    row("redirect with a mark", "[pos] redirect_url", "https://a.example/#x", "is not a web address", "8765/callback"),
    row("redirect empty", "[pos] redirect_url", "", "is empty", "take the line out"),
    row(
        "domain prefix is an address",
        "[pos] domain_prefix",
        "https://MyShop.retail.lightspeed.app/home",
        "is more than the domain prefix",
        '"myshop"',
    ),
    row(
        "domain prefix is a host",
        "[pos] domain_prefix",
        "myshop.vendhq.com",
        '"myshop.vendhq.com" is more than',
        '"myshop"',
    ),
    row(
        "domain prefix with a blank",
        "[pos] domain_prefix",
        "my shop",
        '"my shop" is not a domain prefix',
        ".retail.lightspeed.app",
    ),
    row("old API version", "[pos] api_version", "2.0", '"2.0" is not a dated', '"2026-07"'),
    row("impossible month", "[pos] api_version", "2026-13", "is not a dated", '"2026-07"'),
    row("register not text", "[pos] register", 5, "5 is not text", "in quotes"),
    row("user missing", "[pos] user", None, "is missing", "in whose name"),
    row("user empty", "[pos] user", "  ", "is empty", "Fill it in"),
    row("when_closed", "[pos] when_closed", "no", '"no" is not one', '"try", "open" or "wait"'),
    row("plain http", "[pos] api_url", "http://a.example", "unencrypted", "https://"),
    row(
        "plain http to a look-alike",
        "[bigcommerce] api_url",
        "http://127.0.0.1.example.com",
        "unencrypted",
        "this machine only",
    ),
    row("no scheme", "[pos] api_url", "pos.example.com", "not the root of a web server", "https://"),
    row("with a path", "[pos] api_url", "https://a.example/api", "not the root", "host only"),
    row("impossible port", "[pos] api_url", "https://a.example:99999", "is not an address", "https"),
    row(
        "interval not a duration",
        "[sync] interval",
        "5 parsecs",
        '"5 parsecs" is not a length of time',
        '"30s", "5m", "2h" or "3d"',
    ),
    row("interval a number", "[sync] interval", 300, "300 is not a length of time", '"5m"'),
    row("interval too short", "[sync] interval", "29s", '"29s" is too short', '"30s" or more'),
    row("overlap too short", "[sync] overlap", "59s", '"59s" is too short', '"1m" or more'),
    row("sweep too short", "[sync] sweep", "59m", '"59m" is too short', '"1h" or more'),
    row(
        "start without a zone", "[sync] start", "2026-11-01T00:00:00", "has no time zone", '"2026-11-01T00:00:00+13:00"'
    ),
    row("start is no time", "[sync] start", "soon", '"soon" is not a date with time', '"now"'),
    row("start is a number", "[sync] start", 20261101, "20261101 is not a date", '"now"'),
    row("unpaid", "[sync] unpaid", "later", '"later" is not one', '"closed" or "on_account"'),
    row("edits", "[sync] edits", 1, "1 is not one", '"replace" or "review"'),
    row("refunds", "[sync] refunds", "no", '"no" is not one', '"import" or "ignore"'),
    row("fulfillment", "[sync] fulfillment", "on", '"on" is not one', '"off" or "track"'),
    row("cancelled_unseen", "[sync] cancelled_unseen", "x", '"x" is not one', '"voided" or "skip"'),
    row("mismatch", "[money] mismatch", "x", '"x" is not one', '"review" or "adjust"'),
    row("restock_refunds", "[sync] restock_refunds", "maybe", '"maybe" is neither true nor false', "without quotes"),
    row("too many workers", "[sync] workers", 65, "65 is too large", "64 or less"),
    row("no workers", "[sync] workers", 0, "0 is too small", "1 or more"),
    row("half a worker", "[sync] workers", 1.5, "1.5 is not a whole number", "whole number"),
    row("ignore_channels", "[sync] ignore_channels", "one", '"one" is not a whole number', "whole number"),
    row("ignore_sources", "[sync] ignore_sources", 5, "5 is not a list", '["one", "two"]'),
    row("unknown status", '[status_map] "15"', "closed", '"15" is not the id of an order status', "0 to 14"),
    row("status by name", '[status_map] "awaiting payment"', "closed", "is not the id of an order status", '"7"'),
    row(
        "unknown disposition",
        '[status_map] "13"',
        "parked",
        '"parked" is not one',
        '"not_imported", "closed" or "voided"',
    ),
    row("payment default missing", "[payments] default", None, "is missing", "payment type"),
    row("payment method empty", '[payments] "Bank Deposit"', "", "is empty", "take the line out"),
    row("charge empty", "[charges] fee", "", "is empty", "take the line out"),
    row("checkpoint path", "[checkpoint] path", 4, "4 is not the path of a file", "in quotes"),
    row("keep_payloads", "[checkpoint] keep_payloads", "1h", '"1h" is too short', '"1d" or more'),
    row("web hook without TLS", "[alerts] webhook", "http://a.example/x", "called unencrypted", "https://"),
    row("web hook at no port", "[alerts] webhook", "https://a.example:99999", "is not a web address", "whole address"),
    row("web hook with a password", "[alerts] webhook", "https://a:b@c.example/x", "holds a user name", "before the @"),
    row("web hook that is none", "[alerts] webhook", "<address>", "is not a web address", "whole address"),
    row("ping that is no address", "[alerts] ping", "https://[", "is not a web address", "whole address"),
    row("mail to nobody", "[alerts] email_from", "Ada", '"Ada" is not an e-mail address', "the address alone"),
    row("no patience", "[alerts] no_success", "1m", '"1m" is too short', '"5m" or more'),
    row("metrics for everybody", "[metrics] listen", "0.0.0.0:9464", "not a port of this machine", "127.0.0.1:9464"),
    row("metrics without a port", "[metrics] listen", "localhost", "not a port of this machine", "127.0.0.1:9464"),
    row("metrics nobody collects", "[metrics] file", "a.txt", "would not be collected", ".prom"),
    row("misspelt key", "[sync] intervall", "5m", "not a key", "Did you mean interval?"),
    row("key of another section", "[pos] workers", 4, "not a key", "It belongs under [sync]."),
    row("key of nowhere", "[taxes] zzz", 1, "not a key", "The keys are: default."),
]

TOGETHER = [
    pytest.param(
        {"pos": {"access_token": None, "client_id": "one"}},
        "[pos] client_secret",
        "is missing",
        "only work together",
        id="half a pair",
    ),
    pytest.param(
        {"pos": {"client_secret": "two"}}, "[pos] client_id", "is missing", "only work together", id="the other half"
    ),
    pytest.param(
        {"charges": {"shipping": "ONE", "fee": "one"}},
        "[charges] fee",
        '"one" is the code of [charges] shipping too',
        "a code of its own",
        id="charges alike",
    ),
    pytest.param(
        {"charges": {"shipping": "BC-FEE"}},
        "[charges] fee",
        "is the code of [charges] shipping too",
        "a code of its own",
        id="charge like another's default",
    ),
    pytest.param(
        {"alerts": {"email_to": ["a@example.com"]}}, "[alerts] smtp_host", "is missing", "email_to", id="no mail server"
    ),
    pytest.param(
        {"alerts": {"smtp_user": "ada"}}, "[alerts] smtp_password", "is missing", "only work together", id="no password"
    ),
    pytest.param(
        {"alerts": {"smtp_user": "ada", "smtp_password": "Käse"}},
        "[alerts] smtp_password",
        "that mail servers do not take",
        "plain letters",
        id="password that mail cannot carry",
    ),
    pytest.param({"sycn": {}}, "[sycn]", "is not a section", "Did you mean [sync]?", id="misspelt section"),
    pytest.param(
        {"zzz": {}}, "[zzz]", "is not a section", "The sections are: bigcommerce, pos", id="section of nowhere"
    ),
]


@pytest.mark.parametrize(("changes", "key", "message", "remedy"), REFUSED + TOGETHER)
def test_it_is_refused_in_plain_words(
    write: Write, changes: dict[str, dict[str, Any]], key: str, message: str, remedy: str
) -> None:
    (problem,) = problems(write(changes))

    assert problem.key == key
    assert message in problem.message
    assert remedy in problem.remedy


ROUTES: Mapping[str, tuple[str, str, str]] = {
    "no way to match": ('register = "A"', "[[routes]] 1", "must match by exactly one thing"),
    "two ways to match": ('register = "A"\nchannel = 1\ncountry = "NZ"', "[[routes]] 1", "must match by exactly one"),
    "no register": ("channel = 1", "[[routes]] 1 register", "is missing"),
    "no such country": ('register = "A"\ncountry = "NZL"', "[[routes]] 1 country", '"NZL" is not a country code'),
    "channel below zero": ('register = "A"\nchannel = -1', "[[routes]] 1 channel", "-1 is too small"),
    "unknown key": ('register = "A"\nchannel = 1\nchanel = 1', "[[routes]] 1 chanel", "is not a key of this section"),
}


@pytest.mark.parametrize(("lines", "key", "message"), ROUTES.values(), ids=ROUTES)
def test_a_route_is_refused_by_its_number(write: Write, lines: str, key: str, message: str) -> None:
    (problem,) = problems(write(more=f"[[routes]]\n{lines}"))
    assert problem.key == key
    assert message in problem.message


SHAPES: Mapping[str, tuple[str, str, str, str]] = {
    "section is a value": ("sync = 5", "[sync]", "5 is not a section", "[sync] on a line of its own"),
    "section is a list": ("[[sync]]", "[sync]", "a list is not a section", "[sync] on a line of its own"),
    "status map is a value": ("status_map = 5", "[status_map]", "5 is not a section", "on a line of its own"),
    "routes in single brackets": ("[routes]", "[[routes]]", "a table is not a list of routes", "double brackets"),
    "key before the first section": ('interval = "5m"', "interval", "before the first section", "under [sync]"),
    "odd key before the first section": ("x = 1", "x", "before the first section", "belongs to a section"),
    "key that pydantic-settings would obey": ("_env_file = 1", "_env_file", "before the first section", "section"),
}


@pytest.mark.parametrize(("line", "key", "message", "remedy"), SHAPES.values(), ids=SHAPES)
def test_a_wrong_shape_is_refused(write: Write, line: str, key: str, message: str, remedy: str) -> None:
    file = write()
    file.write_text(f"{line}\n{file.read_text()}")
    (problem,) = problems(file)
    assert problem.key == key
    assert message in problem.message
    assert remedy in problem.remedy


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"))
VALUES = st.recursive(
    TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
SECTIONS = st.sampled_from([name for name in config.Settings.model_fields if name != "routes"])


@given(section=SECTIONS, key=st.none() | TEXTS, value=VALUES, pick=st.integers(0, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_is_taken_or_refused_by_name(
    write: Write, section: str, key: str | None, value: object, pick: int
) -> None:
    known = [name for home, name in known_keys() if home == section] or ["13"]
    with contextlib.suppress(SettingsError):
        config.load(write({section: {known[pick % len(known)] if key is None else key: value}}), {})


def test_every_problem_is_told_at_once(write: Write) -> None:
    file = write(
        {
            "bigcommerce": {"store_hash": "a b"},
            "pos": {"access_token": None, "register": 5},
            "sync": {"interval": "x", "intervall": "5m"},
            "charges": {"fee": "BC-REFUND"},
            "sycn": {},
        },
        more='[[routes]]\nregister = "A"',
    )
    told = problems(file)

    assert {problem.key for problem in told} == {
        "[bigcommerce] store_hash",
        "[pos] access_token",
        "[pos] register",
        "[sync] interval",
        "[sync] intervall",
        "[charges] refund",
        "[sycn]",
        "[[routes]] 1",
    }


def test_an_empty_file_lacks_the_required_keys_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    assert [problem.key for problem in problems(tmp_path / "config.toml")] == [
        "[bigcommerce] store_hash",
        "[bigcommerce] access_token",
        "[pos] domain_prefix",
        "[pos] access_token",
        "[pos] register",
        "[pos] user",
        "[payments] default",
    ]


def test_the_error_names_the_file_and_exits_with_78(write: Write) -> None:
    file = write({"sync": {"workers": 0}})
    with pytest.raises(SettingsError, match=re.escape(str(file))) as caught:
        config.load(file, {})
    assert caught.value.exit_code == 78


def test_a_bad_value_from_the_environment_is_named_by_its_variable(write: Write) -> None:
    (problem,) = problems(write(), BCPOLL_SYNC__WORKERS="many")
    assert problem.key == "BCPOLL_SYNC__WORKERS"
    assert '"many" is not a whole number' in problem.message


# --- secrets are never shown ---

LEAKS: Mapping[str, dict[str, dict[str, Any]]] = {
    "token with a blank": {"pos": {"access_token": "hush hush-0123456789abcdef"}},
    "misspelt token key": {"pos": {"acces_token": "hush-0123456789abcdef"}},
    "token in another section": {"sync": {"access_token": "hush-0123456789abcdef"}},
    "token as the store hash": {"bigcommerce": {"store_hash": "hush0123456789abcdefghijklm"}},
    "token as the domain prefix": {"pos": {"domain_prefix": "hush-0123456789abcdefghijk-"}},
    "dotted token as the domain prefix": {"pos": {"domain_prefix": "hush0123456789.abcdefghijklmnop.qrst"}},
    "password in an address": {"pos": {"api_url": "https://me:hush-0123@a.example"}},
    "a list of tokens": {"pos": {"access_token": ["hush-0123456789abcdef"]}},
    "something else is missing": {
        "bigcommerce": {"access_token": "hush-0123456789abcdef", "store_hash": None},
        "pos": {"access_token": "hush-0123456789abcdef", "user": None},
    },
}


@pytest.mark.parametrize("changes", LEAKS.values(), ids=LEAKS)
def test_no_secret_is_shown_in_an_error(write: Write, changes: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(SettingsError) as caught:
        config.load(write(changes), {})
    assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("shown", [repr, str, lambda settings: str(settings.model_dump()), "{!r}".format])
def test_no_secret_is_shown_by_the_settings(write: Write, shown: Callable[[object], str]) -> None:
    text = shown(loaded(write({"pos": {"client_id": "one", "client_secret": "hush-hush"}})))
    assert not [secret for secret in (BC_TOKEN, POS_TOKEN, "hush-hush") if secret in text]


def test_no_secret_is_shown_when_settings_are_built_wrongly() -> None:
    with pytest.raises(ValueError, match="domain_prefix") as caught:
        config.Settings(**LEAST | {"pos": {"access_token": POS_TOKEN}})  # type: ignore[arg-type]
    assert POS_TOKEN not in str(caught.value)


# --- where settings come from ---


def test_the_environment_wins_over_credentials_and_both_over_the_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "bigcommerce_access_token").write_text("from-a-credential\n")
    (tmp_path / "pos_access_token").write_text("from-a-credential\n")
    settings = loaded(write(), CREDENTIALS_DIRECTORY=str(tmp_path), BCPOLL_POS__ACCESS_TOKEN="from-a-variable")
    assert settings.secrets == ("from-a-credential", "from-a-variable")


def test_every_kind_of_key_can_come_from_the_environment(write: Write) -> None:
    settings = loaded(
        write(),
        BCPOLL_SYNC__INTERVAL="10m",
        BCPOLL_SYNC__WORKERS="8",
        BCPOLL_SYNC__RESTOCK_REFUNDS="false",
        BCPOLL_SYNC__IGNORE_CHANNELS="1, 2",
        BCPOLL_STATUS_MAP__13="voided",
        BCPOLL_PAYMENTS__STORE_CREDIT="Credit",
        BCPOLL_MONEY__MISMATCH="adjust",
    )
    assert settings.sync.interval == timedelta(minutes=10)
    assert (settings.sync.workers, settings.sync.restock_refunds, settings.sync.ignore_channels) == (8, False, (1, 2))
    assert settings.status_map == {OrderStatus.DISPUTED: Disposition.VOIDED}
    assert settings.payments.store_credit == "Credit"
    assert settings.money.mismatch is Mismatch.ADJUST


def test_an_empty_variable_counts_as_not_set(write: Write) -> None:
    assert loaded(write(), BCPOLL_POS__ACCESS_TOKEN=" ").secrets[1] == POS_TOKEN


def test_only_the_environment_that_is_given_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCPOLL_POS__USER", "somebody else")
    assert loaded(write()).pos.user == "web"


@pytest.mark.parametrize("name", ["BCPOLL_POS_USER", "BCPOLL_SYCN__WORKERS", "BCPOLL_ROUTES", "BCPOLL_SYNC"])
def test_a_variable_that_sets_nothing_is_remarked_on(write: Write, name: str) -> None:
    (warning,) = config.load(write(), {name: "[1]", "PATH": "/bin", "BCPOLL_CONFIG": "x"}).warnings
    assert warning.startswith(f"{name} sets nothing")


def test_a_credential_that_cannot_be_read_is_named(write: Write, tmp_path: Path) -> None:
    (tmp_path / "pos_access_token").mkdir()
    (problem,) = problems(write(), CREDENTIALS_DIRECTORY=str(tmp_path))
    assert problem.key == str(tmp_path / "pos_access_token")
    assert "is a directory" in problem.message


def test_a_credential_that_is_not_text_is_named(write: Write, tmp_path: Path) -> None:
    (tmp_path / "pos_access_token").write_bytes(b"\xff\xfe")
    (problem,) = problems(write(), CREDENTIALS_DIRECTORY=str(tmp_path))
    assert "it is not text" in problem.message


def test_a_bad_credential_is_named_by_its_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "pos_access_token").write_text("two words")
    (problem,) = problems(write(), CREDENTIALS_DIRECTORY=str(tmp_path))
    assert problem.key == str(tmp_path / "pos_access_token")
    assert "two words" not in problem.message


def test_the_file_is_found_by_variable_then_here_then_in_etc(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, empty = write(), tmp_path / "empty"
    empty.mkdir()

    assert config.load(None, {"BCPOLL_CONFIG": str(file)}).path == file
    monkeypatch.chdir(tmp_path)
    assert config.load(None, {}).path == Path("config.toml")
    monkeypatch.chdir(empty)
    monkeypatch.setattr(config.layers, "SYSTEM_FILE", file)
    assert config.load(None, {}).path == file


def test_without_any_file_the_way_to_begin_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config.layers, "SYSTEM_FILE", tmp_path / "none.toml")
    (problem,) = problems(None)
    assert "there is no such file, and no" in problem.message
    assert "bcpoll init" in problem.remedy


def test_a_file_in_a_locked_folder_is_not_taken_for_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    (problem,) = problems(None)
    assert problem.message == "it cannot be read: permission denied"


UNREADABLE: Mapping[str, tuple[bytes, str]] = {
    "not TOML": (b"[pos]\nuser = web\n", "it is not valid TOML: Invalid value (at line 2"),
    "a key twice": (b"[pos]\nuser = 1\nuser = 2\n", "(at line 3"),
    "a Windows code page": (b"[pos]\nuser = 'caf\xe9'\n", "it is not UTF-8 text (byte 18)"),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    (problem,) = problems(tmp_path / "config.toml")
    assert message in problem.message


def test_a_file_with_a_byte_order_mark_is_read(write: Write) -> None:
    file = write()
    file.write_text("\ufeff" + file.read_text())
    assert loaded(file).pos.user == "web"


def test_a_missing_file_is_told_with_the_way_to_begin(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "none.toml")
    assert problem.message == "there is no such file"
    assert "bcpoll init" in problem.remedy


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path)
    assert problem.message == "this is a folder"


def test_a_file_that_may_not_be_read_is_told(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write()

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    (problem,) = problems(file)
    assert problem.message == "it cannot be read: permission denied"
    assert str(file) in problem.remedy


@pytest.mark.parametrize(
    ("path", "expected"),
    [("shop.db", "{folder}/shop.db"), ("~/shop.db", "/home/me/shop.db"), ("/var/shop.db", "/var/shop.db")],
)
def test_the_checkpoint_stands_beside_the_settings(write: Write, path: str, expected: str) -> None:
    file = write({"checkpoint": {"path": path}})
    assert loaded(file, HOME="/home/me").checkpoint.path == Path(expected.format(folder=file.parent))


def test_the_checkpoint_path_does_not_depend_on_the_working_folder(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write().parent)
    assert loaded(None).checkpoint.path.is_absolute()


def test_a_settings_path_may_begin_at_home(write: Write) -> None:
    file = write()
    assert config.load(Path("~/config.toml"), {"HOME": str(file.parent)}).path == file


# --- remarks ---


@pytest.mark.parametrize("mode", [0o644, 0o604])
def test_a_token_that_everybody_can_read_is_remarked_on(write: Write, mode: int) -> None:
    file = write()
    file.chmod(mode)
    (warning,) = config.load(file, {}).warnings
    assert warning.endswith(f"chmod o-rwx {file}")


def test_a_token_that_only_the_group_can_read_is_nobodys_business(write: Write) -> None:
    file = write()
    file.chmod(0o640)
    assert config.load(file, {}).warnings == ()


def test_a_file_without_a_token_may_be_read_by_everybody(write: Write) -> None:
    file = write({"bigcommerce": {"access_token": None}, "pos": {"access_token": None}})
    file.chmod(0o644)
    tokens = {"BCPOLL_BIGCOMMERCE__ACCESS_TOKEN": BC_TOKEN, "BCPOLL_POS__ACCESS_TOKEN": POS_TOKEN}
    assert config.load(file, tokens).warnings == ()


def test_a_payment_method_that_looks_like_a_key_is_remarked_on(write: Write) -> None:
    (warning,) = config.load(write({"payments": {"gift_certifcate": "Gift"}}), {}).warnings
    assert "did you mean gift_certificate?" in warning


def test_a_payment_method_named_twice_is_remarked_on(write: Write) -> None:
    (warning,) = config.load(write({"payments": {"Cash": "A", "cash": "B"}}), {}).warnings
    assert "names a payment method twice" in warning


# --- config.example.toml ---

KEY_LINE = re.compile(r'^# (?=(\[\[routes\]\]|[a-z_]+ = |"13" = |"Cash on Delivery" = ))', re.MULTILINE)
FREE_KEYS = {("status_map", "13"), ("payments", "Cash on Delivery")}
PLACEHOLDER = re.compile(r"<.*>")


def example() -> dict[str, Any]:
    """The example with every key uncommented."""
    return tomllib.loads(KEY_LINE.sub("", EXAMPLE.read_text()))


def keys_of(table: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for section, keys in table.items():
        for key, value in (keys[0] if isinstance(keys, list) else keys).items():
            if (section, key) not in FREE_KEYS:
                yield section, key, value


def known_keys() -> Iterator[tuple[str, str]]:
    for section, one in config.Settings.model_fields.items():
        model: Any = config.RouteRule if section == "routes" else one.annotation
        for name, key in getattr(model, "model_fields", {}).items():
            yield section, key.alias or name


def test_the_example_has_every_section_and_key_and_no_other() -> None:
    assert set(example()) == set(config.Settings.model_fields)
    assert sorted((section, key) for section, key, _ in keys_of(example())) == sorted(known_keys())


def test_the_example_shows_every_default(write: Write) -> None:
    defaults = loaded(write()).model_dump(by_alias=True)
    shown = {section: keys for section, keys in example().items() if section != "routes"}
    filled = loaded(write(_without_placeholders(shown)))
    actual = filled.model_dump(by_alias=True)

    for section, key, value in keys_of(shown):
        if not PLACEHOLDER.fullmatch(str(value)):
            assert actual[section][key] == defaults[section][key], (section, key)


def test_what_the_example_leaves_to_fill_in_is_what_is_required(write: Write) -> None:
    required = {(section, key) for section, key, value in keys_of(example()) if PLACEHOLDER.fullmatch(str(value))}
    told = {problem.key for problem in problems(EXAMPLE)}
    assert told == {
        "[bigcommerce] store_hash",
        "[bigcommerce] access_token",
        "[pos] domain_prefix",
        "[pos] access_token",
        "[pos] register",
        "[pos] user",
        "[payments] default",
    }
    optional = {("pos", "client_id"), ("pos", "client_secret"), ("routes", "register"), ("metrics", "file")}
    optional |= {("alerts", key) for key in ("webhook", "ping", "email_from", "smtp_password")}
    assert {f"[{section}] {key}" for section, key in required - optional} == told


def test_the_examples_status_table_is_the_programs() -> None:
    prose = EXAMPLE.read_text().replace("\n# ", " ")
    assert not [status.title for status in OrderStatus if f"{int(status)} {status.title}" not in prose]


def _without_placeholders(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        section: {key: value for key, value in keys.items() if not PLACEHOLDER.fullmatch(str(value))}
        for section, keys in table.items()
    }
