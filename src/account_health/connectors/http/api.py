"""Api: one vendor's API, and a connection to it for one call of ours."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import stamina

from account_health.connectors.http import faults
from account_health.connectors.http.address import address, checked
from account_health.connectors.http.auth import Auth, Bearer, ClientCredentials, Token, sendable
from account_health.connectors.http.body import Unreadable, read_json
from account_health.connectors.http.faults import Asked, Setback
from account_health.connectors.http.limits import Breaker, RateBudget
from account_health.connectors.http.manners import Manners
from account_health.connectors.http.paging import Pages, Paginator, Params, Request
from account_health.connectors.http.quiet import quiet
from account_health.connectors.http.retry import (
    BACKOFF,
    LONGEST_BACKOFF,
    UNTOLD_SECONDS,
    is_nearly_used_up,
    is_throttle,
    seconds_left,
    sent_at,
    told_wait,
    until_reset,
)
from account_health.errors import Fault, SourceError
from account_health.language import say

if TYPE_CHECKING:
    import ssl

log = logging.getLogger(__name__)

_DEFAULT_MANNERS = Manners()


class Api:
    """One vendor's API. Holds what outlives a call: rate budget, circuit breaker and access token.

    Constructing it does no I/O and binds it to no event loop.
    """

    def __init__(  # noqa: PLR0913 - each is a fact about a vendor or a part of the outside world
        self,
        label: str,
        base_url: str,
        auth: Auth,
        manners: Manners = _DEFAULT_MANNERS,
        *,
        headers: Mapping[str, str] | None = None,
        clock: Callable[[], datetime],
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.label = label
        self.base = checked(base_url, label)
        self.auth = auth
        self.manners = manners
        self.headers = {name: _checked(name, value) for name, value in (headers or {}).items()}
        self.clock = clock
        self.transport = transport
        self.budget = RateBudget(manners.per_second, manners.burst)
        self.breaker = Breaker(clock)
        self.token: Token | None = None

    def __repr__(self) -> str:
        return f"Api({self.label!r}, {self.base.host!r})"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Connection]:
        """A connection for one call, within one event loop."""
        async with self.client() as client:
            yield Connection(self, client)

    def client(self) -> httpx2.AsyncClient:
        """What a connection asks through, and nobody else."""
        return httpx2.AsyncClient(
            headers={
                "accept": "application/json",
                "accept-encoding": "gzip",
                "user-agent": f"account-health/{version('account-health')}",
                **self.headers,
            },
            # A session that a cookie carries on would be a second identity beside the credentials.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            timeout=None,
            follow_redirects=False,
            trust_env=False,
            verify=_tls(),
            limits=httpx2.Limits(max_connections=self.manners.concurrency),
            transport=self.transport,
        )


def _checked(name: str, value: str) -> str:
    return sendable(value, say("The header {name} is empty or holds characters that cannot be sent.", name=name))


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


class Connection:
    """Reads from one API. There is no way to write: GET, and POST for searches that change nothing."""

    def __init__(self, api: Api, client: httpx2.AsyncClient) -> None:
        self._api = api
        self._client = client
        self._slots = anyio.CapacityLimiter(api.manners.concurrency)
        self._fetching_token = anyio.Lock()
        self._waiting_until = 0.0
        self.calls = 0
        """Requests sent."""
        self.waited = timedelta()
        """Time during which requests were held back to stay within the vendor's limits."""
        self.clock_skew: timedelta | None = None
        """How far the vendor's clock was ahead of ours at the last answer, to about a second."""

    async def get(self, path: str, params: Params | None = None, *, needs: str = "") -> Any:
        """The JSON answer to a GET; `needs` names the permission it takes."""
        return await self._read(Request("GET", path, params or {}), needs)

    async def post(self, path: str, body: Mapping[str, Any], params: Params | None = None, *, needs: str = "") -> Any:
        """The JSON answer to a search, which is as safe to repeat as a GET."""
        return await self._read(Request("POST", path, params or {}, body), needs)

    def pages(self, request: Request, paginator: Paginator, *, needs: str = "", max_pages: int | None = None) -> Pages:
        """The items of a list that comes in pages."""
        return Pages(request, paginator, max_pages or self._api.manners.max_pages, partial(self._page, needs))

    async def _page(self, needs: str, request: Request, paginator: Paginator) -> tuple[Sequence[Any], Request | None]:
        page = await self._read(request, needs)
        try:
            items = paginator.items_of(page)
            following = paginator.next(request, page, items)
            if following:
                address(self._api.base, following)
        except Unreadable as err:
            raise faults.unreadable(self._asked(request), err.problem) from None
        return items, following

    def _asked(self, request: Request, needs: str = "") -> Asked:
        return Asked(self._api.label, request.method, request.path, needs)

    async def _read(self, request: Request, needs: str) -> Any:
        """One read, retried; its outcome decides whether the host is asked again soon."""
        breaker = self._api.breaker
        if until := breaker.barred_until():
            raise faults.paused(self._api.label, until)
        attempts = 1 if breaker.is_open else self._api.manners.attempts
        trying = stamina.AsyncRetryingCaller(attempts=attempts, timeout=None, **BACKOFF)
        try:
            with quiet():
                answer = await trying(self._is_worth_another_try, self._attempt, request, needs)
        except SourceError as err:
            breaker.note(err)
            raise
        breaker.note(None)
        return answer

    def _is_worth_another_try(self, error: Exception) -> bool | float:
        """True: after a backoff; 0.0: as soon as the rate budget lets it go, which knows what the vendor asked for."""
        if not isinstance(error, Setback) or not error.again:
            return False
        log.info("%s It may be tried again.", error.message)
        held = self._api.budget.wait()
        if error.fault in {Fault.THROTTLED, Fault.AUTHENTICATION}:
            return 0.0 if self._fits(held) else False
        return self._fits(max(held, LONGEST_BACKOFF))

    def _fits(self, seconds: float) -> bool:
        return seconds < min(seconds_left(), self._api.manners.longest_wait_seconds)

    async def _attempt(self, request: Request, needs: str) -> Any:
        asked, auth = self._asked(request, needs), self._api.auth
        async with self._slots:
            if not isinstance(auth, ClientCredentials):
                return await self._exchange(asked, request, auth.headers())
            token, is_new = await self._token(auth)
            try:
                return await self._exchange(asked, request, Bearer(token.secret).headers())
            except SourceError as err:
                if err.fault is not Fault.AUTHENTICATION:
                    raise
                if self._api.token is token:
                    self._api.token = None
                raise Setback(err.message, err.next_step, fault=err.fault, again=not is_new) from None

    async def _token(self, auth: ClientCredentials) -> tuple[Token, bool]:
        """An access token, and whether it was fetched just now."""
        async with self._fetching_token:
            held = self._api.token
            if held and held.is_valid(self._api.clock()):
                return held, False
            request = Request("POST", auth.token_path)
            asked = self._asked(request)
            try:
                answer = await self._exchange(asked, request, {}, form=auth.form())
                self._api.token = Token.granted(answer, self._api.clock())
            except Unreadable as err:
                raise faults.unreadable(asked, err.problem) from None
            except SourceError as err:
                if err.fault is Fault.REFUSED:  # so some vendors answer to a wrong secret
                    raise faults.not_accepted(asked) from None
                raise
            return self._api.token, True

    async def _exchange(
        self, asked: Asked, request: Request, identity: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> Any:
        """One request and its answer, or the fault that stands for what went wrong."""
        url = address(self._api.base, request)
        await self._turn(asked)
        try:
            with anyio.fail_after(min(seconds_left(), self._api.manners.answer_seconds)):
                async with self._client.stream(
                    request.method,
                    url,
                    params=None if request.link else dict(request.params),
                    headers=identity,
                    json=request.body,
                    data=form,
                ) as response:
                    return await self._answer(asked, response)
        except (TimeoutError, httpx2.TimeoutException):
            raise faults.timed_out(asked) from None
        except Unreadable as err:
            raise faults.unreadable(asked, err.problem) from None
        except UnicodeEncodeError:
            raise faults.unsendable() from None
        except (httpx2.RemoteProtocolError, httpx2.DecodingError):
            raise faults.broken_off(asked) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError):
            raise faults.unreachable(asked) from None

    async def _turn(self, asked: Asked) -> None:
        """Waits until the rate budget lets a request go; raises at once if that would take too long."""
        budget = self._api.budget
        while wait := budget.wait():
            if not self._fits(wait):
                raise faults.no_turn(asked, self._in(wait))
            now = anyio.current_time()
            # Requests wait side by side; the time they share counts once.
            self.waited += timedelta(seconds=max(0.0, now + wait - max(now, self._waiting_until)))
            self._waiting_until = max(self._waiting_until, now + wait)
            await anyio.sleep(wait)
        if seconds_left() <= 0:
            raise faults.no_time(asked)
        budget.take()
        self.calls += 1

    def _in(self, seconds: float) -> datetime:
        return self._api.clock() + timedelta(seconds=seconds)

    async def _answer(self, asked: Asked, response: httpx2.Response) -> Any:
        manners, headers, now = self._api.manners, response.headers, self._api.clock()
        if sent := sent_at(headers):
            self.clock_skew = sent - now
        if is_nearly_used_up(headers, manners):
            self._api.budget.hold(until_reset(headers, manners, now) or UNTOLD_SECONDS)
        if response.is_success:
            return await read_json(response, manners)
        told = told_wait(headers, manners, now)
        if await is_throttle(response, manners):
            self._api.budget.hold(UNTOLD_SECONDS if told is None else told)
            raise faults.throttled(asked, response.status_code, None if told is None else self._in(told))
        again = response.status_code in manners.retried
        if again and told:
            self._api.budget.hold(told)
        raise faults.by_status(asked, response.status_code, again=again)
