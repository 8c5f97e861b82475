"""Objects: HubSpot's JSON, as far as it is read."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from account_health.connectors.live import Vendor

_PRIMARY = {"contacts": "1", "deals": "5", "tickets": "26"}
"""Type of the association with the primary company. HubSpot advises to rely on the type's id, never on its label."""


class CrmObject(Vendor):
    """A record of any kind; every value is text."""

    id: str
    properties: Mapping[str, str | None] = Field(default_factory=dict)

    def get(self, name: str | None) -> str | None:
        """The property's value, or None if it is empty or was not asked for."""
        return (self.properties.get(name) or None) if name else None


class Owner(Vendor):
    """Somebody who can own a record."""

    id: str
    email: str | None = None
    first_name: str | None = Field(default=None, alias="firstName")
    last_name: str | None = Field(default=None, alias="lastName")

    @property
    def name(self) -> str | None:
        """First and last name, else the mail address."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.email


class StageState(Vendor):
    """What a ticket stage says of its tickets; older pipelines say it in the second way."""

    ticket_state: str | None = Field(default=None, alias="ticketState")
    is_closed: bool | None = Field(default=None, alias="isClosed")


class Stage(Vendor):
    """One stage of a pipeline."""

    id: str
    label: str | None = None
    metadata: StageState = StageState()

    @property
    def closed(self) -> bool | None:
        """Whether its tickets are closed, if it says so."""
        state = self.metadata.ticket_state
        return state.upper() == "CLOSED" if state else self.metadata.is_closed


class Pipeline(Vendor):
    """One pipeline with its stages."""

    id: str
    label: str | None = None
    stages: tuple[Stage, ...] = ()


class Property(Vendor):
    """A property that records of one kind can have."""

    name: str
    label: str | None = None

    def is_about(self, word: str) -> bool:
        """Whether its name or label holds the word."""
        return word in f"{self.name} {self.label}".casefold()


class AssociationType(Vendor):
    """In which way two records belong together."""

    category: str | None = None
    id: str = Field(alias="typeId")


class Associated(Vendor):
    """A record that another one belongs to."""

    id: str = Field(alias="toObjectId")
    types: tuple[AssociationType, ...] = Field(default=(), alias="associationTypes")

    def is_primary(self, kind: str) -> bool:
        """Whether it is the primary company of a record of this kind."""
        return any(t.category == "HUBSPOT_DEFINED" and t.id == _PRIMARY.get(kind) for t in self.types)


class Reference(Vendor):
    """A record, by its id."""

    id: str


class Associations(Vendor):
    """The records of one kind that a record belongs to."""

    source: Reference = Field(alias="from")
    to: tuple[Associated, ...] = ()
