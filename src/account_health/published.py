"""Published: what leaves this package as JSON is frozen, described, and holds no nulls."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Published(BaseModel):
    """A frozen part of the published answer; `as_json` leaves out what does not apply."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, keys in declaration order, without nulls."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)
