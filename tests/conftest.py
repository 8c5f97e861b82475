"""What holds for every test: nothing but this machine can be reached, nobody's data is touched, async is asyncio."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from account_health.config import Config

# Where the demo keeps its history is decided when `account_health.config` is imported, so this comes before that.
_DATA = tempfile.TemporaryDirectory(prefix="account-health-tests-")
atexit.register(_DATA.cleanup)
os.environ["XDG_DATA_HOME"] = _DATA.name

# A slow machine is no fault of the code.
settings.register_profile("account-health", deadline=None)
settings.load_profile("account-health")


class OutsideWorldError(BaseException):
    """A test tried to leave this machine; no `except Exception` of the code under test can swallow it."""


def _is_this_machine(host: object) -> bool:
    if not host or host == "localhost":
        return True
    try:
        return ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _stay_on_this_machine(event: str, args: tuple[Any, ...]) -> None:
    if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = args[0]
    elif event in {"socket.connect", "socket.sendto", "socket.sendmsg"} and isinstance(args[1], tuple):
        host = args[1][0]
    else:  # includes Unix sockets, whose address is a text
        return
    if not _is_this_machine(host):
        raise OutsideWorldError(f"A test may only reach loopback; this one tried {host!r}.")


sys.addaudithook(_stay_on_this_machine)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run once, on asyncio: the loop that the server and the command line use."""
    return "asyncio"


@pytest.fixture
def beacon_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of packages in which the connectors to Beacon are installed, for this test only."""
    from beacon import POINTS, installed  # noqa: PLC0415 - other tests need none of it

    site = tmp_path / "site"
    installed(site, "beacon", POINTS)
    monkeypatch.syspath_prepend(site)
    return site


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Accounts that were recorded on some days up to the last one; for reading only."""
    from moving import DAYS, moving_config, recorded_over  # noqa: PLC0415 - other tests need none of it

    config = moving_config(tmp_path_factory.mktemp("moving"))
    recorded_over(config, DAYS)
    return config


@pytest.fixture
def recorded_copy(recorded: Config, tmp_path: Path) -> Config:
    """The same rows and the same history in a folder of this test's own, to change."""
    from moving import copied  # noqa: PLC0415 - other tests need none of it

    folder = tmp_path / "copy"
    folder.mkdir()
    return copied(recorded, folder)
