"""The settings: one TOML file, the environment over it, and every problem found told at once in plain words.

Owns keys, defaults, bounds and the wording of what is wrong with them; `config.example.toml` says what each key is for.
Must not speak to either API: whether a register, a user or a payment type exists is for `check` to find out. Reads the
environment only through the mapping it is given.
"""

import difflib
import ipaddress
import json
import re
import shlex
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from bcpoll.core.order import code_key
from bcpoll.core.shop import (
    CancelledUnseen,
    Charge,
    Edits,
    Fulfillment,
    Mismatch,
    Policy,
    Refunds,
    Transactions,
    Unpaid,
)
from bcpoll.core.status import Disposition, OrderStatus, StatusPolicy
from bcpoll.errors import Problem, SettingsError

LOCAL_FILE = Path("config.toml")
SYSTEM_FILE = Path("/etc/bcpoll/config.toml")
"""Where the settings are looked for when neither --config nor BCPOLL_CONFIG names a file: here, in this order."""

_PREFIX = "BCPOLL_"
_NOT_SETTINGS = frozenset({"BCPOLL_CONFIG"})

_CREDENTIAL_FILES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "bigcommerce_access_token": ("bigcommerce", "access_token"),
        "pos_access_token": ("pos", "access_token"),
        "pos_client_secret": ("pos", "client_secret"),
    }
)

_Table: TypeAlias = dict[str, Any]


class WhenClosed(StrEnum):
    """What is done about sales for a register that is closed."""

    TRY = "try"
    OPEN = "open"
    WAIT = "wait"


# --- values: each function reads one kind of value, and says what is wrong with it and what would be right ---


