"""What README says is so: its commands exist, its recipes give the right signature, links lead."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
VECTOR = json.loads((ROOT / "docs" / "signature-vectors.json").read_text())["lots"][0]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_make_target_in_it_exists():
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", "".join(blocks("bash")), re.MULTILINE))
    assert {"demo", "test", "run", "lint"} <= named <= targets


def test_its_python_recipe_signs_right():
    names: dict[str, Any] = {}
    exec("".join(blocks("python")), names)  # noqa: S102 - the recipe itself is under test
    assert names["sign"](VECTOR["lots"], VECTOR["key"]) == VECTOR["signature"]


def test_its_shell_recipe_signs_right(tmp_path):
    (recipe,) = [block for block in blocks("bash") if block.startswith("jq ")]
    (tmp_path / "lots.json").write_text(json.dumps(VECTOR["lots"]))
    ran = subprocess.run(
        ["bash", "-c", recipe],
        cwd=tmp_path,
        env={"SHARED_KEY": VECTOR["key"], "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == VECTOR["signature"]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)", README))))
def test_its_links_lead_somewhere(link):
    assert (ROOT / link).exists()


def test_its_json_is_json():
    for block in blocks("json"):
        json.loads(block)
