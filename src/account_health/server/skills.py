"""The Skills extension (SEP-2640): the product's own Agent Skill, so that whoever connects can learn how to use it.

One skill, `account-health`, of two files that travel with the package: how to work with the tools, and what they speak
of. Each is a `skill://` resource like any other. Nothing is read or hashed before somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from mcp import MCPError
from mcp.server.extension import Extension, MethodBinding, ResourceBinding
from mcp.server.mcpserver.resources import Resource
from mcp.types import INVALID_PARAMS, Annotations, PaginatedRequestParams, RequestParams
from mcp.types import Resource as Listed

from account_health.language import say, speaking

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

ROOT = "skill://account-health"
"""The skill's folder, whose last part must be the skill's name."""

SKILL = f"{ROOT}/SKILL.md"
"""What the skill goes by."""

_REFERENCES = f"{ROOT}/references"
_FILES = (SKILL, f"{_REFERENCES}/REFERENCE.md")
_FOLDERS = (ROOT, _REFERENCES)
_ABOUT_REFERENCE = "Tables, metrics, states, tools, settings and errors, for the skill that refers to them."
_FOLDER_TYPE = "inode/directory"
_CACHED = {"ttlMs": 300_000, "cacheScope": "public"}
_ERAS = frozenset({"2026-07-28"})


class ByUri(RequestParams):
    """Which skill is asked for."""

    uri: str


class PageByUri(PaginatedRequestParams):
    """Which folder is asked for, and which page of it."""

    uri: str


class SkillFile(Resource):
    """A file of the skill, which is read when it is asked for."""

    async def read(self) -> str:
        """The text of the file."""
        return _text(self.uri)

    def __getattribute__(self, name: str) -> Any:
        # What a skill is described by stands in its own file, which must not be read before resources are listed.
        if name == "description" and self.uri == SKILL:
            return frontmatter(_text(SKILL))["description"]
        return super().__getattribute__(name)

    def listed(self) -> dict[str, Any]:
        """What `resources/list` says of the file."""
        listed = Listed(
            uri=self.uri,
            name=self.name or "",
            title=self.title,
            description=self.description,
            mime_type=self.mime_type,
            annotations=self.annotations,
        )
        return listed.model_dump(mode="json", by_alias=True, exclude_none=True)


class Skills(Extension):
    """Serves the skill; `language` is the code of the language in which refusals are said."""

    identifier = "io.modelcontextprotocol/skills"

    def __init__(self, language: Callable[[], str]) -> None:
        self._language = language
        self._files = [_file(uri) for uri in _FILES]

    def settings(self) -> dict[str, Any]:
        """Says that folders can be read, too."""
        return {"directoryRead": True}

    def resources(self) -> Sequence[ResourceBinding]:
        """Every file of the skill."""
        return [ResourceBinding(file) for file in self._files]

    def methods(self) -> Sequence[MethodBinding]:
        """The three methods of the extension, in the era that knows of extensions."""
        return [
            MethodBinding("skills/list", PaginatedRequestParams, self._list, _ERAS),
            MethodBinding("skills/get", ByUri, self._get, _ERAS),
            MethodBinding("resources/directory/read", PageByUri, self._folder, _ERAS),
        ]

    async def _list(self, _: ServerRequestContext[Any, Any], params: PaginatedRequestParams) -> dict[str, Any]:
        self._only_page(params)
        return {"skills": [_entry()], **_CACHED}

    async def _get(self, _: ServerRequestContext[Any, Any], params: ByUri) -> dict[str, Any]:
        if params.uri != SKILL:
            with speaking(self._language()):
                raise _refused(say("There is no such skill. There is {skill}.", skill=SKILL), params.uri)
        return {"skill": _entry(), **_CACHED}

    async def _folder(self, _: ServerRequestContext[Any, Any], params: PageByUri) -> dict[str, Any]:
        if params.uri not in _FOLDERS:
            with speaking(self._language()):
                known = ", ".join(_FOLDERS)
                raise _refused(say("There is no such folder. There is {folders}.", folders=known), params.uri)
        self._only_page(params)
        files = [file.listed() for file in self._files]
        folders = [{"uri": uri, "name": _name(uri), "mimeType": _FOLDER_TYPE} for uri in _FOLDERS]
        return {"resources": [one for one in [*files, *folders] if _parent(one["uri"]) == params.uri]}

    def _only_page(self, params: PaginatedRequestParams) -> None:
        """Refuses a cursor, because none was ever given out."""
        if params.cursor is not None:
            with speaking(self._language()):
                raise MCPError(INVALID_PARAMS, say("There is only one page; ask without a cursor."))


def frontmatter(skill: str) -> dict[str, str]:
    """The fields at the head of a SKILL.md: ours have one line of plain text each, so no YAML parser is needed."""
    _, head, _ = skill.split("---\n", 2)
    return dict(line.split(": ", 1) for line in head.splitlines())


def _file(uri: str) -> SkillFile:
    is_skill = uri == SKILL
    return SkillFile(
        uri=uri,
        name=_name(ROOT) if is_skill else _name(uri),
        title="Skill of account-health" if is_skill else "Reference of the skill",
        description=None if is_skill else _ABOUT_REFERENCE,
        mime_type="text/markdown",
        annotations=Annotations(audience=["assistant"], priority=0.3),
    )


def _parent(uri: str) -> str:
    return uri.rpartition("/")[0]


def _name(uri: str) -> str:
    return uri.rpartition("/")[2]


@cache
def _text(uri: str) -> str:
    from account_health.reference import packaged

    return packaged(_name(uri))


@cache
def _entry() -> dict[str, Any]:
    """The skill as `skills/list` and `skills/get` tell it: its fields, and each file with what it must hash to."""
    return {
        "uri": SKILL,
        "frontmatter": frontmatter(_text(SKILL)),
        "resources": [
            {"uri": uri, "digest": f"sha256:{sha256(raw).hexdigest()}", "size": len(raw)}
            for uri in _FILES
            for raw in [_text(uri).encode()]
        ],
    }


def _refused(message: str, uri: str) -> MCPError:
    return MCPError(INVALID_PARAMS, message, {"uri": uri})
