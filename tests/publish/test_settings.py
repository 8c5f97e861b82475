"""Settings of publishing: where they stand, which secrets they take, and what is said when something is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from account_health.config import load_config
from account_health.connectors.http import Connection
from account_health.crosswalk import read_crosswalk
from account_health.errors import ConfigurationError
from account_health.overview import Overview
from account_health.publish.intacct_csv import Wanted, export_customers
from account_health.publish.settings import CSV_SECTION, IntacctCsvSettings, section
from account_health.publish.target import mark_of
from account_health.publish.target_settings import SECTION, IntacctSettings
from doors import configured, workspace_over

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNTS = "account_id,name\nbirch,Birch\n"
WHOLE = """
[publish.intacct]
client_id = "app"
client_secret = { env = "INTACCT_SECRET" }
username = "writer@acme|100"
entity = "100"
"""


def configuration(folder: Path, toml: str) -> Path:
    return configured(folder, toml, account=ACCOUNTS)


def test_a_section_is_read_with_its_secret_from_the_environment(tmp_path: Path) -> None:
    config = load_config(configuration(tmp_path, WHOLE), {"INTACCT_SECRET": "s3cr3t"})
    found = section(config, SECTION, IntacctSettings)
    assert found
    assert found.client_secret.get_secret_value() == "s3cr3t"
    assert "s3cr3t" not in repr(found)
    assert found.company == "https://api.intacct.com/ia/api/v1 acme|100 100"
    assert section(config, CSV_SECTION, IntacctCsvSettings) is None


def test_a_missing_secret_stops_publishing_and_nothing_else(tmp_path: Path) -> None:
    path = configuration(tmp_path, WHOLE)
    with pytest.raises(ConfigurationError, match="The environment variable INTACCT_SECRET is not set"):
        section(load_config(path, {}), SECTION, IntacctSettings)
    workspace = workspace_over(path)
    assert workspace.config.publish


def test_a_secret_in_the_text_of_the_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    text = WHOLE.replace('{ env = "INTACCT_SECRET" }', '"s3cr3t"')
    with pytest.raises(ConfigurationError) as caught:
        section(load_config(configuration(tmp_path, text)), SECTION, IntacctSettings)
    assert "publish.intacct.client_secret: a secret never stands in this file" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_a_place_that_nobody_can_write_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"publish.*intacct"):
        load_config(configuration(tmp_path, "[publish.hubspot]\nx = 1\n"))


def test_an_unknown_language_and_a_wrong_field_name_are_named(tmp_path: Path) -> None:
    text = f'{WHOLE}language = "xx"\nhealth_score_field = "not a name"\n'
    with pytest.raises(ConfigurationError) as caught:
        section(load_config(configuration(tmp_path, text), {"INTACCT_SECRET": "s"}), SECTION, IntacctSettings)
    assert "publish.intacct.language" in str(caught.value)
    assert "publish.intacct.health_score_field" in str(caught.value)


def test_what_connectors_are_given_cannot_write() -> None:
    assert [name for name in dir(Connection) if name in {"patch", "put", "delete", "write"}] == []


def test_the_key_of_a_change_tells_every_part_apart_and_is_the_same_for_the_same() -> None:
    assert mark_of("acme", "1", {"a": 1, "b": 2}) == mark_of("acme", "1", {"b": 2, "a": 1})
    others = [mark_of("acme", "1", {}), mark_of("acme", "2", {}), mark_of("bcme", "1", {}), mark_of("acme", "1")]
    assert len(set(others)) == 4


ACME_IN_INTACCT = "source,record_id,account_id\nintacct,C-1,birch\n"
BY_CROSSWALK = '[publish.intacct_csv]\ncustomer_key = "crosswalk"\n'


def test_the_crosswalk_may_name_customers_of_a_company_that_is_only_written_to(tmp_path: Path) -> None:
    (tmp_path / "crosswalk.csv").write_text(ACME_IN_INTACCT, "utf-8")
    path = configuration(tmp_path, f'crosswalk = "crosswalk.csv"\n{BY_CROSSWALK}')
    assert read_crosswalk(load_config(path))["intacct"] == {"C-1": "birch"}


@pytest.mark.anyio
async def test_a_crosswalk_that_names_no_customers_is_told_at_once(tmp_path: Path) -> None:
    overview = Overview(workspace_over(configuration(tmp_path, BY_CROSSWALK)))
    with pytest.raises(ConfigurationError, match="The crosswalk says of no record of `intacct` whose it is"):
        await export_customers(overview, Wanted())


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ('score_header = "customer_id"', "score_header: another column has this header"),
        ('customer_header = "CHURN_RISK"', "churn_header: another column has this header"),
        ('true_word = "X"\nfalse_word = "x"', "false_word: true and false have the same word"),
    ],
)
def test_columns_and_words_that_could_not_be_told_apart_are_refused(tmp_path: Path, settings: str, where: str) -> None:
    config = load_config(configuration(tmp_path, f"[publish.intacct_csv]\n{settings}\n"))
    with pytest.raises(ConfigurationError, match=f"publish.intacct_csv.{where}"):
        section(config, CSV_SECTION, IntacctCsvSettings)
