"""`bcpoll init`: settings made by asking, each answer tried as it is given.

Owns the conversation: which question comes when, what is proposed, and how an answer is corrected. Nothing is left on
the disk before the end. How the answers become a file is `example`'s business, whether they are right `config`'s.
"""

import os
import secrets
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bcpoll.cli.asking import Choice, Key, Question, Talk, choose, is_somebody_there, need_somebody, say, say_row
from bcpoll.cli.check import checked, show
from bcpoll.cli.options import Options, pass_options
from bcpoll.cli.questions import (
    BESIDE_METHODS,
    CLIENT_ID,
    CLIENT_SECRET,
    DEFAULT_PAYMENT,
    DOMAIN_PREFIX,
    FULFILLMENT,
    GIFT_CERTIFICATE,
    POS_TOKEN,
    QUESTIONS,
    REDIRECT_URL,
    REGISTER,
    STORE_CREDIT,
    STORE_HASH,
    STORE_TOKEN,
    TAX,
    UNPAID,
    USER,
    question_about,
)
from bcpoll.errors import AccessRefused, BcpollError

if TYPE_CHECKING:
    from bcpoll.config import Loaded, Settings
    from bcpoll.monitoring.look import Look

FC = TypeVar("FC", bound=Callable[..., Any] | click.Command)


def _option(question: Question, **more: Any) -> Callable[[FC], FC]:
    return click.option(question.flag, question.parameter, **more)


@click.command(
    epilog='Example: bcpoll init --register Online --payment "Cash on Delivery=Cash"',
    short_help="Make the settings by answering questions.",
)
@_option(STORE_HASH, help="The web store, by what stands after /stores/ in its API path.")
@_option(STORE_TOKEN, help="Its access token. Better by $BCPOLL_BIGCOMMERCE__ACCESS_TOKEN.")
@_option(DOMAIN_PREFIX, help="The POS, by what stands before .retail.lightspeed.app.")
@_option(POS_TOKEN, help="Its personal token. Better by $BCPOLL_POS__ACCESS_TOKEN.")
@_option(CLIENT_ID, help="In place of a personal token: your OAuth application.")
@_option(CLIENT_SECRET, help="Its secret. Better by $BCPOLL_POS__CLIENT_SECRET.")
@_option(REDIRECT_URL, help="Its redirect address.")
@_option(REGISTER, help="The register that web sales are booked on.")
@_option(USER, help="The user in whose name they are booked.")
@_option(DEFAULT_PAYMENT, metavar="TYPE", help="The payment type for orders that nothing else names.")
@click.option(
    "--payment", multiple=True, metavar="METHOD=TYPE", help="The payment type for one of the web store's methods."
)
@_option(GIFT_CERTIFICATE, metavar="TYPE", help="The payment type for gift certificates.")
@_option(STORE_CREDIT, metavar="TYPE", help="The payment type for store credit.")
@_option(TAX, help="The tax for lines whose rate no tax of the POS has.")
@_option(FULFILLMENT, type=click.Choice(["off", "track"]), help="Whether staff fulfil web orders from the POS.")
@_option(UNPAID, type=click.Choice(["closed", "on_account"]), help="How orders that are not paid yet are booked.")
@click.option("--api-url", metavar="URL", help="Both sides at another address: a bcpoll sandbox.")
@click.option("-y", "--yes", is_flag=True, help="Take whatever is proposed, without asking.")
@click.option("--force", is_flag=True, help="Overwrite settings that are there already.")
@pass_options
def init(
    options: Options,
    /,
    api_url: str | None,
    payment: tuple[str, ...],
    yes: bool,  # noqa: FBT001
    force: bool,  # noqa: FBT001
    **given: str | None,
) -> int:
    """Make the settings by answering questions.

    Tries each token as it is given, and shows the POS's registers, users, payment types and taxes to choose from. Then
    it writes a settings file that explains every key, for its owner alone, and runs `bcpoll check`. --config names the
    file, else it is ./config.toml. Until then nothing is written, and Ctrl-C leaves all as it was.

    Every question can be answered by an option instead; with --yes, the others take what would be proposed.
    """
    from bcpoll.config import file_to_write

    path = file_to_write(options.config, options.environ)
    _check_place(path, force=force)
    flags = {question.key: text for question in QUESTIONS if (text := given[question.parameter]) is not None}
    talk = Talk(path=path, environ=options.environ, flags=flags | _methods(payment), takes_proposals=yes)
    if api_url:
        for section in ("bigcommerce", "pos"):
            talk.check(Question(key=(section, "api_url"), flag="--api-url", asks="", where=""), api_url)
            talk.answers[section, "api_url"] = api_url
    # What the environment sets wrongly shows before anything is asked.
    _ = talk.draft
    with talk.leaving_nothing_behind():
        for step in _STEPS:
            _go_through(step, talk)
        _confirm(talk)
        loaded = _write(path, talk, options.environ, force=force)
    say(f"Written: {path}, for your eyes alone (mode 0600).")
    code = 0
    if talk.look is not None:
        say("\nIs everything in order (bcpoll check)?\n")
        code = show(checked(loaded), as_json=options.as_json)
    _next(talk, path, options.config)
    return code


