"""Arguments: what several tools take, described once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

SourceName = Literal["all", "crm", "support", "analytics", "billing", "surveys"]

AccountArgument = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="Account id, exact name or domain, e.g. 'northwind' or 'northwind.example'",
    ),
]
AsOf = Annotated[
    str,
    Field(max_length=40, description="Day or instant to answer for, e.g. '2026-11-21' (end of that day); empty: now"),
]
Refresh = Annotated[
    bool,
    Field(strict=True, description="Ask live sources again though their last answer is kept, e.g. true"),
]
Anew = Annotated[
    bool, Field(strict=True, description="Compute anew although a recorded run of all accounts is fresh, e.g. true")
]
ResponseFormat = Annotated[
    Literal["detailed", "concise"], Field(description="How much to say, e.g. 'concise' for the essential")
]
Limit = Annotated[int, Field(ge=1, le=100, strict=True, description="How many to return at most, e.g. 20")]
Cursor = Annotated[
    str,
    Field(max_length=100, description="next_cursor of the page before, e.g. 'MjA6N2YzYTFjMDk'; empty: first page"),
]
Segment = Annotated[str, Field(max_length=100, description="Exact segment, e.g. 'Enterprise'; empty: any")]
Owner = Annotated[str, Field(max_length=100, description="Exact owner, e.g. 'Mara'; empty: any")]
BandName = Annotated[
    Literal["", "green", "yellow", "red", "not_scored"], Field(description="Band of the score, e.g. 'red'; empty: any")
]
RenewsWithinDays = Annotated[
    int,
    Field(ge=0, le=1000, strict=True, description="Renewal from the asked day on within so many days, e.g. 90; 0: any"),
]
VocabularyName = Annotated[
    str,
    Field(
        max_length=60,
        description="Other words for the health: 'colours', 'uman', 'pipeline' or 'intacct', e.g. 'uman'",
    ),
]
