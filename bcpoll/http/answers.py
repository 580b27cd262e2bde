"""What an outcome without a usable answer means for the caller, in words for a person.

Owns which refusals are clear and which leave open whether a write was carried out. Sends nothing.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bcpoll.errors import (
    AccessRefused,
    BcpollError,
    GiveUp,
    LookAgain,
    RetryLater,
    TooHeavy,
    Unreachable,
    WrongAnswer,
)
from bcpoll.http.exact import read_json
from bcpoll.http.exchange import Call, Outcome

# How much of a body is looked through for the APIs' sentences.
_BODY_LIMIT = 50_000

# Refusals of a write that may come after it was carried out: time-outs of the server itself, and "exists already".
_UNCLEAR = frozenset({408, 409, 422, 423, 499})

# Statuses with which BigCommerce answers a list call that asks for too much at once ("expensive calls").
_HEAVY = frozenset({413, 500, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Whom a client speaks to, in the words of its messages, and what a person would mend."""

    name: str
    token_key: str
    url_key: str
    scope_remedy: str
    """How a token gets a scope that it lacks."""
    token_remedy: str = ""
    """What to do about a token that is refused; empty for one that stands in the settings."""


_SWAPPED = "See that it was not swapped with the other side's."


class Answers:
    """Puts outcomes into errors, for one side."""

    def __init__(self, side: Side, host: str, hide: Callable[[str], str]) -> None:
        """`hide` makes any text one short line without tokens."""
        self._side, self._host, self._hide = side, host, hide

    def said(self, outcome: Outcome) -> str:
        """What the other side or the failure said."""
        if outcome.status is not None and outcome.status >= 300:
            return self._hide(_answer_text(outcome.body))
        return self._hide(outcome.broken_by)

    def refusal(self, call: Call, outcome: Outcome) -> BcpollError:
        """What an outcome without a usable answer means for the caller."""
        if outcome.status in (401, 403):
            return self._no_access(call, outcome)
        if outcome.status == 429:
            message = f"{self._side.name} asks to slow down (429) at {call.method} {call.path}: {self.said(outcome)}"
            return RetryLater(message, hint="Nothing was done. The next run goes on where this one stopped.")
        return self._no_write(call, outcome) if call.writes else self._no_read(call, outcome)

    def _no_access(self, call: Call, outcome: Outcome) -> AccessRefused:
        where = f"{call.method} {call.path}"
        if outcome.status == 401:
            message = f"{self._side.name} refused the token (401) at {where}: {self.said(outcome)}"
            hint = self._side.token_remedy or f"Put a valid token into {self._side.token_key}. {_SWAPPED}"
            return AccessRefused(message, hint=hint, status=401)
        lacking = f"the scope {call.scope}" if call.scope else "a scope"
        message = f"{self._side.name} does not allow {where} (403): {self.said(outcome)}"
        hint = f"The token probably lacks {lacking}. {self._side.scope_remedy}"
        return AccessRefused(message, hint=hint, status=403)

    def _no_write(self, call: Call, outcome: Outcome) -> BcpollError:
        name, where, status = self._side.name, f"{call.method} {call.path}", outcome.status
        if outcome.never_sent:
            return self._unreachable(outcome)
        if status is None:
            return LookAgain(f"{name} gave no answer to {where}: {self.said(outcome)}")
        if status < 400 or status >= 500 or status in _UNCLEAR:
            return LookAgain(f"{name} gave no clear answer to {where} ({status}): {self.said(outcome)}", status=status)
        return GiveUp(f"{name} refused {where} ({status}): {self.said(outcome)}", status=status)

    def _no_read(self, call: Call, outcome: Outcome) -> BcpollError:
        name, where, status = self._side.name, f"{call.method} {call.path}", outcome.status
        if outcome.timed_out:
            return TooHeavy(f"{name} did not answer {where} in time: {self.said(outcome)}")
        if status is None:
            return self._unreachable(outcome)
        if status in _HEAVY:
            return TooHeavy(f"{name} broke down over {where} ({status}): {self.said(outcome)}")
        if status >= 500:
            hint = "It may be in maintenance, or the account suspended." if status == 503 else ""
            return Unreachable(f"{name} is out of order ({status}) at {where}: {self.said(outcome)}", hint=hint)
        if outcome.is_too_large:
            return TooHeavy(f"{name} answered {where} with too much: {self.said(outcome)}")
        if outcome.succeeded:
            return WrongAnswer(f"{name} broke off its answer to {where}: {self.said(outcome)}")
        elsewhere = outcome.headers.get("Location") if status < 400 else None
        said = f"it points to {self._hide(elsewhere)}" if elsewhere else self.said(outcome)
        return WrongAnswer(f"{name} gave no answer to {where} ({status}): {said}", hint=f"Check {self._side.url_key}.")

    def _unreachable(self, outcome: Outcome) -> Unreachable:
        message = f"{self._side.name} cannot be reached at {self._host}: {self.said(outcome)}"
        return Unreachable(message, hint=f"Check the network and {self._side.url_key}.")

    def unreadable(self, call: Call, outcome: Outcome, why: str) -> BcpollError:
        """A success whose body is no JSON: a store in maintenance answers 200 with a page of HTML, for one."""
        body = "" if call.is_secret else _answer_text(outcome.body)
        shown = self._hide(f"{why}: {body}").removesuffix(":")
        message = f"{self._side.name} answered {call.method} {call.path} ({outcome.status}) with {shown}"
        return LookAgain(message, status=outcome.status) if call.writes else WrongAnswer(message)


# The members in which the APIs put their sentences: V3 title and errors, POS error and message, 0.9 details.
_TELLING = ("title", "error", "message", "detail", "details", "errors")

# Sentences sit at most this deep in an error body ({"error": {"message": ...}}, [{"details": {...}}]).
_TELLING_DEPTH = 5


def _answer_text(body: bytes) -> str:
    """The sentences of an error body in any shape: V2 list, V3 object, POS text or object, HTML, plain text, none."""
    text = body[:_BODY_LIMIT].decode(errors="replace")
    try:
        sentences = list(dict.fromkeys(_sentences(read_json(text), _TELLING_DEPTH)))
    except ValueError:
        sentences = []
    return "; ".join(sentences) or re.sub(r"<[^>]*>", " ", text)


def _sentences(value: object, depth: int) -> Iterator[str]:
    if depth and isinstance(value, list):
        for item in value:
            yield from _sentences(item, depth - 1)
    elif depth and isinstance(value, dict):
        telling = {name: value[name] for name in _TELLING if name in value}
        for name, item in (telling or value).items():
            for sentence in _sentences(item, depth - 1):
                yield sentence if telling else f"{name}: {sentence}"
    elif isinstance(value, str) and value.strip():
        yield value
