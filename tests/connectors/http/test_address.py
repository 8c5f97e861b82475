"""A base URL is checked when it is configured, before anything is sent to it."""

from __future__ import annotations

import pytest

from account_health.connectors.http.address import checked
from account_health.errors import ConfigurationError


@pytest.mark.parametrize("port", [-1, 0, 65_536, 99_999])
def test_a_port_that_cannot_exist_is_refused(port: int) -> None:
    with pytest.raises(ConfigurationError, match="The base_url of Beacon names a port that cannot exist"):
        checked(f"http://127.0.0.1:{port}", "Beacon")


@pytest.mark.parametrize(("base_url", "port"), [("http://[::1]:1", 1), ("https://a.example:65535/api", 65_535)])
def test_every_other_port_is_kept(base_url: str, port: int) -> None:
    assert checked(base_url, "Beacon").port == port


def test_the_usual_port_need_not_be_named() -> None:
    assert checked("https://a.example", "Beacon").port is None
