"""Acme Desk keeps every rule of a live connector."""

from datetime import datetime
from pathlib import Path

from account_health.identity import Candidate
from account_health.testing import ConnectorConformance, Subject

ACME = Candidate("A-1", domains=("acme.example",), name="Acme Ltd")
BOLT = Candidate("B-2", domains=("bolt.example",), name="Bolt GmbH")


class TestAcmeDesk(ConnectorConformance):
    """Every rule of the kit, over the recorded answers."""

    subject = Subject(
        connector="acme-desk",
        recording=Path(__file__).with_name("acme_desk.json"),
        as_of=datetime(2026, 11, 21, 9),
        accounts=(ACME, BOLT),
        asked="A-1",
    )
