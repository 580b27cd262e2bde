"""The sections of the settings: their keys, defaults and bounds, and the settings as a whole.

A key's description says where a value that is missing is to be had. Reads no file and no environment.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bcpoll.config.values import (
    REDIRECT_URL,
    ApiUrl,
    ApiVersion,
    Channels,
    Country,
    DomainPrefix,
    Duration,
    Email,
    Emails,
    FilePath,
    LoopbackPort,
    OptionalApiUrl,
    Password,
    RedirectUrl,
    SecretAddress,
    Sources,
    Start,
    StatusKey,
    StoreHash,
    Text,
    Token,
    at_least,
    shown,
    wrong,
)
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
    WhenClosed,
)
from bcpoll.core.status import Disposition, StatusPolicy

PREFIX = "BCPOLL_"
"""What the names of environment variables begin with that set a key."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)


class StoreAccess(_Section):
    """`[bigcommerce]`: the web store and the token to read it with."""

    store_hash: StoreHash = Field(
        description="It is the part after /stores/ in the API path that BigCommerce shows with the token."
    )
    access_token: Token = Field(
        description="Make one in BigCommerce under Settings > Store-level API accounts; it may also come from"
        " BCPOLL_BIGCOMMERCE__ACCESS_TOKEN."
    )
    api_url: ApiUrl = "https://api.bigcommerce.com"

    @property
    def base_url(self) -> str:
        """Scheme, host and port of the store's API, without a slash at the end."""
        return self.api_url


