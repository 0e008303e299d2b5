"""Prints how to re-run each failed test of a ctest --output-junit file, then `N passed, N failed, N skipped`."""

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


def main(results: str, preset: str) -> int:
    try:
        cases = ET.parse(results).getroot().findall("testcase")
    except (OSError, ET.ParseError) as error:
        print(f"scripts/test: no test results: {error}", file=sys.stderr)
        return 1
    skipped = [case for case in cases if is_skipped(case)]
    failed = [case for case in cases if case not in skipped and case.get("status") != "run"]
    for case in failed:
        print(f"FAILED {case.get('name')}\n  again: {rerun_command(case.get('name'), preset)}")
    print(f"{len(cases) - len(failed) - len(skipped)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
