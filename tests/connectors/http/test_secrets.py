"""No secret, no query and no word of another system comes out of an error, a repr or a log."""

from __future__ import annotations

import logging
import traceback
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
import pytest
import stamina
from pydantic import SecretStr

from account_health.connectors.http import Api, Basic, Bearer, ClientCredentials, HeaderKey, Manners
from account_health.errors import SourceError
from connectors.http.upstream import CANARY, on_a_socket, real_time, sending

if TYPE_CHECKING:
    from account_health.connectors.http import Auth

pytestmark = pytest.mark.anyio

QUERY = "query_canary_55c1"
REPLY = "reply_canary_9d20"
FORMS = {
    form
    for word in (CANARY, QUERY, REPLY)
    for form in (word, quote(word), word[:12], b64encode(word.encode()).decode()[:12])
} | {b64encode(f"jo:{CANARY}".encode()).decode()[:16]}

SECRET = SecretStr(CANARY)
AUTHS: dict[str, Auth] = {
    "bearer": Bearer(SECRET),
    "password": Basic("jo", SECRET),
    "key as user": Basic(SECRET, SecretStr("X")),
    "key in a header": HeaderKey("x-key", SECRET),
    "client credentials": ClientCredentials("/token", "client", SECRET, {"assertion": CANARY}),
}
HEAD = f"set-cookie: session={REPLY}\r\nx-request-id: {REPLY}\r\nconnection: close\r\n"
ANSWERS = {
    "fine": f'HTTP/1.1 200 OK\r\n{HEAD}content-type: application/json\r\n\r\n{{"access_token": "{CANARY}"}}',
    "broken": f'HTTP/1.1 200 OK\r\n{HEAD}content-type: application/json\r\n\r\n{{"{REPLY}": {REPLY}',
    "short": f"HTTP/1.1 200 OK\r\n{HEAD}content-type: application/json\r\ncontent-length: 999\r\n\r\n{REPLY}",
    "redirect": f"HTTP/1.1 302 Found\r\n{HEAD}location: https://evil.example/{REPLY}\r\n\r\n",
    "refused": f"HTTP/1.1 401 {REPLY}\r\n{HEAD}\r\n{REPLY}",
    "forbidden": f"HTTP/1.1 403 {REPLY}\r\n{HEAD}\r\n{REPLY}",
    "throttled": f"HTTP/1.1 429 {REPLY}\r\n{HEAD}retry-after: 0\r\n\r\n{REPLY}",
    "down": f"HTTP/1.1 503 {REPLY}\r\n{HEAD}\r\n{REPLY}",
    "no HTTP": REPLY,
    "nothing": "",
}


def told(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that was logged, with what handlers do not show."""
    lines = [f"{record.getMessage()} {vars(record)!r}" for record in caplog.records]
    return "\n".join([*lines, caplog.text])


def leaks(text: str) -> set[str]:
    return {form for form in FORMS if form in text}


@pytest.mark.parametrize("kind", AUTHS)
@pytest.mark.parametrize("answer", ANSWERS)
async def test_no_secret_comes_out_whatever_the_vendor_answers(
    kind: str, answer: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    auth = AUTHS[kind]
    said = [repr(auth), str(auth)]
    async with on_a_socket(sending(ANSWERS[answer].encode())) as base_url:
        api = Api("Zendesk", base_url, auth, Manners(attempts=2), clock=real_time)
        async with api.open() as connection:
            try:
                with stamina.set_testing(True, attempts=2):
                    await connection.post("/search", {"filter": QUERY}, {"key": QUERY})
            except SourceError as err:
                said += [repr(err), str(err), "".join(traceback.format_exception(err)), repr(err.__cause__)]
        said += [repr(api), repr(connection), repr(vars(api)), repr(vars(connection))]

    assert leaks("\n".join([*said, told(caplog), *capfd.readouterr()])) == set()


async def test_requests_of_other_code_in_the_process_are_logged_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        on_a_socket(sending(ANSWERS["fine"].encode())) as base_url,
        httpx2.AsyncClient(trust_env=False) as other,
        Api("Zendesk", base_url, Bearer(SECRET), clock=real_time).open() as connection,
    ):
        await connection.get("/ours")
        await other.get(f"{base_url}/theirs")
        await connection.get("/ours")
    lines = [record.getMessage() for record in caplog.records]

    assert [line for line in lines if "/theirs" in line]
    assert not [line for line in lines if "/ours" in line]
    assert {record.name for record in caplog.records} >= {"httpx2", "httpcore2.http11"}


async def test_a_retry_is_logged_in_our_own_words(caplog: pytest.LogCaptureFixture) -> None:
    def down(_: httpx2.Request) -> Any:
        raise httpx2.ConnectError(REPLY)

    caplog.set_level(logging.DEBUG)
    api = Api(
        "Zendesk",
        "https://acme.example",
        Bearer(SECRET),
        Manners(attempts=2),
        clock=real_time,
        transport=httpx2.MockTransport(down),
    )
    async with api.open() as connection:
        with pytest.raises(SourceError):
            await connection.get("/things", {"key": QUERY})

    assert "Zendesk cannot be reached" in caplog.text
    assert "stamina" not in caplog.text
    assert leaks(told(caplog)) == set()
