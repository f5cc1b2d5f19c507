import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import NullPool, create_engine, text

from generation_service.db.embedded import MAX_LOG_BYTES, acquire
from generation_service.db.embedded_files import EmbeddedPostgresError, Place, find_binaries
from generation_service.db.embedded_guard import is_locked
from tests.waiting import until

# Acquires from so many threads at once, then again for every line it is sent.
USER_PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from generation_service.db.embedded import acquire
folder, threads = Path(sys.argv[1]), int(sys.argv[2])
with ThreadPoolExecutor(threads) as pool:
    (url,) = set(pool.map(acquire, [folder] * threads))
print(url, flush=True)
for _ in sys.stdin:
    print(acquire(folder), flush=True)
"""


class User:
    """Another process that uses the embedded PostgreSQL until it leaves or is killed."""

    def __init__(self, data_dir: Path, threads: int = 1) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER_PROGRAM, str(data_dir), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def url(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def acquire_again(self) -> str:
        assert self.process.stdin
        print(file=self.process.stdin, flush=True)
        return self.url()

    def leave(self) -> None:
        self.process.communicate(timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.leave()


Start = Callable[..., User]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as users:

        def start_user(data_dir: Path, threads: int = 1) -> User:
            user = User(data_dir, threads)
            users.callback(user.leave)
            return user

        yield start_user


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def query(url: str, statement: str) -> object:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def wait_until_stopped(data_dir: Path) -> None:
    server_lock = Place(data_dir).lock("server")
    until(lambda: not is_locked(server_lock), what="PostgreSQL has stopped")


def starts(data_dir: Path) -> int:
    return (data_dir / "postgres.log").read_text().count("starting PostgreSQL")


def test_the_database_is_utf8_safe_on_disk_and_has_no_tcp_port(start, data_dir):
    url = start(data_dir).url()
    names = ("server_encoding", "fsync", "listen_addresses", "unix_socket_permissions")
    assert [query(url, f"SHOW {name}") for name in names] == ["UTF8", "on", "", "0700"]


def test_postgresql_is_not_run_by_root(start, data_dir):
    start(data_dir).url()
    socket = Place(data_dir).sockets / ".s.PGSQL.5432"
    assert socket.stat().st_uid != 0


def test_processes_and_threads_that_start_at_once_share_one_server(start, tmp_path):
    users = [start(tmp_path, threads=4) for _ in range(4)]
    assert len({user.url() for user in users}) == 1
    assert starts(tmp_path) == 1


def test_postgresql_goes_on_while_one_user_is_left(start, data_dir):
    first, second = start(data_dir), start(data_dir)
    url = first.url()
    second.url()
    began = query(url, "SELECT pg_postmaster_start_time()")
    first.kill()
    assert query(url, "SELECT pg_postmaster_start_time()") == began


@pytest.mark.parametrize("end", [User.leave, User.kill])
def test_postgresql_stops_after_its_last_user(start, data_dir, end):
    user = start(data_dir)
    url = user.url()
    end(user)
    wait_until_stopped(data_dir)
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(host=str(Place(data_dir).sockets), user="postgres")
    assert url == start(data_dir).url()


def test_a_user_who_comes_during_the_stop_finds_postgresql_running(start, data_dir):
    for _ in range(5):
        user = start(data_dir)
        assert query(user.url(), "SELECT 1") == 1
        user.kill()


def test_a_killed_guard_is_replaced_by_the_next_acquire(start, data_dir):
    user = start(data_dir)
    user.url()
    guard_lock = Place(data_dir).lock("guard")
    os.kill(int(guard_lock.read_text()), signal.SIGKILL)
    until(lambda: not is_locked(guard_lock), what="the guard is dead")
    user.acquire_again()
    user.leave()
    wait_until_stopped(data_dir)


def test_committed_rows_outlive_a_killed_postgresql(start, data_dir):
    user = start(data_dir)
    url = user.url()
    query(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    os.kill(postmaster(data_dir), signal.SIGKILL)
    assert query(user.acquire_again(), "SELECT sum(number) FROM kept") == 500_500
    query(url, "DROP TABLE kept")


def test_a_kill_of_everything_at_once_is_recovered_from(start, data_dir):
    user = start(data_dir)
    query(user.url(), "CREATE TABLE kept AS SELECT 1 AS number")
    os.kill(int(Place(data_dir).lock("guard").read_text()), signal.SIGKILL)
    os.kill(postmaster(data_dir), signal.SIGKILL)
    user.kill()
    url = start(data_dir).url()
    assert query(url, "SELECT number FROM kept") == 1
    query(url, "DROP TABLE kept")


def test_a_pid_file_whose_pid_has_a_new_owner_is_stale(start, data_dir):
    user = start(data_dir)
    user.url()
    pid_file = data_dir / "postgres" / "postmaster.pid"
    content = pid_file.read_text()
    user.leave()
    wait_until_stopped(data_dir)
    pid_file.write_text(content.replace(content.split()[0], str(os.getpid()), 1))
    assert query(start(data_dir).url(), "SELECT 1") == 1


def test_an_initdb_that_never_ended_is_done_again(start, tmp_path):
    unfinished = tmp_path / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    assert query(start(tmp_path).url(), "SELECT 1") == 1
    assert not unfinished.exists()


def test_a_user_killed_during_initdb_leaves_nothing_broken(start, tmp_path):
    user = start(tmp_path)
    until((tmp_path / "postgres.unfinished" / "base").exists, what="initdb is at work")
    user.kill()
    assert query(start(tmp_path).url(), "SELECT 1") == 1


@pytest.mark.parametrize("name", ["private", "long" * 30, 'it\'s, @ an "odd" näme 100%'])
def test_data_dir_may_be_private_and_have_any_name(start, tmp_path, name):
    (tmp_path / name).mkdir(mode=0o700)
    assert query(start(tmp_path / name / "data").url(), "SELECT 1") == 1


def test_data_that_was_copied_by_its_user_can_be_used(start, data_dir, tmp_path):
    user = start(data_dir)
    user.url()
    user.leave()
    wait_until_stopped(data_dir)
    shutil.copytree(data_dir, tmp_path / "copy", ignore=shutil.ignore_patterns("*.socket"))
    assert query(start(tmp_path / "copy").url(), "SELECT 1") == 1


def test_a_log_that_has_grown_large_starts_afresh(start, tmp_path):
    with (tmp_path / "postgres.log").open("wb") as log:
        log.truncate(MAX_LOG_BYTES + 1)
    start(tmp_path).url()
    assert (tmp_path / "postgres.log").stat().st_size < MAX_LOG_BYTES


def test_a_socket_folder_that_others_may_enter_is_refused(tmp_path):
    place = Place(tmp_path / ("long" * 30))
    place.sockets.mkdir(mode=0o755)
    with pytest.raises(EmbeddedPostgresError, match="mode 0700"):
        acquire(place.root)
    place.sockets.rmdir()


def test_data_of_an_unknown_version_is_refused(tmp_path):
    (tmp_path / "PG_VERSION").write_text("99\n")
    with pytest.raises(EmbeddedPostgresError, match=r"PostgreSQL 99 .* set DATABASE_URL"):
        find_binaries(tmp_path)


def test_a_failed_start_tells_the_end_of_the_log(start, tmp_path):
    user = start(tmp_path)
    user.url()
    user.leave()
    wait_until_stopped(tmp_path)
    (tmp_path / "postgres" / "postgresql.conf").write_text("nonsense = 1")
    with pytest.raises(EmbeddedPostgresError, match=r'"nonsense".*set DATABASE_URL'):
        acquire(tmp_path)
