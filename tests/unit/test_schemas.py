"""What a generation request may hold, and how the 400 names what it may not."""

import json

import pytest

from generation_service.api.intake import receive
from generation_service.api.lot_spool import LotSpool
from generation_service.api.validation import generation_request, validation_urls
from generation_service.core.errors import ServiceError
from generation_service.core.json_text import TooManyValuesError
from generation_service.core.limits import MAX_LOTS_READ

URL = "https://example.com/car1.jpg"
HOOK = "https://your-app.com/webhook"


def lot(number=1, **fields):
    return {"lot_id": f"lot-{number}", "images": [{"url": URL}], **fields}


def body(**fields):
    return {"version": "1.0.0", "languages": ["en"], "lots": [lot(1), lot(2)], **fields}


def check(value, *, max_descriptions=1_000_000, allowed_private=frozenset(), spool=None):
    text = [json.dumps(value).encode()]
    order = receive(text, LotSpool() if spool is None else spool, lambda _piece: None)
    return generation_request(
        order, max_descriptions=max_descriptions, allowed_private=allowed_private
    )


def refusal(value, **limits):
    with pytest.raises(ServiceError) as caught:
        check(value, **limits)
    assert caught.value.http_status == 400
    return caught.value


def paths(value, **limits):
    return [path for path, _ in refusal(value, **limits).details]


def test_a_request_as_in_the_documentation():
    request = check(body(languages=["en", "ru"], metadata={"order": "7"}))
    assert request.languages == ("en", "ru")
    assert [lot.lot_id for lot in request.lots] == ["lot-1", "lot-2"]
    assert request.metadata == {"order": "7"}


def test_unknown_fields_are_ignored():
    assert check(body(colour="red", lots=[lot(vin="X", images=[{"url": URL, "alt": 1}])]))


def test_repeated_languages_collapse_to_the_first_spelling():
    assert check(body(languages=["EN", "en", "iw", "he"])).languages == ("EN", "iw")


@pytest.mark.parametrize("version", ["1.0.0", "1.12.3"])
def test_versions_of_the_major_version_1_are_taken(version):
    assert check(body(version=version)).version == version


@pytest.mark.parametrize("version", ["2.0.0", "1.0", "1.0.0-beta", "", None, 1, "1.\u0660.0"])
def test_other_versions_are_not(version):
    assert paths(body(version=version)) == ["version"]


@pytest.mark.parametrize("field", ["version", "languages", "lots"])
def test_a_missing_field_is_named(field):
    value = body()
    del value[field]
    assert paths(value) == [field]


@pytest.mark.parametrize("languages", [None, "en", {"en": 1}, [], ["en"] * 201])
def test_languages_must_be_a_list_of_1_to_200(languages):
    assert paths(body(languages=languages)) == ["languages"]


def test_a_language_must_be_a_string():
    assert paths(body(languages=["en", 7])) == ["languages[1]"]


def test_every_unknown_language_is_named():
    error = refusal(body(languages=["en", "xx-nowhere", "de", "x-private"]))
    assert error.code == "unknown_language"
    assert [path for path, _ in error.details] == ["languages[1]", "languages[3]"]
    assert "xx-nowhere" in error.message


@pytest.mark.parametrize("lots", [None, {}, "lots", []])
def test_lots_must_be_a_list_of_at_least_one(lots):
    assert paths(body(lots=lots)) == ["lots"]


def test_50_000_lots_are_taken_and_one_more_is_not():
    lots = [lot(number) for number in range(50_000)]
    with LotSpool() as spool:
        assert len(check(body(lots=lots), spool=spool).lots) == 50_000
        assert [taken.lot_id for taken in spool] == [each["lot_id"] for each in lots]
    with LotSpool() as spool:
        assert paths(body(lots=[*lots, lot(50_000)]), spool=spool) == ["lots"]


def test_details_lead_to_the_fault():
    lots = [lot(1), lot(2, images=[{"url": URL}, {"url": "ftp://example.com"}, {}, 7])]
    assert paths(body(lots=lots)) == [
        "lots[1].images[1].url",
        "lots[1].images[2].url",
        "lots[1].images[3]",
    ]


def test_the_message_is_the_first_detail():
    error = refusal(body(lots=[lot(1), lot("x" * 130)]))
    assert error.message.startswith("lots[1].lot_id: Must be 1 to 128 printable characters")


