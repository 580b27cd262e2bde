"""Each thing that is told, over real passes and real channels: once, once more each day, and once when it is over."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import pytest
from post_office import Hook, PostOffice, certificate, hook, post_office
from program import ADA, Desk, small_world

from bcpoll.adapters.token_file import TokenFile, TokenPair
from bcpoll.sandbox.drafts import Draft, Parcel
from bcpoll.sandbox.faults import Fault
from bcpoll.sandbox.world import World

pytestmark = pytest.mark.slow

OpenDesk: TypeAlias = Callable[[World], Desk]

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BEGINNING = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@dataclass
class Time:
    """The clock of the program and of both sides."""

    at: datetime = BEGINNING

    def now(self) -> datetime:
        return self.at


@dataclass
class Owner:
    """A shop's owner, who is told by a web hook and by e-mail, and has a check pinged."""

    desk: Desk
    time: Time
    receiver: Hook
    office: PostOffice
    kept: bytes = b""

    def passes(self, after: timedelta = timedelta(minutes=5), times: int = 1) -> list[str]:
        """Let time go by and passes come; gives what both channels told, which is the same."""
        self.receiver.posts.clear()
        self.office.letters.clear()
        for _ in range(times):
            self.time.at += after
            self.desk.run("run-once")
        texts = [json.loads(body)["text"] for path, _, body in self.receiver.posts if path == "/hook"]
        by_mail = [str(letter["Subject"]) for letter in self.office.letters]
        assert [text.partition("\n")[0].strip("*") for text in texts] == by_mail
        pings = [path.removeprefix("/ping") for path in self.receiver.paths if path != "/hook"]
        assert len(pings) in (times, 2 * times)
        return [subject.removeprefix("bcpoll (sandbox): ") for subject in by_mail]

    def order(self, **draft: object) -> int:
        """Let somebody order now."""
        store = self.desk.world.store
        usual = {"items": (store.item("MUG", 1),), "shopper": ADA, "parcels": (Parcel(cost="6.00"),)}
        return store.place(Draft(**(usual | draft)), at=self.time.at)  # type: ignore[arg-type]


