"""The transport: sessions, time-outs, repeats, and what each answer means for the caller.

It knows nothing of orders or sales, and it never repeats a write: a write without a clear answer is `LookAgain`, and
the caller looks before doing anything else. The exception is 429: both APIs count a request before they carry it out,
and refuse it there. The parts, each a module of its own:

client      the connection to one side: what can be asked of it
exchange    one request and what came of it
repeats     what is tried again, and after how long
answers     what an outcome without a usable answer means for the caller
exact       JSON in which no number loses a digit
addresses   which addresses a token may be sent to
hiding      the tokens that no message may show
"""

from bcpoll.http.addresses import require_tls, url_problem
from bcpoll.http.answers import Side
from bcpoll.http.client import Client, TokenSource
from bcpoll.http.exact import read_json, read_loosely, write_json
from bcpoll.http.exchange import Carrier, Timeouts
from bcpoll.http.repeats import Patience

__all__ = [
    "Carrier",
    "Client",
    "Patience",
    "Side",
    "Timeouts",
    "TokenSource",
    "read_json",
    "read_loosely",
    "require_tls",
    "url_problem",
    "write_json",
]
