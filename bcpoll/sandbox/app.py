"""The two APIs over HTTP: one Flask application that answers for both sides of a world.

Owns the way of every request: log, faults, token, scopes, rate limit, handler, answer. Must not know a resource; the
route tables do. The only place that imports Flask.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from wsgiref.types import WSGIApplication

from flask import Flask, Response, request

from bcpoll.sandbox import pos_routes, store_routes
from bcpoll.sandbox.calls import Answer, Call, Json, Refused, http_date, number, number_text, to_json
from bcpoll.sandbox.faults import AnswerHeldBack, ConnectionDropped, ConnectionRefused, Fault, Side
from bcpoll.sandbox.limits import Standing, pos_headers, store_headers
from bcpoll.sandbox.routes import Route
from bcpoll.sandbox.world import World

_JSON = "application/json"
_HTML = "text/html; charset=utf-8"
_PAGE = b"<!DOCTYPE html><html><head><title>Down for maintenance</title></head><body>Back soon.</body></html>"
_XML = b'<?xml version="1.0" encoding="UTF-8"?><orders></orders>'


@dataclass(frozen=True, slots=True)
class _Sent:
    """An answer in bytes, ready to leave or to be spoiled by a fault."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = _JSON


# Where a request finds the world that it is for.
_WORLD = "bcpoll.world"


def create_app(world: World) -> WSGIApplication:
    """The application that answers for a world."""
    routes = _routes()
    return lambda environ, start_response: routes({**environ, _WORLD: world}, start_response)


@cache
def _routes() -> Flask:
    """The routes that all worlds share: to compile them takes longer than most tests."""
    app = Flask("bcpoll.sandbox")
    # Dropped connections travel as exceptions to whoever carries the request.
    app.config["PROPAGATE_EXCEPTIONS"] = True
    for route in (*store_routes.ROUTES, *pos_routes.ROUTES):
        app.add_url_rule(route.path, f"{route.method} {route.path}", _view(route), methods=[route.method])
    for status in (404, 405):
        app.register_error_handler(status, lambda error: _answer(_unknown(), {}))
    return app


def _view(route: Route) -> Callable[..., Response]:
    return lambda **values: _answer(route, values)


def _unknown() -> Route:
    """Stands in for a path or method that neither API has."""

    def refuse(world: World, call: Call) -> Answer:
        raise Refused(404, "service not found" if side == "pos" else "The requested resource was not found.")

    side: Side = "pos" if request.path.startswith("/api/") else "store"
    return Route(side, request.method, request.path, refuse, needs_token=False)


def _answer(route: Route, values: Mapping[str, str]) -> Response:
    world: World = request.environ[_WORLD]
    headers = {name.title(): value for name, value in request.headers.items()}
    call = Call(request.method, request.path, request.args.to_dict(), request.get_data(), headers, values)
    entry = world.log.open(route.side, call.method, call.path, call.params, call.body)
    for hook in world.before:
        hook(entry)
    entry.fault = world.faults.strike(entry)
    try:
        sent = _through(world, route, call, entry.fault)
        entry.status = sent.status
    finally:
        for hook in world.after:
            hook(entry)
    response = Response(sent.body, sent.status, content_type=sent.content_type)
    response.headers.update(sent.headers)
    response.headers["Date"] = http_date(world.clock())
    return response


def _through(world: World, route: Route, call: Call, fault: Fault | None) -> _Sent:
    if latency := world.faults.latency.get(route.side):
        world.faults.pause(latency)
    if fault and not fault.is_after:
        return _instead(world, route.side, call, fault)
    sent = _carried_out(world, route, call)
    return _spoiled(fault, sent, _refusal(route.side, call, 500, "Internal Server Error")) if fault else sent


# The ordinary way


def _carried_out(world: World, route: Route, call: Call) -> _Sent:
    headers: Mapping[str, str] = {}
    try:
        _check_access(world, route, call)
        headers = _check_limit(world, route.side)
        return _handled(world, route, call, headers)
    except Refused as refused:
        return _refusal(route.side, call, refused.status, refused.message, {**headers, **refused.headers})


def _handled(world: World, route: Route, call: Call, headers: Mapping[str, str]) -> _Sent:
    side = world.store if route.side == "store" else world.pos
    # Serialising belongs under the lock: the rows are the model's own.
    with side.lock:
        if route.side == "pos":
            world.pos.requests += 1
        answer = route.handler(world, call)
        body = b"" if answer.body is None else to_json(answer.body, amounts=_amounts(world, route.side))
    if route.side == "store" and _wants_xml(world, call):
        return _Sent(answer.status, _XML, headers, "application/xml")
    return _Sent(answer.status, body, {**headers, **answer.headers}, _JSON if body else "text/plain")


def _amounts(world: World, side: Side) -> Callable[[object], float | str]:
    return number_text if side == "pos" and world.switches.amounts == "text" else number


def _wants_xml(world: World, call: Call) -> bool:
    asks_json = _JSON in call.headers.get("Accept", "")
    return world.switches.without_accept == "xml" and "/v2/" in call.path and not asks_json


