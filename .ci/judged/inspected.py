"""Calls through the Inspector's command line: `inspected.py NODE LAUNCHER REPORT URL COMMAND...`.

Over both transports and in both eras it lists the tools, whose schemas any client must understand, and calls each one
with the example of its own description, so every example is tried as it is written. One wrong argument must end in the
Inspector's code for a tool's error. The files of the skill must be those that its digests name.
"""

from __future__ import annotations

import ast
import json
import sys
from typing import Any

import anyio

ERAS = ("legacy", "modern")
KNOWS_SKILLS = "modern"
AT_ONCE = 2
TOOL_ERROR = 5
WRONG = ("score_account", {"account": 5})


def example(description: str) -> dict[str, Any] | None:
    """The arguments of the call that a description ends with; None if there is no such call."""
    try:
        parsed = ast.parse(description.rpartition("Example: ")[2].strip().rstrip("."), mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(parsed, ast.Call):
        return None
    return {word.arg: ast.literal_eval(word.value) for word in parsed.keywords if word.arg}


class Inspector:
    """The Inspector, the calls it made and what they found."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        self.checked = 0
        self.findings: list[str] = []

    async def asked(self, where: tuple[str, ...], era: str, *arguments: str, code: int = 0) -> str:
        """What the Inspector printed; a finding if its exit code is another one."""
        method = ["--protocol-era", era, "--format", "json", "--quiet", *arguments]
        target = ["--transport", "http", "--server-url", *where] if len(where) == 1 else []
        tail = [] if target else where
        async with self._limiter:
            done = await anyio.run_process([*self._command, *target, *method, *tail], check=False)
        self.checked += 1
        door = f"{'http' if target else 'stdio'} {era}"
        print(f"{door} {' '.join(arguments)}: {done.returncode}")
        if done.returncode != code:
            words = (done.stderr or done.stdout).decode(errors="replace").split()
            self.findings.append(f"{door} {' '.join(arguments)}: exit code {done.returncode}: {' '.join(words)}"[:400])
        return done.stdout.decode()

    async def tried(self, where: tuple[str, ...], era: str) -> None:
        """Lists the tools, calls every one, and calls one wrongly; has the skill verified where the era has skills."""
        listed = json.loads(await self.asked(where, era, "--method", "tools/list", "--strict") or "{}")
        tools = listed.get("result", {}).get("tools", [])
        if not tools:
            self.findings.append(f"{where[0]} {era} lists no tools")
        async with anyio.create_task_group() as calls:
            for tool in tools:
                arguments = example(tool["description"])
                if arguments is None:
                    self.findings.append(f"{tool['name']}: its description ends with no example")
                else:
                    calls.start_soon(self._called, where, era, tool["name"], arguments)
            calls.start_soon(self._called, where, era, *WRONG, TOOL_ERROR)
            if era == KNOWS_SKILLS:
                calls.start_soon(self.asked, where, era, "--method", "skills/list", "--verify", "--require-digests")

    async def _called(self, where: tuple[str, ...], era: str, tool: str, given: dict[str, Any], code: int = 0) -> None:
        call = ("--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(given))
        await self.asked(where, era, *call, code=code)


async def main(*arguments: str) -> None:
    """Tries both doors in both eras and writes down what was found."""
    node, launcher, report, url, *command = arguments
    inspector = Inspector(node, launcher, "--cli")
    async with anyio.create_task_group() as doors:
        for where in ((url,), tuple(command)):
            for era in ERAS:
                doors.start_soon(inspector.tried, where, era)
    found = {"checked": inspector.checked, "findings": sorted(inspector.findings)}
    await anyio.Path(report).write_text(json.dumps(found, indent=2), "utf-8")


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
