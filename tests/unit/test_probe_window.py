from uuid import UUID

import pytest

from generation_service.db.lots import ClaimedLot
from generation_service.db.probes import Known
from generation_service.pipeline.probe_window import PHOTOS_HELD, Window

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


def lot(number, *urls, job=ONE, client="acme"):
    return ClaimedLot(
        id=number,
        job_id=job,
        client=client,
        image_urls=urls,
        known_missing=None,
        additional_info=None,
        reprobe=False,
        translations=0,
    )


def holding(photos):
    """A window in which each job waits for so many photos."""
    window = Window()
    for number, (job, count) in enumerate(photos.items()):
        window.claimed([lot(number, *(f"{number}/{n}" for n in range(count)), job=job)], [], 0.0)
    return window


@pytest.fixture
def window():
    return Window()


def done(news):
    return [(held.lot.id, sorted(held.missing), held.again_in) for held in news.done]


def test_each_photo_is_asked_for_once_however_many_lots_have_it(window):
    lots = [lot(1, "a", "b", "a"), lot(2, "b"), lot(3, "b", job=TWO, client="beta")]
    assert window.claimed(lots, [], 0.0) == [("a", "acme"), ("b", "acme")]
    assert window.claimed([lot(4, "a")], [], 1.0) == []


def test_a_lot_is_done_with_its_last_photo(window):
    window.claimed([lot(1, "a", "b"), lot(2, "b")], [], 0.0)
    window.answered("b", "http_status_404")
    news = window.news()
    assert (dict(news.found), done(news)) == ({ONE: {"b": "http_status_404"}}, [(2, ["b"], None)])
    window.answered("a", None)
    news = window.news()
    assert (dict(news.found), done(news)) == ({ONE: {"a": None}}, [(1, ["b"], None)])
    assert not window


def test_an_answer_is_news_for_every_job_that_claimed_the_photo(window):
    window.claimed([lot(1, "a"), lot(2, "a", job=TWO)], [], 0.0)
    window.answered("a", None)
    assert dict(window.news().found) == {ONE: {"a": None}, TWO: {"a": None}}


def test_what_is_known_is_not_asked_for(window):
    known = [Known(ONE, "good", reachable=True), Known(ONE, "bad", reachable=False)]
    assert window.claimed([lot(1, "good", "bad")], known, 0.0) == []
    assert done(window.news()) == [(1, ["bad"], None)]


def test_a_photo_that_is_probed_elsewhere_sends_its_lot_back_with_the_rest_known(window):
    window.claimed([lot(1, "a", "there")], [Known(ONE, "there", reachable=None)], 0.0)
    window.answered("a", None)
    news = window.news()
    assert dict(news.found) == {ONE: {"a": None}}
    assert done(news) == [(1, [], 1.0)]


def test_photos_of_a_parked_host_send_their_lots_back_for_longer(window):
    window.claimed([lot(1, "a", "dead")], [], 0.0)
    window.parked("dead")
    window.answered("a", None)
    news = window.news()
    assert (dict(news.left), done(news)) == ({ONE: ["dead"]}, [(1, [], 30.0)])


def test_giving_up_gives_everything_back_at_once_but_what_is_known(window):
    window.claimed([lot(1, "a", "b"), lot(2, "a")], [], 0.0)
    window.answered("a", None)
    window.give_up()
    news = window.news()
    assert (dict(news.found), dict(news.left)) == ({ONE: {"a": None}}, {ONE: ["b"]})
    assert done(news) == [(2, [], None), (1, [], 0.0)]
    assert not window


def test_old_lots_are_renewed_with_the_photos_they_wait_for(window):
    window.claimed([lot(1, "a", "b")], [], 0.0)
    window.claimed([lot(2, "c")], [], 10.0)
    window.answered("a", None)
    assert window.held_since(before=5.0, now=11.0) == {ONE: ([1], ["b"])}
    assert window.held_since(before=10.5, now=12.0) == {ONE: ([2], ["c"])}


def test_a_job_alone_gets_up_to_half_of_the_window_and_more_jobs_their_part():
    assert holding({ONE: PHOTOS_HELD // 4}).busy() == []
    assert holding({ONE: PHOTOS_HELD // 4 + 1}).busy() == [ONE]
    assert holding({ONE: PHOTOS_HELD // 5, TWO: 100}).busy() == [ONE]


def test_a_full_window_is_open_only_to_jobs_that_hold_nothing():
    assert holding({ONE: PHOTOS_HELD - 2, TWO: 1, THREE: 1}).busy() == [ONE, TWO, THREE]


def test_answers_make_room():
    window = holding({ONE: PHOTOS_HELD // 4 + 1})
    window.answered("0/0", None)
    assert window.busy() == []
