"""A command line, or another program, on a terminal of its own, and somebody who waits for words and types."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from program import LONGEST, command, environment


def _sit_down() -> None:
    """Take the terminal for one's own, as a process that a terminal is opened for has it."""
    # A shell that started the tests in the background lets them, and what they start, ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A command line, or what `instead` names, on a terminal of its own: waits for words, then types."""

    def __init__(self, folder: Path, *arguments: str, instead: Sequence[str] = (), **variables: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            instead or command(*arguments),
            cwd=folder,
            env=environment(**{"COLUMNS": "100", "LINES": "40", "TERM": "dumb"} | variables),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_sit_down,
        )
        os.close(theirs)
        self.text = ""
        self._read_up_to = 0

    def says(self, words: str) -> None:
        while words not in self.text[self._read_up_to :]:
            if not self._reads():
                raise AssertionError(f"never said {words!r}, but {self.text!r}")
        self._read_up_to = self.text.index(words, self._read_up_to) + len(words)

    def types(self, line: str, end: str = "\n") -> None:
        os.write(self._ours, (line + end).encode())

    def answers(self, given: Mapping[str, str]) -> None:
        """Answer each question until the end: one with these words with that line, one with a proposal with Enter."""
        while self._reads():
            last = self.text[self._read_up_to :].rpartition("\n")[2]
            # Not every colon is that of a question: what is read may end in the middle of a line.
            line = next((line for words, line in given.items() if words in last), "" if last.endswith("]: ") else None)
            if line is not None and last.endswith(": "):
                self._read_up_to = len(self.text)
                self.types(line)

    def _reads(self) -> bool:
        """Read on; whether there was something, and not the end."""
        if not select.select([self._ours], [], [], LONGEST)[0]:
            raise AssertionError(f"hangs after {self.text!r}")
        try:
            read = os.read(self._ours, 65_536)
        except OSError:
            # How Linux tells that nobody has the other end any more.
            return False
        self.text += read.decode()
        return bool(read)

    def ends(self) -> int:
        code = self.process.wait(LONGEST)
        os.close(self._ours)
        return code
