"""The runs: when bcpoll ran, how it went and what it counted."""

from collections.abc import Collection, Mapping
from datetime import datetime

from bcpoll.checkpoint.columns import any_of, json_of, json_text, optional_time_of, plain, time_of, time_text
from bcpoll.checkpoint.file import CheckpointFile, Row
from bcpoll.checkpoint.records import Run, RunOutcome

POLL = "pass"
"""The kind of a run that looks at whatever has changed; any other looks at orders that it was told of."""

# What a run wrote refers to it, and is part of an order's history.
_PRUNE = """
    DELETE FROM runs WHERE begun_at < ?
    AND id <> coalesce((SELECT max(id) FROM runs WHERE kind = ? AND outcome IN ('done', 'set_aside')), 0)
    AND NOT EXISTS (SELECT 1 FROM ledger WHERE run_id = runs.id)
    AND NOT EXISTS (SELECT 1 FROM intents WHERE run_id = runs.id)
    AND NOT EXISTS (SELECT 1 FROM refunds WHERE run_id = runs.id)
    AND NOT EXISTS (SELECT 1 FROM review WHERE run_id = runs.id)
"""


class Runs(CheckpointFile):
    """The part of the checkpoint that remembers the runs."""

    def begin_run(self, kind: str, now: datetime) -> int:
        """Note that a run begins, and give its number."""
        with self.atomic():
            rows = self._rows("INSERT INTO runs (kind, begun_at) VALUES (?, ?) RETURNING id", kind, time_text(now))
        return int(rows[0]["id"])

    def end_run(
        self, run_id: int, now: datetime, outcome: RunOutcome, counts: Mapping[str, int], message: str = ""
    ) -> None:
        """Note how a run ended. Raises LookupError if there is no such run."""
        changed = self._write(
            "UPDATE runs SET ended_at = ?, outcome = ?, counts = ?, message = ? WHERE id = ?",
            time_text(now),
            outcome,
            json_text(dict(counts)),
            plain(message),
            run_id,
        )
        if changed == 0:
            raise LookupError(f"no run {run_id}")

    def last_runs(self, limit: int) -> list[Run]:
        """The latest runs, newest first."""
        return self._read(_run, "SELECT * FROM runs ORDER BY id DESC LIMIT ?", limit)

    def runs(self, run_ids: Collection[int]) -> dict[int, Run]:
        """These runs by number; one that there never was is absent."""
        found = self._read(_run, "SELECT * FROM runs WHERE id IN (SELECT value FROM json_each(?))", any_of(run_ids))
        return {run.id: run for run in found}

    def prune_runs(self, before: datetime) -> int:
        """Forget the runs that began before a time and wrote nothing that is still known, and give how many.

        The last pass that got through stays, however long ago it was.
        """
        return self._write(_PRUNE, time_text(before), POLL)

    def last_passes(self, limit: int) -> list[Run]:
        """The latest runs that looked at whatever had changed, newest first."""
        return self._read(_run, "SELECT * FROM runs WHERE kind = ? ORDER BY id DESC LIMIT ?", POLL, limit)

    def last_success(self) -> Run | None:
        """The latest pass that got through everything, also with orders set aside; None if none did."""
        found = self._read(
            _run,
            "SELECT * FROM runs WHERE outcome IN ('done', 'set_aside') AND kind = ? ORDER BY id DESC LIMIT 1",
            POLL,
        )
        return found[0] if found else None


def _run(row: Row) -> Run:
    return Run(
        id=row["id"],
        kind=row["kind"],
        begun_at=time_of(row["begun_at"]),
        ended_at=optional_time_of(row["ended_at"]),
        outcome=RunOutcome(row["outcome"]) if row["outcome"] else None,
        counts=json_of(row["counts"]),
        message=row["message"],
    )
