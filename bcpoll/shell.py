"""The one record that the flow hands on: both sides, the checkpoint, the shop and the merchant's choices.

Built in `cli.wiring`; the flow itself opens and builds nothing.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bcpoll.checkpoint import Checkpoint
from bcpoll.core.shop import Policy, Shop, WhenClosed
from bcpoll.ports import OrderSource, Pace, PointOfSale


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """What a pass works with: both sides, the checkpoint, the shop and the merchant's choices."""

    source: OrderSource
    pos: PointOfSale
    pace: Pace
    checkpoint: Checkpoint
    shop: Callable[[], Shop]
    """Asked for when the first order needs it: a pass without orders asks the POS nothing."""
    store_hash: str
    policy: Policy
    clock: Callable[[], datetime]
    start: datetime | None
    overlap: timedelta
    sweep: timedelta
    keep_payloads: timedelta
    workers: int
    when_closed: WhenClosed
    stop: threading.Event = field(default_factory=threading.Event)
    before_first: Callable[[], None] = lambda: None
    """Called before the first run of a checkpoint; may raise to keep it from happening."""
