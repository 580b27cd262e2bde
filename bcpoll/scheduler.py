"""The clock of `bcpoll run`: a pass at once, then one each interval, one at a time, until a signal or a dead end.

Owns APScheduler and what ends the loop. Knows nothing of orders: a pass is a callable here.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.schedulers.base import STATE_RUNNING
from apscheduler.schedulers.blocking import BlockingScheduler

from bcpoll.errors import AccessRefused, BcpollError, CheckpointError, SettingsError

log = logging.getLogger(__name__)

# What no later pass can mend before a person has: a refused token, wrong settings, a checkpoint that cannot be used.
_DEAD_ENDS = (AccessRefused, SettingsError, CheckpointError)


class _Scheduler(BlockingScheduler):  # type: ignore[misc]  # APScheduler has no types
    """A scheduler that goes by the host's clock, and goes on where that is set back."""

    _LONGER = 1.5
    """By how many intervals a next pass is too far away to be right."""

    def _process_jobs(self) -> float | None:
        """Start what is due and give the seconds to wait. A pass further away than its interval comes at once."""
        wait: float | None = super()._process_jobs()
        if wait is None or self.state != STATE_RUNNING:
            return wait
        late = [job for job in self.get_jobs() if wait > self._LONGER * job.trigger.interval.total_seconds()]
        for job in late:
            log.warning("the host's clock was set back: the next pass comes now, not in %s minutes", int(wait) // 60)
            job.modify(next_run_time=datetime.now(UTC))
        return super()._process_jobs() if late else wait


class Loop:
    """Runs a callable on an interval in the foreground."""

    def __init__(self, tick: Callable[[], None], *, interval: timedelta) -> None:
        self._tick = tick
        self._running = threading.Lock()
        self._stopping = False
        self._ended_by: BcpollError | None = None
        # One thread: a pass that is late waits for the one before it, and several late ones become one (coalesce).
        # A late pass is never dropped (no misfire grace), as it would be after one second by default.
        self._scheduler = _Scheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)})
        self._scheduler.add_job(
            self._guarded,
            "interval",
            seconds=interval.total_seconds(),
            next_run_time=datetime.now(UTC),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def run(self) -> None:
        """Run until `stop`, or until a pass fails in a way that no later one can mend: that error is raised."""
        self._scheduler.start()
        # The pass in flight ends in its own time; its checkpoint is clean once this lock is free.
        with self._running:
            pass
        if self._ended_by is not None:
            raise self._ended_by

    def stop(self) -> None:
        """End the loop, also one that has not begun yet; safe to call from a signal handler."""
        self._stopping = True
        with suppress(SchedulerNotRunningError):
            self._scheduler.shutdown(wait=False)

    def _guarded(self) -> None:
        """One pass. A pass that fails is logged, and the next one comes; a dead end ends the loop."""
        with self._running:
            if self._stopping:
                # Asked to stop before there was a scheduler to shut down: now there is one.
                self.stop()
                return
            try:
                self._tick()
            except _DEAD_ENDS as error:
                self._ended_by = error
                self.stop()
            except BcpollError as error:
                log.warning("the pass stopped early: %s %s", error.message, error.hint)
            except Exception:
                # The edge of a pass: a bug in one must not silence the shop's sync for good.
                log.exception("the pass failed; the next one comes as planned")