def _check_access(world: World, route: Route, call: Call) -> None:
    if not route.needs_token:
        return
    tokens = world.tokens
    if route.side == "store":
        is_let_in = call.headers.get("X-Auth-Token") == tokens.store
        is_let_in &= call.values.get("store_hash") == world.store.store_hash
        scopes = world.store_scopes
    else:
        is_let_in = tokens.let_in(call.headers.get("Authorization", ""), world.clock())
        scopes = world.pos_scopes & (tokens.granted or world.pos_scopes)
    if not is_let_in:
        raise Refused(401, "Access token is not valid")
    needed = route.scopes or _search_scopes(call)
    if not needed <= scopes:
        raise Refused(403, f"permission denied: {', '.join(sorted(needed - scopes))}")
    if world.switches.user_agent == "required" and route.side == "pos" and not call.headers.get("User-Agent"):
        raise Refused(403, "a User-Agent is required")


def _search_scopes(call: Call) -> frozenset[str]:
    return frozenset({f"{call.params.get('type')}:read"}) if call.path.endswith("/search") else frozenset()


def _check_limit(world: World, side: Side) -> Mapping[str, str]:
    limits = world.limits
    standing: Standing | None
    if side == "store":
        standing = world.store_window.count(limits.store_quota, limits.store_window)
        headers = store_headers(standing)
    else:
        quota = limits.pos_quota_for(len(world.pos.registers))
        slides = world.switches.rate_window == "sliding"
        standing = world.pos_window.count(quota, limits.pos_window, slides=slides)
        headers = pos_headers(standing)
    if standing and standing.left < 0:
        raise Refused(429, "Too many requests", headers)
    return headers


def _refusal(side: Side, call: Call, status: int, message: str, headers: Mapping[str, str] | None = None) -> _Sent:
    return _Sent(status, to_json(_error_body(side, call, status, message)), headers or {})


def _error_body(side: Side, call: Call, status: int, message: str) -> object:
    if side == "pos":
        limited: Json = {"error": "Too Many Requests", "message": "Rate limiting enforced"}
        return limited if status == 429 else {"error": message}
    if "/v3/" in call.path:
        docs = "https://developer.bigcommerce.com/api-docs/getting-started/api-status-codes"
        return {"status": status, "title": message, "type": docs, "errors": {}}
    return [{"status": status, "message": message}]


# Faults


def _instead(world: World, side: Side, call: Call, fault: Fault) -> _Sent:
    """What a fault before the effect answers, if anything."""
    if fault in _SILENT:
        raise _SILENT[fault]
    if fault in _PAGES:
        return _PAGES[fault]
    status, message = _PLAIN_ERRORS[fault]
    return _refusal(side, call, status, message, _retry_headers(world, fault))


_SILENT: Mapping[Fault, type[Exception]] = MappingProxyType(
    {
        Fault.REFUSED: ConnectionRefused,
        Fault.RESET_BEFORE: ConnectionDropped,
        Fault.HANG_BEFORE: AnswerHeldBack,
    }
)

_PAGES: Mapping[Fault, _Sent] = MappingProxyType(
    {
        Fault.HTML_502: _Sent(502, _PAGE, content_type=_HTML),
        Fault.EMPTY_INSTEAD: _Sent(200, b""),
        Fault.HTML_INSTEAD: _Sent(200, _PAGE, content_type=_HTML),
    }
)

_PLAIN_ERRORS: Mapping[Fault, tuple[int, str]] = MappingProxyType(
    {
        Fault.ERROR_500: (500, "Internal Server Error"),
        Fault.ERROR_503: (503, "Service Unavailable"),
        Fault.BUSY_DATE: (429, "Too many requests"),
        Fault.BUSY_SECONDS: (429, "Too many requests"),
        Fault.BUSY_BARE: (429, "Too many requests"),
        Fault.TOKEN_REFUSED: (401, "Access token is not valid"),
        Fault.SCOPE_REFUSED: (403, "permission denied"),
    }
)


def _retry_headers(world: World, fault: Fault) -> Mapping[str, str]:
    if fault is Fault.BUSY_SECONDS:
        return {"Retry-After": str(world.faults.retry_after)}
    if fault is Fault.BUSY_DATE:
        return {"Retry-After": http_date(world.clock() + world.faults.retry_span)}
    return {}


def _spoiled(fault: Fault, sent: _Sent, error: _Sent) -> _Sent:
    """What a fault after the effect makes of the answer."""
    if fault is Fault.RESET_AFTER:
        raise ConnectionDropped
    if fault is Fault.HANG_AFTER:
        raise AnswerHeldBack
    half = sent.body[: len(sent.body) // 2]
    whole_length = {**sent.headers, "Content-Length": str(len(sent.body))}
    spoiled: Mapping[Fault, _Sent] = {
        Fault.ERROR_500_AFTER: error,
        Fault.HTML_502_AFTER: _Sent(502, _PAGE, content_type=_HTML),
        Fault.CUT_CONNECTION: _Sent(sent.status, half, whole_length),
        Fault.CUT_BODY: _Sent(sent.status, half, sent.headers),
        Fault.EMPTY_BODY: _Sent(200, b"", sent.headers),
        Fault.HTML_BODY: _Sent(200, _PAGE, sent.headers, _HTML),
        Fault.WRONG_TYPE: _Sent(sent.status, sent.body, sent.headers, "text/plain"),
    }
    return spoiled[fault]
