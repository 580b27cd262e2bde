"""The POS's login page and token endpoint: codes, pairs of tokens, and what becomes of the pair before.

Owns what the two answer; which tokens let a request in is said by `world.Tokens`. The page asks nobody: it lets the
application in at once, or denies it where the world says so.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from bcpoll.sandbox.calls import Answer, Call, Refused
from bcpoll.sandbox.limits import token_headers
from bcpoll.sandbox.world import Tokens, World


def connect(world: World, call: Call) -> Answer:
    """The login page: sends the browser back with a code, or with the reason why not."""
    tokens, asked = world.tokens, call.params
    if asked.get("client_id") != tokens.client_id or asked.get("response_type") != "code":
        raise Refused(400, "the application is not known")
    sent_along = {"state": asked["state"]} if "state" in asked else {}
    # A login without scopes is denied (since June 2026).
    if tokens.denies or not asked.get("scope"):
        if world.switches.denial == "without_state":
            sent_along = {}
        return _back(asked, {"error": "access_denied"} | sent_along)
    tokens.codes += 1
    tokens.code, tokens.redirect_url = f"code-{tokens.codes}-of-the-sandbox", asked.get("redirect_uri", "")
    tokens.granted = frozenset(asked["scope"].split())
    return _back(asked, {"code": tokens.code, "domain_prefix": world.pos.retailer["domain_prefix"]} | sent_along)


def _back(asked: Mapping[str, str], params: Mapping[str, str]) -> Answer:
    address = asked.get("redirect_uri", "")
    joint = "&" if "?" in address else "?"
    return Answer(302, None, {"Location": f"{address}{joint}{urlencode(params)}"})


def give(world: World, call: Call) -> Answer:
    """Give out a pair of tokens, for a code or for a refresh token; each is good once."""
    standing = world.token_window.count(world.limits.token_quota, world.limits.token_window)
    headers = token_headers(standing)
    if standing and standing.left < 0:
        raise Refused(429, "Too many requests", headers)
    form = dict(parse_qsl(call.body.decode()))
    tokens = world.tokens
    client = (form.get("client_id"), form.get("client_secret"))
    if client != (tokens.client_id, tokens.client_secret) or not _is_good(tokens, form):
        raise Refused(int(world.switches.refused_grant), "invalid_grant")
    tokens.rotate(world.clock(), old_lives=world.switches.refreshed_access == "lives")
    body = {
        "access_token": tokens.pos,
        "token_type": "Bearer",
        "expires": int((world.clock() + tokens.life).timestamp()),
        "expires_in": int(tokens.life.total_seconds()),
        "refresh_token": tokens.refresh,
        "domain_prefix": world.pos.retailer["domain_prefix"],
        "scope": " ".join(sorted(world.pos_scopes & (tokens.granted or world.pos_scopes))),
    }
    return Answer(200, body, headers)


def _is_good(tokens: Tokens, form: dict[str, str]) -> bool:
    if form.get("grant_type") == "authorization_code":
        is_good = form.get("code") == tokens.code != "" and form.get("redirect_uri") == tokens.redirect_url
        tokens.code = ""
        return is_good
    return form.get("grant_type") == "refresh_token" and form.get("refresh_token") == tokens.refresh