def _wrong(message: str, remedy: str, *, key: str | None = None) -> PydanticCustomError:
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
        raise _wrong(
            f"{_shown(value)} is not a length of time", 'Write a whole number and its unit: "30s", "5m", "2h" or "3d".'
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def duration_text(length: timedelta) -> str:
    """Write a length of time the way the settings take it, in the largest unit that fits: `5m`."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _at_least(shortest: timedelta) -> AfterValidator:
    def check(length: timedelta) -> timedelta:
        if length < shortest:
            raise _wrong(f'"{duration_text(length)}" is too short', f'Write "{duration_text(shortest)}" or more.')
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
    raise _wrong(f"{_shown(value)} {what}", 'Write "now", or a moment such as "2026-11-01T00:00:00+13:00".')


def _filled(text: str) -> str:
    text = text.strip()
    if not text:
        raise _wrong("is empty", "Fill it in, or take the line out.")
    if text.startswith("<") and text.endswith(">"):
        raise _wrong(f"{_shown(text)} is still the example's placeholder", "Write your own value in its place.")
    return text


def _header_safe(token: SecretStr) -> SecretStr:
    text = token.get_secret_value().strip()
    if re.fullmatch(r"<.*>", text):
        raise _wrong("is still the example's placeholder", "Paste the token in its place.")
    if not re.fullmatch(r"[!-~]+", text):
        raise _wrong("is empty, or holds blanks or characters that no token has", "Copy the token once more.")
    return SecretStr(text)


# Where the two names stand in the addresses that people copy. Nothing else of a wrong text is ever repeated as advice.
_HASH_IN_ADDRESS = re.compile(
    r"stores/([a-z0-9]{1,20})\b|store-([a-z0-9]{1,20})(?:-[0-9]+)?\.mybigcommerce", re.IGNORECASE
)
_PREFIX_IN_ADDRESS = re.compile(r"([a-z0-9-]+)\.(?:retail\.lightspeed\.app|vendhq\.com)", re.IGNORECASE)


def _store_hash(text: str) -> str:
    found = _HASH_IN_ADDRESS.search(text)
    if found is not None:
        right = (found[1] or found[2]).lower()
        raise _wrong(f"{_shown(text)} is more than the store hash", f'Write only the hash: "{right}".')
    if not re.fullmatch(r"[A-Za-z0-9]{1,20}", text):
        remedy = "It is the letters and digits after /stores/ in the API path."
        raise _wrong(f"{_shown(text)} is not a store hash", remedy)
    return text.lower()


def _domain_prefix(text: str) -> str:
    found = _PREFIX_IN_ADDRESS.search(text)
    if found is not None:
        right = found[1].lower()
        raise _wrong(f"{_shown(text)} is more than the domain prefix", f'Write only its first part: "{right}".')
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", text):
        remedy = "It stands before .retail.lightspeed.app in the POS's address."
        raise _wrong(f"{_shown(text)} is not a domain prefix", remedy)
    return text.lower()


def _api_version(text: str) -> str:
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", text):
        raise _wrong(f"{_shown(text)} is not a dated version of the API", 'Write year and month, such as "2026-07".')
    return text


def _api_url(text: str) -> str:
    url = _split_url(text)
    if url.username is not None or url.password is not None:
        raise _wrong("holds a user name or password", "Write the address without what stands before the @.")
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/") or url.query or url.fragment:
        raise _wrong(
            f"{_shown(text)} is not the root of a web server", 'Write scheme and host only: "https://api.example.com".'
        )
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise _wrong(
            f"{_shown(text)} would send the token unencrypted", "Write https://; http:// is for this machine only."
        )
    return f"{url.scheme}://{url.netloc}"


def _redirect_url(text: str) -> str:
    url = _split_url(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.fragment or url.username is not None:
        raise _wrong(f"{_shown(text)} is not a web address", f'Write it as in your application: "{_REDIRECT_URL}".')
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise _wrong(
            f"{_shown(text)} would send the code unencrypted", "Write https://; http:// is for this machine only."
        )
    return text


def _split_url(text: str) -> SplitResult:
    try:
        url = urlsplit(text.strip())
        _ = url.port  # read for its check alone
    except ValueError as error:
        raise _wrong(f"is not an address: {error}", 'Write scheme and host: "https://api.example.com".') from None
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _country(text: str) -> str:
    code = text.strip().upper()
    if code and not re.fullmatch(r"[A-Z]{2}", code):
        raise _wrong(f"{_shown(text)} is not a country code", 'Write the two letters of ISO 3166, such as "NZ".')
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
    raise _wrong(f"{_shown(text)} is not the id of an order status", remedy)


def _listed(value: object) -> object:
    """Let the environment write a list as `a, b`."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


_REDIRECT_URL = "http://127.0.0.1:8765/callback"

_Duration = Annotated[timedelta, BeforeValidator(read_duration)]
_Text = Annotated[str, AfterValidator(_filled)]
_Token = Annotated[SecretStr, AfterValidator(_header_safe)]
_ApiUrl = Annotated[str, AfterValidator(_api_url)]
_Sources = Annotated[tuple[_Text, ...], BeforeValidator(_listed)]
_Channels = Annotated[tuple[int, ...], BeforeValidator(_listed)]


# --- sections: the keys, their defaults and bounds; a description says where a value that is missing is to be had ---


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


class StoreAccess(_Section):
    """`[bigcommerce]`: the web store and the token to read it with."""

    store_hash: Annotated[_Text, AfterValidator(_store_hash)] = Field(
        description="It is the part after /stores/ in the API path that BigCommerce shows with the token."
    )
    access_token: _Token = Field(
        description="Make one in BigCommerce under Settings > Store-level API accounts; it may also come from"
        " BCPOLL_BIGCOMMERCE__ACCESS_TOKEN."
    )
    api_url: _ApiUrl = "https://api.bigcommerce.com"

    @property
    def base_url(self) -> str:
        """Scheme, host and port of the store's API, without a slash at the end."""
        return self.api_url


class PosAccess(_Section):
    """`[pos]`: the POS account, how to get in, and where sales are booked."""

    domain_prefix: Annotated[_Text, AfterValidator(_domain_prefix)] = Field(
        description="It stands before .retail.lightspeed.app in the POS's address."
    )
    client_id: _Text | None = None
    client_secret: _Token | None = None
    redirect_url: Annotated[_Text, AfterValidator(_redirect_url)] = _REDIRECT_URL
    access_token: _Token | None = Field(default=None, validate_default=True)
    api_url: Annotated[str, AfterValidator(lambda text: _api_url(text) if text.strip() else "")] = ""
    api_version: Annotated[str, AfterValidator(_api_version)] = "2026-07"
    register_name: _Text = Field(
        alias="register", description="Write the name of the register that web sales are booked on."
    )
    user: _Text = Field(description="Write the user name of the POS user in whose name sales are booked.")
    when_closed: WhenClosed = WhenClosed.TRY

    @field_validator("access_token")
    @classmethod
    def _some_way_in(cls, token: SecretStr | None, known: ValidationInfo) -> SecretStr | None:
        """A token, or both halves of the OAuth pair; a half that failed by itself is not complained about twice."""
        pair = {key: known.data[key] for key in ("client_id", "client_secret") if key in known.data}
        missing = [key for key, value in pair.items() if value is None]
        if len(missing) == 1 and len(pair) == 2:
            raise _wrong("is missing", "client_id and client_secret only work together.", key=missing[0])
        if token is None and len(missing) == 2:
            raise _wrong(
                "is missing",
                "Make one in the POS under Setup > Personal tokens; it may also come from BCPOLL_POS__ACCESS_TOKEN."
                " Personal tokens need the Plus plan of the POS; on any other plan, give client_id and client_secret"
                " instead and run `bcpoll login`.",
            )
        return token

    @property
    def base_url(self) -> str:
        """Scheme, host and port of the POS's API, without a slash at the end."""
        return self.api_url or f"https://{self.domain_prefix}.retail.lightspeed.app"

    @property
    def is_real(self) -> bool:
        """Whether this is the POS itself, not one to try things on."""
        return not self.api_url

    @property
    def connect_url(self) -> str:
        """The page at which somebody lets an OAuth application in."""
        return f"{self.api_url or 'https://secure.retail.lightspeed.app'}/connect"


class RouteRule(_Section):
    """One `[[routes]]`: orders that match go to a register of their own."""

    register_name: _Text = Field(alias="register", description="Write the name of the register for these orders.")
    pickup_location: str = ""
    channel: int = Field(default=0, ge=0)
    country: Annotated[str, AfterValidator(_country)] = Field(default="", validate_default=True)

    @field_validator("country")
    @classmethod
    def _exactly_one(cls, country: str, known: ValidationInfo) -> str:
        if not {"pickup_location", "channel"} <= known.data.keys():
            return country
        given = [known.data["pickup_location"], known.data["channel"], country]
        if sum(map(bool, given)) != 1:
            raise _wrong("must match by exactly one thing", "Give one of pickup_location, channel and country.", key="")
        return country


class SyncChoices(_Section):
    """`[sync]`: how often, how far back, and what becomes of the special cases."""

    interval: Annotated[_Duration, _at_least(timedelta(seconds=30))] = timedelta(minutes=5)
    start: Annotated[datetime | None, BeforeValidator(_read_start)] = None
    """None stands for "now": the moment of the first run."""
    overlap: Annotated[_Duration, _at_least(timedelta(minutes=1))] = timedelta(minutes=10)
    sweep: Annotated[_Duration, _at_least(timedelta(hours=1))] = timedelta(days=3)
    unpaid: Unpaid = Unpaid.CLOSED
    edits: Edits = Edits.REPLACE
    refunds: Refunds = Refunds.IMPORT
    restock_refunds: bool = True
    fulfillment: Fulfillment = Fulfillment.OFF
    transactions: Transactions = Transactions.AUTO
    cancelled_unseen: CancelledUnseen = CancelledUnseen.VOIDED
    ignore_sources: _Sources = ()
    ignore_channels: _Channels = ()
    workers: int = Field(default=4, ge=1, le=16)


class PaymentNames(_Section):
    """`[payments]`: the POS payment type for each BigCommerce payment method; any further key is such a method."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _Text]

    default: _Text = Field(description="Write the name of the POS payment type that web orders are paid with.")
    gift_certificate: str = ""
    store_credit: str = ""

    @property
    def gift_certificate_name(self) -> str:
        """The payment type for what was paid with a gift certificate: the default one unless set."""
        return self.gift_certificate or self.default

    @property
    def store_credit_name(self) -> str:
        """The payment type for what was paid with store credit: the default one unless set."""
        return self.store_credit or self.default

    @property
    def by_method(self) -> Mapping[str, str]:
        """The payment type for each further method, by the method's name in lower case."""
        return MappingProxyType({method.strip().lower(): name for method, name in self.__pydantic_extra__.items()})


class TaxChoices(_Section):
    """`[taxes]`: the POS tax for lines that no tax's rate fits; empty is the POS's own default."""

    default: str = ""


class ChargeCodes(_Section):
    """`[charges]`: the code of the product that each kind of charge sells through; a key per `Charge`."""

    model_config = ConfigDict(validate_default=True)

    shipping: _Text = "BC-SHIPPING"
    handling: _Text = "BC-HANDLING"
    wrapping: _Text = "BC-WRAPPING"
    fee: _Text = "BC-FEE"
    gift_certificate: _Text = "BC-GIFT-CERTIFICATE"
    refund: _Text = "BC-REFUND"
    adjustment: _Text = "BC-ADJUSTMENT"

    @field_validator("*")
    @classmethod
    def _differs_from_the_others(cls, code: str, known: ValidationInfo) -> str:
        same = next((key for key, other in known.data.items() if code_key(other) == code_key(code)), None)
        if same is not None:
            raise _wrong(f"{_shown(code)} is the code of [charges] {same} too", "Give each charge a code of its own.")
        return code


class MoneyChoices(_Section):
    """`[money]`: what is done about an order whose parts do not add up to its total."""

    mismatch: Mismatch = Mismatch.REVIEW


class CheckpointPlace(_Section):
    """`[checkpoint]`: where progress is kept, and for how long the payloads of finished orders."""

    path: Annotated[Path, BeforeValidator(lambda value: _filled(value) if isinstance(value, str) else value)] = Path(
        "bcpoll.db"
    )
    keep_payloads: Annotated[_Duration, _at_least(timedelta(days=1))] = timedelta(days=90)


class Settings(BaseSettings):
    """All settings of one shop. Made by `load`; built directly, it reads neither file nor environment."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    bigcommerce: StoreAccess
    pos: PosAccess
    routes: tuple[RouteRule, ...] = ()
    sync: SyncChoices = SyncChoices()
    status_map: Mapping[Annotated[OrderStatus, BeforeValidator(_status_key)], Disposition] = Field(default_factory=dict)
    payments: PaymentNames
    taxes: TaxChoices = TaxChoices()
    charges: ChargeCodes = ChargeCodes()
    money: MoneyChoices = MoneyChoices()
    checkpoint: CheckpointPlace = CheckpointPlace()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the process's own environment out: `load` passes on the one it was given."""
        return (init_settings,)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret in plain text, for the log's redaction and nothing else."""
        held = (self.bigcommerce.access_token, self.pos.access_token, self.pos.client_secret)
        return tuple(secret.get_secret_value() for secret in held if secret is not None)


def policy(settings: Settings) -> Policy:
    """The merchant's choices in the form that the pure core takes them."""
    sync = settings.sync
    return Policy(
        statuses=StatusPolicy.with_overrides(settings.status_map),
        charges=MappingProxyType({charge: getattr(settings.charges, charge.value) for charge in Charge}),
        unpaid=sync.unpaid,
        cancelled_unseen=sync.cancelled_unseen,
        edits=sync.edits,
        fulfillment=sync.fulfillment,
        mismatch=settings.money.mismatch,
        refunds=sync.refunds,
        restock_refunds=sync.restock_refunds,
        transactions=sync.transactions,
        ignore_sources=frozenset(sync.ignore_sources),
        ignore_channels=frozenset(sync.ignore_channels),
    )


# --- loading: file, credential files, environment, each over the one before ---


@dataclass(frozen=True, slots=True)
class Loaded:
    """Valid settings, the file they came from, and remarks that do not stop the program."""

    settings: Settings
    path: Path
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Layer:
    """Settings from one place as section -> key -> value, and how a key of it is written there."""

    table: _Table
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Read the settings; raises one `SettingsError` with every problem.

    `path` None: the file that BCPOLL_CONFIG names, else ./config.toml, else /etc/bcpoll/config.toml. Credential files
    win over the file, the environment over both. A relative checkpoint path starts at the settings file's folder.
    """
    source = _find(path, environ)
    table = _read_toml(source)
    settings = _settled(table, source, environ)
    warnings = (
        *_exposed(source, table),
        *_doubtful_variables(environ),
        *_doubtful_methods(settings.payments),
        *_two_ways_in(settings.pos),
    )
    return Loaded(settings, source, warnings)


def _settled(table: _Table, source: Path, environ: Mapping[str, str]) -> Settings:
    layers = (_Layer(table), _credentials(environ, source), _environment(environ))
    settings = _validated(layers, source)
    place = _expanded(settings.checkpoint.path, environ, _folder_of(source))
    checkpoint = settings.checkpoint.model_copy(update={"path": place})
    return settings.model_copy(update={"checkpoint": checkpoint})


# --- settings in the making ---

_REQUIRED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("bigcommerce", "store_hash"): "unanswered",
        ("bigcommerce", "access_token"): "unanswered",
        ("pos", "domain_prefix"): "unanswered",
        ("pos", "access_token"): "unanswered",
        ("pos", "register"): "?",
        ("pos", "user"): "?",
        ("payments", "default"): "?",
    }
)


def draft(answers: Mapping[tuple[str, str], str | None], source: Path, environ: Mapping[str, str]) -> Settings:
    """Settings as far as there are answers, by section and key, for the file at `source`.

    What is required and not answered yet has a value that stands for nothing, so that what is answered can be tried.
    """
    table: _Table = {}
    for (section, key), value in {**_REQUIRED, **answers}.items():
        if value is not None:
            table.setdefault(section, {})[key] = value
    return _settled(table, source, environ)


def problem_with(section: str, key: str, value: str) -> Problem | None:
    """What is wrong with a value by itself, if anything."""
    table: _Table = {section: {key: value}}
    try:
        Settings(**table)
    except ValidationError as error:
        ours = [one for one in error.errors(include_url=False) if one["loc"][:2] == (section, key)]
        return next((_problem(one, {}) for one in ours), None)
    return None


def named_outside(section: str, key: str, environ: Mapping[str, str]) -> str:
    """The variable, or the credential file, that a key is set by in place of the settings file; empty where none is."""
    for layer in (_environment(environ), _credentials(environ, LOCAL_FILE)):
        if (section, key) in layer.names:
            return layer.names[section, key]
    return ""


def file_to_write(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Where settings are to be written: the file that --config or BCPOLL_CONFIG names, else ./config.toml."""
    return _named(path, environ) or LOCAL_FILE


def _find(path: Path | None, environ: Mapping[str, str]) -> Path:
    named = _named(path, environ)
    if named is not None:
        return named
    found = next(filter(is_there, (LOCAL_FILE, SYSTEM_FILE)), None)
    if found is None:
        raise _unreadable(LOCAL_FILE, f"there is no such file, and no {SYSTEM_FILE} either", _HOW_TO_BEGIN)
    return found


def _named(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = path or (Path(environ["BCPOLL_CONFIG"]) if environ.get("BCPOLL_CONFIG") else None)
    return None if named is None else _expanded(named, environ, Path())


def is_there(file: Path) -> bool:
    """Whether there is such a file, be it one that may not be read or that nobody can tell."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _folder_of(source: Path) -> Path:
    try:
        return source.absolute().parent
    except FileNotFoundError:
        remedy = "Start bcpoll from a folder that exists, or name the settings by their whole path."
        raise _unreadable(source, "the folder that bcpoll was started in is gone", remedy) from None


def _expanded(path: Path, environ: Mapping[str, str], folder: Path) -> Path:
    """Spell out a leading `~` by the given HOME, and start a relative path at `folder`."""
    home = environ.get("HOME", "")
    if path.parts[:1] != ("~",):
        return folder / path
    if not home:
        raise _unreadable(path, "it begins with ~, but HOME is not set", "Write the whole path, or set HOME.")
    return Path(home, *path.parts[1:])


_HOW_TO_BEGIN = "Make one with bcpoll init, or name your file with --config."


def _unreadable(source: Path, message: str, remedy: str) -> SettingsError:
    return SettingsError([Problem("file", message, remedy)], source=str(source))


def _read_toml(source: Path) -> _Table:
    try:
        return tomllib.loads(source.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise _unreadable(source, "there is no such file", _HOW_TO_BEGIN) from None
    except IsADirectoryError:
        raise _unreadable(source, "this is a folder", "Name the file in it: .../config.toml.") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = f"See who may read it: ls -l {shlex.quote(str(source))}"
        raise _unreadable(source, f"it cannot be read: {reason}", remedy) from None
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1}"
        raise _unreadable(source, f"it is not UTF-8 text ({where})", "Save it again as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        remedy = 'Text stands in quotes (key = "value"), sections in brackets ([sync]), each on a line of its own.'
        raise _unreadable(source, f"it is not valid TOML: {error}", remedy) from None


def _credentials(environ: Mapping[str, str], source: Path) -> _Layer:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    table: _Table = {}
    names = {}
    for name, (section, key) in _CREDENTIAL_FILES.items() if folder else ():
        file = Path(folder or "", name)
        try:
            table.setdefault(section, {})[key] = file.read_text("utf-8").strip()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = (getattr(error, "strerror", None) or "it is not text").lower()
            problem = Problem(str(file), f"cannot be read: {reason}", "It must hold the token and nothing else.")
            raise SettingsError([problem], source=str(source)) from None
        names[section, key] = str(file)
    return _Layer(table, names)


def _environment(environ: Mapping[str, str]) -> _Layer:
    """Variables such as BCPOLL_SYNC__INTERVAL; empty ones count as not set."""
    reader = EnvSettingsSource(Settings)
    reader.env_vars = {name.lower(): value for name, value in environ.items() if value.strip()}
    table = {
        section: keys for section, keys in reader().items() if _takes_variables(section) and isinstance(keys, dict)
    }
    names = {(section, key): f"{_PREFIX}{section}__{key}".upper() for section, keys in table.items() for key in keys}
    return _Layer(table, names)


def _takes_variables(section: str) -> bool:
    return section in Settings.model_fields and section != "routes"


def _validated(layers: tuple[_Layer, ...], source: Path) -> Settings:
    sections = Settings.model_fields
    merged: _Table = {name: {} for name, section in sections.items() if section.is_required()}
    names: dict[tuple[str, str], str] = {}
    for layer in layers:
        names |= layer.names
        for section, keys in layer.table.items():
            below = merged.get(section)
            if isinstance(below, dict) and isinstance(keys, dict):
                keys = below | keys
            merged[section] = keys
    problems = [_unknown_section(name, value) for name, value in merged.items() if name not in sections]
    try:
        settings = Settings(**{name: value for name, value in merged.items() if name in sections})
    except ValidationError as error:
        problems += [_problem(detail, names) for detail in error.errors(include_url=False)]
    if problems:
        raise SettingsError(problems, source=str(source))
    return settings


# --- telling what is wrong ---

# What pydantic finds by itself, in our words: what is wrong, and what would be right.
_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "string_type": ("{value} is not text", "Put it in quotes."),
        "int_type": ("{value} is not a whole number", "Write a whole number without quotes."),
        "int_parsing": ("{value} is not a whole number", "Write a whole number without quotes."),
        "int_from_float": ("{value} is not a whole number", "Write a whole number without quotes."),
        "bool_type": ("{value} is neither true nor false", "Write true or false, without quotes."),
        "bool_parsing": ("{value} is neither true nor false", "Write true or false, without quotes."),
        "enum": ("{value} is not one of the choices", "Write {expected}."),
        "greater_than_equal": ("{value} is too small", "Write {ge} or more."),
        "less_than_equal": ("{value} is too large", "Write {le} or less."),
        "tuple_type": ("{value} is not a list", 'Write a list: ["one", "two"].'),
        "path_type": ("{value} is not the path of a file", "Put the path in quotes."),
        "model_type": ("{value} is not a section", "Write {key} on a line of its own and the keys below it."),
        "mapping_type": ("{value} is not a section", "Write {key} on a line of its own and the keys below it."),
        "dict_type": ("{value} is not a section", "Write {key} on a line of its own and the keys below it."),
    }
)
_ROUTES_WORDS = ("{value} is not a list of routes", "Begin each route with a line [[routes]], in double brackets.")
_FALLBACK_WORDS = ("{value} is not accepted: {msg}", "See config.example.toml.")


def _problem(error: ErrorDetails, names: Mapping[tuple[str, str], str]) -> Problem:
    """One of pydantic's errors as the user should read it."""
    loc = tuple(part for part in error["loc"] if part != "[key]")
    context = error.get("ctx", {})
    if error["type"] == "bcpoll":
        culprit = context["key"]
        if culprit is not None:
            loc = (*loc[:-1], culprit) if culprit else loc[:-1]
        return Problem(_key(loc, names), context["message"], context["remedy"])
    if error["type"] == "missing":
        return Problem(_key(loc, names), "is missing", _keys(str(loc[0]))[str(loc[-1])].description or "")
    if error["type"] == "extra_forbidden":
        return Problem(_key(loc, names), "is not a key of this section", _nearest_key(loc))
    words = _ROUTES_WORDS if loc == ("routes",) else _WORDS.get(error["type"], _FALLBACK_WORDS)
    value = "the value" if _is_secret(loc) else _shown(error["input"])
    known = context | {"value": value, "key": _key(loc, names), "msg": error["msg"]}
    known["expected"] = str(context.get("expected", "")).replace("'", '"')
    message, remedy = (text.format(**known) for text in words)
    return Problem(_key(loc, names), message, remedy)


def _key(loc: tuple[int | str, ...], names: Mapping[tuple[str, str], str]) -> str:
    """A place in the settings the way the user writes it: `[sync] interval`, or the name of its variable."""
    section, *rest = map(str, loc)
    if section == "routes":
        number = f" {int(rest[0]) + 1}" if rest else ""
        return " ".join([f"[[routes]]{number}", *rest[1:]])
    if not rest:
        return f"[{section}]"
    bare = re.fullmatch(r"[a-z_]+", rest[0])
    return names.get((section, rest[0])) or f"[{section}] {rest[0] if bare else _shown(rest[0])}"


def _section(name: object) -> type[BaseModel] | None:
    """The model behind a section; None for one whose keys are free."""
    kind = RouteRule if name == "routes" else Settings.model_fields[str(name)].annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _keys(section: str) -> dict[str, FieldInfo]:
    """The fields of a section by the key that the user writes."""
    model = _section(section)
    fields: dict[str, FieldInfo] = {} if model is None else model.model_fields
    return {one.alias or name: one for name, one in fields.items()}


def _is_secret(loc: tuple[int | str, ...]) -> bool:
    one = _keys(str(loc[0])).get(str(loc[-1]))
    return one is not None and "SecretStr" in str(one.annotation)


def _nearest_key(loc: tuple[int | str, ...]) -> str:
    """Which key was meant; the value of an unknown key is never shown, for it may be a token."""
    section, key = str(loc[0]), str(loc[-1])
    for near in difflib.get_close_matches(key, _keys(section), n=1):
        return f"Did you mean {near}?"
    elsewhere = next((other for other in Settings.model_fields if other != "routes" and key in _keys(other)), None)
    if elsewhere is not None:
        return f"It belongs under [{elsewhere}]."
    return f"The keys are: {', '.join(_keys(section))}."


def _unknown_section(name: str, value: object) -> Problem:
    if isinstance(value, (dict, list)):
        near = difflib.get_close_matches(name, Settings.model_fields, n=1)
        listed = ", ".join(Settings.model_fields)
        remedy = f"Did you mean [{near[0]}]?" if near else f"The sections are: {listed}."
        return Problem(f"[{name}]", "is not a section", remedy)
    home = next((section for section in Settings.model_fields if section != "routes" and name in _keys(section)), None)
    remedy = f"It belongs under [{home}]." if home else "Every key belongs to a section; see config.example.toml."
    return Problem(name, "stands before the first section", remedy)


_SHOWN = 60
_TOKEN_LIKE = re.compile(r'"[A-Za-z0-9_.~+=-]{24,}"')


def _shown(value: object) -> str:
    """A wrong value as the user wrote it, cut where it is long or might be a token in the wrong place."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    if _TOKEN_LIKE.fullmatch(text):
        return f"a text of {len(text) - 2} characters"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


# --- remarks that do not stop the program ---


def _exposed(source: Path, table: _Table) -> Iterator[str]:
    """Tell when everybody on the machine can read a secret."""
    holds = any(
        _is_secret((section, key)) and value
        for section, keys in table.items()
        if isinstance(keys, dict)
        for key, value in keys.items()
    )
    if holds and source.stat().st_mode & stat.S_IROTH:
        command = f"chmod o-rwx {shlex.quote(str(source))}"
        yield f"{source} holds a token and every user of this machine can read it; run: {command}"


def _doubtful_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Tell of BCPOLL_ variables that set nothing because they name no section."""
    for name in sorted(environ):
        section, separator, _ = name.removeprefix(_PREFIX).lower().partition("__")
        if not name.startswith(_PREFIX) or name in _NOT_SETTINGS:
            continue
        if not separator or not _takes_variables(section):
            yield f"{name} sets nothing: write BCPOLL_SECTION__KEY, such as BCPOLL_POS__ACCESS_TOKEN"


def _two_ways_in(access: PosAccess) -> Iterator[str]:
    """Tell which way into the POS is taken where there are two."""
    if access.access_token is not None and access.client_id is not None:
        yield "[pos] access_token is used, not client_id and client_secret; take it out to go by `bcpoll login`"


def _doubtful_methods(payments: PaymentNames) -> Iterator[str]:
    """Tell of payment methods that look like a misspelt key, and of two names for one method."""
    methods = payments.model_extra or {}
    for method in methods:
        for near in difflib.get_close_matches(method.lower(), PaymentNames.model_fields, n=1, cutoff=0.8):
            yield f"[payments] {_shown(method)} is taken for the name of a payment method; did you mean {near}?"
    if len(payments.by_method) < len(methods):
        yield "[payments] names a payment method twice, in capitals and without; the last one counts"
