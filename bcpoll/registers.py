"""The registers that a page of sales goes to, where one of them is closed (`[pos] when_closed`).

Owns what is done about a closed register, and what is said where the orders have to wait for it.
"""

from collections.abc import Collection

from bcpoll.core.shop import Register, WhenClosed
from bcpoll.errors import GiveUp, LookAgain, RetryLater
from bcpoll.ports import PointOfSale
from bcpoll.shell import Shell


def make_ready(shell: Shell, register_ids: Collection[str]) -> None:
    """Open these registers where they are closed and the settings say so; RetryLater where they have to be waited for.

    With `when_closed = "try"` nobody asks beforehand: a refusal of the POS tells soon enough.
    """
    if shell.when_closed is WhenClosed.TRY:
        return
    for register in closed(shell.pos, register_ids):
        if shell.when_closed is WhenClosed.WAIT:
            raise waiting_for(register)
        try:
            shell.pos.open_register(register.id, shell.clock())
        except (GiveUp, LookAgain) as error:
            raise waiting_for(register, error.message) from error


def closed(pos: PointOfSale, register_ids: Collection[str]) -> list[Register]:
    """Those of these registers that are closed."""
    if not register_ids:
        return []
    return [register for register in pos.registers() if register.id in register_ids and not register.is_open]


def waiting_for(register: Register, said: str = "") -> RetryLater:
    """What ends a pass whose orders wait for a register; `said` is what the POS answered when it was to be opened."""
    return RetryLater(
        f'the register "{register.name}" is closed' + (f" and could not be opened: {said}" if said else ""),
        hint='Open it in the POS, or set [pos] when_closed = "open". The orders wait until then.',
    )
