"""The runs: when bcpoll ran, how it went and what it counted."""

from collections.abc import Collection, Mapping
from datetime import datetime

from bcpoll.checkpoint.columns import any_of, json_of, json_text, optional_time_of, plain, time_of, time_text
from bcpoll.checkpoint.file import CheckpointFile, Row
from bcpoll.checkpoint.records import Run, RunOutcome


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

    def last_success(self) -> Run | None:
        """The latest run that got through everything there was, be it that orders were set aside; None if none did."""
        found = self._read(_run, "SELECT * FROM runs WHERE outcome IN ('done', 'set_aside') ORDER BY id DESC LIMIT 1")
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
