"""Single values of the settings: each function reads one kind of value, and says what is wrong and what would be right.

Knows no section and no file: what a value is for is the business of `sections`.
"""

import ipaddress
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_core import PydanticCustomError

from bcpoll.core.status import OrderStatus

Table: TypeAlias = dict[str, Any]
"""Settings as they are read: section -> key -> value."""


def wrong(message: str, remedy: str, *, key: str | None = None) -> PydanticCustomError:
    """A refusal in our own words; `key` names another key of the same section as the culprit, "" the whole section."""
    return PydanticCustomError("bcpoll", "{message}. {remedy}", {"message": message, "remedy": remedy, "key": key})


_UNITS = MappingProxyType({"s": "seconds", "m": "minutes", "h": "hours", "d": "days"})
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


def read_duration(value: object) -> timedelta:
    """Read `30s`, `5m`, `2h` or `3d`; anything else is a ValueError that says so."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise wrong(
            f"{shown(value)} is not a length of time", 'Write a whole number and its unit: "30s", "5m", "2h" or "3d".'
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def duration_text(length: timedelta) -> str:
    """Write a length of time the way the settings take it, in the largest unit that fits: `5m`."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def at_least(shortest: timedelta) -> AfterValidator:
    """Refuse a length of time that is shorter."""

    def check(length: timedelta) -> timedelta:
        if length < shortest:
            raise wrong(f'"{duration_text(length)}" is too short', f'Write "{duration_text(shortest)}" or more.')
        return length

    return AfterValidator(check)


def _read_start(value: object) -> datetime | None:
    if value is None or value == "now":
        return None
    try:
        at = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        at = None
    if isinstance(at, datetime) and at.tzinfo is not None:
        return at.astimezone(UTC)
    what = "has no time zone" if isinstance(at, datetime) else "is not a date with time and zone"
    raise wrong(f"{shown(value)} {what}", 'Write "now", or a moment such as "2026-11-01T00:00:00+13:00".')


def _filled(text: str) -> str:
    text = text.strip()
    if not text:
        raise wrong("is empty", "Fill it in, or take the line out.")
    if text.startswith("<") and text.endswith(">"):
        raise wrong(f"{shown(text)} is still the example's placeholder", "Write your own value in its place.")
    return text


