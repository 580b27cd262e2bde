"""Which addresses a token may be sent to: TLS everywhere, plain http for loopback hosts only.

Sends nothing itself.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from bcpoll.errors import Problem, SettingsError


def url_problem(url: str, *, key: str) -> Problem | None:
    """What is wrong with the address of an API, if anything: TLS everywhere, plain http for loopback hosts only."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        return Problem(key, f"{_shown(url)} is no web address", "Write it as https://host, with a port if it needs one")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        return Problem(key, f"{_shown(url)} is more than scheme, host and port", f"Write https://{host}")
    if parts.scheme == "http" and not is_loopback(host):
        return Problem(key, f"{_shown(url)} would send the token unprotected", f"Write https://{host}")
    return None


def require_tls(url: str, *, key: str) -> str:
    """Give the address of an API without a slash at its end; SettingsError where `url_problem` finds fault with it."""
    problem = url_problem(url, key=key)
    if problem is not None:
        raise SettingsError([problem], source="the address of the API")
    return url.rstrip("/")


def _shown(url: str) -> str:
    return repr(re.sub(r"//[^/@]*@", "//***@", url))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
