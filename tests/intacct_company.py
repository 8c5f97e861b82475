"""A Sage Intacct company in memory: tokens, model, queries and customers of its REST API, strictly as documented.

    company = Company()
    company.add_customer("C-100", "Acme", score=62, status="atRisk", churn=True, email="ap@acme.example")
    company.add_invoice("C-100", state="posted", amount="120.00", due="2026-10-31")
    api = Api(..., company.base_url, ..., clock=company.clock, transport=company)

Faults: `fail(customer)`, `throttle(nth)`, `lose_answer(nth)`, `deny(object)`, `expire_tokens()`, `token_uses`. What was
asked: `requests`, `queries`, `patches`, `tokens_granted`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx2

from given import AS_OF
from intacct_query import Field, Record, RefusedError, page_of

CUSTOMER = "accounts-receivable/customer"
INVOICE = "accounts-receivable/invoice"
ENTITY_HEADER = "X-IA-API-Param-Entity"
IDEMPOTENCY_HEADER = "Idempotency-Key"
STATES = ("reversed", "reversal", "draft", "noValue", "posted", "paid", "partiallyPaid", "selected")
STATUSES = ("active", "activeNonPosting", "inactive")

_ROOT = "/ia/api/v1"
_NOW = AS_OF.replace(tzinfo=UTC)
_DAY = Field(format="date")
_TOLD = Field(is_read_only=True)
_MONEY = Field(format="decimal-precision-2", is_read_only=True)
_INSTANT = Field(format="date-time", is_read_only=True)
_AUDIT = {"audit.createdDateTime": _INSTANT, "audit.modifiedDateTime": _INSTANT}
_ELSEWHERE = Field(is_told=False)

_CUSTOMER_FIELDS = {
    "key": _TOLD,
    "id": Field(is_mutable=False, is_nullable=False),
    "href": _TOLD,
    "name": Field(is_nullable=False),
    "status": Field(enum=STATUSES, is_nullable=False),
    "currency": Field(),
    "notes": Field(),
    "isOnHold": Field("boolean"),
    "creditLimit": Field("number"),
    "totalDue": _MONEY,
    "webURL": _TOLD,
    "customerType.id": Field(),
    "parent.id": Field(),
    "salesRepresentative.id": Field(),
    "salesRepresentative.name": _TOLD,
    "contacts.default.id": Field(),
    "contacts.default.email1": _ELSEWHERE,
    "contacts.default.email2": _ELSEWHERE,
    "contacts.default.url1": _ELSEWHERE,
    "entity.id": _TOLD,
    **_AUDIT,
}
_INVOICE_FIELDS = {
    "key": _TOLD,
    "id": _TOLD,
    "href": _TOLD,
    "invoiceNumber": Field(),
    "state": Field(enum=STATES),
    "invoiceDate": _DAY,
    "dueDate": _DAY,
    "customer.id": Field(),
    "customer.key": Field(),
    "customer.name": _TOLD,
    "currency.baseCurrency": Field(),
    "currency.txnCurrency": Field(),
    "totalBaseAmount": _MONEY,
    "totalBaseAmountDue": _MONEY,
    "totalTxnAmount": _MONEY,
    "totalTxnAmountDue": _MONEY,
    "paymentInformation.fullyPaidDate": Field(format="date", is_read_only=True),
    "paymentInformation.totalTxnAmountPaid": _MONEY,
    "entity.id": _TOLD,
    **_AUDIT,
}
_REFERENCES = {"parent", "salesRepresentative", "customerType", "customer", "default", "entity"}
"""Parts of a dotted name that are other objects; other parts are groups."""


@dataclass(frozen=True)
class Health:
    """Under which names a company has its health fields; a dot means a group, `nsp::` a custom field."""

    score: str = "customerAccountHealth.healthScore"
    status: str = "customerAccountHealth.healthStatus"
    churn: str = "customerAccountHealth.churnRisk"
    statuses: tuple[str, ...] = ("healthy", "atRisk", "escalated")
    """The words a status may be; empty: any text."""

    @property
    def fields(self) -> dict[str, Field]:
        """The fields, by name; a name that is empty is a field the company does not have."""
        told = {
            self.score: Field("integer"),
            self.status: Field(enum=self.statuses),
            self.churn: Field("boolean", is_nullable=False),
        }
        return {name: found for name, found in told.items() if name}


@dataclass(frozen=True)
class Asked:
    """A request as it came in, and the status of its answer (0: the answer was lost)."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    """By names in lower case."""
    body: Any
    status: int

    @property
    def entity(self) -> str | None:
        """The entity it was about, if it said so."""
        return self.headers.get(ENTITY_HEADER.lower())

    @property
    def idempotency_key(self) -> str | None:
        """What makes a repetition of it known as one."""
        return self.headers.get(IDEMPOTENCY_HEADER.lower())


@dataclass
class Company(httpx2.AsyncBaseTransport):
    """The company: a transport that answers as its API does, and keeps what it was asked."""

    health: Health = field(default_factory=Health)
    client_id: str = "app.example"
    client_secret: str = "s3cr3t-of-the-app"  # noqa: S105 - of nothing real
    username: str = "reader@acme"
    entity: str | None = None
    """The entity every request must name; None: none need be named."""
    now: datetime = _NOW
    """What its clock shows; moved by hand."""
    token_seconds: int = 43_200
    """How long a token is good."""
    token_uses: int | None = None
    """After how many requests a token is refused all the same; None: never."""
    token_refusal: int = 401
    """How a request without a good token is refused."""
    requests: list[Asked] = field(default_factory=list)
    """Everything but requests for tokens, in order."""
    tokens_granted: int = 0

    def __post_init__(self) -> None:
        self._records: dict[str, dict[str, Record]] = {CUSTOMER: {}, INVOICE: {}}
        self._fields = {CUSTOMER: {**_CUSTOMER_FIELDS, **self.health.fields}, INVOICE: _INVOICE_FIELDS}
        self._tokens: dict[str, tuple[datetime, int]] = {}
        self._failing: dict[str, tuple[int, str]] = {}
        self._throttled: dict[int, str] = {}
        self._lost: set[int] = set()
        self._denied: set[str] = set()
        self._answered: dict[str, tuple[object, int, bytes]] = {}

    @property
    def base_url(self) -> str:
        """Where its API is."""
        return f"https://api.intacct.example{_ROOT}"

    def clock(self) -> datetime:
        """The time by its clock, for what talks to it."""
        return self.now

    # What it holds

    def add_customer(  # noqa: PLR0913 - the fields of a customer that tests are about
        self,
        customer_id: str,
        name: str = "",
        *,
        score: Any = None,
        status: str | None = "healthy",
        churn: bool = False,
        email: str | None = None,
        **fields: Any,
    ) -> Record:
        """A customer with its health; further fields by their names with `__` for a dot."""
        health = {self.health.score: score, self.health.status: status, self.health.churn: churn}
        own = {"id": customer_id, "name": name or customer_id, "status": "active", "contacts.default.email1": email}
        return self._add(CUSTOMER, {**own, **{n: v for n, v in health.items() if n}, **_dotted(fields)})

    def add_invoice(  # noqa: PLR0913 - the fields of an invoice that tests are about
        self,
        customer_id: str,
        *,
        state: str = "posted",
        amount: str | None = "100.00",
        unpaid: str | None = None,
        currency: str = "USD",
        on: str = "2026-10-01",
        due: str | None = "2026-10-31",
        paid: str | None = None,
        **fields: Any,
    ) -> Record:
        """An invoice of a customer; `unpaid` defaults to nothing for one that is paid, and to all for others."""
        rest = unpaid if unpaid is not None else "0.00" if state == "paid" else amount
        own = {"state": state, "invoiceDate": on, "dueDate": due, "customer.id": customer_id}
        own |= {"currency.txnCurrency": currency, "currency.baseCurrency": "USD", "totalTxnAmount": amount}
        own |= {"totalTxnAmountDue": rest, "paymentInformation.fullyPaidDate": paid}
        record = self._add(INVOICE, {**own, **_dotted(fields)})
        record |= {"id": record["key"]}
        record.setdefault("invoiceNumber", f"INV-{record['key']}")
        return record

    def customer(self, customer_id: str) -> Record:
        """A customer as it stands, flat, by its id."""
        return next(found for found in self._records[CUSTOMER].values() if found["id"] == customer_id)

    def key_of(self, customer_id: str) -> str:
        """The key of a customer, which its path goes by."""
        return str(self.customer(customer_id)["key"])

    # What can go wrong

    def fail(self, customer_id: str, status: int = 422, message: str = "a business rule forbids it") -> None:
        """Whatever is asked of this one customer by its path fails from now on."""
        self._failing[self.key_of(customer_id)] = (status, message)

    def mend(self, customer_id: str) -> None:
        """It no longer fails."""
        self._failing.pop(self.key_of(customer_id), None)

    def throttle(self, nth: int, retry_after: str = "1") -> None:
        """The n-th request from now on (tokens do not count) comes too fast; empty: for how long is not told."""
        self._throttled[len(self.requests) + nth] = retry_after

    def lose_answer(self, nth: int) -> None:
        """The n-th request from now on is carried out, and its answer lost on the way."""
        self._lost.add(len(self.requests) + nth)

    def deny(self, *objects: str) -> None:
        """The user may not read or change these objects."""
        self._denied |= set(objects)

    def expire_tokens(self) -> None:
        """No token that was granted so far is good any more."""
        self._tokens.clear()

    # What was asked

    @property
    def queries(self) -> list[Any]:
        """The bodies of the queries that were asked, refused ones included."""
        return [asked.body for asked in self.requests if asked.path.endswith("/services/core/query")]

    @property
    def patches(self) -> list[tuple[str, Any]]:
        """The customers' keys and bodies of all changes that were asked for, refused and repeated ones included."""
        return [(a.path.rpartition("/")[2], a.body) for a in self.requests if a.method == "PATCH"]

    # How it answers

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to a request."""
        await request.aread()
        path = request.url.path.removeprefix(_ROOT)
        if path == "/oauth2/token":
            return self._grant(request)
        number = len(self.requests) + 1
        body = _json(request)
        response = self._checked(request, path, body, number)
        is_lost = number in self._lost
        headers = {name.lower(): value for name, value in request.headers.items()}
        params = dict(request.url.params.items())
        self.requests.append(Asked(request.method, path, params, headers, body, 0 if is_lost else response.status_code))
        if is_lost:
            raise httpx2.ReadError("the answer was lost", request=request)
        return response

    def _grant(self, request: httpx2.Request) -> httpx2.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if request.method != "POST" or form.get("grant_type") != "client_credentials":
            return httpx2.Response(400, json={"error": "unsupported_grant_type"})
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return httpx2.Response(401, json={"error": "invalid_client"})
        if form.get("username", "").partition("|")[0] != self.username:
            return httpx2.Response(400, json={"error": "invalid_grant"})
        self.tokens_granted += 1
        token = f"token-{self.tokens_granted}"
        self._tokens[token] = (self.now + timedelta(seconds=self.token_seconds), 0)
        return httpx2.Response(
            200, json={"token_type": "Bearer", "access_token": token, "expires_in": self.token_seconds}
        )

    def _checked(self, request: httpx2.Request, path: str, body: Any, number: int) -> httpx2.Response:
        """The answer, unless who asks, how often or about whom is wrong."""
        if number in self._throttled:
            told = self._throttled[number]
            error = {"error": {"code": "GW-0010", "message": "too many requests"}}
            return httpx2.Response(429, headers={"Retry-After": told} if told else {}, json=error)
        if not self._is_known(request.headers.get("authorization", "")):
            return _error(self.token_refusal, "invalidToken", "the access token is missing, wrong or expired")
        if self.entity is not None and request.headers.get(ENTITY_HEADER) != self.entity:
            return _error(403, "forbidden", "the user may not act at the top level")
        try:
            return self._routed(request, path, body)
        except RefusedError as err:
            details = [_detail(err.message, err.target)]
            return _error(err.status, "invalidRequest", "Payload contains errors", details)

    def _is_known(self, authorization: str) -> bool:
        token = authorization.removeprefix("Bearer ")
        until, uses = self._tokens.get(token, (self.now, 0))
        self._tokens |= {token: (until, uses + 1)} if token in self._tokens else {}
        return self.now < until and (self.token_uses is None or uses < self.token_uses)

    def _routed(self, request: httpx2.Request, path: str, body: Any) -> httpx2.Response:
        match (request.method, path):
            case ("GET", "/services/core/model"):
                return self._model(request.url.params.get("name", "").removeprefix("objects/"))
            case ("POST", "/services/core/query"):
                return self._query(request, body)
        folder, _, key = path.rpartition("/")
        if folder != f"/objects/{CUSTOMER}":
            return _error(404, "notFound", "there is no such resource")
        return self._about(request, body, key)

    def _about(self, request: httpx2.Request, body: Any, key: str) -> httpx2.Response:
        """What comes of a request about one customer."""
        if CUSTOMER in self._denied:
            return _error(403, "forbidden", "the user may not do this")
        if key in self._failing:
            status, message = self._failing[key]
            return _error(status, "operationFailed", message)
        if key not in self._records[CUSTOMER]:
            return _error(404, "notFound", f"there is no customer {key}")
        if request.method == "PATCH":
            return self._once(request, body, key)
        if request.method == "GET":
            return _one(_nested(self._records[CUSTOMER][key]))
        return _error(405, "methodNotAllowed", "the method is not supported")

    def _model(self, name: str) -> httpx2.Response:
        if name not in self._fields:
            return _error(404, "notFound", f"there is no object {name}")
        if name in self._denied:
            return _error(403, "forbidden", "the user may not do this")
        told = _model_of(self._fields[name])
        methods = {"httpMethods": "OPTIONS,GET,POST,DELETE,PATCH", "idempotenceSupported": True}
        return _one({**told, **methods, "apiObject": f"objects/{name}", "type": "rootObject"})

    def _query(self, request: httpx2.Request, body: Any) -> httpx2.Response:
        if not request.headers.get("content-type", "").startswith("application/json") or not isinstance(body, Mapping):
            raise RefusedError("A POST request requires a payload")
        name = body.get("object")
        if name not in self._fields:
            raise RefusedError(f"{name} is no object", "/object")
        if name in self._denied:
            return _error(403, "forbidden", "the user may not do this")
        sees_private = bool(body.get("filterParameters", {}).get("includePrivate"))
        entity = request.headers.get(ENTITY_HEADER)
        records = [
            record
            for record in self._records[name].values()
            if sees_private or record.get("entity.id") in {None, entity}
        ]
        return httpx2.Response(200, json=page_of(records, self._fields[name], body).answer())

    def _once(self, request: httpx2.Request, body: Any, key: str) -> httpx2.Response:
        """The change carried out, or what came of it when it was asked for before under the same idempotency key."""
        mark = request.headers.get(IDEMPOTENCY_HEADER)
        if mark in self._answered:
            before, status, content = self._answered[mark]
            if before != (key, body):
                return _error(409, "conflict", "the idempotency key was used for another request")
            return httpx2.Response(status, json=json.loads(content))
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise RefusedError("the content type must be application/json", status=415)
        response = self._patch(body, key)
        if mark:
            self._answered[mark] = ((key, body), response.status_code, response.content)
        return response

    def _patch(self, body: Any, key: str) -> httpx2.Response:
        if not isinstance(body, Mapping) or not body:
            raise RefusedError("A PATCH request requires a payload")
        changes = dict(_flat(body))
        details = [d for name, value in changes.items() for d in _objections(name, value, self._fields[CUSTOMER])]
        if details:
            return _error(400, "invalidRequest", "Payload contains errors", details)
        score = changes.get(self.health.score)
        if score is not None and not 0 <= score <= 100:
            raise RefusedError("the score goes from 0 to 100", _pointer(self.health.score), status=422)
        record = self._records[CUSTOMER][key]
        record |= changes
        record["audit.modifiedDateTime"] = _instant(self.now)
        return _one({"key": key, "id": record["id"], "href": record["href"]})

    def _add(self, name: str, values: Record) -> Record:
        unknown = values.keys() - self._fields[name].keys()
        if unknown:
            raise ValueError(f"{name} has no {', '.join(sorted(unknown))}")
        key = str(len(self._records[name]) + 1)
        own = {"key": key, "href": f"/objects/{name}/{key}"}
        own |= dict.fromkeys(_AUDIT, _instant(self.now))
        record = self._records[name][key] = {**own, **values}
        return record


def _json(request: httpx2.Request) -> Any:
    try:
        return json.loads(request.content)
    except ValueError:
        return None


def _dotted(fields: Mapping[str, Any]) -> Record:
    return {name.replace("__", "."): value for name, value in fields.items()}


def _flat(nested: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested record by dotted names; a name that itself holds a dot stays unknown."""
    for name, value in nested.items():
        path = before + name.replace(".", "/")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _nested(flat: Record) -> Record:
    whole: Record = {}
    for name, value in flat.items():
        *groups, last = name.split(".")
        inner = whole
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return whole


