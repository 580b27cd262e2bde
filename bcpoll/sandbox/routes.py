"""One row of a route table: which request, under which scopes, is answered by which function.

Owns nothing but the record; the tables stand in `store_routes` and `pos_routes`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bcpoll.sandbox.calls import Answer, Call
from bcpoll.sandbox.faults import Side
from bcpoll.sandbox.world import World

Handler: TypeAlias = Callable[[World, Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """A request that is understood; `scopes` are all needed."""

    side: Side
    method: str
    path: str
    handler: Handler
    scopes: frozenset[str] = frozenset()
    needs_token: bool = True
