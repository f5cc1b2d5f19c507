"""Prometheus' own checker, which is asked too where it is installed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

Check = Callable[..., list[str]]


def also(ours: Check, theirs: Check) -> list[Check]:
    """The checks to make: ours always, promtool's if there is one."""
    return [ours, theirs] if shutil.which("promtool") else [ours]


def faults_of_metrics(text: str) -> list[str]:
    return _faults(["check", "metrics"], text)


def faults_of_rules(path: Path) -> list[str]:
    return _faults(["check", "rules", str(path)])


def _faults(arguments: list[str], text: str = "") -> list[str]:
    done = subprocess.run(
        ["promtool", *arguments], input=text, capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr).splitlines() if done.returncode else []
