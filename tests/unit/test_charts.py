import re
from datetime import UTC, datetime, timedelta

from generation_service.admin.charts import HEIGHT, WIDTH, Chart, Series, levels, steps, sums

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def chart(*values, adds_up=True, unit="count"):
    times = tuple(NOON + place * HOUR for place in range(len(values[0])))
    series = tuple(Series(str(n), tuple(each), 0) for n, each in enumerate(values))
    return Chart(id="c", title="C", unit=unit, adds_up=adds_up, times=times, series=series)


def test_steps_begin_at_whole_multiples_and_end_with_the_one_under_way():
    now = NOON + timedelta(minutes=34)
    assert steps(now, 3 * HOUR, HOUR) == (NOON - 2 * HOUR, NOON - HOUR, NOON)
    assert steps(now, timedelta(days=1), 6 * HOUR)[-1] == NOON
    assert steps(now, timedelta(days=3), timedelta(days=1))[-1] == NOON - 12 * HOUR


def test_what_came_in_a_step_is_added_up_and_a_step_without_anything_is_zero():
    times = steps(NOON, 3 * HOUR, HOUR)
    points = [(times[0], "a", 2), (times[0] + HOUR / 2, "a", 3), (times[2], "a", 1)]
    (series,) = sums(times, {"a": "Apples"}, points)
    assert (series.name, series.values, series.figure) == ("Apples", (5, 0, 1), 6)


def test_levels_are_the_highest_and_a_step_without_a_look_is_a_gap():
    times = steps(NOON, 3 * HOUR, HOUR)
    points = [(times[0], "a", 2), (times[0] + HOUR / 2, "a", 3), (times[1], "b", 7)]
    first, second = levels(times, {"a": "A", "b": "B"}, points)
    assert (first.values, first.figure) == ((3, None, None), 3)
    assert (second.values, second.figure) == ((None, 7, None), 7)


def test_series_without_a_name_are_left_out():
    times = steps(NOON, 2 * HOUR, HOUR)
    assert sums(times, {}, [(times[0], "a", 1)]) == ()
    assert chart([0, 0]).empty


def test_a_table_has_its_newest_row_first_and_writes_its_values():
    rows = chart([1000, None], [2, 3]).newest_first
    assert [at for at, _ in rows] == [NOON + HOUR, NOON]
    assert rows[1][1] == [(1000, "1,000"), (2, "2")]
    assert rows[0][1][0] == (None, "\N{EN DASH}")
    assert chart([1_500_000_000, 0], unit="money").newest_first[1][1] == [(1_500_000_000, "$1.50")]


def corners(line):
    return [tuple(map(float, corner.split(","))) for corner in re.split(" ", line)]


def test_sums_are_drawn_in_steps_over_the_whole_width():
    ((line,),) = chart([0, 10]).lines()
    assert corners(line) == [
        (0, HEIGHT),
        (WIDTH / 2, HEIGHT),
        (WIDTH / 2, HEIGHT / 10),
        (WIDTH, HEIGHT / 10),
    ]


def test_levels_are_drawn_from_point_to_point_with_gaps_left_open():
    (pieces,) = chart([4, 2, None, 4], adds_up=False).lines()
    first, second = map(corners, pieces)
    assert [x for x, _ in first] == [0, 0, round(WIDTH / 3, 1), round(WIDTH / 3, 1)]
    assert second == 2 * [(WIDTH, HEIGHT / 10)]


def test_a_chart_of_nothing_can_be_drawn():
    assert chart([None, None], adds_up=False).lines() == [[]]
    assert chart([0, 0]).lines() == [
        [f"0.0,{HEIGHT}.0 320.0,{HEIGHT}.0 320.0,{HEIGHT}.0 640.0,{HEIGHT}.0"]
    ]
