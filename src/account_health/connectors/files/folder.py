"""Folder: which files there are for which table, and whether they changed since they were read."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from typing import TYPE_CHECKING

from account_health.connectors.files.settings import FORMATS, FilesSettings, TableSettings, label_of
from account_health.errors import SourceError
from account_health.language import say
from account_health.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Folder:
    """The folder of a source; nothing is opened here, only looked at."""

    path: Path
    settings: FilesSettings

    def tables(self) -> dict[str, TableSettings]:
        """The configured tables, or one per file that is named after a table; raises SourceError if there is none."""
        if not self.path.is_dir():
            raise SourceError(
                say("There is no folder {folder}.", folder=repr(self.settings.folder)),
                say("Correct `folder` in the configuration."),
            )
        if self.settings.tables:
            return self.settings.tables
        tables: dict[str, TableSettings] = {}
        for table, name in self._names():
            if not (self.path / name).is_file():
                continue
            if table in tables:
                raise SourceError(
                    say(
                        "{file} and {other} both hold the table {table}.",
                        file=tables[table].file,
                        other=name,
                        table=table,
                    ),
                    say("Remove one, or say under `tables` which to read."),
                )
            tables[table] = TableSettings(file=name)
        if not tables:
            raise SourceError(
                say(
                    "The folder {folder} holds no file named after a table, such as account.csv.",
                    folder=repr(self.settings.folder),
                ),
                say("Rename the files, or map them under `tables` in the configuration."),
            )
        return tables

    def found_label(self) -> str | None:
        """How to name files that only the folder knows, e.g. `CSV files`; None when the settings say enough."""
        if self.settings.label or self.settings.tables:
            return None
        return label_of([table.file or "" for table in self.tables().values()])

    def ignored(self) -> list[str]:
        """Names in a folder read without a mapping that look like data but are not named after a table."""
        if self.settings.tables:
            return []
        read = {name for _, name in self._names() if (self.path / name).is_file()}
        return sorted(path.name for path in self.path.iterdir() if path.suffix in FORMATS and path.name not in read)

    def paths(self, pattern: str) -> list[Path]:
        """The files a name or glob stands for; raises SourceError when there is none."""
        found = self._found(pattern)
        if not found:
            raise SourceError(
                say(
                    "There is no file {file} in the folder {folder}.",
                    file=repr(pattern),
                    folder=repr(self.settings.folder),
                ),
                say("Correct `file` or `folder`."),
            )
        return found

    def fingerprint(self) -> Hashable:
        """Path, time and size of every file that is read or waited for."""
        patterns = [name for _, name in self._names()]
        if self.settings.tables:
            patterns = [pattern for table in self.settings.tables.values() for pattern in table.patterns]
        paths = {path for pattern in patterns for path in self._found(pattern)}
        return tuple((str(path), *_version(path)) for path in sorted(paths))

    def _found(self, pattern: str) -> list[Path]:
        if (self.path / pattern).is_file():
            return [self.path / pattern]
        names = sorted(glob.glob(pattern, root_dir=self.path))  # noqa: PTH207 - Path.glob refuses absolute patterns
        return [self.path / name for name in names if (self.path / name).is_file()]

    @staticmethod
    def _names() -> Iterator[tuple[str, str]]:
        return ((table, table + ending) for table in TABLES for ending in FORMATS)


def _version(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size)
