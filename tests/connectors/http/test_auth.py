"""How a request shows who asks, and what becomes of an access token."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import anyio
import httpx2
import pytest
from pydantic import SecretStr

from account_health.connectors.http import Basic, Bearer, ClientCredentials, HeaderKey
from account_health.errors import ConfigurationError, Fault
from connectors.http.upstream import CANARY, Upstream, always, failure, get, ok

if TYPE_CHECKING:
    from account_health.connectors.http import Auth

pytestmark = pytest.mark.anyio

SECRET = SecretStr(CANARY)
GRANT = ClientCredentials("/oauth/token", "client", SECRET, {"scope": "read"})


class Guarded:
    """A vendor that grants numbered tokens and accepts the last."""

    def __init__(self, expires_in: object = 3600) -> None:
        self.granted = 0
        self.expires_in = expires_in
        self.is_revoked = False
        self.upstream = Upstream(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/base/oauth/token":
            self.granted += 1
            self.is_revoked = False
            return ok({"access_token": f"T{self.granted}", "expires_in": self.expires_in})
        is_accepted = not self.is_revoked and request.headers["authorization"] == f"Bearer T{self.granted}"
        return ok({"granted": self.granted}) if is_accepted else httpx2.Response(401)


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (Bearer(SecretStr(f" {CANARY}\n")), "authorization", f"Bearer {CANARY}"),
        (
            Basic("jo@acme.example/token", SECRET),
            "authorization",
            f"Basic {b64encode(f'jo@acme.example/token:{CANARY}'.encode()).decode()}",
        ),
        (Basic(SECRET, SecretStr("X")), "authorization", f"Basic {b64encode(f'{CANARY}:X'.encode()).decode()}"),
        (HeaderKey("x-pendo-integration-key", SECRET), "x-pendo-integration-key", CANARY),
    ],
)
async def test_each_kind_shows_itself_in_its_header(auth: Auth, header: str, value: str) -> None:
    upstream = always()
    await get(upstream.api(auth))
    assert upstream.requests[0].headers[header] == value


async def test_headers_of_the_vendor_go_with_every_request() -> None:
    upstream = always()
    await get(upstream.api(headers={"Stripe-Version": "2026-10-28.endive"}))
    sent = upstream.requests[0].headers

    assert sent["stripe-version"] == "2026-10-28.endive"
    assert sent["accept"] == "application/json"
    assert sent["user-agent"].startswith("account-health/")


@pytest.mark.parametrize("secret", ["", "  ", "caf\xe9", "a\nb", "a\x00b"])
def test_a_secret_that_no_header_can_carry_is_refused_unseen(secret: str) -> None:
    for make in (Bearer, lambda s: HeaderKey("x-key", s), lambda s: ClientCredentials("/t", "client", s)):
        with pytest.raises(ConfigurationError) as refused:
            make(SecretStr(secret))
        assert not secret.strip() or secret not in str(refused.value)


def test_a_header_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        HeaderKey("x-key: y", SECRET)
    with pytest.raises(ConfigurationError):
        always().api(headers={"x-version": "1\r\nx-other: 2"})


async def test_one_token_serves_many_reads_and_connections() -> None:
    vendor = Guarded()
    api = vendor.upstream.api(GRANT)
    async with api.open() as connection, anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(connection.get, f"/things/{number}")
    await get(api)

    assert vendor.granted == 1
    asked = vendor.upstream.requests[0]
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/x-www-form-urlencoded")
    assert "authorization" not in asked.headers
    assert {name: values[0] for name, values in parse_qs(asked.content.decode()).items()} == {
        "grant_type": "client_credentials",
        "client_id": "client",
        "client_secret": CANARY,
        "scope": "read",
    }


async def test_a_token_is_renewed_shortly_before_it_expires() -> None:
    vendor = Guarded(expires_in=3600)
    api = vendor.upstream.api(GRANT)
    await get(api)
    vendor.upstream.now += timedelta(seconds=3560)
    assert await get(api) == {"granted": 1}
    vendor.upstream.now += timedelta(seconds=20)
    assert await get(api) == {"granted": 2}


@pytest.mark.parametrize("expires_in", [None, "soon", True, -1, 10**30])
async def test_a_token_without_a_known_end_is_kept_until_it_is_refused(expires_in: object) -> None:
    vendor = Guarded(expires_in)
    api = vendor.upstream.api(GRANT)
    await get(api)
    vendor.upstream.now += timedelta(days=30)
    assert await get(api) == {"granted": 1}
    vendor.is_revoked = True
    assert await get(api) == {"granted": 2}


async def test_a_token_that_is_refused_when_new_is_not_renewed_again() -> None:
    upstream = Upstream(
        lambda request: ok({"access_token": "T"}) if "oauth" in request.url.path else httpx2.Response(401)
    )
    error = await failure(upstream.api(GRANT))

    assert error.fault is Fault.AUTHENTICATION
    assert [request.url.path for request in upstream.requests] == ["/base/oauth/token", "/base/things"]


@pytest.mark.parametrize("status", [400, 401, 422])
async def test_a_client_that_is_refused_a_token_has_wrong_credentials(status: int) -> None:
    upstream = always(status, {"error": "invalid_client"})
    error = await failure(upstream.api(GRANT))

    assert (error.fault, len(upstream.requests)) == (Fault.AUTHENTICATION, 1)
    assert "POST /oauth/token" in error.message
    assert "invalid_client" not in str(error)


@pytest.mark.parametrize("body", [{}, [], {"access_token": None}, {"access_token": ""}, {"access_token": "a\r\nb"}])
async def test_an_answer_without_a_usable_token_is_a_bad_response(body: object) -> None:
    assert (await failure(always(body=body).api(GRANT))).fault is Fault.BAD_RESPONSE


async def test_a_static_credential_that_is_refused_is_tried_once() -> None:
    upstream = always(401)
    assert (await failure(upstream.api())).fault is Fault.AUTHENTICATION
    assert len(upstream.requests) == 1
