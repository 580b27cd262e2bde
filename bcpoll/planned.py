"""An order with its plan, as the decisions hand it on: to be carried out, previewed or added up.

Owns which of its stock movements last. Knows nothing of how a plan is carried out.
"""

from dataclasses import dataclass
from datetime import datetime

from bcpoll.checkpoint import History
from bcpoll.core.order import Json, fingerprint
from bcpoll.core.sale import Action, Applied, CreateRefund, CreateSale, Desired, Move, Plan, VoidSale, moves_of, net


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An order with its plan, and what the ledger and the review need to know of it."""

    order_id: int
    status_id: int
    modified_at: datetime
    payload: Json
    desired: Desired
    applied: Applied
    plan: Plan
    placed_at: datetime | None = None
    history: History | None = None
    """Set where a backfill writes the order."""

    @property
    def fingerprint(self) -> str:
        """The digest of the version that was planned; computed on every access."""
        return fingerprint(self.payload)

    @property
    def moves(self) -> tuple[Move, ...]:
        """How the plan changes the stock in the end, without the moves that are put back afterwards."""
        lasting = (action for action in self.plan.actions if not is_neutral(self, action))
        return net(move for action in lasting for move in moves_of(action))


def is_neutral(planned: Planned, action: Action) -> bool:
    """Whether the stock that an action moves is put back afterwards, because the POS's count already allows for it.

    That is so for sales and refunds from before the start, in a backfill that does not move stock. It is not so for a
    sale that replaces another, be it at once or later on: the edit is recent, and voiding the old sale gives back what
    that one took. And it is so for a refund since the start that is booked anew: what it put into stock stayed there
    when its backfill was undone.
    """
    history = planned.history
    if history is None or history.neutral_before is None:
        return False
    if isinstance(action, CreateRefund):
        return action.was_undone or action.sale.date < history.neutral_before
    replaces = history.revision > 0 or any(isinstance(one, VoidSale) for one in planned.plan.actions)
    return isinstance(action, CreateSale) and action.sale.date < history.neutral_before and not replaces
