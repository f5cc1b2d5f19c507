"""Trying one lot on the admin pages: the API's own way, told in words."""

import re
from contextlib import ExitStack
from dataclasses import replace
from html import unescape
from threading import Event, Thread
from uuid import uuid4

import pytest

from generation_service.api import slots
from tests.integration.api_service import KEY, completion, serving
from tests.integration.operator_client import PASSWORD, operator
from tests.servers import Reply
from tests.waiting import until

TRY = "/admin/try"
COMPLETIONS = "/v1/chat/completions"


@pytest.fixture
def service(engine):
    with serving(engine, admin_password=PASSWORD) as started:
        yield started


@pytest.fixture
def pages(service):
    return operator(service)


def order(pages, *photos, **fields):
    photos = photos or (pages.service.outside.url("/photo.png"),)
    return pages.post(TRY, photos="\r\n".join(photos), **{"english": "on", **fields})


def asked(service):
    return service.outside.hits(COMPLETIONS)


def words(page):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def next_key(page):
    (key,) = re.findall(r'id="key" name="key" value="([^"]+)"', page)
    return key


def test_the_form_offers_languages_by_the_names_that_their_speakers_give_them(pages):
    page = pages.get(TRY).text
    assert '<option value="ru">Русский · Russian</option>' in page
    assert '<option value="pt-BR">Português (Brasil) · Brazilian Portuguese</option>' in page
    assert '<option value="ka">ქართული · Georgian</option>' in page
    assert '<option value="en">' not in page


def test_a_lot_is_described_with_its_tokens_cost_and_time(service, pages):
    answer = order(pages, words="2019 Toyota\r\nCamry", language_1="ru")
    assert answer.status_code == 200
    page = answer.text
    assert page.count("<p>A dent.</p>") == 2
    assert '<span lang="ru">Русский</span> <small>Russian</small>' in page
    assert re.search(r'<span class="soft">\d+\.\d s</span>', page)
    assert "gpt-6.1-terra description 1 0 1" in words(page)
    assert "gpt-6-luna translation 1 0 1" in words(page)
    assert "Together 2 0 2" in words(page)
    assert re.search(rb"2019 Toyota\\+nCamry", service.outside.received[-2].body)


def test_the_same_order_again_is_answered_and_not_paid_again(service, pages):
    order(pages)
    page = order(pages).text
    assert "ordered before: the same answer, nothing paid" in words(page)
    assert "Tokens and cost" not in page
    assert asked(service) == 1


def test_the_api_gives_the_same_answer_to_the_same_order(service, pages):
    order(pages, words="As seen.")
    lot = {
        "lot_id": "try-it",
        "additional_info": "As seen.",
        "images": [{"url": service.outside.url("/photo.png")}],
    }
    answer = service.generate(lot)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert asked(service) == 1


def test_asked_for_it_is_ordered_again_but_a_form_that_is_sent_twice_is_not(service, pages):
    order(pages)
    key = next_key(pages.get(TRY).text)
    page = order(pages, again="on", key=key).text
    order(pages, again="on", key=key)
    assert asked(service) == 2
    assert next_key(page) != key
    order(pages, again="on", key=next_key(page))
    assert asked(service) == 3


def test_a_key_that_comes_with_another_order_is_another_order(service, pages):
    key = str(uuid4())
    order(pages, again="on", key=key)
    assert order(pages, again="on", key=key, words="Another.").status_code == 200
    assert asked(service) == 2


def test_it_counts_as_a_generation_of_the_client_default(engine):
    with serving(engine, admin_password=PASSWORD, rate_limit_sync=1) as service:
        pages = operator(service)
        assert order(pages).status_code == 200
        assert service.generate(service.lot()).status_code == 429
        answer = order(pages, words="Another.")
        assert answer.status_code == 429
        assert "The limit of 1 sync requests an hour is reached" in answer.text


def test_it_takes_one_of_the_slots_that_the_api_has(service, pages):
    with ExitStack() as held:
        taken = slots.of(service.app)
        for _ in range(56):
            held.enter_context(taken.answer())
        answer = order(pages)
    assert answer.status_code == 503
    assert "All slots for synchronous requests are taken" in answer.text
    assert order(pages).status_code == 200


def test_no_database_connection_is_held_while_openai_thinks(service, pages):
    thinking = Event()
    reply = replace(completion("<p>A dent.</p>"), held=thinking)
    service.outside.replies[COMPLETIONS] = reply
    answers = []
    thread = Thread(target=lambda: answers.append(order(pages)))
    thread.start()
    until(lambda: asked(service) == 1, what="OpenAI is asked")
    until(lambda: service.engine.pool.checkedout() == 0, what="no connection is held")
    thinking.set()
    thread.join()
    assert answers[0].status_code == 200


def test_missing_photos_are_named_with_the_reason(service, pages):
    outside = service.outside
    good = [outside.url(f"/photo.png?{number}") for number in range(3)]
    answer = order(pages, *good, outside.url("/gone.jpg"))
    assert answer.status_code == 200
    assert f"{outside.url('/gone.jpg')} its host answered 404" in words(answer.text)


