"""Publications on record: counted once, found by account, and no part of what people say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from account_health.history.records import Kind
from history.readings import activity

if TYPE_CHECKING:
    from account_health.history.records import Activity
    from account_health.history.store import Store


def publication(account: str = "acme") -> Activity:
    return replace(activity(), account=account, kind=Kind.PUBLISHED, subject="intacct", after='{"score": 62}')


def test_a_publication_counts_once_however_often_it_is_repeated(store: Store) -> None:
    first = store.say(publication(), 0)
    assert first is not None
    assert [store.say(publication(), 0) for _ in range(5)] == [None] * 5
    assert store.say(publication(), first) is not None
    assert [found.kind for found in store.activities(kind="published")] == [Kind.PUBLISHED] * 2


def test_the_last_publication_of_every_account_is_known(store: Store) -> None:
    assert store.last_published() == {}
    numbers = [store.say(publication(name)) for name in ("acme", "birch", "acme")]
    assert store.last_published() == {"acme": numbers[2], "birch": numbers[1]}


def test_what_people_say_and_what_is_published_do_not_stand_in_each_others_way(store: Store) -> None:
    said = store.say(activity(), 0)
    assert said is not None
    assert store.say(publication(), 0) is not None
    assert store.last_said("acme") == said
    assert store.say(activity(), said) is not None
    assert [found.kind for found in store.said_by_people()] == [Kind.STATUS] * 2
