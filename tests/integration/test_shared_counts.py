"""The counts of several processes in one folder: their sum, and what is left of the dead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BEGIN = "from generation_service.telemetry import shared_counts; shared_counts.begin()\n"
COUNTING = """
import os, sys
from generation_service.core.status import JobStatus
from generation_service.telemetry import families, metrics

def forked(work, code=0):
    child = os.fork()
    if not child:
        work()
        sys.stdout.flush()
        os._exit(code)
    os.waitpid(child, 0)
    return child

def count(times):
    for _ in range(times):
        metrics.job_became(JobStatus.COMPLETED, 5.0)

def told():
    from generation_service.telemetry.exposition import exposition
    for line in exposition("1", []).decode().splitlines():
        if line.startswith(("batch_jobs_total{status=\\"completed", "sync_slots_in_use ")):
            print(line.split()[-1], end=" ")
    print(flush=True)

def files():
    print(len(list(shared_counts.folder().glob("*.db"))), flush=True)
"""


def ran(script, begin=BEGIN, **environ):
    done = subprocess.run(
        [sys.executable, "-c", begin + COUNTING + script],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_counts_of_all_processes_are_added_up(tmp_path):
    script = "count(2); forked(lambda: count(3)); forked(lambda: count(4)); told()"
    assert ran(script, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) == ["9.0 0.0 "]


def test_every_process_tells_the_same(tmp_path):
    script = "count(2); forked(lambda: (count(3), told())); told()"
    told = ran(script, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert told == ["5.0 0.0 "] * 2


def test_what_the_dead_have_counted_stays_and_their_files_go(tmp_path):
    script = """
def die_at_work():
    count(3)
    metrics.slot_taken().__enter__()
    os.kill(os.getpid(), 9)

count(1)
files()
for _ in range(5):
    shared_counts.bury(forked(die_at_work))
told()
files()
"""
    before, told, after = ran(script, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert told == "16.0 0.0 "
    assert int(after) == int(before) + 2  # the counters and the histograms of all who are gone


def test_a_service_begins_at_zero(tmp_path):
    for _ in range(2):
        told = ran("count(2); told()", PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
        assert told == ["2.0 0.0 "]


def test_a_folder_that_is_named_keeps_what_else_is_in_it(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    ran("count(1); shared_counts.end()", PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert (tmp_path / "notes.txt").read_text() == "mine"


FOLDER = "print(shared_counts.folder(), flush=True)\n"


def test_a_folder_of_its_own_is_gone_when_it_ends():
    [folder] = ran(FOLDER + "count(1); shared_counts.end()", PROMETHEUS_MULTIPROC_DIR="")
    assert not Path(folder).exists()


def test_what_a_killed_service_has_left_is_removed_by_the_next():
    [left] = ran(FOLDER + "count(1)", PROMETHEUS_MULTIPROC_DIR="")
    assert Path(left).exists()
    ran("shared_counts.end()", PROMETHEUS_MULTIPROC_DIR="")
    assert not Path(left).exists()


def test_the_folder_of_a_service_that_runs_is_left_alone():
    script = f"""
import subprocess, sys
print(shared_counts.folder(), flush=True)
begin = {BEGIN!r} + "shared_counts.end()"
subprocess.run([sys.executable, "-c", begin], env={{**os.environ, "PROMETHEUS_MULTIPROC_DIR": ""}})
print(shared_counts.folder().exists())
shared_counts.end()
"""
    assert ran(script, PROMETHEUS_MULTIPROC_DIR="")[-1] == "True"


def test_a_successor_makes_a_folder_of_its_own():
    """Gunicorn's new master, after USR2, inherits the old one's environment."""
    script = f"""
import subprocess, sys
begin = {BEGIN!r} + "print(shared_counts.folder()); shared_counts.end()"
print(shared_counts.folder(), flush=True)
subprocess.run([sys.executable, "-c", begin])
print(shared_counts.folder().exists())
shared_counts.end()
"""
    mine, other, exists = ran(script, PROMETHEUS_MULTIPROC_DIR="")
    assert (mine != other, exists) == (True, "True")


def test_it_must_begin_before_the_metrics_are_there():
    with pytest.raises(AssertionError, match="imported before"):
        ran("", begin="import prometheus_client\n" + BEGIN)