COMMANDS = (init,)


def _methods(given: Sequence[str]) -> dict[Key, str]:
    found = {}
    for text in given:
        method, separator, name = text.partition("=")
        if not (separator and method.strip() and name.strip()):
            raise click.BadParameter(f'"{text}" is not METHOD=TYPE.', param_hint="--payment")
        found["payments", method.strip()] = name.strip()
    return found


def _check_place(path: Path, *, force: bool) -> None:
    """Find out before anything is asked whether the settings can be written."""
    if path.is_dir():
        raise click.UsageError(f"{path} is a folder. Name the file in it: --config {path}/config.toml.")
    if path.exists() and not force:
        raise click.UsageError(f"{path} is there already. --force writes over it; --config names another file.")
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"The folder {path.absolute().parent} is not there. Make it first.")
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise click.UsageError(
            f"The folder {path.absolute().parent} cannot be written. Name another file with --config."
        )


# --- the two accounts ------------------------------------------------------------------------------------------------


def _store(talk: Talk) -> None:
    while True:
        talk.ask(STORE_HASH, proposed=talk.answer(STORE_HASH.key))
        talk.ask(STORE_TOKEN)
        try:
            _try_store(talk)
        except BcpollError as error:
            talk.ask_again_about(error, STORE_HASH, STORE_TOKEN)
        else:
            return


def _try_store(talk: Talk) -> None:
    from bcpoll.cli import wiring

    with wiring.looking_at_store(talk.draft) as (source, _):
        _all_allowed(source.server_time, source.store, lambda: source.newest_orders(1), lambda: source.stock([1]))
        facts = source.store()
    talk.store_name, talk.currency = facts.name, facts.currency
    say(f"Connected to {facts.name}, which keeps {facts.currency}.")


def _all_allowed(*reads: Callable[[], object]) -> None:
    """Try several reads, and tell all that are not allowed at once: a token mostly has to be made anew for them."""
    refused = []
    for read in reads:
        try:
            read()
        except AccessRefused as error:
            if error.status != 403:
                raise
            refused.append(error)
    if refused:
        hints = dict.fromkeys(error.hint for error in refused)
        raise AccessRefused("\n".join(error.message for error in refused), hint=" ".join(hints), status=403)


def _pos(talk: Talk) -> None:
    while True:
        talk.ask(DOMAIN_PREFIX, proposed=talk.answer(DOMAIN_PREFIX.key))
        _ask_for_way_in(talk)
        try:
            _try_pos(talk)
        except BcpollError as error:
            talk.ask_again_about(error, DOMAIN_PREFIX, POS_TOKEN, CLIENT_ID, CLIENT_SECRET, REDIRECT_URL)
        else:
            return


def _ask_for_way_in(talk: Talk) -> None:
    """A personal token, or an application where there is none."""
    by_oauth = any(question.key in talk.flags or talk.outside(question) for question in (CLIENT_ID, CLIENT_SECRET))
    for question in (CLIENT_ID, CLIENT_SECRET, REDIRECT_URL):
        talk.answers.pop(question.key, None)
    if by_oauth and POS_TOKEN.key not in talk.flags and not talk.outside(POS_TOKEN):
        talk.answers[POS_TOKEN.key] = None
    else:
        talk.ask(POS_TOKEN)
    if talk.answers[POS_TOKEN.key] or talk.outside(POS_TOKEN):
        return
    talk.answers[POS_TOKEN.key] = None
    talk.ask(CLIENT_ID)
    talk.ask(CLIENT_SECRET)
    talk.ask(REDIRECT_URL, proposed=_default_redirect())


def _default_redirect() -> str:
    from bcpoll.config import PosAccess

    return str(PosAccess.model_fields["redirect_url"].default)


def _try_pos(talk: Talk) -> None:
    from bcpoll.cli import wiring
    from bcpoll.config import Loaded
    from bcpoll.monitoring.look import Look

    talk.held.close()
    talk.look = None
    settings = talk.draft
    if settings.pos.access_token is None and not _logged_in(talk, settings):
        say("The POS is connected later, by bcpoll login. Until then names are taken as they are typed.")
        return
    look = Look(talk.held.enter_context(wiring.looking(Loaded(settings, talk.path))))
    look.retailer()
    _all_allowed(look.registers, look.outlets, look.users, look.payment_types, look.taxes)
    _all_allowed(look.some_products, look.some_customers, look.sales, look.reasons)
    talk.look = look
    retailer = look.retailer()
    say(f"Connected to {retailer.name}, which keeps {retailer.currency}.")
    if retailer.currency != talk.currency:
        say(f"Careful: the store keeps {talk.currency}. Orders in another currency than the POS's are set aside.")
    _warn_of_other_link(look)


