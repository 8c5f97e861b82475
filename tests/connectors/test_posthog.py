"""PostHog: the kit, what its answers mean, and what it is asked."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from account_health.connectors.base import Delivery, Query
from account_health.connectors.posthog import PostHogSettings
from account_health.errors import Fault, SourceError
from account_health.identity import Candidate, Known
from account_health.model import State
from account_health.tables import UsageDay
from account_health.testing import ConnectorConformance, Subject
from account_health.testing.subject import answered, rows_of
from connectors.posthog_project import BASE, DAY, Project
from given import AS_OF

pytestmark = pytest.mark.anyio

SUBJECT = Subject(
    connector="posthog",
    recording=Path(__file__).parent / "recordings" / "posthog.json",
    settings={
        "project_id": 4711,
        "group_type": "company",
        "external_id_property": "crm_id",
        "history_days": 19,
        "days_per_query": 10,
        "rows_per_query": 4,
    },
    as_of=AS_OF,
    accounts=(
        Candidate("A-1", domains=("northwind.example",), name="Northwind Traders"),
        Candidate("A-2", domains=("globex.example",), name="Globex"),
        Candidate("A-3", name="Initech"),
    ),
    asked="A-1",
    search_posts=("/api/projects/4711/query/",),
)
ODD_FEATURE = "report exported ](http://x) <img src=x>"


class TestPostHog(ConnectorConformance):
    """What holds for every live connector."""

    subject = SUBJECT


def use(account: str, day: int, users: int, events: int, logins: int, *features: str) -> UsageDay:
    """A day of November."""
    return UsageDay(
        account_id=account,
        day=date(2026, 11, day),
        active_users=users,
        events=events,
        logins=logins,
        features_used=features,
    )


async def read(
    project: Project, *accounts: Candidate, query: Query | None = None, now: datetime = AS_OF, **settings: Any
) -> Delivery:
    """The days of some accounts; without any, of all, of which there is one."""
    known = Known(accounts or (Candidate("A-1"),))
    asked = query or Query(AS_OF, tuple(a.id for a in accounts) or None, known=known)
    (delivery,) = await project.connector(now=now, **settings).fetch(asked)
    return delivery


async def test_one_account_has_its_days_in_order_over_all_pages() -> None:
    found = await answered(SUBJECT, SUBJECT.one)
    assert found.rows == [
        use("A-1", 5, 2, 18, 1, "invoice sent"),
        use("A-1", 12, 3, 41, 2, "invoice sent", "report exported"),
        use("A-1", 18, 3, 44, 4, "report exported"),
        use("A-1", 19, 2, 20, 2),
        use("A-1", 20, 4, 60, 5, "invoice sent", ODD_FEATURE),
    ]
    assert len(found.sent) == 5  # group types, groups, what the project holds, two pages of days


async def test_all_accounts_have_their_days_and_what_belongs_to_nobody_is_counted() -> None:
    (delivery,) = (await answered(SUBJECT, SUBJECT.all)).deliveries
    others = [row for row in rows_of(delivery) if row.account_id != "A-1"]
    assert others == [use("A-2", 19, 1, 5, 0), use("A-3", 20, 1, 2, 1, "\u202egnp.exe\u202c opened")]
    assert delivery.matched == {"A-1": "external id", "A-2": "domain `globex.example`", "A-3": "external id"}
    assert delivery.likely == frozenset({"A-2"})
    assert delivery.unmatched_rows == 1
    assert delivery.rows_total == 8


async def test_history_begins_where_the_project_saw_its_first_event_of_an_account() -> None:
    assert (await answered(SUBJECT, SUBJECT.one)).deliveries[0].history_from == datetime(2026, 11, 4)
    long_used = await read(Project(seen=(5, "2026-10-22", 0, 0)))
    assert long_used.history_from == AS_OF - timedelta(days=30)


async def test_logins_that_the_project_never_saw_are_unknown_and_not_zero() -> None:
    (row,) = rows_of(await read(Project(seen=(5, "2026-10-01", 0, 3), days=[("A-1", "2026-11-20", 2, 5, 0, ["x"])])))
    assert row == UsageDay(
        account_id="A-1", day=date(2026, 11, 20), active_users=2, events=5, logins=None, features_used=("x",)
    )


async def test_what_the_project_never_saw_is_no_column_of_the_delivery() -> None:
    never = {"logins", "features_used"}
    assert never.isdisjoint((await read(Project(seen=(5, "2026-10-01", 0, 0)))).columns)
    assert never <= (await read(Project())).columns


async def test_features_that_the_project_never_saw_are_unknown_and_not_none() -> None:
    (row,) = rows_of(await read(Project(seen=(5, "2026-10-01", 2, 0), days=[("A-1", "2026-11-20", 2, 5, 1, [])])))
    assert row == UsageDay(
        account_id="A-1", day=date(2026, 11, 20), active_users=2, events=5, logins=1, features_used=None
    )


async def test_an_account_without_any_event_has_no_rows_and_is_empty() -> None:
    project = Project(seen=(0, "1970-01-01", 0, 0))
    delivery = await read(project, Candidate("A-1"))
    assert (delivery.rows, delivery.states, delivery.failure) == ([], {"A-1": State.EMPTY}, None)
    assert project.asked("after_day") == []


async def test_all_accounts_are_read_some_days_a_query_and_the_newest_first() -> None:
    project = Project()
    await read(project, days_per_query=20)
    spans = [(v["since"], v["until"], v["after_day"]) for v in project.asked("after_day")]
    assert spans == [
        ("2026-11-02T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-02"),
        ("2026-10-22T00:00:00Z", "2026-11-02T00:00:00Z", "2026-10-22"),
    ]


async def test_one_account_is_read_in_one_query_that_names_its_groups() -> None:
    project = Project()
    await read(project, Candidate("A-1"), days_per_query=1)
    (values,) = project.asked("after_day")
    assert (values["key_0"], "key_1" in values) == ("A-1", False)
    assert values["since"] == "2026-10-22T00:00:00Z"


async def test_a_second_reading_of_all_accounts_asks_for_the_last_days_only() -> None:
    project = Project()
    connector = project.connector()
    query = Query(AS_OF, known=Known((Candidate("A-1"),)))
    first, second = await connector.fetch(query), await connector.fetch(query)
    assert second[0].rows == first[0].rows
    assert second[0].history_from == first[0].history_from
    assert [v["after_day"] for v in project.asked("after_day")] == ["2026-10-22", "2026-11-19"]
    assert len([q for q in project.queries if "after_account" not in q["values"]]) == 1


async def test_the_days_read_for_a_past_instant_reach_to_today_because_they_are_kept() -> None:
    project = Project()
    connector = project.connector(days_per_query=1000)
    known = Known((Candidate("A-1"),))
    await connector.fetch(Query(AS_OF - timedelta(days=20), known=known))
    await connector.fetch(Query(AS_OF, known=known))
    assert [(v["since"], v["until"]) for v in project.asked("after_day")] == [
        ("2026-10-02T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("2026-11-19T00:00:00Z", "2026-11-22T00:00:00Z"),
    ]


async def test_days_are_those_of_the_configured_zone() -> None:
    project = Project()
    now = datetime(2026, 11, 20, 23, 30)  # in Berlin already the next day
    await read(project, query=Query(now, known=Known((Candidate("A-1"),))), now=now, time_zone="Europe/Berlin")
    (values,) = project.asked("after_day")
    assert (values["zone"], values["after_day"]) == ("Europe/Berlin", "2026-10-22")
    assert (values["since"], values["until"]) == ("2026-10-21T22:00:00Z", "2026-11-21T23:00:00Z")  # summer, then winter


@pytest.mark.parametrize(("group_types", "setting"), [(("company",), None), (("workspace", "company"), "company")])
async def test_the_group_type_is_the_only_one_or_the_named_one(group_types: tuple[str, ...], setting: str) -> None:
    project = Project(group_types=group_types)
    await read(project, group_type=setting)
    number = len(group_types) - 1
    assert {v["group_type"] for v in project.asked("group_type")} == {number}
    assert all(f"$group_{number} " in query["query"] for query in project.queries if "zone" in query["values"])
    assert [request.url.path for request in project.sent if request.method == "GET"] == [
        "/api/projects/7/groups_types/"
    ]


@pytest.mark.parametrize(
    ("group_types", "setting", "words"),
    [
        ((), None, "no group types in this project. Group analytics is an add-on"),
        (("a", "b"), None, "2 group types in this project, and `group_type` does not say which. Set it"),
        (("a", "b"), "c", "2 group types in this project, and `group_type` names none of them. Set it"),
    ],
)
async def test_without_the_one_group_type_nothing_is_read_and_the_setting_is_named(
    group_types: tuple[str, ...], setting: str | None, words: str
) -> None:
    with pytest.raises(SourceError) as caught:
        await read(Project(group_types=group_types), group_type=setting)
    assert words in str(caught.value)
    assert caught.value.fault in {Fault.NOT_FOUND, Fault.REFUSED}


@pytest.mark.parametrize(
    ("path", "table", "whose"),
    [("person.properties.co id", "persons", "person.properties["), ("properties.co id", "events", "properties[")],
)
async def test_without_groups_a_property_tells_the_account(path: str, table: str, whose: str) -> None:
    project = Project()
    delivery = await read(project, Candidate("A-1"), group_type=None, account_property=path)
    assert len(rows_of(delivery)) == 1
    assert {query["values"]["account_property"] for query in project.queries} == {"co id"}
    listing, *others = [query["query"] for query in project.queries]
    assert f" FROM {table} WHERE " in listing
    assert all(f"SELECT toString({whose}{{account_property}}]) AS account" in text for text in others[1:])
    assert len(others) == 2


async def test_group_keys_may_be_domains() -> None:
    project = Project(
        accounts=[("www.northwind.example", None, None, None)], days=[("www.northwind.example", *DAY[1:])]
    )
    account = Candidate("A-1", domains=("northwind.example",))
    delivery = await read(project, account, keys="domain")
    assert delivery.matched == {"A-1": "domain `northwind.example`"}
    assert [row.account_id for row in rows_of(delivery)] == ["A-1"]
    (values,) = project.asked("group_type")
    assert values["domain_0"] == "%northwind.example%"
    assert "id_0" not in values
    assert (await read(project, account, keys="id")).absent is State.NOT_MATCHED


async def test_an_account_is_looked_up_by_every_id_and_every_form_of_its_domains() -> None:
    project = Project(accounts=())
    account = Candidate("A-1", external_id=" 77 ", domains=("www.xn--mller-ag-65a.example", "gmail.com"))
    await read(project, account, Candidate("A-2"), external_id_property="crm_id")
    (values,) = project.asked("group_type")
    assert {name: value for name, value in values.items() if name.startswith(("id_", "domain_"))} == {
        "id_0": "77",
        "id_1": "A-1",
        "id_2": "A-2",
        "domain_property": "domain",
        "domain_0": "%müller-ag.example%",
        "domain_1": "%xn--mller-ag-65a.example%",
    }


async def test_an_account_of_the_crosswalk_is_read_beside_one_that_is_looked_up() -> None:
    project = Project(days=[DAY, ("team 9", *DAY[1:])])
    known = Known((Candidate("A-1"), Candidate("A-2")), {"analytics": {"team 9": "A-2"}})
    delivery = await read(project, query=Query(AS_OF, ("A-1", "A-2"), known=known))
    assert [row.account_id for row in rows_of(delivery)] == ["A-1", "A-2"]
    (values,) = project.asked("after_day")
    assert (values["key_0"], values["key_1"]) == ("A-1", "team 9")


async def test_an_account_that_nothing_could_belong_to_is_not_looked_up() -> None:
    project = Project()
    delivery = await read(project, Candidate("A-1"), keys="domain")
    assert delivery.states.get("A-1", delivery.absent) is State.NOT_MATCHED
    assert project.sent == []


async def test_features_are_named_by_the_settings() -> None:
    project = Project(days=[("A-1", "2026-11-20", 2, 5, 1, ["csv exported", "pdf exported", "ui: search"])])
    exports = {"csv exported": "Exports", "pdf exported": "Exports"}
    (row,) = rows_of(await read(project, features=exports, feature_prefix="ui: "))
    assert row.model_dump()["features_used"] == ("Exports", "ui: search")
    (values,) = project.asked("after_day")
    assert (values["feature_0"], values["feature_1"], values["feature_prefix"]) == (
        "csv exported",
        "pdf exported",
        "ui: ",
    )


async def test_an_event_that_is_a_login_or_a_feature_is_not_ignored() -> None:
    project = Project()
    await read(project, login_events=["$identify"], features={"$set": "Set-up"})
    (values,) = project.asked("after_day")
    ignored = {value for name, value in values.items() if name.startswith("ignored_")}
    assert "$groupidentify" in ignored
    assert ignored.isdisjoint({"$identify", "$set"})


async def test_text_from_outside_is_among_the_values_and_never_in_a_query() -> None:
    odd = "x'}) OR 1=1 -- {y} `z` \\"
    project = Project(accounts=[(odd, odd, odd, odd)], days=[(odd, *DAY[1:])])
    names = ("name_property", "domain_property", "external_id_property", "feature_prefix")
    settings: dict[str, Any] = {
        **dict.fromkeys(names, odd),
        "login_events": [odd],
        "features": {odd: odd},
        "ignored_events": [odd * 2],
    }
    await read(project, Candidate(odd), **settings)
    await read(project, Candidate(odd), group_type=None, account_property=f"person.properties.{odd}", **settings)
    assert len(project.queries) == 6
    assert all("1=1" not in query["query"] and "1=1" in str(query["values"]) for query in project.queries)


async def test_every_query_says_how_many_rows_it_wants() -> None:
    project = Project()
    await read(project, rows_per_query=123)
    limits = [query["query"].rpartition(" LIMIT ")[2] for query in project.queries]
    assert limits == ["123", "1", "123"]


async def test_an_answer_that_was_cut_is_continued_after_its_last_row() -> None:
    project = Project(more=True)
    delivery = await read(project, Candidate("A-1"))
    first, second, *_ = project.asked("after_day")
    assert (first["after_day"], first["after_account"]) == ("2026-10-22", "")
    assert (second["after_day"], second["after_account"]) == ("2026-11-20", "A-1")
    assert delivery.states == {"A-1": State.PARTIAL}  # the same page came twice
    assert "twice" in delivery.note


async def test_more_rows_after_none_cannot_be_read() -> None:
    with pytest.raises(SourceError, match="does not tell where to go on") as caught:
        await read(Project(accounts=(), more=True), Candidate("A-1"))
    assert caught.value.fault is Fault.BAD_RESPONSE


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, "us.posthog.com"),
        ({"region": "eu"}, "eu.posthog.com"),
        ({"region": "eu", "base_url": "https://events.acme.example"}, "events.acme.example"),
    ],
)
async def test_the_region_or_a_host_of_ones_own_is_asked(settings: dict[str, Any], host: str) -> None:
    project = Project()
    await read(project, **settings)
    assert {(r.url.host, r.headers["authorization"]) for r in project.sent} == {(host, "Bearer phx_key")}


async def test_cached_answers_are_taken_only_if_the_settings_say_so() -> None:
    fresh, spared = Project(), Project()
    await read(fresh)
    await read(spared, refresh="blocking")
    assert all(b'"refresh":"force_blocking"' in request.content.replace(b" ", b"") for request in fresh.sent)
    assert all(b'"refresh":"blocking"' in request.content.replace(b" ", b"") for request in spared.sent)


async def test_a_check_reads_one_page_of_the_last_days_and_says_which_events_are_there() -> None:
    project = Project(seen=(5, "2026-10-01", 0, 3))
    probes = (await project.connector(days_per_query=10).check(AS_OF)).probes
    advice = {probe.subject: probe.advice for probe in probes}
    assert advice.pop("login_events") == "Name the events that are logins under `login_events`."
    assert {"usage_day": "", "features": ""}.items() <= advice.items()
    assert [probe.subject for probe in probes if not probe.is_ok] == ["login_events"]
    assert [v["after_day"] for v in project.asked("after_day")] == ["2026-11-12"]


async def test_a_check_of_a_project_without_groups_says_what_to_set() -> None:
    probes = (await Project().connector(group_type=None).check(AS_OF)).probes
    assert {(probe.is_ok, "set `account_property`" in probe.advice) for probe in probes} == {(False, True)}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"account_property": "person.properties.x"}, "set either group_type or account_property"),
        ({"group_type": None, "account_property": "company_id"}, "must begin with"),
        ({"group_type": None, "account_property": "person.properties."}, "name of the property is missing"),
        ({"time_zone": "Mars/Olympus"}, "no such time zone"),
        ({"group_type": 5}, "group_type"),
        ({"rows_per_query": 50_001}, "rows_per_query"),
        ({"api_key": "phx_key"}, "a secret never stands in this file"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PostHogSettings.model_validate({**BASE, "api_key": SecretStr("phx_key"), **settings})
