"""scripts/sbom against what the program's own headers say."""

import json
import os
import pathlib
import re
import subprocess

from rig.gateway import BINARY

_SBOM = pathlib.Path(__file__).parents[2] / "scripts/sbom"


def _output(*words, **env):
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True, env={**os.environ, **env}).stdout


def test_bill_of_materials_names_every_linked_library():
    build = pathlib.Path(BINARY).parents[1]
    bill = json.loads(_output(_SBOM, build, SOURCE_DATE_EPOCH="1700000000"))
    components = {one["name"]: one for one in bill["components"]}
    loaded = re.findall(r"=> (/\S+)", _output("ldd", BINARY))
    assert len(loaded) > 15
    for file in map(pathlib.Path, loaded):
        # By the library's name, as ldconfig knows it: dpkg has either path of a merged /usr.
        [package] = {line.split(": ")[0] for line in _output("dpkg", "-S", f"*/{file.name}").splitlines()
                     if line.split(": ")[1] in (str(file), str(file).removeprefix("/usr"), f"/usr{file}")}
        component = components[package.split(":")[0]]
        assert component["version"] == _output("dpkg-query", "-W", "-f", "${Version}", package)
    assert "nlohmann-json3-dev" in components  # all of it is in headers
    assert "libgtest-dev" not in components
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert set(bill["dependencies"][0]["dependsOn"]) == {one["purl"] for one in bill["components"]}
