"""Two recorded days of the demo accounts, so that questions about a change have an answer: `months.py`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import anyio

from account_health.config import DEMO
from account_health.recording import record_all
from account_health.workspace import Workspace

DAYS = (datetime(2026, 10, 21, 9, tzinfo=UTC), datetime(2026, 11, 20, 9, tzinfo=UTC))
"""The day that examples in descriptions of tools compare with, and the one before that on which they are tried."""


def _always(instant: datetime) -> datetime:
    return instant


async def main() -> None:
    """Records all accounts of the demo on both days."""
    for instant in DAYS:
        workspace = Workspace.open(DEMO, partial(_always, instant))
        recorded = await record_all(workspace, "judges", lambda _done, _all: None)
        print(recorded.sentence)


if __name__ == "__main__":
    anyio.run(main)
