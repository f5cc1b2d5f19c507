"""The overview: what is under way, what waits, what was spent, what failed, and who works."""

import re
from dataclasses import replace
from html import unescape

import pytest

from tests.integration.api_service import serving
from tests.integration.operator_client import PASSWORD, operator

OVERVIEW = "/admin/overview"


@pytest.fixture
def service(engine):
    with serving(engine, admin_password=PASSWORD) as started:
        yield started


@pytest.fixture
def pages(service):
    return operator(service)


def words(page):
    """The page's text, without tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def card(pages, title):
    (found,) = re.findall(
        rf'<div class="card[^"]*">\s*<dt>{title}</dt>(.*?)</dd>',
        pages.get(OVERVIEW).text,
        re.DOTALL,
    )
    return words(found)


def legend(page, chart):
    (found,) = re.findall(rf'<ul class="legend" id="{chart}-legend".*?</ul>', page, re.DOTALL)
    return words(found)


def numbers(page, chart):
    """The values in a chart's table, newest row first; None where nobody has looked."""
    (table,) = re.findall(rf'id="{chart}-numbers".*?</table>', page, re.DOTALL)
    found = []
    for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]:
        cells = re.findall(r"<td(?: data-value=\"([^\"]*)\")?>", row)
        found.append([float(value) if value else None for value in cells])
    return found


def spend(service, kind, *, dollars, completed=1, simulated=False, ago="0 hours"):
    service.run(
        "INSERT INTO usage_hours (hour, client, kind, lane, model, simulated, completed, failed,"
        " cost_nanos) VALUES (date_trunc('hour', now(), 'UTC') - CAST(:ago AS interval), 'default',"
        " :kind, 'batch', 'm', :simulated, :completed, 2, :nanos)",
        kind=kind,
        completed=completed,
        simulated=simulated,
        nanos=int(dollars * 10**9),
        ago=ago,
    )


def beat(service, process, **ages):
    for stage, seconds in ages.items():
        service.run(
            "INSERT INTO worker_heartbeats (process, stage, ticked_at)"
            " VALUES (:process, :stage, now() - make_interval(secs => :seconds))",
            process=process,
            stage=stage,
            seconds=seconds,
        )


def test_an_idle_service_says_that_there_is_nothing(pages):
    page = pages.get(OVERVIEW).text
    assert card(pages, "Jobs under way") == "0 none"
    assert card(pages, "Lots waiting") == "0 nothing queued here"
    assert card(pages, "Spent today") == "$0.00 since midnight UTC"
    assert card(pages, "Processes at work") == "0 nobody works on the jobs"
    assert "No process works on jobs at the moment." in page
    assert page.count("Nothing in this time") == 5


def test_jobs_and_lots_under_way_are_counted(service, pages):
    service.job(3)
    service.settle(service.job(4), lots=1)
    assert card(pages, "Jobs under way") == "2 1 pending, 1 translating"
    assert card(pages, "Lots waiting").startswith("6 the oldest queued for ")


def test_what_was_spent_today_leaves_out_what_was_simulated(service, pages):
    spend(service, "vision", dollars=1.25)
    spend(service, "translation", dollars=0.5, simulated=True)
    spend(service, "vision", dollars=100, ago="25 hours")
    assert card(pages, "Spent today") == "$1.25 and $0.5000 simulated, billed by nobody"


def test_paused_endpoints_are_pointed_out(service, pages):
    service.run("INSERT INTO webhook_endpoints (client, url, paused_at) VALUES ('a', 'b', now())")
    assert card(pages, "Deliveries waiting") == "0 and 0 for 1 paused endpoint"


