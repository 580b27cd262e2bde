"""A `requests` adapter that calls the sandbox in process: the whole HTTP path of the client, without sockets."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError

from bcpoll.sandbox.app import create_app
from bcpoll.sandbox.faults import AnswerHeldBack, ConnectionDropped, ConnectionRefused
from bcpoll.sandbox.server import wsgi_environ
from bcpoll.sandbox.world import World

BASE_URL = "http://127.0.0.1:1"
"""What to configure as the API address: plain http to loopback, to a port where nothing ever listens."""


class WsgiAdapter(HTTPAdapter):
    """Answers every request from a world."""

    def __init__(self, world: World) -> None:
        self._app = create_app(world)
        super().__init__()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - the signature is the base class's
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Call the application; dropped and withheld answers become what `requests` raises for them."""
        try:
            response = self.build_response(request, self._call(request))
        except ConnectionRefused as error:
            raise requests.ConnectionError(_refusal(request), request=request) from error
        except ConnectionDropped as error:
            raise requests.ConnectionError("connection dropped", request=request) from error
        except AnswerHeldBack as error:
            raise requests.ReadTimeout("read timed out", request=request) from error
        if not stream:
            _ = response.content
        return response

    def _call(self, request: requests.PreparedRequest) -> HTTPResponse:
        head: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            head.update(status=int(status.split()[0]), reason=status.partition(" ")[2], headers=headers)

        sent = request.body or b""
        content = sent.encode() if isinstance(sent, str) else sent
        environ = wsgi_environ(request.method or "", request.url or "", request.headers, content)
        body = b"".join(self._app(environ, start_response))
        return HTTPResponse(BytesIO(body), preload_content=False, request_method=request.method, **head)


def _refusal(request: requests.PreparedRequest) -> MaxRetryError:
    """What urllib3 says where nothing listens; only the innermost of the three tells that nothing was sent."""
    return MaxRetryError(None, request.url, NewConnectionError(HTTPConnection("127.0.0.1"), "Connection refused"))


def mount(session: requests.Session, world: World, url: str = BASE_URL) -> requests.Session:
    """Let a session's requests to an address go to a world."""
    session.mount(url, WsgiAdapter(world))
    return session


class Client:
    """Speaks to both sides of a world in process, with the right tokens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.session = mount(requests.Session(), world)

    def store(self, path: str, **params: Any) -> requests.Response:
        """GET from the store: `store("/v2/orders", limit=5)`; a colon in a parameter's name is written `__`."""
        url = f"{BASE_URL}/stores/{self.world.store.store_hash}{path}"
        headers = {"X-Auth-Token": self.world.tokens.store, "Accept": "application/json"}
        return self.session.get(url, params=_named(params), headers=headers, timeout=5)

    def pos(self, method: str, path: str, body: Any = None, **params: Any) -> requests.Response:
        """A request to the POS: `pos("POST", "/sales", {...})`."""
        url = f"{BASE_URL}/api/2026-07{path}"
        headers = {"Authorization": f"Bearer {self.world.tokens.pos}"}
        return self.session.request(method, url, json=body, params=_named(params), headers=headers, timeout=5)


def _named(params: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("__", ":"): value for name, value in params.items()}
