"""What a statement of SQL counts as."""

import ast
from pathlib import Path

import pytest

from generation_service.telemetry.statements import operation_of

PACKAGE = Path(__file__).parents[2] / "generation_service" / "db"
EXAMPLES = [
    ("SELECT 1", "read"),
    ("\n  select * FROM batch_jobs WHERE id = 1 FOR NO KEY UPDATE", "read"),
    ("WITH a AS (SELECT 1) SELECT * FROM a FOR UPDATE SKIP LOCKED", "read"),
    ("INSERT INTO batch_jobs (id) VALUES (1)", "create"),
    ("INSERT INTO settings AS s (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", "create"),
    ("WITH moved AS (UPDATE batch_lots l SET status = 'x') INSERT INTO descriptions", "create"),
    ("COPY batch_lots (job_id) FROM STDIN", "create"),
    ("UPDATE batch_jobs SET status = 'x'", "update"),
    ("UPDATE batch_jobs j SET status = 'x'", "update"),
    ("UPDATE batch_jobs AS j\n SET status = 'x'", "update"),
    ("WITH a AS (SELECT 1) UPDATE x SET y = 1", "update"),
    ("WITH gone AS (DELETE FROM x RETURNING y) SELECT y FROM gone", "update"),
    ("SET LOCAL statement_timeout = 0", None),
    ("SELECT * FROM copy_of_update", "read"),
]


@pytest.mark.parametrize(("statement", "operation"), EXAMPLES)
def test_a_statement_counts_once_as_the_most_it_does(statement, operation):
    assert operation_of(statement) == operation


def statements():
    """Every text of SQL in the package that changes something, by its first word."""
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                first = node.value.strip().partition(" ")[0]
                if first in {"INSERT", "UPDATE", "DELETE", "SELECT"} and " " in node.value.strip():
                    yield first, node.value


def test_no_statement_of_ours_is_mistaken():
    expected = {"INSERT": "create", "UPDATE": "update", "DELETE": "update", "SELECT": "read"}
    wrong = [
        statement for first, statement in statements() if operation_of(statement) != expected[first]
    ]
    assert wrong == []
