"""How many orders a backfill carries out in one turn: few enough that a run which waits for the lock soon gets it.

Owns that estimate alone. While the POS's rate limit leaves no room, no turn is taken, so that a waiting run can use the
part of the limit that is reserved for it. What is done in a turn is the caller's business.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from bcpoll.shell import Shell

# Seconds that a turn may take, without the look-ups before its orders and the stock put back after them.
_TURN = 20.0

# A turn never takes more than one page of the list, and that is how many orders a page holds.
_MOST = 250

# No turn is begun with fewer requests left than this.
_WORTH = 10

# How many requests of a turn are not for its orders.
_BESIDES = 5

# First guesses for one order, on the high side: its customer and its product may have to be created.
_REQUESTS = 4.0
_TAKES = timedelta(seconds=2)


class Portion:
    """How many orders the next turn may carry out, going by the time and requests that the last one took."""

    def __init__(self) -> None:
        self._requests = _REQUESTS
        self._takes = _TAKES

    def orders(self, shell: Shell) -> int:
        """How many orders fit into one turn; 0 while the POS's limit leaves no room for any."""
        room = shell.pace.room(_TURN)
        if room < min(_WORTH, shell.pace.room(math.inf)):
            return 0
        affordable = (room - _BESIDES) / self._requests
        in_time = timedelta(seconds=_TURN) / self._takes if self._takes > timedelta(0) else _MOST
        return max(int(min(affordable, in_time, _MOST)), 1)

    @contextmanager
    def learning(self, shell: Shell, orders: int) -> Iterator[None]:
        """Measure the block, which carries out this many orders, for the next estimate."""
        begun, before = shell.clock(), shell.pace.requests
        yield
        if orders:
            self._takes = (shell.clock() - begun) / orders
            self._requests = max((shell.pace.requests - before) / orders, 1.0)

    def await_room(self, shell: Shell) -> None:
        """Sleep until the limit leaves room for a turn; to be called between turns.

        How much of the limit other programs use is known only from the POS's answers. If the last one leaves it in
        doubt, one request is spent on a newer answer.
        """
        shell.pace.await_room(_WORTH, _TURN)
        if not self.orders(shell):
            shell.pos.retailer()
