"""A real BottleCRM to test against: started for a test, asked and filled through its own API, ended with the test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BACKEND = Path(__file__).with_name("backend.py")
ORGANISATION = "Tidewater Instruments"
PATIENCE = 30
"""Seconds for one answer of the CRM, and for its orderly end."""

Moved = tuple[str, str, Mapping[str, float]]
"""A model, the id of a row, and by how many days each of its columns moves into the past."""


@dataclass(frozen=True)
class Backend:
    """The process that serves the CRM."""

    process: subprocess.Popen[str]
    log: Path

    def hear(self) -> dict[str, Any]:
        """The next line it says."""
        line = _pipe(self.process.stdout).readline()
        if not line:
            raise RuntimeError(f"BottleCRM ended by itself. Its last words:\n{self.log.read_text('utf-8')[-3000:]}")
        return dict(json.loads(line))

    def tell(self, **order: object) -> dict[str, Any]:
        """Sends an order; its answer."""
        pipe = _pipe(self.process.stdin)
        pipe.write(json.dumps(order) + "\n")
        pipe.flush()
        return self.hear()

    def stop(self) -> None:
        """Ends it, and its database with it; once is enough, twice does no harm."""
        _pipe(self.process.stdin).close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@dataclass(frozen=True)
class Crm:
    """The running CRM, as its owner sees it after signing in."""

    url: str
    """Base address, without `/api`."""
    backend: Backend
    owner: httpx2.Client
    organisation: str

    def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
        """The JSON under a path such as `accounts/`."""
        return dict(_read(self.owner.get(path, params=parameters)))

    def post(self, path: str, **values: object) -> dict[str, Any]:
        """What the CRM answers to new values."""
        return dict(_read(self.owner.post(path, json=values)))

    def patch(self, path: str, **values: object) -> dict[str, Any]:
        """What the CRM answers to changed values."""
        return dict(_read(self.owner.patch(path, json=values)))

    def token(self, *scopes: str) -> str:
        """A new personal access token that may do this and nothing else."""
        return str(self.post("profile/tokens/", name=" ".join(scopes), scopes=scopes)["token"])

    def meanwhile(self, rows: Sequence[Moved]) -> int:
        """Lets days pass for the rows; says how many cases the CRM escalated because of it."""
        return int(self.backend.tell(org=self.organisation, rows=rows)["escalated"])


@contextmanager
def running(folder: Path, log: Path) -> Iterator[Crm]:
    """A CRM with one organisation and nothing in it, from the folder that `.ci/e2e` made."""
    with log.open("w", encoding="utf-8") as lines, _started(folder, lines) as process:
        backend = Backend(process, log)
        try:
            there = backend.hear()
            with httpx2.Client(base_url=f"{there['url']}/api/", timeout=PATIENCE) as owner:
                yield _signed_in(there["url"], there["token"], backend, owner)
        finally:
            backend.stop()


def _started(folder: Path, log: IO[str]) -> subprocess.Popen[str]:
    # In a session of its own, so that an interrupt from the keyboard reaches the tests only: they end it in good order.
    return subprocess.Popen(
        [folder / "crm" / "bin" / "python", "-I", BACKEND, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )


def _signed_in(url: str, token: str, backend: Backend, owner: httpx2.Client) -> Crm:
    owner.headers["Authorization"] = f"Bearer {token}"
    organisation = _read(owner.post("org/", json={"name": ORGANISATION}))["org"]["id"]
    token = _read(owner.post("auth/switch-org/", json={"org_id": organisation}))["access_token"]
    owner.headers["Authorization"] = f"Bearer {token}"
    return Crm(url, backend, owner, organisation)


def _read(response: httpx2.Response) -> Any:
    if not response.is_success:
        raise RuntimeError(f"BottleCRM refused {response.request.method} {response.url}: {response.text[:1000]}")
    return response.json()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
