"""The recipes of docs/signing.md sign as the test vectors say, in every language."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from generation_service.core.signatures import request_message, sign
from tests.structure.documents import ROOT, recipes

PAGE = ROOT / "docs" / "signing.md"
VECTORS = json.loads((ROOT / "docs" / "signature-vectors.json").read_text())
LOTS = [vector for vector in VECTORS["lots"] if not vector["needs_exact_numbers"]]
TOOLS = {"bash": ("bash", "jq", "openssl"), "javascript": ("node",), "php": ("php",), "python": ()}
# Each reads lines of JSON, [key, lots] or [key, method, target, body], and prints a line for each.
PROGRAMS = {
    ("scheme 1", "python"): "for line in sys.stdin: print(sign_lots(*json.loads(line)))",
    ("scheme 2", "python"): """
for line in sys.stdin:
    key, method, target, body = json.loads(line)
    print(sign_request(key, method, target, body.encode())["X-Signature"])""",
    (
        "scheme 1",
        "javascript",
    ): "for (const [key, lots] of given) console.log(signLots(key, lots));",
    ("scheme 2", "javascript"): """
for (const each of given) console.log(signRequest(...each)["X-Signature"]);""",
    ("scheme 1", "php"): r"""
while ($line = fgets(STDIN)) { echo sign_lots(...json_decode($line)), "\n"; }""",
    ("scheme 2", "php"): r"""
while ($line = fgets(STDIN)) {
    echo substr(sign_request(...json_decode($line)), strlen('X-Signature: ')), "\n";
}""",
    ("scheme 1", "bash"): """
while IFS= read -r line; do
  SHARED_KEY=$(jq -r '.[0]' <<< "$line")
  jq -c '.[1]' <<< "$line" | sign_lots
done""",
    ("scheme 2", "bash"): """
while IFS= read -r line; do
  SHARED_KEY=$(jq -r '.[0]' <<< "$line")
  method=$(jq -r '.[1]' <<< "$line")
  target=$(jq -r '.[2]' <<< "$line")
  jq -j '.[3]' <<< "$line" | sign_request "$method" "$target"
  echo
done | sed 's/^X-Signature: //'""",
}
BEFORE = {
    "python": "import json, sys\n",
    "javascript": 'import { readFileSync } from "node:fs";\n',
    "php": "<?php\n",
    "bash": "set -euo pipefail\n",
}
AFTER = {
    "javascript": 'const given = readFileSync(0, "utf8").trim().split("\\n").map(JSON.parse);\n'
}
ENDINGS = {"python": "py", "javascript": "mjs", "php": "php", "bash": "sh"}
COMMANDS = {"python": sys.executable, "javascript": "node", "php": "php", "bash": "bash"}


def missing(language):
    return [tool for tool in TOOLS[language] if shutil.which(tool) is None]


LANGUAGES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(bool(missing(name)), reason=f"not installed: {missing(name)}"),
    )
    for name in TOOLS
]


def signatures(scheme: str, language: str, folder: Path, given: list[list[object]]) -> list[str]:
    """What the page's recipe makes of each of `given`."""
    recipe = recipes(PAGE, scheme)[language]
    file = folder / f"recipe.{ENDINGS[language]}"
    parts = (BEFORE[language], recipe, AFTER.get(language, ""), PROGRAMS[scheme, language])
    file.write_text("".join(parts), encoding="utf-8")
    ran = subprocess.run(
        [COMMANDS[language], str(file)],
        input="".join(json.dumps(each) + "\n" for each in given),
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.splitlines()


def test_there_is_a_recipe_in_each_language_for_each_scheme():
    assert set(recipes(PAGE, "scheme 1")) == set(recipes(PAGE, "scheme 2")) == set(TOOLS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_scheme_1_signs_lots_as_the_vectors_say(language, tmp_path):
    # A shell's recipe is jq's alone, which leaves DEL as it is: examples/curl.sh mends that.
    vectors = [each for each in LOTS if language != "bash" or "\\u007f" not in each["canonical"]]
    made = signatures(
        "scheme 1", language, tmp_path, [[each["key"], each["lots"]] for each in vectors]
    )
    assert made == [each["signature"] for each in vectors]
    assert len(vectors) >= 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_scheme_2_signs_requests_as_the_service_checks_them(language, tmp_path):
    texts = [each for each in VECTORS["requests"] if "body" in each]
    given = [[each["key"], each["method"], each["target"], each["body"]] for each in texts]
    before = int(time.time())
    made = signatures("scheme 2", language, tmp_path, given)
    assert len(made) == len(given) >= 5
    for header, (key, method, target, body) in zip(made, given, strict=True):
        stamped = re.fullmatch(r"t=([0-9]+),v2=([0-9a-f]{64})", header)
        assert stamped is not None
        assert before <= int(stamped[1]) <= time.time()
        message = request_message(int(stamped[1]), method, target.encode(), body.encode())
        assert stamped[2] == sign(key, message)