def test_lot_ids_must_be_distinct():
    error = refusal(body(lots=[lot(1), lot(2), lot(1)]))
    assert error.details == [
        ("lots[2].lot_id", "Repeats the lot_id of lots[0]; make them distinct.")
    ]


def test_a_lot_that_is_no_object_is_named():
    assert paths(body(lots=[lot(1), None, "lot"])) == ["lots[1]", "lots[2]"]


@pytest.mark.parametrize("images", [None, [], {"url": URL}, [{"url": URL}] * 501])
def test_images_must_be_a_list_of_1_to_500(images):
    assert paths(body(lots=[lot(1, images=images), lot(2)])) == ["lots[0].images"]


def test_additional_info_has_at_most_10_000_characters():
    assert check(body(lots=[lot(1, additional_info="ж" * 10_000), lot(2)]))
    long = lot(1, additional_info="ж" * 10_001)
    assert paths(body(lots=[long, lot(2)])) == ["lots[0].additional_info"]


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        "x",
        {"k": 1},
        {"k": None},
        {"k" * 65: "v"},
        {"k": "v" * 513},
        {f"k{n}": "v" for n in range(17)},
    ],
)
def test_metadata_is_at_most_16_short_pairs_of_strings(metadata):
    assert paths(body(metadata=metadata)) == ["metadata"]


def test_lots_times_languages_are_limited():
    value = body(languages=["en", "de", "fr"])
    assert len(check(value, max_descriptions=6).lots) == 2
    assert paths(value, max_descriptions=5) == ["lots"]


def test_a_single_lot_has_at_most_20_images_and_2_translations():
    images = [{"url": f"{URL}?{n}"} for n in range(21)]
    single = body(lots=[lot(1, images=images)], languages=["en", "de", "fr", "en-GB"])
    assert paths(single) == ["lots[0].images", "languages"]
    assert check(body(lots=[lot(1, images=images[:20])], languages=["en", "de", "fr"]))


def test_lots_of_a_job_may_have_more():
    images = [{"url": f"{URL}?{n}"} for n in range(21)]
    assert check(body(lots=[lot(1, images=images), lot(2)], languages=["de", "fr", "it"]))


@pytest.mark.parametrize(
    "webhook",
    ["http://localhost/hook", "http://127.0.0.1:8000/", "http://[::1]/", "https://10.1.2.3/hook"],
)
def test_a_webhook_at_a_private_address_is_refused_at_once(webhook):
    assert paths(body(lots=[lot(1, webhook=webhook), lot(2)])) == ["lots[0].webhook"]


def test_a_private_webhook_may_be_allowed():
    lots = [lot(1, webhook="http://127.0.0.1:8000/hook"), lot(2)]
    assert check(body(lots=lots), allowed_private=frozenset({("127.0.0.1", 8000)}))


def test_a_webhook_is_validated_though_one_lot_does_not_use_it():
    assert paths(body(lots=[lot(1, webhook="mailto:me")])) == ["lots[0].webhook"]


def test_a_private_image_is_not_refused_here_because_it_only_counts_as_unreachable():
    assert check(body(lots=[lot(1, images=[{"url": "http://127.0.0.1/a.jpg"}]), lot(2)]))


def test_a_request_names_at_most_100_distinct_webhooks():
    lots = [lot(n, webhook=f"{HOOK}/{n % 100}") for n in range(200)]
    assert check(body(lots=lots))
    assert paths(body(lots=[*lots, lot(200, webhook=HOOK)])) == ["lots"]


@pytest.mark.parametrize("urls", [None, [], "x", [URL] * 101])
def test_image_validation_takes_1_to_100_urls(urls):
    with pytest.raises(ServiceError) as caught:
        validation_urls({"urls": urls})
    assert [path for path, _ in caught.value.details] == ["urls"]


def test_image_validation_takes_what_is_no_url_too():
    assert validation_urls({"urls": [URL, "no url"]}) == [URL, "no url"]


def test_of_many_faults_the_first_are_told_and_the_others_counted():
    error = refusal(body(lots=[lot(1, images=[{}] * 30), *([None] * 1000), lot(1)]))
    assert [path for path, _ in error.details] == [f"lots[0].images[{n}].url" for n in range(20)]
    assert error.more == 10 + 1000


def test_far_too_many_lots_are_not_even_read():
    with pytest.raises(TooManyValuesError, match="50,000 lots"):
        check(body(lots=[None] * (MAX_LOTS_READ + 1)))
