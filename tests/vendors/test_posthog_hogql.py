"""Every query that the PostHog connector can send is HogQL, as PostHog's own parser reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from account_health.connectors.base import Query
from account_health.connectors.posthog.settings import LONGEST_ANSWER
from account_health.identity import Candidate, Known
from connectors.posthog_project import Project
from given import AS_OF

if TYPE_CHECKING:
    from vendors.hogql import Verdict

pytestmark = pytest.mark.anyio

ACCOUNTS = (Candidate("A-1", "77", ("müller.example", "northwind.example")), Candidate("A-2"))

# Functions that PostHog's source maps to those of ClickHouse, with as many arguments as we give them.
FUNCTIONS = {
    *(("arraySlice", 3), ("arraySort", 1), ("count", 0), ("countIf", 1), ("formatDateTime", 3), ("min", 1)),
    *(("groupUniqArrayIf", 2), ("not", 1), ("startsWith", 2), ("toDateTime", 1), ("toString", 1), ("uniq", 1)),
}
COLUMNS = {
    "groups": {"index", "key", "properties"},
    "persons": {"properties"},
    "events": {"event", "timestamp", "person_id", "person", "properties", "$group_0", "$group_4"},
}

NAMED = {"csv exported": "Exports", "it's": "Odd"}
CASES: dict[str, dict[str, Any]] = {
    "usual settings": {},
    "another group type, with external ids, named features": {
        "group_type": 4,
        "external_id_property": "crm id",
        "features": NAMED,
        "most_features": 1,
    },
    "groups without properties, no logins": {"name_property": "", "domain_property": "", "login_events": ()},
    "keys that are domains, features by prefix": {"keys": "domain", "feature_prefix": "ui: "},
    "a property of persons, nothing ignored": {
        "group_type": None,
        "account_property": "person.properties.company id",
        "ignored_events": (),
    },
    "a property of events, features by name and prefix": {
        "group_type": None,
        "account_property": "properties.it's",
        "features": NAMED,
        "feature_prefix": "ui: ",
        "login_events": ("login",),
    },
}


async def queries(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """What is sent for some accounts and for all, each continued once, and by a check."""
    project = Project(more=True)
    connector = project.connector(**settings)
    known = Known(ACCOUNTS)
    for accounts in (("A-1", "A-2"), None):
        await connector.fetch(Query(AS_OF, accounts, known=known))
    await connector.check(AS_OF)
    return list({query["query"]: query for query in project.queries}.values())


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of what the parser read."""
    if isinstance(tree, dict):
        if "node" in tree:
            yield tree
        for part in tree.values():
            yield from nodes(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from nodes(part)


@pytest.fixture(scope="module")
def verdict_on(parses_as_hogql: Callable[[str], Verdict]) -> Callable[[str], Verdict]:
    """The parser's word about a query; cases have queries in common."""
    return cache(parses_as_hogql)


@pytest.mark.parametrize("case", CASES)
async def test_every_query_is_hogql(verdict_on: Callable[[str], Verdict], case: str) -> None:
    sent = await queries(CASES[case])
    assert len(sent) >= 4
    for query in sent:
        verdict = verdict_on(query["query"])
        assert verdict, f"{verdict.fault} in {query['query']}"
        assert 1 <= verdict.tree["limit"]["value"] <= LONGEST_ANSWER
        assert "offset" not in verdict.tree  # refused to personal API keys
        found = list(nodes(verdict.tree))
        assert {n["expr"]["chain"][0] for n in found if n["node"] == "Placeholder"} == set(query["values"])
        assert {(n["name"], len(n["args"])) for n in found if n["node"] == "Call"} <= FUNCTIONS
        (table,) = verdict.tree["select_from"]["table"]["chain"]
        assert _fields(found) <= COLUMNS[table] | _aliases(found) | set(query["values"]) | {table}


def _fields(found: list[dict[str, Any]]) -> set[str]:
    return {str(node["chain"][0]) for node in found if node["node"] == "Field"}


def _aliases(found: list[dict[str, Any]]) -> set[str]:
    return {node["alias"] for node in found if node["node"] == "Alias"}
