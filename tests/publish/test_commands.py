"""The commands `export --to intacct-csv` and `publish`, as a person types them."""

from __future__ import annotations

import json
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from account_health.cli import app
from account_health.publish import plan as planning
from doors import DAY, configured
from intacct_company import Company

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2
    from typer.testing import Result

ACCOUNTS = "account_id,name,customer_since\nbirch,Birch,2020-01-01\n"
METRICS = "account_id,metric,value,as_of\n" + "".join(
    f"birch,{metric},{value},{DAY}\n"
    for metric, value in [
        ("seat_utilisation_pct", 80),
        ("days_since_last_activity", 1),
        ("features_adopted", 6),
        ("nps_latest", 10),
        ("csat_90d", 95),
    ]
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch) -> Company:
    company = Company()
    company.add_customer("birch")
    monkeypatch.setattr(planning, "target_of", partial(planning.target_of, transport=company))
    monkeypatch.setenv("INTACCT_SECRET", company.client_secret)
    return company


@pytest.fixture
def config(tmp_path: Path, company: Company) -> Path:
    toml = f"""as_of = "{DAY}"
[history]
path = "history.sqlite"
[publish.intacct]
base_url = "{company.base_url}"
client_id = "{company.client_id}"
client_secret = {{ env = "INTACCT_SECRET" }}
username = "{company.username}"
"""
    return configured(tmp_path, toml, account=ACCOUNTS, metric_value=METRICS)


def test_a_dry_run_prints_a_table_and_says_how_to_write(config: Path, company: Company) -> None:
    done = run("publish", "--to", "intacct", "--all", "--config", config)
    assert done.exit_code == 0, done.output
    assert "| Birch | `birch` | - → 100 | Healthy | no | would be written |" in done.stdout
    assert "Nothing was written. The same command with `--apply` writes it." in done.stdout
    assert company.patches == []


def test_applying_writes_and_shows_in_the_changes(config: Path, company: Company) -> None:
    done = run("publish", "--account", "birch", "--apply", "--author", "Mara", "--format", "json", "--config", config)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["counts"]["written"] == len(company.patches) == 1
    changes = run("changes", "--kind", "published", "--config", config)
    assert "Birch (`birch`): written to Sage Intacct by Mara: 100 / Healthy / not at risk of churn" in changes.stdout


def test_a_record_that_fails_ends_the_command_with_the_exit_code_of_a_source(config: Path, company: Company) -> None:
    company.fail("birch")
    done = run("publish", "--all", "--apply", "--config", config)
    assert done.exit_code == 5
    assert "- Birch: Sage Intacct did not accept these values for this customer." in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--all", "--account", "birch"]])
def test_one_account_or_all_has_to_be_said(config: Path, company: Company, arguments: list[str]) -> None:
    done = run("publish", *arguments, "--config", config)
    assert (done.exit_code, company.requests) == (4, [])
    assert "Name one account, or say --all." in done.stderr


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Whoever runs the tests in the background may have them ignore interruptions."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_says_that_nothing_is_lost(config: Path, company: Company) -> None:
    answer = company.handle_async_request

    async def interrupted(request: httpx2.Request) -> httpx2.Response:
        if request.method == "PATCH":
            signal.raise_signal(signal.SIGINT)
        return await answer(request)

    company.handle_async_request = interrupted  # type: ignore[method-assign] # this one company
    done = run("publish", "--all", "--apply", "--config", config)
    assert done.exit_code == 130
    assert "Interrupted. What was written is on record; the same command goes on from there." in done.stderr
    assert "Birch (`birch`): written" in run("changes", "--kind", "published", "--config", config).stdout


def test_scores_of_another_day_are_shown_and_never_written(config: Path, company: Company) -> None:
    shown = run("publish", "--all", "--as-of", DAY, "--config", config)
    assert shown.exit_code == 0, shown.output
    asked = len(company.requests)
    done = run("publish", "--all", "--as-of", DAY, "--apply", "--config", config)
    assert (done.exit_code, len(company.requests)) == (4, asked)
    assert "Scores of another day are not written: they could replace newer ones." in done.stderr


def test_fictional_scores_are_never_written(config: Path, company: Company) -> None:
    company.add_customer("northwind")
    config.write_text(config.read_text("utf-8") + '[sources.try]\nconnector = "demo"\n', "utf-8")
    done = run("publish", "--all", "--apply", "--config", config)
    assert (done.exit_code, company.requests) == (3, [])
    assert "The demo accounts are fictional and are not written to Sage Intacct." in done.stderr


def test_without_the_section_the_command_says_what_to_add(tmp_path: Path) -> None:
    done = run("publish", "--all", "--config", configured(tmp_path, account=ACCOUNTS))
    assert done.exit_code == 3
    assert "Add the section [publish.intacct]" in done.stderr


def test_the_report_is_said_in_the_language_that_is_asked_for(config: Path, company: Company) -> None:
    english = run("publish", "--all", "--config", config).stdout
    french = run("publish", "--all", "--config", config, "--language", "fr").stdout
    assert english != french
    assert "| Birch | `birch` | - → 100 | Sain |" in french
    assert company.patches == []


def test_the_file_is_written_where_it_is_asked_for_and_words_about_it_go_to_stderr(
    config: Path, tmp_path: Path
) -> None:
    path = tmp_path / "customers.csv"
    done = run("export", "--to", "intacct-csv", "--output", path, "--config", config)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "1 customer in the file.\n"
    assert path.read_text("utf-8") == "CUSTOMER_ID,HEALTH_SCORE,HEALTH_STATUS,CHURN_RISK\nbirch,100,Healthy,FALSE\n"
    again = run("export", "--to", "intacct-csv", "--diff", path, "--config", config)
    assert again.stdout == "CUSTOMER_ID,HEALTH_SCORE,HEALTH_STATUS,CHURN_RISK\n"
    assert again.stderr == "0 added, 0 changed, 1 unchanged, 0 not scored.\n"


def test_a_french_file_is_asked_for_by_its_language(config: Path) -> None:
    done = run("export", "--to", "intacct-csv", "--language", "fr", "--config", config)
    assert done.stdout.splitlines()[1] == "birch,100,Sain,Faux"


def test_what_has_not_changed_is_left_out_of_that_file_alone(config: Path, tmp_path: Path) -> None:
    for option in (["--since", DAY], ["--diff", config]):
        done = run("export", "--to", "csv", *option, "--config", config)
        assert (done.exit_code, done.stdout) == (4, "")
        assert "Only --to intacct-csv" in done.stderr
    missing = run("export", "--to", "intacct-csv", "--diff", tmp_path / "none.csv", "--config", config)
    assert missing.exit_code == 4
    assert "cannot be read" in missing.stderr