def _logged_in(talk: Talk, settings: "Settings") -> bool:
    """Whether somebody has logged in to the POS before, or does so now."""
    from bcpoll.cli import wiring
    from bcpoll.cli.login import connect_by_asking
    from bcpoll.lock import lock_path

    with wiring.signing_in(settings) as desk:
        talk.forget_if_broken_off(desk.file.path)
        talk.forget_if_broken_off(lock_path(desk.file.path))
        with suppress(AccessRefused):
            desk.retailer()
            return True
        if not is_somebody_there() or talk.takes_proposals:
            return False
        if not click.confirm("\nLog in to the POS now?", default=True, err=True):
            return False
        connect_by_asking(desk, talk.environ, paste=False)
    return True


def _warn_of_other_link(look: "Look") -> None:
    from bcpoll.monitoring.check import other_link

    with suppress(BcpollError):
        found = other_link(look)
        if found is not None:
            say(f"\nCareful: {found.detail}. {found.remedy}")


# --- the choices -----------------------------------------------------------------------------------------------------


def _register(talk: Talk) -> None:
    from bcpoll.core.fit import proposed_name

    registers = talk.look.registers() if talk.look else ()
    outlets = {outlet.id: outlet.name for outlet in (talk.look.outlets() if talk.look else ())}
    choices = [
        Choice(one.name, f"{outlets.get(one.outlet_id, '?')}, {'open' if one.is_open else 'closed'}")
        for one in registers
    ]
    names = [choice.name for choice in choices]
    choose(talk, REGISTER, choices, _kept(talk, REGISTER, names) or proposed_name(names))


def _user(talk: Talk) -> None:
    from bcpoll.core.fit import proposed_name

    users = talk.look.users() if talk.look else ()
    choices = [Choice(one.username, one.name) for one in users]
    names = [choice.name for choice in choices]
    only = names[0] if len(names) == 1 else ""
    choose(talk, USER, choices, _kept(talk, USER, names) or proposed_name(names) or only)


def _payments(talk: Talk) -> None:
    from bcpoll.core.fit import Tendered, proposed_default, proposed_type, tendered

    names = [one.name for one in talk.look.payment_types()] if talk.look else []
    seen = tendered(talk.look.orders) if talk.look else Tendered(methods={})
    choices = [Choice(name) for name in names]
    choose(talk, DEFAULT_PAYMENT, choices, _kept(talk, DEFAULT_PAYMENT, names) or proposed_default(names))
    default = talk.answer(DEFAULT_PAYMENT.key)
    by_flags = [key for key in talk.flags if key[0] == "payments"]
    questions = [question_about(method, count) for method, count in seen.methods.items()]
    questions += [
        question_about(key[1]) for key in by_flags if key not in {one.key for one in (*questions, *BESIDE_METHODS)}
    ]
    for own, count in zip(BESIDE_METHODS, (seen.gift_certificates, seen.store_credit), strict=True):
        questions += [own] * bool(count or own.key in talk.flags)
    if seen.methods and not talk.takes_proposals:
        say("\nHow recent orders were paid, and what that is in the POS:\n")
    for question in questions:
        words = question.asks if question in BESIDE_METHODS else question.key[1]
        proposed = _kept(talk, question, names) or proposed_type(words, names) or default
        choose(talk, question, choices, proposed, listed=False)


def _taxes(talk: Talk) -> None:
    from bcpoll.config import policy
    from bcpoll.core.fit import unknown_rates

    if talk.look is None:
        if TAX.key in talk.flags:
            talk.ask(TAX)
        return
    taxes, retailer = talk.look.taxes(), talk.look.retailer()
    choices = [
        Choice(tax.name, f"{(tax.rate * 100).normalize():f} %" + (", the POS's default" if tax.is_default else ""))
        for tax in taxes
    ]
    unknown = unknown_rates(talk.look.orders, taxes, retailer.no_tax_id, policy(talk.draft))
    if unknown:
        rates = ", ".join(f"{rate.percent} % (order {rate.order_id})" for rate in unknown)
        say(f"\nOn recent orders there are rates that no tax of the POS has: {rates}. Best add them there.")
    names = [tax.name for tax in taxes]
    own = next((tax.name for tax in taxes if tax.is_default), "")
    choose(talk, TAX, choices, _kept(talk, TAX, names) or own or names[0] if names else "")


