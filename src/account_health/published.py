"""Published: what leaves this package as JSON is frozen, described, and holds no nulls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict


class Published(BaseModel):
    """A frozen part of the published answer; `as_json` leaves out what does not apply."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    beside_the_point: ClassVar[Mapping[str, Any]] = {}
    """What a concise answer does without, as pydantic excludes it."""

    def concisely(self) -> Self:
        """The same with fewer items; what `as_json` then leaves out besides is `beside_the_point`."""
        return self

    def as_json(self, *, concise: bool = False) -> dict[str, Any]:
        """Plain JSON values, keys in declaration order, without nulls; concise, without what is beside the point."""
        left_out = dict(self.beside_the_point) if concise else None
        told = self.concisely() if concise else self
        return told.model_dump(mode="json", exclude_none=True, by_alias=True, exclude=left_out)
