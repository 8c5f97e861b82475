"""Child: the server of a test as a process of its own: `python -m account_health.testing.child FOLDER DAY [CONFIG]`."""

from __future__ import annotations

import sys
from pathlib import Path

from account_health.config import DEMO, load_config
from account_health.testing.serving import apart, frozen_server


def main(folder: str, day: str, config: str = "") -> None:
    """Serves over standard input and output until the input ends."""
    opened = load_config(Path(config)) if config else DEMO
    frozen_server(apart(opened, Path(folder)), day).run(transport="stdio")


if __name__ == "__main__":
    main(*sys.argv[1:])
