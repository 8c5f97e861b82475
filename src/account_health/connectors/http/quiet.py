"""Quiet: what libraries would log about our requests stays unsaid."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ours: ContextVar[bool] = ContextVar("account_health_request", default=False)

# At INFO httpx2 writes whole URLs, at DEBUG httpcore2 the headers of answers: both can hold keys. stamina warns of
# every retry, which is no news. A filter works only on the logger that makes a record, so each is named.
_TALKATIVE = ("httpx2", "httpcore2.connection", "httpcore2.http11", "httpcore2.http2", "httpcore2.proxy", "stamina")


def _is_not_ours(_: logging.LogRecord) -> bool:
    return not _ours.get()


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is logged about requests made inside; those of other code in this process are logged as ever."""
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_is_not_ours)
    mark = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(mark)
