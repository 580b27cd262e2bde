"""Whether bcpoll can work with these settings: a table of checks, each guarded by itself, and what each found.

Owns the questions, the verdicts and the remedies; what is read is in `look`, what is judged by values alone in
`core.fit`. Writes nothing, to neither side; a checkpoint that is not there is not made, and no run is held up.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias, TypeGuard

from bcpoll.checkpoint import Checkpoint
from bcpoll.config import duration_text, is_there, policy
from bcpoll.core.fit import foreign_sales, is_old_version, linked, skew, tendered, unknown_rates
from bcpoll.core.order import Json
from bcpoll.core.shop import Register, Transactions, WhenClosed
from bcpoll.errors import AccessRefused, BcpollError, Problem, SettingsError
from bcpoll.monitoring.look import Look, NotRead, Setup, otherwise

log = logging.getLogger(__name__)


class Verdict(StrEnum):
    """What a check came to."""

    FINE = "fine"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found about one subject, and what to do about it."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""
    exit_code: int = 0
    """What a run would end with because of it; 0 where it would not stop."""
    is_checked: bool = True
    """Whether there was anything to go by."""


# What a run would end with, the worst first: what only a person can mend stands before what may pass by itself.
_BY_WEIGHT = (1, 78, 77, 74, 69, 75)


def exit_code(findings: Iterable[Finding]) -> int:
    """The exit code that the worst of all findings asks for; warnings ask for none."""
    codes = {finding.exit_code for finding in findings}
    return next((code for code in _BY_WEIGHT if code in codes), 0)


def findings(setup: Setup) -> Iterator[Finding]:
    """Carry out all checks, one after the other; a check that fails does not keep the others from theirs."""
    look = Look(setup)
    for subject, check in _CHECKS:
        try:
            yield from check(look, subject)
        except NotRead as error:
            detail = f"not checked: {error.message}"
            yield Finding(subject=subject, verdict=Verdict.WARNING, detail=detail, is_checked=False)
        except BcpollError as error:
            yield _problem(subject, error)
        except Exception as error:
            log.exception("this is a bug in bcpoll; please report it with the lines below")
            remedy = "This is a bug in bcpoll: please report it."
            yield Finding(subject=subject, verdict=Verdict.PROBLEM, detail=repr(error), remedy=remedy, exit_code=1)


def wrong_settings(error: SettingsError) -> Iterator[Finding]:
    """What there is to say about settings that cannot be used: nothing else can be checked."""
    for problem in error.problems:
        yield _wrong(SETTINGS, problem, where=error.source if problem.key == "file" else "")


def other_link(look: Look) -> Finding | None:
    """Whether something else brings this store's orders into the POS already; None where there is no sign of it."""
    links = look.links()
    for link in linked(links or ()):
        return _doubled(f"the POS has a link of its own to {link.address or link.kind}")
    found = foreign_sales(look.sales(), look.orders)
    if not found:
        return None
    newest = max(found, key=lambda sale: str(sale.document.get("date") or ""))
    said = f" ({_day(newest.document)})" if _day(newest.document) else ""
    what = f"{len(found)} sales" if len(found) > 1 else "a sale"
    return _doubled(f"the POS holds {what} of web orders that bcpoll did not write, the newest {newest.id}{said}")


def _doubled(detail: str) -> Finding:
    remedy = (
        "If Lightspeed's own BigCommerce link is on, every order is booked twice: turn it off in the POS before bcpoll"
        " runs."
    )
    return Finding(subject=OTHER_LINK, verdict=Verdict.WARNING, detail=detail, remedy=remedy)


def _day(document: Json) -> str:
    return str(document.get("date") or document.get("sale_date") or "")[:10]


# --- findings --------------------------------------------------------------------------------------------------------


def _fine(subject: str, detail: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.FINE, detail=detail)


def _warning(subject: str, detail: str, remedy: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.WARNING, detail=detail, remedy=remedy)


def _problem(subject: str, error: BcpollError) -> Finding:
    return Finding(
        subject=subject,
        verdict=Verdict.PROBLEM,
        detail=error.message,
        remedy=error.hint,
        exit_code=error.exit_code or 1,
    )


def _wrong(subject: str, problem: Problem, *, where: str = "") -> Finding:
    """Something in the settings that has to be changed before anything works."""
    said = ": ".join(filter(None, (where or problem.key, problem.message)))
    return Finding(
        subject=subject,
        verdict=Verdict.PROBLEM,
        detail=said,
        remedy=problem.remedy,
        exit_code=SettingsError.exit_code,
    )


# --- the checks ------------------------------------------------------------------------------------------------------


def _settings(look: Look, subject: str) -> Iterator[Finding]:
    loaded = look.setup.loaded
    yield _fine(subject, f"{loaded.path}: everything in it can be read")
    for warning in loaded.warnings:
        yield _warning(subject, *_halves(warning))


