"""What other programs install this by: the registry's entry, the bundle's manifest, the plugin and its marketplaces.

All of it repeats what pyproject.toml, SKILL.md, REFERENCE.md and the server say first, so it is written from them.
"""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from account_health.config import DEMO, VARIABLE
from account_health.connectors.registry import available
from account_health.server import create_server
from account_health.server.tools import tools
from account_health.starter import starter

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NAME, TITLE, VERSION = PROJECT["name"], "Account health", PROJECT["version"]
REGISTERED = f"io.github.{NAME}/{NAME}"
AUTHOR = {"name": PROJECT["authors"][0]["name"]}
PLUGIN = Path("plugins") / NAME
KEYWORDS = PROJECT["keywords"]
DESCRIPTION = PROJECT["description"]
ABOUT_CONFIG = "The file account-health.toml that names your sources; `account-health init` writes one."
ABOUT_SECRETS = (
    'Name its secrets as files, { file = "PATH" }: a desktop program does not see the variables of your shell.'
)
ABOUT_DEMO = "Fictional accounts instead of your own, to try it; every answer says so."
WHY = "How healthy is this account, why, and how sure are we?"


def installables(reference: str) -> dict[Path, str]:
    """Every file of this kind, as it should be, with REFERENCE.md as it should be."""
    documents = {
        Path("server.json"): server(),
        Path("mcpb/manifest.json"): bundle(),
        Path(".claude-plugin/marketplace.json"): claude_marketplace(),
        Path(".cursor-plugin/marketplace.json"): cursor_marketplace(),
        Path(".agents/plugins/marketplace.json"): codex_marketplace(),
        PLUGIN / ".claude-plugin" / "plugin.json": described(),
        PLUGIN / ".cursor-plugin" / "plugin.json": cursor_plugin(),
        PLUGIN / ".codex-plugin" / "plugin.json": codex_plugin(),
        PLUGIN / ".mcp.json": {"mcpServers": {NAME: {"command": NAME, "args": ["serve"]}}},
    }
    skill = PLUGIN / "skills" / NAME
    texts = {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in documents.items()}
    texts[skill / "SKILL.md"] = (ROOT / "SKILL.md").read_text("utf-8")
    texts[skill / "references" / "REFERENCE.md"] = reference
    return {ROOT / path: text for path, text in texts.items()}


def server() -> dict[str, Any]:
    """The entry of the MCP registry."""
    variables = [
        {"name": VARIABLE, "description": ABOUT_CONFIG, "format": "filepath"},
        *(
            {"name": name, "description": f"Where account-health.toml names it: {of}", "isSecret": True}
            for name, of in secrets().items()
        ),
    ]
    package = {
        "registryType": "pypi",
        "identifier": NAME,
        "version": VERSION,
        "runtimeHint": "uvx",
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": "serve"}],
        "environmentVariables": variables,
    }
    return {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": REGISTERED,
        "title": TITLE,
        "description": DESCRIPTION,
        "version": VERSION,
        "packages": [package],
    }


def secrets() -> dict[str, str]:
    """The variables that a configuration written by `init` takes secrets from, and which setting each one is."""
    live = [kind for kind in available() if kind not in {"demo", "files"}]
    found: dict[str, list[str]] = {}
    place = ""
    for line in starter(live).splitlines():
        if table := re.match(r"(?:# )?\[([\w.]+)\]", line):
            place = table[1]
        elif setting := re.match(r'(?:# )?(\w+) = \{ env = "([A-Z_]+)" \}', line):
            found.setdefault(setting[2], []).append(f"{setting[1]} of [{place}]")
    return {name: ", ".join(settings) for name, settings in found.items()}


def bundle() -> dict[str, Any]:
    """The manifest of the MCP bundle."""
    return {
        "manifest_version": "0.4",
        "name": NAME,
        "display_name": TITLE,
        "version": VERSION,
        "description": DESCRIPTION,
        "author": AUTHOR,
        "license": PROJECT["license"],
        "keywords": KEYWORDS,
        "server": {
            "type": "uv",
            "entry_point": "server.py",
            "mcp_config": {
                "command": "uv",
                "args": [
                    *("run", "--directory", "${__dirname}", "server.py"),
                    *("${user_config.demo}", "${user_config.configuration}"),
                ],
            },
        },
        "user_config": {
            "configuration": {
                "type": "file",
                "title": "Configuration",
                "description": f"{ABOUT_CONFIG} {ABOUT_SECRETS}",
                "required": False,
            },
            "demo": {
                "type": "boolean",
                "title": "Demo accounts",
                "description": ABOUT_DEMO,
                "required": False,
                "default": False,
            },
        },
        "tools": [{"name": tool.name, "description": first_line(tool.description)} for tool in tools()],
        "tools_generated": True,
        "prompts_generated": bool(anyio.run(prompts)),
        "compatibility": {
            "platforms": ["darwin", "linux", "win32"],
            "runtimes": {"python": PROJECT["requires-python"]},
        },
    }


async def prompts() -> list[Any]:
    """The prompts of the server; a bundle says that there are some, since their texts depend on what is asked."""
    return list(await create_server(lambda: DEMO, lambda: datetime.max.replace(tzinfo=UTC)).list_prompts())


def first_line(description: str) -> str:
    """The first line of a description, which says it all for a list."""
    return description.splitlines()[0]


def described() -> dict[str, Any]:
    """What every plugin says of itself."""
    return {
        "name": NAME,
        "version": VERSION,
        "description": DESCRIPTION,
        "author": AUTHOR,
        "license": PROJECT["license"],
        "keywords": KEYWORDS,
    }


def cursor_plugin() -> dict[str, Any]:
    """The same for Cursor, which is told where the parts are."""
    return {**described(), "displayName": TITLE, "skills": "./skills/", "mcpServers": "./.mcp.json"}


def codex_plugin() -> dict[str, Any]:
    """The same for Codex, which is told where the parts are and how to show it."""
    return {
        **described(),
        "skills": "./skills/",
        "mcpServers": "./.mcp.json",
        "interface": {
            "displayName": TITLE,
            "shortDescription": "Customer health, explained",
            "longDescription": DESCRIPTION,
            "developerName": AUTHOR["name"],
            "category": "Productivity",
            "capabilities": ["Read"],
            "defaultPrompt": ["Who needs attention, and why?", "How healthy is this customer?"],
        },
    }


def claude_marketplace() -> dict[str, Any]:
    """Where Claude Code finds the plugin."""
    entry = {"name": NAME, "source": f"./{PLUGIN.as_posix()}", "description": DESCRIPTION, "category": "productivity"}
    return {"name": NAME, "description": WHY, "owner": AUTHOR, "plugins": [entry]}


def cursor_marketplace() -> dict[str, Any]:
    """Where Cursor finds the plugin."""
    entry = {"name": NAME, "source": f"./{PLUGIN.as_posix()}", "description": DESCRIPTION}
    return {"name": NAME, "owner": AUTHOR, "metadata": {"description": WHY}, "plugins": [entry]}


def codex_marketplace() -> dict[str, Any]:
    """Where Codex finds the plugin."""
    entry = {
        "name": NAME,
        "source": {"source": "local", "path": f"./{PLUGIN.as_posix()}"},
        "policy": {"installation": "AVAILABLE", "authentication": "ON_INSTALL"},
        "category": "Productivity",
    }
    return {"name": NAME, "interface": {"displayName": TITLE}, "plugins": [entry]}