class PosAccess(_Section):
    """`[pos]`: the POS account, how to get in, and where sales are booked."""

    domain_prefix: DomainPrefix = Field(description="It stands before .retail.lightspeed.app in the POS's address.")
    client_id: Text | None = None
    client_secret: Token | None = None
    redirect_url: RedirectUrl = REDIRECT_URL
    access_token: Token | None = Field(default=None, validate_default=True)
    api_url: OptionalApiUrl = ""
    api_version: ApiVersion = "2026-07"
    register_name: Text = Field(
        alias="register", description="Write the name of the register that web sales are booked on."
    )
    user: Text = Field(description="Write the user name of the POS user in whose name sales are booked.")
    when_closed: WhenClosed = WhenClosed.TRY

    @field_validator("access_token")
    @classmethod
    def _some_way_in(cls, token: SecretStr | None, known: ValidationInfo) -> SecretStr | None:
        """A token, or both halves of the OAuth pair; a half that failed by itself is not complained about twice."""
        pair = {key: known.data[key] for key in ("client_id", "client_secret") if key in known.data}
        missing = [key for key, value in pair.items() if value is None]
        if len(missing) == 1 and len(pair) == 2:
            raise wrong("is missing", "client_id and client_secret only work together.", key=missing[0])
        if token is None and len(missing) == 2:
            raise wrong(
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

    register_name: Text = Field(alias="register", description="Write the name of the register for these orders.")
    pickup_location: str = ""
    channel: int = Field(default=0, ge=0)
    country: Country = Field(default="", validate_default=True)

    @field_validator("country")
    @classmethod
    def _exactly_one(cls, country: str, known: ValidationInfo) -> str:
        if not {"pickup_location", "channel"} <= known.data.keys():
            return country
        given = [known.data["pickup_location"], known.data["channel"], country]
        if sum(map(bool, given)) != 1:
            raise wrong("must match by exactly one thing", "Give one of pickup_location, channel and country.", key="")
        return country


class SyncChoices(_Section):
    """`[sync]`: how often, how far back, and what becomes of the special cases."""

    interval: Annotated[Duration, at_least(timedelta(seconds=30))] = timedelta(minutes=5)
    start: Start = None
    """None stands for "now": the moment of the first run."""
    overlap: Annotated[Duration, at_least(timedelta(minutes=1))] = timedelta(minutes=10)
    sweep: Annotated[Duration, at_least(timedelta(hours=1))] = timedelta(days=3)
    unpaid: Unpaid = Unpaid.CLOSED
    edits: Edits = Edits.REPLACE
    refunds: Refunds = Refunds.IMPORT
    restock_refunds: bool = True
    fulfillment: Fulfillment = Fulfillment.OFF
    transactions: Transactions = Transactions.AUTO
    cancelled_unseen: CancelledUnseen = CancelledUnseen.VOIDED
    ignore_sources: Sources = ()
    ignore_channels: Channels = ()
    workers: int = Field(default=32, ge=1, le=64)
    reserve: int = Field(default=10, ge=0, le=90)


class PaymentNames(_Section):
    """`[payments]`: the POS payment type for each BigCommerce payment method; any further key is such a method."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Text]

    default: Text = Field(description="Write the name of the POS payment type that web orders are paid with.")
    gift_certificate: str = ""
    store_credit: str = ""

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

    shipping: Text = "BC-SHIPPING"
    handling: Text = "BC-HANDLING"
    wrapping: Text = "BC-WRAPPING"
    fee: Text = "BC-FEE"
    gift_certificate: Text = "BC-GIFT-CERTIFICATE"
    refund: Text = "BC-REFUND"
    adjustment: Text = "BC-ADJUSTMENT"

    @field_validator("*")
    @classmethod
    def _differs_from_the_others(cls, code: str, known: ValidationInfo) -> str:
        same = next((key for key, other in known.data.items() if code_key(other) == code_key(code)), None)
        if same is not None:
            raise wrong(f"{shown(code)} is the code of [charges] {same} too", "Give each charge a code of its own.")
        return code


class MoneyChoices(_Section):
    """`[money]`: what is done about an order whose parts do not add up to its total."""

    mismatch: Mismatch = Mismatch.REVIEW


class CheckpointPlace(_Section):
    """`[checkpoint]`: where progress is kept, and for how long the payloads of finished orders."""

    path: FilePath = Path("bcpoll.db")
    keep_payloads: Annotated[Duration, at_least(timedelta(days=1))] = timedelta(days=90)


class AlertChoices(_Section):
    """`[alerts]`: who is told when something is the matter, and when that is."""

    webhook: SecretAddress | None = None
    ping: SecretAddress | None = None
    email_to: Emails = ()
    email_from: Email | None = None
    smtp_host: str = Field(default="", validate_default=True)
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_user: str = ""
    smtp_password: Password | None = Field(default=None, validate_default=True)
    no_success: Annotated[Duration, at_least(timedelta(minutes=5))] = timedelta(hours=1)
    no_orders: bool = True

    @field_validator("smtp_host")
    @classmethod
    def _where_there_is_mail_to_send(cls, host: str, known: ValidationInfo) -> str:
        if known.data.get("email_to") and not host:
            raise wrong("is missing", "Write the name of your mail provider's SMTP server, or take email_to out.")
        return host

    @field_validator("smtp_password")
    @classmethod
    def _with_a_user(cls, password: SecretStr | None, known: ValidationInfo) -> SecretStr | None:
        if (password is None) != (not known.data.get("smtp_user")):
            missing = "smtp_password" if password is None else "smtp_user"
            raise wrong("is missing", "smtp_user and smtp_password only work together.", key=missing)
        return password

    @property
    def secrets(self) -> tuple[SecretStr | None, ...]:
        """What must not be shown."""
        return (self.webhook, self.ping, self.smtp_password)


class MetricChoices(_Section):
    """`[metrics]`: measurements for Prometheus; empty is off."""

    file: Path | None = None
    listen: LoopbackPort = ""

    @field_validator("file")
    @classmethod
    def _one_that_is_collected(cls, file: Path | None) -> Path | None:
        if file is not None and file.suffix != ".prom":
            raise wrong(f"{shown(str(file))} would not be collected", "Let the file's name end in .prom.")
        return file


class Settings(BaseSettings):
    """All settings of one shop. Made by `load`; built directly, it reads neither file nor environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
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
    status_map: Mapping[StatusKey, Disposition] = Field(default_factory=dict)
    payments: PaymentNames
    taxes: TaxChoices = TaxChoices()
    charges: ChargeCodes = ChargeCodes()
    money: MoneyChoices = MoneyChoices()
    checkpoint: CheckpointPlace = CheckpointPlace()
    alerts: AlertChoices = AlertChoices()
    metrics: MetricChoices = MetricChoices()

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
        held = (
            self.bigcommerce.access_token,
            self.pos.access_token,
            self.pos.client_secret,
            *self.alerts.secrets,
        )
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
