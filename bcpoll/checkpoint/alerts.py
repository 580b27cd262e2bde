"""What was told to whom: one row per channel and matter, from the first message until the last."""

from datetime import datetime

from bcpoll.checkpoint.columns import time_of, time_text
from bcpoll.checkpoint.file import CheckpointFile
from bcpoll.core.alerts import Kind, Message, Told


class Alerts(CheckpointFile):
    """The part of the checkpoint that keeps anybody from being told twice."""

    def told(self, channel: str) -> dict[str, Told]:
        """What was told over a channel and is not over yet, by matter."""
        return dict(
            self._read(
                lambda row: (row["matter"], Told(since=time_of(row["since"]), told_at=time_of(row["told_at"]))),
                "SELECT * FROM alerts WHERE channel = ?",
                channel,
            )
        )

    def keep_told(self, channel: str, message: Message, now: datetime) -> None:
        """Note that a message went out over a channel."""
        if message.kind is Kind.OVER:
            self._write("DELETE FROM alerts WHERE channel = ? AND matter = ?", channel, message.matter)
            return
        self._write(
            "INSERT INTO alerts (channel, matter, since, told_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (channel, matter) DO UPDATE SET told_at = excluded.told_at",
            channel,
            message.matter,
            time_text(message.since),
            time_text(now),
        )
