"""Prints how to re-run each failed test of a ctest --output-junit file, then `N passed, N failed, N skipped`."""

import os
import re
import sys
import xml.etree.ElementTree as ET


def rerun_command(name: str, preset: str) -> str:
    """The command that runs this test alone; ctest takes a regular expression."""
    pattern = "^" + re.sub(r"([][.*+?^$(){}|\\])", r"\\\1", name) + "$"
    option = "" if preset == "dev" else f" --preset {preset}"
    return f"./scripts/test{option} -R '{pattern}'"


def is_skipped(case: ET.Element) -> bool:
    """Whether the test asked to be skipped; one whose program is missing is marked skipped by ctest too, but has failed."""
    mark = case.find("skipped")
    return case.get("status") == "disabled" or (mark is not None and mark.get("message", "").startswith("SKIP_"))


def cases_of(results: str) -> list[ET.Element]:
    return ET.parse(results).getroot().findall("testcase")


def failed_among(cases: list[ET.Element]) -> list[str]:
    return [case.get("name") for case in cases if not is_skipped(case) and case.get("status") != "run"]


def main(preset: str, results: str, again: str) -> int:
    """`again`: results of a second run of those that failed, if there was one. They failed if they failed twice."""
    try:
        cases = cases_of(results)
        failed = failed_among(cases)
        still = failed_among(cases_of(again)) if os.path.exists(again) else failed
    except (OSError, ET.ParseError) as error:
        print(f"scripts/test: no test results: {error}", file=sys.stderr)
        return 1
    for name in failed:
        kind = "FAILED" if name in still else "UNSTEADY (passed when it was run again)"
        print(f"{kind} {name}\n  again: {rerun_command(name, preset)}")
    skipped = sum(is_skipped(case) for case in cases)
    print(f"{len(cases) - len(still) - skipped} passed, {len(still)} failed, {skipped} skipped")
    return 1 if still or not cases else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