def _halves(warning: str) -> tuple[str, str]:
    """A remark and its remedy, where it says both; remarks put a semicolon between the two."""
    remark, _, remedy = warning.partition("; ")
    return remark, remedy


def _store_token(look: Look, subject: str) -> Iterator[Finding]:
    if not _is_scope_alone(look.time.outcome()):
        look.time()
    yield _fine(subject, f"accepted for the store {look.settings.bigcommerce.store_hash}")


def _is_scope_alone(outcome: object) -> bool:
    """Whether a token is taken, but lacks a scope; that is told among the scopes."""
    return isinstance(outcome, AccessRefused) and outcome.status == 403


def _is_bad_token(outcome: object) -> TypeGuard[AccessRefused]:
    return isinstance(outcome, AccessRefused) and outcome.status == 401


def _store_scopes(look: Look, subject: str) -> Iterator[Finding]:
    reads: dict[str, Callable[[], object]] = {
        "orders and refunds": look.raw_orders,
        "products": look.some_stock,
        "store information": look.store,
    }
    refused = look.transactions.outcome() if look.settings.sync.transactions is Transactions.AUTO else None
    if isinstance(refused, AccessRefused) and refused.status == 403:
        yield _warning(subject, refused.message, f"{refused.hint} {_BY_STATUS}")
    elif look.settings.sync.transactions is Transactions.AUTO:
        reads["transactions"] = look.transactions
    yield from _reads(subject, reads)


_BY_STATUS = (
    'Until then, whether an order is paid goes by its status alone: [sync] transactions = "off" says that it may.'
)


def _pos_token(look: Look, subject: str) -> Iterator[Finding]:
    if _is_scope_alone(look.retailer.outcome()):
        yield _fine(subject, "accepted")
        return
    refused = look.retailer.outcome()
    if look.settings.pos.access_token and _is_bad_token(look.time.outcome()) and _is_bad_token(refused):
        with suppress(AccessRefused):
            look.retailer()
        hint = f"{refused.hint} As both sides refused theirs, the two probably were swapped."
        yield _problem(subject, AccessRefused(refused.message, hint=hint, status=refused.status))
        return
    how = "by bcpoll login" if look.settings.pos.access_token is None else "by a personal token"
    yield _fine(subject, f"accepted by {look.retailer().name} ({look.settings.pos.domain_prefix}), {how}")


def _pos_scopes(look: Look, subject: str) -> Iterator[Finding]:
    reads: dict[str, Callable[[], object]] = {
        "account": look.retailer,
        "registers": look.registers,
        "outlets": look.outlets,
        "users": look.users,
        "payment types": look.payment_types,
        "taxes": look.taxes,
        "products": look.some_products,
        "customers": look.some_customers,
        "sales": look.sales,
        "stock adjustments": look.reasons,
    }
    yield from _reads(subject, reads)
    granted = look.setup.granted() if look.setup.granted else frozenset()
    lacking = sorted(set(look.setup.needed) - granted) if granted else []
    if lacking:
        remedy = "Give your application these scopes, and log in once more: bcpoll login"
        yield _problem(subject, AccessRefused(f"the login did not grant {', '.join(lacking)}", hint=remedy))


def _reads(subject: str, reads: Mapping[str, Callable[[], object]]) -> Iterator[Finding]:
    """Read each thing, and tell every one that may not be read."""
    readable = []
    for what, read in reads.items():
        try:
            read()
            readable.append(what)
        except NotRead:
            raise
        except BcpollError as error:
            yield _problem(subject, error)
    if readable:
        yield _fine(subject, f"may read {', '.join(readable)}")


def _version(look: Look, subject: str) -> Iterator[Finding]:
    version = look.settings.pos.api_version
    if look.settings.pos.is_real and is_old_version(version, look.setup.now()):
        remedy = (
            "Read the release notes of the newer versions, try one with bcpoll run-once --dry-run, and set it under"
            " [pos] api_version."
        )
        yield _warning(subject, f"{version} is no longer sure to be supported", remedy)
    else:
        yield _fine(subject, f"{version} is supported")


def _register(look: Look, subject: str) -> Iterator[Finding]:
    registers, name = look.registers(), look.settings.pos.register_name
    unknown = _unknown(look, "[pos] register")
    yield from (_wrong(subject, problem) for problem in unknown)
    if not unknown:
        yield _standing(look, subject, name, registers)


def _routes(look: Look, subject: str) -> Iterator[Finding]:
    rules, registers = look.settings.routes, look.registers()
    unknown = _unknown(look, "[[routes]]")
    yield from (_wrong(subject, problem) for problem in unknown)
    if not rules:
        yield _fine(subject, "none: every order goes to the register above")
    for name in dict.fromkeys(rule.register_name for rule in rules if not unknown):
        yield _standing(look, subject, name, registers)


