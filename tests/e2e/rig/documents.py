"""The project's pages as somebody reads them who tries what stands there."""

import dataclasses
import pathlib
import re

SOURCE = pathlib.Path(__file__).parents[3]
PAGES = [SOURCE / "README.md", SOURCE / "CONTRIBUTING.md", SOURCE / "SECURITY.md", *sorted((SOURCE / "docs").glob("*.md"))]


@dataclasses.dataclass(frozen=True)
class Block:
    """What stands between two fences; `line` is the first one's."""
    page: pathlib.Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.relative_to(SOURCE)}:{self.line}"

    def commands(self):
        """Pairs of a command and the output that is shown below it."""
        found = []
        for line in self.text.splitlines():
            if self.language == "sh":
                found.append((line, []))
            elif line.startswith("$ "):
                found.append((line[2:], []))
            else:
                assert found, f"{self}: begins with output"
                found[-1][1].append(line)
        return [(re.sub(r"\s+#\s.*$", "", command), shown) for command, shown in found if command.strip()]


def blocks(page: pathlib.Path) -> list[Block]:
    found, begun, language = [], None, ""
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.startswith("```"):
            continue
        if begun is None:
            begun, language = number, line[3:]
        else:
            assert line == "```", f"{page}:{number}: the block of line {begun} does not end"
            found.append(Block(page, begun, language, "\n".join(lines[begun:number - 1]) + "\n"))
            begun = None
    assert begun is None, f"{page}:{begun}: this block does not end"
    return found


def spans(page: pathlib.Path) -> list[tuple[str, str]]:
    """What stands between backquotes in its text, each with its place."""
    inside, found = False, []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            found += [(f"{page.relative_to(SOURCE)}:{number}", span) for span in re.findall(r"`([^`]+)`", line)]
    return found