def test_too_few_photos_are_an_error_that_names_them(service, pages):
    service.outside.replies["/page"] = Reply(body=b"<html>")
    urls = service.outside.url("/page"), "http://10.0.0.1/secret.jpg"
    answer = order(pages, *urls)
    assert answer.status_code == 400
    page = words(answer.text)
    assert "It was not described. Only 0 of 2 images can be fetched" in page
    assert f"{urls[0]} it is no PNG, JPEG, WebP or GIF" in page
    assert f"{urls[1]} its address is not a public one" in page
    assert asked(service) == 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"photos": "ftp://example.com/a.jpg"}, "Photo 1: Must be an http or https URL"),
        ({"photos": " \r\n"}, "Photos: Must be 1 to 500 images."),
        ({"language_1": "qqq"}, "Language 2: 'qqq' is not a known BCP 47 language tag."),
        ({"words": "x" * 10_001}, "Seller's words: "),
        ({"photos": "\n".join(f"https://e.com/{n}" for n in range(21))}, "Photos: A single lot"),
        ({"words": "\x00"}, "It was not described."),
    ],
)
def test_what_is_wrong_with_an_order_is_said_in_the_words_of_the_form(service, pages, fields, said):
    answer = pages.post(TRY, **{"photos": "https://example.com/1.jpg", "english": "on", **fields})
    assert answer.status_code == 400
    assert said in words(answer.text)
    assert "curl" not in answer.text
    assert service.outside.received == []


def test_no_language_at_all_is_an_error(pages):
    answer = pages.post(TRY, photos="https://example.com/1.jpg")
    assert answer.status_code == 400
    assert "Languages: Must be 1 to 200 languages." in words(answer.text)


def test_a_fault_of_openai_is_told_and_what_was_typed_stays(service, pages):
    refusal = b'{"error": {"message": "No <b>such</b> thing", "code": "invalid_request_error"}}'
    service.outside.replies[COMPLETIONS] = Reply(status=400, body=refusal)
    answer = order(pages, words="Keep <this>.", language_1="de")
    assert answer.status_code == 500
    assert "It was not described." in answer.text
    assert "<b>such</b>" not in answer.text
    assert ">Keep &lt;this&gt;.</textarea>" in answer.text
    assert 'value="de"' in answer.text


def test_a_language_that_failed_is_told_beside_the_others(service, pages):
    refusal = Reply(status=400, body=b'{"error": {"message": "Not that one."}}')
    service.outside.replies[COMPLETIONS] = [completion("<p>A dent.</p>"), refusal]
    page = order(pages, language_1="fr").text
    assert "<p>A dent.</p>" in page
    assert "Not that one." in words(page)


def test_markup_of_a_model_never_runs(service, pages):
    hostile = "<p onclick=x>ok</p><script>alert(1)</script><img src=x onerror=y><p hx-get=/x>z</p>"
    service.outside.replies[COMPLETIONS] = completion(hostile)
    page = order(pages).text
    assert "<p>ok</p>" in page
    for bad in ("onclick", "<script>alert", "<img", "hx-get=/x", 'hx-get="/x"'):
        assert bad not in page


def test_within_the_page_only_the_outcome_is_sent_and_never_as_an_error(pages):
    fields = {"photos": "nonsense", "english": "on", "csrf_token": pages.token()}
    answer = pages.client.post(
        TRY, data=fields, headers={"HX-Request": "true"}, base_url="http://localhost"
    )
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert "It was not described." in answer.text
    assert 'hx-swap-oob="true"' in answer.text


def test_the_key_is_shown_nowhere(pages):
    page = order(pages).text
    assert "try-it" in page
    assert KEY not in page


def test_what_a_model_costs_that_has_no_price_is_not_guessed(engine):
    with serving(engine, admin_password=PASSWORD, vision_model="llava") as service:
        page = words(order(operator(service)).text)
    assert "llava description 1 0 1 no price is set" in page


def test_what_a_simulator_wrote_is_marked(service, pages):
    body = completion("<p>A dent.</p>").body.replace(
        b'"id"', b'"system_fingerprint": "simulator", "id"'
    )
    service.outside.replies[COMPLETIONS] = Reply(body=body)
    page = order(pages).text
    assert '<span class="status simulated">simulated</span>' in page
    assert "nobody billed them" in page
    again = words(order(pages).text)
    assert "Whether OpenAI or a simulator wrote it is not known here." in again


def test_a_key_as_short_as_a_word_is_left_in_what_a_server_says(engine):
    """Compatible servers are given keys such as `none`, which are no secrets."""
    with serving(engine, admin_password=PASSWORD) as service:
        service.outside.replies[COMPLETIONS] = completion("<p>Damage: none, sk-test.</p>")
        assert "<p>Damage: none, sk-test.</p>" in order(operator(service)).text
