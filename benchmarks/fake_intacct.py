"""The tests' Sage Intacct in memory, and its answers kept, so that how fast the fake is makes no difference."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from intacct_company import IDEMPOTENCY_HEADER, Company

__all__ = ["Company", "Keeping", "alone", "settings_of"]
_TOKENS = "/oauth2/token"
_CHANGE = "PATCH"


@dataclass
class Keeping(httpx2.AsyncBaseTransport):
    """Answers the same question as before with the same bytes; changes and requests for tokens go through."""

    company: Company
    asked: list[httpx2.Request] = field(default_factory=list)
    """Everything but requests for tokens, in order."""
    _answers: dict[tuple[str, bytes], bytes] = field(default_factory=dict)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to a request."""
        await request.aread()
        if request.url.path.endswith(_TOKENS):
            return await self.company.handle_async_request(request)
        self.asked.append(request)
        if request.method == _CHANGE:
            return await self.company.handle_async_request(request)
        question = (str(request.url), request.content)
        if question not in self._answers:
            response = await self.company.handle_async_request(request)
            if response.is_error:
                return response
            self._answers[question] = await response.aread()
        return httpx2.Response(200, content=self._answers[question], headers={"content-type": "application/json"})

    def forget(self) -> None:
        """The next answers are those of the company as it is by then."""
        self._answers.clear()


def settings_of(company: Company) -> dict[str, Any]:
    """The settings that lead to the company, without a limit that would be waited for."""
    return {
        "base_url": company.base_url,
        "client_id": company.client_id,
        "client_secret": SecretStr(company.client_secret),
        "username": company.username,
        "requests_per_second": 1000,
    }


async def alone(transport: httpx2.AsyncBaseTransport, requests: Sequence[httpx2.Request]) -> None:
    """The same requests once more, one after the other, their answers parsed and nothing else."""
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
        for asked in requests:
            headers = {**asked.headers, IDEMPOTENCY_HEADER: str(uuid.uuid4())}
            response = await client.request(asked.method, asked.url, content=asked.content, headers=headers)
            response.raise_for_status()
            json.loads(response.content)
