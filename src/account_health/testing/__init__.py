"""Testing: a kit that proves a connector without its system, and the server for tests of tool calls.

Needs the extra `[testing]`. `account_health.testing.fixtures` is the pytest plugin.
"""

from account_health.testing.calling import Answer, Caller, ToolRefusedError, calling
from account_health.testing.conformance import CHECKS, ConnectorConformance
from account_health.testing.recorded import Exchange, Mishap, Recorded, Recording, always, at_path, nth
from account_health.testing.serving import DEMO_DAY, Serving
from account_health.testing.subject import Outcome, Subject
from account_health.testing.verdict import NonconformityError

__all__ = [
    "CHECKS",
    "DEMO_DAY",
    "Answer",
    "Caller",
    "ConnectorConformance",
    "Exchange",
    "Mishap",
    "NonconformityError",
    "Outcome",
    "Recorded",
    "Recording",
    "Serving",
    "Subject",
    "ToolRefusedError",
    "always",
    "at_path",
    "calling",
    "nth",
]
