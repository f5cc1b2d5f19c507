"""What the operator's commands print."""

import pytest

from generation_service.cli.output import count, print_table


def printed(capsys, *rows):
    print_table(("LOT", "REASON"), rows)
    return capsys.readouterr().out


def test_columns_are_as_wide_as_their_widest_cell(capsys):
    assert printed(capsys, ("lot-1", "gone"), ("b", None)) == (
        "LOT    REASON\nlot-1  gone\nb      -\n"
    )


def test_what_strangers_wrote_stays_in_its_line_and_steers_no_terminal(capsys):
    assert printed(capsys, ("a", "x\x1b[2Jy\nz\u202e")) == "LOT  REASON\na    x [2Jy z\n"


def test_a_long_text_is_cut(capsys):
    assert len(printed(capsys, ("a", "x" * 5_000)).splitlines()[1]) == len("a    ") + 200


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 batches"), (1, "1 batch"), (1_234, "1,234 batches")]
)
def test_numbers_have_their_nouns(number, words):
    assert count(number, "batch") == words