@pytest.fixture
def owner(open_desk: OpenDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    (tmp_path / "post").mkdir()
    pem = certificate(tmp_path / "post")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    time = Time()
    monkeypatch.setattr("bcpoll.cli.wiring.now", time.now)
    with hook() as receiver, post_office(pem) as office:
        world = small_world(orders=3)
        world.set_clock(time.now)
        owner = Owner(desk=open_desk(world), time=time, receiver=receiver, office=office)
        tell(owner)
        yield owner


def tell(owner: Owner, *changes: tuple[str, str], no_success: str = "60d") -> None:
    """Write the settings with who is to be told."""
    owner.desk.write_config(*changes)
    owner.desk.config.write_text(
        f'{owner.desk.config.read_text()}\n[alerts]\nwebhook = "{owner.receiver.url}/hook"\n'
        f'ping = "{owner.receiver.url}/ping"\nemail_to = ["owner@shop.example"]\nsmtp_host = "127.0.0.1"\n'
        f'smtp_port = {owner.office.port}\nno_success = "{no_success}"\n'
    )


# --- what may be the matter ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Life:
    """Something that becomes the matter and is mended again."""

    told_as: str
    harm: Callable[[Owner], object]
    mend: Callable[[Owner], object]
    before: Callable[[Owner], object] = lambda owner: None
    after: timedelta = timedelta(minutes=5)
    """How long it takes until it is told."""


def set_aside(owner: Owner) -> None:
    owner.order(fields={"total_inc_tax": "1.0000"})


def dismiss(owner: Owner) -> None:
    assert owner.desk.run("review", "dismiss", "1", "--reason", "entered by hand").code == 0


def other_token(side: str) -> Callable[[Owner], None]:
    return lambda owner: setattr(owner.desk.world.tokens, side, "another")


def right_token(side: str) -> Callable[[Owner], None]:
    return lambda owner: setattr(owner.desk.world.tokens, side, f"{side}-token")


def refused_by_pos(owner: Owner) -> None:
    """A pass without an order asks the POS nothing."""
    owner.desk.world.tokens.pos = "another"
    owner.order()


def log_in(owner: Owner) -> None:
    """Have the POS connected by OAuth, with a pair of tokens as a login leaves it."""
    tell(owner, ('access_token = "pos-token"', 'client_id = "client"\nclient_secret = "client-secret"'))
    keep_tokens(owner, "pos-token")


def keep_tokens(owner: Owner, access_token: str) -> None:
    from bcpoll.budget import SYSTEM_CLOCK

    pair = TokenPair(
        domain_prefix="sandbox",
        client_id="client",
        access_token=access_token,
        refresh_token="used up",
        issued_at=owner.time.at,
        expires_at=None,
    )
    file = TokenFile(owner.desk.checkpoint, clock=SYSTEM_CLOCK)
    with file.turn(), file.replacing() as write:
        write(pair)


def store_is_down(owner: Owner) -> None:
    owner.desk.world.faults.on(Fault.ERROR_503, lambda request: request.side == "store", times=10_000)


def sell_for_weeks(owner: Owner) -> None:
    """Twelve orders at noon on each of sixteen days."""
    until = owner.time.at
    for day in range(16, 0, -1):
        owner.time.at = until - day * DAY
        for _ in range(12):
            owner.order()
    owner.time.at = until - DAY


def spoil(owner: Owner) -> None:
    owner.kept = owner.desk.checkpoint.read_bytes()
    owner.desk.checkpoint.write_bytes(b"no database" * 1000)


LIVES: Mapping[str, Life] = MappingProxyType(
    {
        "an order is set aside": Life("set aside: totals differ", set_aside, dismiss),
        "the store refuses the token": Life("access refused", other_token("store"), right_token("store")),
        "the POS refuses the token": Life("access refused", refused_by_pos, right_token("pos")),
        "the login cannot be renewed": Life(
            "access refused",
            refused_by_pos,
            lambda owner: keep_tokens(owner, "another"),
            before=log_in,
        ),
        "no pass gets through": Life(
            "no success",
            store_is_down,
            lambda owner: owner.desk.world.faults.clear(),
            before=lambda owner: tell(owner, no_success="1h"),
            after=2 * HOUR,
        ),
        "no order comes": Life(
            "no orders", lambda owner: None, lambda owner: owner.order(), before=sell_for_weeks, after=50 * HOUR
        ),
        "the checkpoint is spoilt": Life(
            "checkpoint unusable", spoil, lambda owner: owner.desk.checkpoint.write_bytes(owner.kept)
        ),
    }
)


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_a_matter_is_told_once_then_once_a_day_and_once_when_it_is_over(
    owner: Owner, life: Life, no_waiting: list[float]
) -> None:
    life.before(owner)
    assert owner.passes(times=2) == []

    life.harm(owner)
    assert owner.passes(life.after) == [life.told_as]
    assert owner.passes(times=3) == []
    assert owner.passes(DAY) == [f"still: {life.told_as}"]
    assert owner.passes(times=2) == []

    life.mend(owner)
    assert owner.passes() == [f"over: {life.told_as}"]
    assert owner.passes(times=2) == []


# What is told stands in the checkpoint: of one that is spoilt, the command says so.
LISTED = {name: life for name, life in LIVES.items() if life.harm is not spoil}


@pytest.mark.parametrize("life", LISTED.values(), ids=LISTED)
def test_what_is_being_told_can_be_listed_for_as_long(owner: Owner, life: Life, no_waiting: list[float]) -> None:
    life.before(owner)
    owner.passes()
    nothing = owner.desk.run("alerts", "list")
    life.harm(owner)
    owner.passes(life.after)

    told = owner.desk.run("--json", "alerts", "list").json
    shown = owner.desk.run("alerts", "list").out
    life.mend(owner)
    owner.passes()

    assert nothing.out == "No alerts. New ones would be sent by: webhook, email, ping.\n"
    ((matter, by),) = [(one["matter"], list(one["told_at"])) for one in told["alerts"]]
    assert (matter, by, told["by"]) == (life.told_as, ["webhook", "email"], ["webhook", "email", "ping"])
    assert told["alerts"][0]["remedy"].endswith(".")
    assert life.told_as in shown
    assert owner.desk.run("alerts", "list").out == nothing.out


def test_what_could_not_be_told_yet_is_listed_as_such(owner: Owner) -> None:
    owner.receiver.status = 500
    set_aside(owner)
    owner.desk.run("run-once")

    told = owner.desk.run("--json", "alerts", "list").json["alerts"]
    owner.desk.config.write_text(owner.desk.config.read_text().replace("email_to", "#").replace("smtp_", "# smtp_"))
    shown = owner.desk.run("alerts", "list").out

    assert [(one["matter"], list(one["told_at"])) for one in told] == [("set aside: totals differ", ["email"])]
    assert "not yet" in shown


def test_the_list_needs_somebody_to_be_told_and_a_checkpoint(owner: Owner) -> None:
    before_any_run = owner.desk.run("alerts", "list")
    owner.desk.write_config()
    nobody = owner.desk.run("alerts", "list")

    assert (before_any_run.code, before_any_run.out) == (74, "")
    assert (nobody.code, "[alerts] names nobody" in nobody.err) == (2, True)


# --- whoever cannot be told ------------------------------------------------------------------------------------------


def hook_refuses(owner: Owner) -> None:
    owner.receiver.status = 500


def mail_refuses(owner: Owner) -> None:
    owner.office.refuses = True


def nobody_is_there(key: str) -> Callable[[Owner], None]:
    def harm(owner: Owner) -> None:
        there = {
            "webhook": f"{owner.receiver.url}/hook",
            "ping": f"{owner.receiver.url}/ping",
            "smtp_port": f"smtp_port = {owner.office.port}",
        }[key]
        nowhere = "smtp_port = 1" if key == "smtp_port" else "http://127.0.0.1:1/secret"
        owner.desk.config.write_text(owner.desk.config.read_text().replace(there, nowhere))

    return harm


DEAF = {
    "the web hook and the check answer 500": hook_refuses,
    "the mail server refuses": mail_refuses,
    "no web hook is there": nobody_is_there("webhook"),
    "no check is there": nobody_is_there("ping"),
    "no mail server is there": nobody_is_there("smtp_port"),
}


@pytest.mark.parametrize("deaf", DEAF.values(), ids=DEAF)
@pytest.mark.parametrize(
    ("harm", "code"), [(set_aside, 3), (other_token("store"), 77), (spoil, 74), (lambda owner: None, 0)]
)
def test_whoever_cannot_be_told_a_pass_ends_as_it_would(
    owner: Owner, deaf: Callable[[Owner], None], harm: Callable[[Owner], None], code: int
) -> None:
    owner.passes()
    harm(owner)
    deaf(owner)

    said = owner.desk.run("run-once")

    assert said.code == code
    assert "secret" not in said.err
