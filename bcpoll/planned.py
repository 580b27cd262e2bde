"""An order with its plan: what the decisions hand on, to be carried out, previewed or added up.

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
        """The digest of the version that was planned; reckoned anew whenever it is asked for."""
        return fingerprint(self.payload)

    @property
    def moves(self) -> tuple[Move, ...]:
        """How the plan changes the stock in the end, without the moves that are put back afterwards."""
        lasting = (action for action in self.plan.actions if not is_neutral(self, action))
        return net(move for action in lasting for move in moves_of(action))


def is_neutral(planned: Planned, action: Action) -> bool:
    """Whether the stock that an action moves is put back afterwards, because the POS's count already allows for it.

    That is so for sales and refunds from before the start, in a backfill that does not move stock. It is not so for a
    sale that replaces another: the edit is recent, and voiding the old sale gives back what that one took.
    """
    before = planned.history.neutral_before if planned.history else None
    if before is None or not isinstance(action, CreateSale | CreateRefund) or action.sale.date >= before:
        return False
    return isinstance(action, CreateRefund) or not any(isinstance(one, VoidSale) for one in planned.plan.actions)