def _model_of(fields: Mapping[str, Field]) -> Record:
    """The fields as the model service nests them."""
    model: Record = {"fields": {}, "groups": {}, "refs": {}, "lists": []}
    for name, told in fields.items():
        *parts, last = name.split(".")
        inner = model
        for part in parts:
            kind = "refs" if part in _REFERENCES else "groups"
            inner = inner.setdefault(kind, {}).setdefault(part, {"fields": {}})
        if told.is_told:
            inner["fields"][last] = told.model()
    return model


_TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}


def _objections(name: str, value: Any, fields: Mapping[str, Field]) -> Iterator[Record]:
    """What speaks against setting a field to a value."""
    told, target = fields.get(name), _pointer(name)
    if told is None or not told.is_told:
        yield _detail(f"{target} is not a valid field", target, "REST-1043")
    elif told.is_read_only or not told.is_mutable:
        yield _detail(f"{target} is read-only", target)
    elif value is None:
        if not told.is_nullable:
            yield _detail(f"{target} cannot be null", target)
    elif not isinstance(value, _TYPES[told.type]) or (isinstance(value, bool) and told.type != "boolean"):
        yield _detail(f"{target} must be of type {told.type}", target)
    elif told.enum and value not in told.enum:
        yield _detail(f"{target} must be one of {', '.join(told.enum)}", target)


