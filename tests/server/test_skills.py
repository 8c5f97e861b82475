"""The skill as a client reads it: listed, got, its folders read, and every file what its digest says."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
import strictyaml  # type: ignore[import-untyped] # it has no types
from mcp import Client, MCPError
from mcp.types import PaginatedRequestParams, Request, Result
from pydantic import ConfigDict

from account_health.server.skills import ROOT, SKILL, ByUri, PageByUri, frontmatter
from doors import COMMAND, demo_server, environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601
REPOSITORY = Path(__file__).parents[2]
REFERENCES = f"{ROOT}/references"


class Anything(Result):
    """Whatever is answered."""

    model_config = ConfigDict(extra="allow")


class SkillsList(Request[PaginatedRequestParams, Literal["skills/list"]]):
    """Asks for all skills."""

    method: Literal["skills/list"] = "skills/list"
    params: PaginatedRequestParams = PaginatedRequestParams()


class SkillsGet(Request[ByUri, Literal["skills/get"]]):
    """Asks for one."""

    method: Literal["skills/get"] = "skills/get"


class FolderRead(Request[PageByUri, Literal["resources/directory/read"]]):
    """Asks what lies in a folder."""

    method: Literal["resources/directory/read"] = "resources/directory/read"


async def told(client: Client, request: Request[Any, Any]) -> dict[str, Any]:
    """What is answered, without what the envelope adds."""
    return (await client.session.send_request(request, Anything)).model_extra or {}


@pytest.fixture
async def modern() -> AsyncIterator[Client]:
    """A client of the era in which there are extensions."""
    async with Client(demo_server()) as client:
        yield client


async def test_the_extension_says_that_folders_can_be_read(modern: Client) -> None:
    assert (modern.server_capabilities.extensions or {})["io.modelcontextprotocol/skills"] == {"directoryRead": True}


async def test_the_one_skill_is_listed_as_it_is_got(modern: Client) -> None:
    listed = await told(modern, SkillsList())

    assert [skill["uri"] for skill in listed["skills"]] == [SKILL]
    assert (await told(modern, SkillsGet(params=ByUri(uri=SKILL))))["skill"] == listed["skills"][0]
    assert listed["resultType"] == "complete"
    assert (listed["ttlMs"], listed["cacheScope"]) == (300_000, "public")


async def test_the_frontmatter_is_what_a_yaml_parser_reads(modern: Client) -> None:
    (skill,) = (await told(modern, SkillsList()))["skills"]
    head = (REPOSITORY / "SKILL.md").read_text("utf-8").split("---\n")[1]

    assert skill["frontmatter"] == strictyaml.load(head).data
    assert skill["frontmatter"]["name"] == SKILL.split("/")[-2], "a skill lies in the folder of its name"


def test_a_colon_in_a_field_belongs_to_its_text() -> None:
    assert frontmatter("---\nname: a\ndescription: one: two\n---\nbody\n---\n") == {
        "name": "a",
        "description": "one: two",
    }


async def test_every_file_has_the_size_and_digest_that_the_skill_says(modern: Client) -> None:
    (skill,) = (await told(modern, SkillsList()))["skills"]

    assert [file["uri"] for file in skill["resources"]] == [SKILL, f"{REFERENCES}/REFERENCE.md"]
    for file in skill["resources"]:
        (content,) = (await modern.read_resource(file["uri"])).contents
        raw = str(getattr(content, "text", "")).encode()
        assert (file["size"], file["digest"]) == (len(raw), f"sha256:{sha256(raw).hexdigest()}")


async def test_the_files_are_the_documents_of_the_project(client: Client) -> None:
    for uri in (SKILL, f"{REFERENCES}/REFERENCE.md"):
        (content,) = (await client.read_resource(uri)).contents
        assert getattr(content, "text", "") == (REPOSITORY / uri.rpartition("/")[2]).read_text("utf-8")
        assert content.mime_type == "text/markdown"


async def test_files_are_resources_like_any_other(client: Client) -> None:
    listed = {file.uri: file for file in (await client.list_resources()).resources if file.uri.startswith(ROOT)}
    head = frontmatter((REPOSITORY / "SKILL.md").read_text("utf-8"))

    assert list(listed) == [SKILL, f"{REFERENCES}/REFERENCE.md"]
    assert (listed[SKILL].name, listed[SKILL].description) == (head["name"], head["description"])
    assert {file.mime_type for file in listed.values()} == {"text/markdown"}


async def test_folders_hold_every_file_as_resources_are_listed(modern: Client) -> None:
    listed = {
        file.uri: file.model_dump(mode="json", by_alias=True, exclude_none=True)
        for file in (await modern.list_resources()).resources
    }
    top = await told(modern, FolderRead(params=PageByUri(uri=ROOT)))
    below = await told(modern, FolderRead(params=PageByUri(uri=REFERENCES)))

    assert top["resources"] == [
        listed[SKILL],
        {"uri": REFERENCES, "name": "references", "mimeType": "inode/directory"},
    ]
    assert below["resources"] == [listed[f"{REFERENCES}/REFERENCE.md"]]


@pytest.mark.parametrize("uri", ["skill://account-health", "skill://another/SKILL.md", "health://policy", ""])
async def test_what_is_no_skill_is_refused_with_the_one_there_is(modern: Client, uri: str) -> None:
    with pytest.raises(MCPError, match=SKILL) as refusal:
        await told(modern, SkillsGet(params=ByUri(uri=uri)))
    assert refusal.value.error.code == INVALID_PARAMS
    assert refusal.value.error.data == {"uri": uri}


@pytest.mark.parametrize("uri", [SKILL, "skill://another", "skill://account-health/", "health://policy"])
async def test_what_is_no_folder_is_refused_with_those_there_are(modern: Client, uri: str) -> None:
    with pytest.raises(MCPError, match=REFERENCES) as refusal:
        await told(modern, FolderRead(params=PageByUri(uri=uri)))
    assert refusal.value.error.code == INVALID_PARAMS


async def test_a_cursor_is_refused_because_none_was_given_out(modern: Client) -> None:
    for request in (
        SkillsList(params=PaginatedRequestParams(cursor="2")),
        FolderRead(params=PageByUri(uri=ROOT, cursor="2")),
    ):
        with pytest.raises(MCPError, match="only one page") as refusal:
            await told(modern, request)
        assert refusal.value.error.code == INVALID_PARAMS


async def test_the_older_era_has_the_files_and_not_the_methods() -> None:
    async with Client(demo_server(), mode="legacy") as client:
        assert (await client.read_resource(SKILL)).contents
        with pytest.raises(MCPError) as refusal:
            await told(client, SkillsList())
    assert refusal.value.error.code == METHOD_NOT_FOUND


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "import anyio; from account_health.config import DEMO; from account_health.server import create_server\n"
        "server = create_server(lambda: DEMO, None); anyio.run(server.list_tools)\n"
        "before = [path for path in opened if path.endswith('.md')]; anyio.run(server.list_resources)\n"
        "print(before, [path.rpartition('/')[2] for path in opened if path.endswith('.md')])"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", code], capture_output=True, text=True, check=False, env=environment(tmp_path)
    )
    assert done.stdout == "[] ['SKILL.md']\n", done.stderr