# What a closed register means, by `[pos] when_closed`.
_CLOSED: Mapping[WhenClosed, str] = MappingProxyType(
    {
        WhenClosed.TRY: "The sales are sent all the same; where the POS refuses them, they wait until it is open.",
        WhenClosed.WAIT: "The sales wait until somebody opens it.",
    }
)


def _standing(look: Look, subject: str, name: str, registers: Iterable[Register]) -> Finding:
    """Where a register is, and whether it is open."""
    found = next(one for one in registers if name.strip().casefold() in (one.name.strip().casefold(), one.id))
    outlets = {outlet.id: outlet.name for outlet in otherwise(look.outlets, ())}
    where = f'"{found.name}", at the outlet "{outlets.get(found.outlet_id, found.outlet_id)}"'
    when_closed = look.settings.pos.when_closed
    if found.is_open:
        return _fine(subject, f"{where}, is open")
    if when_closed is WhenClosed.OPEN:
        return _fine(subject, f"{where}, is closed: bcpoll will open it")
    remedy = f'{_CLOSED[when_closed]} Open it in the POS, or set [pos] when_closed = "open".'
    return _warning(subject, f"{where}, is closed", remedy)


def _user(look: Look, subject: str) -> Iterator[Finding]:
    look.users()
    unknown = _unknown(look, "[pos] user")
    yield from (_wrong(subject, problem) for problem in unknown)
    if not unknown:
        yield _fine(subject, f'sales are booked in the name of "{look.settings.pos.user}"')


def _payments(look: Look, subject: str) -> Iterator[Finding]:
    look.payment_types()
    unknown = _unknown(look, "[payments]")
    yield from (_wrong(subject, problem) for problem in unknown)
    if any(problem.key == "[payments] default" for problem in unknown):
        return
    names, seen = look.settings.payments, tendered(look.orders)
    unnamed = [method for method in seen.methods if method.lower() not in names.by_method]
    own = (("gift_certificate", seen.gift_certificates), ("store_credit", seen.store_credit))
    unnamed_keys = [key for key, count in own if count and not getattr(names, key)]
    for what, key in [*((f'"{method}"', f'"{method}"') for method in unnamed), *((k, k) for k in unnamed_keys)]:
        remedy = f'If that is right, say so under [payments]: {key} = "{names.default}"; else name another type there.'
        yield _warning(subject, f'{what.replace("_", " ")} is booked as "{names.default}", the default', remedy)
    if not unknown and not unnamed and not unnamed_keys:
        yield _fine(subject, f"every way of paying in the last {len(look.orders)} orders has one")


def _taxes(look: Look, subject: str) -> Iterator[Finding]:
    taxes, no_tax_id = look.taxes(), look.retailer().no_tax_id
    unknown = _unknown(look, "[taxes]")
    yield from (_wrong(subject, problem) for problem in unknown)
    rates = unknown_rates(look.orders, taxes, no_tax_id, policy(look.settings))
    default = look.settings.taxes.default or "the POS's default"
    for rate in rates:
        remedy = (
            f"Add a tax with this rate in the POS. Until then such lines go under {default}, with their own amounts."
        )
        yield _warning(subject, f"no tax of the POS has {rate.percent} %, as on order {rate.order_id}", remedy)
    if not unknown and not rates:
        yield _fine(subject, f"every rate on the last {len(look.orders)} orders has one in the POS")


def _unknown(look: Look, key: str) -> list[Problem]:
    return [problem for problem in look.unknown_names if problem.key.startswith(key)]


def _currency(look: Look, subject: str) -> Iterator[Finding]:
    ours, theirs = look.store().currency, look.retailer().currency
    if ours != theirs:
        remedy = "bcpoll books no other currency than the POS's: every order in another one is set aside."
        message = f"the store keeps {ours}, the POS {theirs}"
        yield _wrong(subject, Problem("", message, remedy))
        return
    foreign = [order for order in look.orders if order.currency != theirs]
    if foreign:
        detail = f"of the last {len(look.orders)} orders, {len(foreign)} in another currency than {theirs}"
        remedy = f"Such orders are set aside, as order {foreign[0].id} will be; book them in the POS by hand."
        yield _warning(subject, detail, remedy)
    else:
        yield _fine(subject, f"{theirs} on both sides")


def _clock(look: Look, subject: str) -> Iterator[Finding]:
    now = look.setup.now()
    told = {"BigCommerce's": look.setup.store_date(), "the POS's": look.setup.pos_date()}
    off = {side: found for side, at in told.items() if at and (found := skew(at, now))}
    for side, found in off.items():
        yield _warning(subject, f"this host's clock is {found} {side}", "Set it, best by NTP.")
    if not off and any(told.values()):
        yield _fine(subject, "this host's clock agrees with the servers'")
    elif not off:
        raise NotRead("no server has told its time")