def test_texts_are_shown_by_hour_and_by_six_hours(service, pages):
    spend(service, "vision", dollars=0, completed=7)
    spend(service, "translation", dollars=0, completed=5, ago="1 hour")
    spend(service, "vision", dollars=0, completed=1_000, ago="30 hours")
    day = pages.get(OVERVIEW).text
    assert legend(day, "texts") == "Descriptions 7 Translations 5 Failed or asked again 4"
    assert numbers(day, "texts")[:2] == [[7, 0, 2], [0, 5, 2]]
    assert len(numbers(day, "texts")) == 24
    week = pages.get(f"{OVERVIEW}?span=week").text
    assert legend(week, "texts").startswith("Descriptions 1,007")
    assert len(numbers(week, "texts")) == 28


def test_money_is_shown_by_day_over_a_week_with_what_was_simulated_apart(service, pages):
    spend(service, "vision", dollars=2, ago="48 hours")
    spend(service, "vision", dollars=3, ago="48 hours", simulated=True)
    page = pages.get(f"{OVERVIEW}?span=week").text
    assert "Spent by day" in page
    assert legend(page, "money") == (
        "Descriptions $2.00 Translations $0.00 Simulated: billed by nobody $3.00"
    )
    assert numbers(page, "money")[2] == [2e9, 0, 3e9]
    assert len(numbers(page, "money")) == 7


def test_the_most_frequent_errors_are_named_and_the_rest_put_together(service, pages):
    service.run(
        "INSERT INTO openai_error_hours (hour, api, code, errors)"
        " SELECT date_trunc('hour', now()), 'vision', 'code_' || n, n FROM generate_series(1, 8) n"
    )
    page = pages.get(OVERVIEW).text
    assert legend(page, "errors") == "code_8 8 code_7 7 code_6 6 code_5 5 code_4 4 Others 6"
    assert numbers(page, "errors")[0] == [8, 7, 6, 5, 4, 6]


def test_queues_are_shown_at_their_fullest_and_times_without_a_look_as_gaps(service, pages):
    service.run(
        "INSERT INTO queue_samples (at, queue, depth) SELECT date_trunc('hour', now()) -"
        " make_interval(hours => 2, mins => n), 'vision', 100 + n FROM generate_series(-5, 0) AS n"
    )
    rows = numbers(pages.get(OVERVIEW).text, "requests")
    assert len(rows) == 96
    assert [row[1] for row in rows if row[1] is not None] == [100]
    week = numbers(pages.get(f"{OVERVIEW}?span=week").text, "requests")
    assert [row[1] for row in week if row[1] is not None] == [100]


def test_processes_that_tick_are_stuck_or_have_ended_are_told_apart(service, pages):
    beat(service, "fine:1", probe=3, sweep=29)
    beat(service, "stuck:2", probe=3, poll=90)
    beat(service, "ended:3", probe=200, sweep=230)
    page = words(pages.get(OVERVIEW).text)
    assert "fine:1 ticking 3 s ago sweep, 29 s ago" in page
    assert "stuck:2 stuck 3 s ago poll, 1 min ago" in page
    assert "Ended within the last day: ended:3 3 min ago." in page
    assert card(pages, "Processes at work") == "1 1 stuck"


def test_an_unknown_span_is_a_day(pages):
    assert "Spent by hour" in pages.get(f"{OVERVIEW}?span=century").text


def test_charts_are_drawn_without_scripts_too(service, pages):
    spend(service, "vision", dollars=1)
    page = pages.get(OVERVIEW).text
    assert '<polyline class="s1" points="0.0,' in page
    assert "<script>" not in page
    assert " style=" not in page


@pytest.mark.parametrize(("header", "said"), [({"x-simulated": "true"}, True), ({}, False)])
def test_every_page_says_when_a_simulator_answers_in_place_of_openai(service, pages, header, said):
    assert "Simulated." not in pages.get(OVERVIEW).text
    reply = service.outside.replies["/v1/chat/completions"]
    service.outside.replies["/v1/chat/completions"] = replace(
        reply, headers={**reply.headers, **header}
    )
    service.generate(service.lot())
    assert ("Simulated." in pages.get(OVERVIEW).text) is said