def _made_of(letters: str, message: str, remedy: str) -> AfterValidator:
    """Refuse a secret that is empty, still the example's, or holds anything but these letters."""

    def check(secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value().strip()
        if re.fullmatch(r"<.*>", text):
            raise wrong("is still the example's placeholder", "Paste the token in its place.")
        if not re.fullmatch(f"[{letters}]+", text):
            raise wrong(message, remedy)
        return SecretStr(text)

    return AfterValidator(check)


# Where the two names stand in the addresses that people copy. Nothing else of a wrong text is ever repeated as advice.
_HASH_IN_ADDRESS = re.compile(
    r"stores/([a-z0-9]{1,20})\b|store-([a-z0-9]{1,20})(?:-[0-9]+)?\.mybigcommerce", re.IGNORECASE
)
_PREFIX_IN_ADDRESS = re.compile(r"([a-z0-9-]+)\.(?:retail\.lightspeed\.app|vendhq\.com)", re.IGNORECASE)


def _store_hash(text: str) -> str:
    found = _HASH_IN_ADDRESS.search(text)
    if found is not None:
        right = (found[1] or found[2]).lower()
        raise wrong(f"{shown(text)} is more than the store hash", f'Write only the hash: "{right}".')
    if not re.fullmatch(r"[A-Za-z0-9]{1,20}", text):
        remedy = "It is the letters and digits after /stores/ in the API path."
        raise wrong(f"{shown(text)} is not a store hash", remedy)
    return text.lower()


def _domain_prefix(text: str) -> str:
    found = _PREFIX_IN_ADDRESS.search(text)
    if found is not None:
        right = found[1].lower()
        raise wrong(f"{shown(text)} is more than the domain prefix", f'Write only its first part: "{right}".')
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", text):
        remedy = "It stands before .retail.lightspeed.app in the POS's address."
        raise wrong(f"{shown(text)} is not a domain prefix", remedy)
    return text.lower()


def _api_version(text: str) -> str:
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", text):
        raise wrong(f"{shown(text)} is not a dated version of the API", 'Write year and month, such as "2026-07".')
    return text


def _api_url(text: str) -> str:
    url = _split_url(text)
    if url.username is not None or url.password is not None:
        raise wrong("holds a user name or password", "Write the address without what stands before the @.")
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/") or url.query or url.fragment:
        raise wrong(
            f"{shown(text)} is not the root of a web server", 'Write scheme and host only: "https://api.example.com".'
        )
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise wrong(
            f"{shown(text)} would send the token unencrypted", "Write https://; http:// is for this machine only."
        )
    return f"{url.scheme}://{url.netloc}"


def _secret_address(address: SecretStr) -> SecretStr:
    """An address that is a secret by itself: whoever knows it may send there."""
    text = address.get_secret_value().strip()
    try:
        url = urlsplit(text)
        is_known = url.scheme in ("http", "https") and bool(url.hostname) and not url.fragment and url.port != 0
    except ValueError:
        is_known = False
    if not is_known or not re.fullmatch(r"[!-~]+", text) or re.search(r"[<>]", text):
        raise wrong("is not a web address", "Paste the whole address that the service shows, from https:// on.")
    if url.username is not None:
        raise wrong("holds a user name or password", "Write the address without what stands before the @.")
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        raise wrong("would be called unencrypted", "Write https://; http:// is for this machine only.")
    return SecretStr(text)


def _email(text: str) -> str:
    text = text.strip()
    if not re.fullmatch(r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+", text):
        raise wrong(f"{shown(text)} is not an e-mail address", 'Write the address alone: "me@example.com".')
    return text


def _loopback_port(text: str) -> str:
    host, _, port = text.strip().rpartition(":")
    if not text.strip():
        return ""
    if not _is_loopback(host.strip("[]")) or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise wrong(f"{shown(text)} is not a port of this machine", 'Write address and port: "127.0.0.1:9464".')
    return text.strip()


def _redirect_url(text: str) -> str:
    url = _split_url(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.fragment or url.username is not None:
        raise wrong(f"{shown(text)} is not a web address", f'Write it as in your application: "{REDIRECT_URL}".')
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise wrong(
            f"{shown(text)} would send the code unencrypted", "Write https://; http:// is for this machine only."
        )
    return text


def _split_url(text: str) -> SplitResult:
    try:
        url = urlsplit(text.strip())
        _ = url.port  # read for its check alone
    except ValueError as error:
        raise wrong(f"is not an address: {error}", 'Write scheme and host: "https://api.example.com".') from None
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _country(text: str) -> str:
    code = text.strip().upper()
    if code and not re.fullmatch(r"[A-Z]{2}", code):
        raise wrong(f"{shown(text)} is not a country code", 'Write the two letters of ISO 3166, such as "NZ".')
    return code


def _status_key(value: object) -> OrderStatus:
    if isinstance(value, OrderStatus):
        return value
    text = str(value).strip()
    by_id = {str(int(status)): status for status in OrderStatus}
    if text in by_id:
        return by_id[text]
    named = next((status for status in OrderStatus if status.title.casefold() == text.casefold()), None)
    remedy = "Write a status id from 0 to 14." if named is None else f'Write its id: "{int(named)}".'
    raise wrong(f"{shown(text)} is not the id of an order status", remedy)


def _listed(value: object) -> object:
    """Let the environment write a list as `a, b`."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


_SHOWN = 60
_TOKEN_LIKE = re.compile(r'"[A-Za-z0-9_.~+=-]{24,}"')


def shown(value: object) -> str:
    """A wrong value as the user wrote it, cut where it is long or might be a token in the wrong place."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    if _TOKEN_LIKE.fullmatch(text):
        return f"a text of {len(text) - 2} characters"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


REDIRECT_URL = "http://127.0.0.1:8765/callback"

Duration = Annotated[timedelta, BeforeValidator(read_duration)]
Text = Annotated[str, AfterValidator(_filled)]
Token = Annotated[
    SecretStr, _made_of("!-~", "is empty, or holds blanks or characters that no token has", "Copy the token once more.")
]
Password = Annotated[
    SecretStr,
    _made_of(
        " -~",
        "is empty, or holds letters that mail servers do not take",
        "Give the mail account a password of plain letters, digits and signs.",
    ),
]
ApiUrl = Annotated[str, AfterValidator(_api_url)]
OptionalApiUrl = Annotated[str, AfterValidator(lambda text: _api_url(text) if text.strip() else "")]
RedirectUrl = Annotated[Text, AfterValidator(_redirect_url)]
StoreHash = Annotated[Text, AfterValidator(_store_hash)]
DomainPrefix = Annotated[Text, AfterValidator(_domain_prefix)]
ApiVersion = Annotated[str, AfterValidator(_api_version)]
Country = Annotated[str, AfterValidator(_country)]
Start = Annotated[datetime | None, BeforeValidator(_read_start)]
StatusKey = Annotated[OrderStatus, BeforeValidator(_status_key)]
SecretAddress = Annotated[SecretStr, AfterValidator(_secret_address)]
Email = Annotated[str, AfterValidator(_email)]
Emails = Annotated[tuple[Email, ...], BeforeValidator(_listed)]
LoopbackPort = Annotated[str, AfterValidator(_loopback_port)]
Sources = Annotated[tuple[Text, ...], BeforeValidator(_listed)]
Channels = Annotated[tuple[int, ...], BeforeValidator(_listed)]
FilePath = Annotated[Path, BeforeValidator(lambda value: _filled(value) if isinstance(value, str) else value)]
