"""The tokens that no message may show.

Owns in which shapes a token may turn up. It knows no message and no token by itself.
"""

import threading
from collections.abc import Collection
from urllib.parse import quote

from bcpoll.http.exact import write_json

# What is kept of an answer for a message: enough for both APIs' sentences, short enough for one line of a log.
_TEXT_LIMIT = 500

# Anything shorter is no token, and hiding it would only garble the messages.
_SHORTEST_SECRET = 4


class Secrets:
    """The tokens that no message may show."""

    def __init__(self) -> None:
        self._shapes: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def add(self, values: Collection[str]) -> None:
        """Hide these from now on, and where one is `Bearer` and a token, the token alone as well."""
        words = {word for value in values for word in (value, value.split(" ")[-1]) if len(word) >= _SHORTEST_SECRET}
        if words <= self._shapes:
            return
        with self._lock:
            shapes = {quote(word, safe="") for word in words} | {write_json(word)[1:-1] for word in words}
            self._shapes |= words | shapes

    def hide(self, text: str) -> str:
        """The text with stars in place of every token."""
        for shape in sorted(self._shapes, key=len, reverse=True):
            text = text.replace(shape, "***")
        return text

    def one_line(self, text: str) -> str:
        """The same on one line, and short; half a surrogate pair, legal in JSON, becomes a question mark."""
        plain = text.encode("utf-8", "replace").decode("utf-8")
        return self.hide(" ".join(plain.split()))[:_TEXT_LIMIT]