def _kept(talk: Talk, question: Question, names: Sequence[str]) -> str:
    """The answer of before, where it is still one of what there is to choose from."""
    answer = talk.answer(question.key)
    return answer if not names or answer in names else ""


def _fulfillment(talk: Talk) -> None:
    talk.confirm(FULFILLMENT, yes="track", no="off")


def _unpaid(talk: Talk) -> None:
    talk.confirm(UNPAID, yes="on_account", no="closed")


# --- the end ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Step:
    """A part of the conversation that can be gone through again by itself."""

    name: str
    ask: Callable[[Talk], None]
    answer: Callable[[Talk], str]


def _go_through(step: _Step, talk: Talk) -> None:
    if is_somebody_there():
        talk.head(f"{_STEPS.index(step) + 1} of {len(_STEPS)}: {step.name}")
    step.ask(talk)


def _payments_told(talk: Talk) -> str:
    others = {
        key: name
        for (section, key), name in talk.answers.items()
        if section == "payments" and key != "default" and name
    }
    default = talk.answer(DEFAULT_PAYMENT.key)
    told = [f"{key.replace('_', ' ')}: {name}" for key, name in others.items() if name != default]
    return "; ".join([default, *told])


_WORDS = {
    "track": "from the POS's Fulfillments page",
    "off": "not from the POS",
    "on_account": "on the customer's account",
    "closed": "sales without a payment",
}

_STEPS = (
    _Step("BigCommerce", _store, lambda talk: f"{talk.store_name} ({talk.draft.bigcommerce.store_hash})"),
    _Step("POS", _pos, lambda talk: _pos_told(talk)),
    _Step("register", _register, lambda talk: talk.answer(REGISTER.key)),
    _Step("user", _user, lambda talk: talk.answer(USER.key)),
    _Step("payment types", _payments, _payments_told),
    _Step("tax where no rate fits", _taxes, lambda talk: talk.answer(TAX.key) or "the POS's default"),
    _Step("fulfilment", _fulfillment, lambda talk: _WORDS[talk.answer(FULFILLMENT.key)]),
    _Step("unpaid orders", _unpaid, lambda talk: _WORDS[talk.answer(UNPAID.key)]),
)

# What may be something else in another POS.
_OF_THE_POS = _STEPS[2:6]


def _pos_told(talk: Talk) -> str:
    prefix = talk.draft.pos.domain_prefix
    return f"{talk.look.retailer().name} ({prefix})" if talk.look else f"{prefix}, not connected yet"


def _confirm(talk: Talk) -> None:
    """Show all answers, and have them corrected until they are right."""
    while not talk.takes_proposals:
        width = max(len(step.name) for step in _STEPS)
        talk.head("Your answers")
        for number, step in enumerate(_STEPS, 1):
            say_row(f"  {number}  {step.name:<{width}}  ", step.answer(talk))
        click.echo(err=True)
        need_somebody("--yes")
        number = click.prompt(
            f"Enter writes {talk.path}; a number changes that answer",
            default=0,
            show_default=False,
            type=click.IntRange(0, len(_STEPS)),
            err=True,
        )
        if number == 0:
            return
        step = _STEPS[number - 1]
        for each in (step, *(_OF_THE_POS if step.ask is _pos else ())):
            _go_through(each, talk)


def _write(path: Path, talk: Talk, environ: Mapping[str, str], *, force: bool) -> "Loaded":
    """Write the settings beside their place, read them back, and put them there: a crash leaves all or nothing."""
    from bcpoll.config import example, load

    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(example.filled(talk.answers))
            file.flush()
            os.fsync(file.fileno())
        load(made, environ)
        if force:
            made.replace(path)
        else:
            os.link(made, path)
    except FileExistsError:
        raise click.UsageError(f"{path} has come to be meanwhile, and was left alone.") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        made.unlink(missing_ok=True)
    return load(path, environ)


def _next(talk: Talk, path: Path, config: Path | None) -> None:
    """The three commands that come next."""
    named = "" if path == Path("config.toml") and config is None else f"--config {shlex.quote(str(path))} "
    commands = [
        ("run-once --dry-run", "shows what a first pass would do, and writes nothing"),
        ("run-once", "the first pass; it begins with the orders of now"),
        ("run", "a pass every few minutes; jobs/ has it for systemd and cron"),
    ]
    if talk.look is None:
        commands = [("login", "connects the POS"), ("check", "shows whether all is in order"), commands[0]]
    width = max(len(command) for command, _ in commands)
    click.echo("\nNext:", err=True)
    for command, about in commands:
        say_row(f"  bcpoll {named}{command:<{width}}   ", about)
