"""Testing: for authors of connectors, a kit that proves one without its system. Needs the extra `[testing]`."""

from account_health.testing.conformance import CHECKS, ConnectorConformance
from account_health.testing.recorded import Exchange, Mishap, Recorded, Recording, always, at_path, nth
from account_health.testing.subject import Outcome, Subject
from account_health.testing.verdict import NonconformityError

__all__ = [
    "CHECKS",
    "ConnectorConformance",
    "Exchange",
    "Mishap",
    "NonconformityError",
    "Outcome",
    "Recorded",
    "Recording",
    "Subject",
    "always",
    "at_path",
    "nth",
]
