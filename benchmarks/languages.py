"""Languages: what it costs to say a summary in another language than English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
from mcp import Client

from account_health import language
from account_health.server import create_server
from figures import Figure, in_turns, milliseconds
from generated import AS_OF
from in_memory import demo_as_files, timed
from over_stdio import ACCOUNT, first_summary_in

if TYPE_CHECKING:
    from account_health.config import Config

_WARM_UP, _CALLS, _READINGS = 10, 100, 5


def summary_in_french() -> Sequence[Figure]:
    """A summary that is kept from the call before, in French and in English, in turns; the catalogue, and the first."""
    french, english = anyio.run(_in_both, demo_as_files())

    def read() -> float:
        language.language.cache_clear()
        return milliseconds(lambda: language.language("fr"))

    [reading] = in_turns(_READINGS, read)
    first, first_in_english = first_summary_in("fr", "en")
    return [
        Figure("summary_in_french", french, "ms", english),
        Figure("summary_in_french: reading the catalogue", reading, "ms", english),
        Figure("summary_in_french: first", first, "ms", first_in_english),
    ]


async def _in_both(config: Config) -> tuple[float, float]:
    """Median milliseconds of a summary in French and in English."""
    asked = {"account": ACCOUNT, "as_of": AS_OF.isoformat()}
    took: dict[str, list[float]] = {"fr": [], "en": []}
    async with Client(create_server(lambda: config, lambda: AS_OF)) as client:
        for _ in range(_WARM_UP + _CALLS):
            for code, times in took.items():
                times.append(await timed(client, "render_health_summary", {**asked, "language": code}))
    return _median(took["fr"]), _median(took["en"])


def _median(times: Sequence[float]) -> float:
    return sorted(times[_WARM_UP:])[_CALLS // 2]
