"""The payments of an order as the store keeps them: transactions, each an event at one way of paying.

Owns the wire shape of V3 transactions and what is left to pay. Decides nothing about an order's status.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from bcpoll.core.money import total
from bcpoll.sandbox.calls import Json, rfc3339
from bcpoll.sandbox.order_json import Numbers, StoredOrder, paid_amounts
from bcpoll.sandbox.switches import Switches

OFFLINE = frozenset({"cash on delivery", "bank deposit", "check", "money order", "pay in store", "purchase orders"})
"""Ways of paying that no gateway watches, in lower case."""

_GATEWAYS = {"gift_certificate": "giftcertificate", "store_credit": "storecredit", "offline": "offline"}


@dataclass(slots=True)
class Payments:
    """The transactions of one order."""

    order: StoredOrder
    numbers: Numbers
    switches: Switches

    @property
    def rest(self) -> Decimal:
        """What is neither paid nor authorized yet."""
        due = total(paid_amounts(self.order, self.switches).values())
        unrecorded = total(self._redeemed().values()) if self.switches.redeemed == "left_out" else Decimal(0)
        begun = [row for row in self._standing() if row["event"] != "capture"]
        return due - unrecorded - total(Decimal(row["amount"]) for row in begun)

    def _standing(self) -> Iterator[Json]:
        rows = self.order.transactions
        voided = {row["reference_transaction_id"] for row in rows if row["event"] == "void"}
        return (row for row in rows if row["event"] != "void" and row["id"] not in voided)

    def redeem(self) -> None:
        """Pay with the gift certificates and the store credit of the order, unless that is done."""
        known = {row["method"] for row in self._standing()}
        for method, amount in self._redeemed().items():
            if amount and method not in known and self.switches.redeemed == "in_transactions":
                self._put("purchase", method, amount)

    def _redeemed(self) -> dict[str, Decimal]:
        return {method: amount for method, amount in paid_amounts(self.order, self.switches).items() if method}

    def add(self, event: str, amount: Decimal, method: str = "") -> None:
        """Let an amount be paid or authorized; with a way of paying that is offline, it only waits for the money."""
        name = str(self.order.fields.get("payment_method", ""))
        if not method and name.strip().lower() in OFFLINE:
            event, method = "pending", "offline"
        if amount > 0:
            self._put(event, method or "credit_card", amount)

    def capture(self) -> None:
        """Take what was authorized and not taken yet."""
        for row in list(self._authorized()):
            self._put("capture", row["method"], row["amount"], reference=row["id"])

    def void(self) -> None:
        """Give up all that was paid or authorized."""
        for row in list(self._standing()):
            self._put("void", row["method"], row["amount"], reference=row["id"])

    def _authorized(self) -> Iterator[Json]:
        captured = {row["reference_transaction_id"] for row in self.order.transactions if row["event"] == "capture"}
        return (row for row in self._standing() if row["event"] == "authorization" and row["id"] not in captured)

    def _put(self, event: str, method: str, amount: Decimal, *, reference: int | None = None) -> None:
        order = self.order
        offline = {"display_name": order.fields.get("payment_method", "")} if method == "offline" else {}
        order.transactions.append(
            {
                "id": self.numbers.next("transaction"),
                "order_id": str(order.id),
                "event": event,
                "method": method,
                "amount": amount,
                "currency": order.fields.get("default_currency_code", "USD"),
                "gateway": _GATEWAYS.get(method, "bigcommerce_payments"),
                "gateway_transaction_id": None,
                "status": "ok",
                "test": False,
                "fraud_review": False,
                "reference_transaction_id": reference,
                "payment_method_id": "bigcommerce_payments.card",
                "date_created": rfc3339(order.modified),
                "offline": offline,
                "custom": {},
            }
        )
