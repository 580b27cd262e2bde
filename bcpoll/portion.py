"""How much of a page is carried out in one turn: so little that a run which waits for its turn soon has it.

Owns that reckoning alone. While the POS has no room, no turn is held: a run that waits for one may use what is reserved
for it. What a turn does is the caller's business.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from bcpoll.shell import Shell

# Seconds. What is looked up before and put back afterwards comes on top.
_TURN = 20.0

# More than a turn is worth nothing: so many orders a page of the list holds.
_MOST = 250

# Requests without which no turn is worth its while, and those of a turn that are not for its orders.
_WORTH = 10
_BESIDES = 5

# Of an order, until some were carried out: it may be the first of its customer and its product.
_REQUESTS = 4.0
_TAKES = timedelta(seconds=2)


class Portion:
    """How many orders the next turn may carry out, by what the last one took."""

    def __init__(self) -> None:
        self._requests = _REQUESTS
        self._takes = _TAKES

    def orders(self, shell: Shell) -> int:
        """So many orders are carried out in about a turn; 0 while the POS has no room for any."""
        room = shell.pace.room(_TURN)
        if room < min(_WORTH, shell.pace.room(math.inf)):
            return 0
        affordable = (room - _BESIDES) / self._requests
        in_time = timedelta(seconds=_TURN) / self._takes if self._takes > timedelta(0) else _MOST
        return max(int(min(affordable, in_time, _MOST)), 1)

    @contextmanager
    def learning(self, shell: Shell, orders: int) -> Iterator[None]:
        """Learn from what is done in the block about so many orders."""
        begun, before = shell.clock(), shell.pace.requests
        yield
        if orders:
            self._takes = (shell.clock() - begun) / orders
            self._requests = max((shell.pace.requests - before) / orders, 1.0)

    def await_room(self, shell: Shell) -> None:
        """Sleep until the next turn may be worth its while; to be called between turns.

        How much of the room others still take, only an answer tells: in doubt, it is asked for at the price of one.
        """
        shell.pace.await_room(_WORTH, _TURN)
        if not self.orders(shell):
            shell.pos.retailer()
