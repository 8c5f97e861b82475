"""Money: sums of annual recurring revenue; an amount without a rate is listed on its own and never converted."""

from __future__ import annotations

from pydantic import Field

from account_health.published import Published


class Money(Published):
    """A sum of annual recurring revenue in one currency."""

    currency: str = Field(description="ISO 4217 code, or `unknown` where none is recorded")
    amount: float = Field(description="The sum")
    accounts: int = Field(description="Accounts it is the sum of")

    def __str__(self) -> str:
        return f"{self.currency} {self.amount:,.0f}"