def _link(look: Look, subject: str) -> Iterator[Finding]:
    found = other_link(look)
    if found is not None:
        yield found
        return
    listed = "" if look.links() is None else "none is listed in the POS, and "
    yield _fine(subject, f"no sign of one: {listed}no sale of the last days comes from one")


# Less than this, and a few busy days may fill the disk.
_LITTLE = 100 * 1024 * 1024


def _checkpoint(look: Look, subject: str) -> Iterator[Finding]:
    path = look.settings.checkpoint.path
    real = Path(os.path.realpath(path))
    if real.parent.is_dir():
        yield from _place(subject, real)
    if not is_there(path) and real.parent.is_dir():
        yield _fine(subject, f"{path} is not there yet; the first run makes it")
    else:
        yield from _opened(look, subject)


def _opened(look: Look, subject: str) -> Iterator[Finding]:
    settings = look.settings
    with Checkpoint.open(settings.checkpoint.path, now=look.setup.now(), create=False) as checkpoint:
        checkpoint.check_owner(settings.bigcommerce.store_hash, settings.pos.domain_prefix)
        checkpoint.verify()
        for warning in checkpoint.warnings:
            detail, _, remedy = warning.partition(". ")
            yield _warning(subject, detail, remedy)
        yield _fine(subject, f"{checkpoint.path}: {checkpoint.size() // 1024} KiB, every page can be read")


def _place(subject: str, path: Path) -> Iterator[Finding]:
    """The disk and the rights around the checkpoint."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        remedy = "Let the user that runs bcpoll write to this folder, or correct [checkpoint] path."
        yield Finding(
            subject=subject,
            verdict=Verdict.PROBLEM,
            detail=f"the folder {path.parent} cannot be written",
            remedy=remedy,
            exit_code=74,
        )
    others = [one for one in _ours(path) if one.stat().st_uid != os.geteuid()]
    if others:
        remedy = "Run every command as the user that runs bcpoll, or give it the file: chown."
        yield _warning(subject, f"{others[0]} belongs to another user of this machine", remedy)
    free = shutil.disk_usage(path.parent).free
    if free < _LITTLE:
        detail = f"only {free // 1024 // 1024} MiB are free on the disk of {path.parent}"
        yield _warning(subject, detail, "Make room: a full disk stops every run.")


def _ours(path: Path) -> list[Path]:
    return [
        one for one in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + ".lock")) if is_there(one)
    ]


# Runs are late after this many intervals, but never before this much time.
_MISSED = 3
_SOONEST = timedelta(minutes=15)


def _last_run(look: Look, subject: str) -> Iterator[Finding]:
    settings = look.settings
    if not is_there(settings.checkpoint.path):
        yield _fine(subject, "none yet")
        return
    try:
        with Checkpoint.open(settings.checkpoint.path, now=look.setup.now(), create=False) as checkpoint:
            success, last = checkpoint.last_success(), next(iter(checkpoint.last_passes(1)), None)
    except BcpollError as error:
        raise NotRead("the checkpoint cannot be read, see above") from error
    if last is None:
        yield _fine(subject, "none yet")
        return
    pace = duration_text(settings.sync.interval)
    age = look.setup.now() - last.begun_at
    if age > max(settings.sync.interval * _MISSED, _SOONEST):
        remedy = (
            "See whether the timer still runs: systemctl list-timers, crontab -l. If it is meant to be slower, set"
            " [sync] interval to its pace."
        )
        yield _warning(subject, f"the last run began {_span(age)} ago, at a pace of {pace}", remedy)
    elif last.ended_at is not None and (success is None or success.id != last.id):
        told = f": {last.message}" if last.message else ""
        yield _warning(subject, f"the last run stopped early{told}", "See bcpoll status for what the runs said.")
    else:
        yield _fine(subject, f"{_span(age)} ago, at a pace of {pace}")


def _span(length: timedelta) -> str:
    minutes = max(0, int(length.total_seconds())) // 60
    if minutes < 120:
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 60 // 24} days"


SETTINGS = "settings"
OTHER_LINK = "other link"

_Check: TypeAlias = Callable[[Look, str], Iterator[Finding]]

_CHECKS: tuple[tuple[str, _Check], ...] = (
    (SETTINGS, _settings),
    ("BigCommerce token", _store_token),
    ("BigCommerce scopes", _store_scopes),
    ("POS token", _pos_token),
    ("POS scopes", _pos_scopes),
    ("POS API version", _version),
    ("register", _register),
    ("routes", _routes),
    ("user", _user),
    ("payment types", _payments),
    ("taxes", _taxes),
    ("currency", _currency),
    ("clock", _clock),
    (OTHER_LINK, _link),
    ("checkpoint", _checkpoint),
    ("last run", _last_run),
)
