"""The questions of `bcpoll init`: what each asks, where the answer is to be found, and the option that answers it.

Texts alone: which question comes when, and what is proposed, is `init`'s.
"""

from bcpoll.cli.asking import Question

STORE_HASH = Question(
    key=("bigcommerce", "store_hash"),
    flag="--store-hash",
    asks="Store hash",
    where=(
        "In BigCommerce, under Settings > Store-level API accounts, make an account with the read-only scopes Orders,"
        " Order transactions, Products, and Information & settings. The store hash is what stands after"
        " /stores/ in the API path that it shows."
    ),
)
STORE_TOKEN = Question(
    key=("bigcommerce", "access_token"),
    flag="--store-access-token",
    asks="Access token (not shown)",
    where="The access token of that account. BigCommerce shows it once.",
    is_secret=True,
)
DOMAIN_PREFIX = Question(
    key=("pos", "domain_prefix"),
    flag="--domain-prefix",
    asks="Domain prefix",
    where="What stands before .retail.lightspeed.app in the address of your POS.",
)
POS_TOKEN = Question(
    key=("pos", "access_token"),
    flag="--pos-access-token",
    asks="Personal token (not shown)",
    where=(
        "In the POS, under Setup > Personal tokens, make one as an administrator. Without the Plus plan there are none:"
        " then press Enter, to connect an application of your own by OAuth."
    ),
    is_secret=True,
    may_be_empty=True,
)
CLIENT_ID = Question(
    key=("pos", "client_id"),
    flag="--client-id",
    asks="Client id",
    where="Register an application with Lightspeed for it, with the redirect address below.",
)
CLIENT_SECRET = Question(
    key=("pos", "client_secret"),
    flag="--client-secret",
    asks="Client secret (not shown)",
    where="",
    is_secret=True,
)
REDIRECT_URL = Question(
    key=("pos", "redirect_url"),
    flag="--redirect-url",
    asks="Redirect address of the application",
    where="",
)
REGISTER = Question(
    key=("pos", "register"),
    flag="--register",
    asks="Register",
    where=(
        "The register that web sales are booked on; its outlet is where their stock is taken from. Best give"
        " them one of their own, which nobody closes."
    ),
)
USER = Question(
    key=("pos", "user"), flag="--user", asks="User", where="The POS user in whose name web sales are booked."
)
DEFAULT_PAYMENT = Question(
    key=("payments", "default"),
    flag="--default-payment",
    asks="Payment type for web orders",
    where="The payment type of the POS for orders whose way of paying is not named below.",
)
GIFT_CERTIFICATE = Question(
    key=("payments", "gift_certificate"),
    flag="--gift-certificate",
    asks="Payment type for gift certificates",
    where="",
)
STORE_CREDIT = Question(
    key=("payments", "store_credit"), flag="--store-credit", asks="Payment type for store credit", where=""
)
TAX = Question(
    key=("taxes", "default"),
    flag="--tax",
    asks="Tax where no rate fits",
    where="Every line goes under the tax of the POS that has its rate. This one is for lines whose rate none has.",
)
FULFILLMENT = Question(
    key=("sync", "fulfillment"),
    flag="--fulfillment",
    asks="Do staff pick and pack web orders from the POS's Fulfillments page?",
    where=(
        "Orders that are not shipped yet can show on the POS's Fulfillments page, where staff process them. Otherwise"
        " they are booked as plain sales, and shipped from BigCommerce."
    ),
)
UNPAID = Question(
    key=("sync", "unpaid"),
    flag="--unpaid",
    asks="Put unpaid orders on the customer's account until they are paid?",
    where=(
        "Orders that are not paid yet, as by bank transfer, are booked as sales without a payment, the way Lightspeed's"
        " own link does it. On the customer's account, what is owing can be seen."
    ),
)

QUESTIONS = (
    *(STORE_HASH, STORE_TOKEN, DOMAIN_PREFIX, POS_TOKEN, CLIENT_ID, CLIENT_SECRET, REDIRECT_URL, REGISTER, USER),
    *(DEFAULT_PAYMENT, GIFT_CERTIFICATE, STORE_CREDIT, TAX, FULFILLMENT, UNPAID),
)
"""All of them, but those about the web store's ways of paying."""

BESIDE_METHODS = (GIFT_CERTIFICATE, STORE_CREDIT)
"""Means that pay beside a way of paying: asked about where orders were paid with them."""


def question_about(method: str, count: int = 0) -> Question:
    """What one of the web store's ways of paying is in the POS; `count` recent orders were paid by it."""
    orders = f" ({count} order{'s' if count != 1 else ''})" if count else ""
    return Question(key=("payments", method), flag=f'--payment "{method}=TYPE"', asks=f'"{method}"{orders}', where="")
