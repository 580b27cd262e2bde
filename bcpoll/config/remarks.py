"""Remarks on settings that do not stop the program: what is valid, and yet may not be what was meant."""

import difflib
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from bcpoll.config.sections import PREFIX, PaymentNames, PosAccess, Settings
from bcpoll.config.values import Table, shown
from bcpoll.config.wording import is_secret

_NOT_SETTINGS = frozenset({"BCPOLL_CONFIG"})


def exposed(source: Path, table: Table) -> Iterator[str]:
    """Tell when everybody on the machine can read a secret."""
    holds = any(
        is_secret((section, key)) and value
        for section, keys in table.items()
        if isinstance(keys, dict)
        for key, value in keys.items()
    )
    if holds and source.stat().st_mode & stat.S_IROTH:
        command = f"chmod o-rwx {shlex.quote(str(source))}"
        yield f"{source} holds a token and every user of this machine can read it; run: {command}"


def doubtful_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Tell of BCPOLL_ variables that set nothing because they name no section."""
    for name in sorted(environ):
        section, separator, _ = name.removeprefix(PREFIX).lower().partition("__")
        if not name.startswith(PREFIX) or name in _NOT_SETTINGS:
            continue
        if not separator or not takes_variables(section):
            yield f"{name} sets nothing: write BCPOLL_SECTION__KEY, such as BCPOLL_POS__ACCESS_TOKEN"


def two_ways_in(access: PosAccess) -> Iterator[str]:
    """Tell which way into the POS is taken where there are two."""
    if access.access_token is not None and access.client_id is not None:
        yield "[pos] access_token is used, not client_id and client_secret; take it out to use `bcpoll login`"


def same_token(settings: Settings) -> Iterator[str]:
    """Tell when one token stands in both places: each side gives its own."""
    if settings.pos.access_token == settings.bigcommerce.access_token:
        yield "[bigcommerce] access_token and [pos] access_token are the same; each side has a token of its own"


def doubtful_methods(payments: PaymentNames) -> Iterator[str]:
    """Tell of payment methods that look like a misspelt key, and of two names for one method."""
    methods = payments.model_extra or {}
    for method in methods:
        for near in difflib.get_close_matches(method.lower(), PaymentNames.model_fields, n=1, cutoff=0.8):
            yield f"[payments] {shown(method)} is taken for the name of a payment method; did you mean {near}?"
    if len(payments.by_method) < len(methods):
        yield "[payments] names a payment method twice, in capitals and without; the last one counts"


def takes_variables(section: str) -> bool:
    """Whether the keys of a section can be set by environment variables."""
    return section in Settings.model_fields and section != "routes"