def _pointer(name: str) -> str:
    return "/" + name.replace(".", "/")


def _detail(message: str, target: str, error_id: str = "REST-1064") -> Record:
    more = {"messageId": "IA.NOT_A_VALID_FIELD", "placeholders": {"FIELD": target.removeprefix("/")}, "propertySet": {}}
    return {"code": "invalidRequest", "message": message, "errorId": error_id, "target": target, "additionalInfo": more}


def _error(status: int, code: str, message: str, details: Sequence[Record] = ()) -> httpx2.Response:
    """An error in the envelope that the documentation shows."""
    more = {"messageId": "IA.PAYLOAD_CONTAINS_ERRORS", "placeholders": {}, "propertySet": {}}
    error: Record = {
        "code": code,
        "message": message,
        "errorId": "REST-1064",
        "additionalInfo": more,
        "supportId": "S-1",
    }
    error |= {"details": [*details]} if details else {}
    meta = {"totalCount": 1, "totalSuccess": 0, "totalError": 1}
    return httpx2.Response(status, json={"ia::result": {"ia::error": error}, "ia::meta": meta})


def _one(result: Record) -> httpx2.Response:
    meta = {"totalCount": 1, "totalSuccess": 1, "totalError": 0}
    return httpx2.Response(200, json={"ia::result": result, "ia::meta": meta})


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
