"""Languages as clients write them: which are taken, how they are spelt and ordered in answers."""

import langcodes
import pytest

from tests.acceptance.client import Client, lot


@pytest.fixture
def client(service):
    return Client(service)


@pytest.fixture
def job(client, photos):
    """Runs a job of two lots; returns the languages that each lot has, and the job's own."""

    def run(languages):
        lots = [lot(f"lot-{n}", photos.url(photo)) for n, photo in enumerate(["/1.jpg", "/2.png"])]
        job_id = client.job(lots, languages)
        status = client.finished(job_id)
        assert status["status"] == "completed", status
        found = client.results(job_id)[1]["results"]["lots"]
        return [described(entry) for entry in found], status["languages"]

    return run


@pytest.fixture
def one_lot(client, photos):
    """Sends one lot; returns its languages."""

    def run(languages):
        status, document = client.generate([lot("a", photos.url("/1.jpg"))], languages)
        assert status == 200, document
        return described(document["lots"][0])

    return run


def described(document):
    assert all(entry["damages"].startswith("<") for entry in document["descriptions"])
    return [entry["language"] for entry in document["descriptions"]]


ALONE = [["ru"], ["en"], ["EN"], ["en-GB"], ["zh-Hant"]]
SEVERAL = [
    ["zh-Hant", "pt-BR"],
    ["pt-br", "EN", "SR-latn"],
    ["en-GB", "en", "en-US"],
    ["de-CH-1996", "es-419"],
]


@pytest.mark.parametrize("languages", [*ALONE, *SEVERAL], ids="+".join)
def test_one_lot_has_what_was_asked_for_as_it_was_spelt(one_lot, languages):
    assert one_lot(languages) == languages


@pytest.mark.parametrize(
    "languages", [["ru"], ["en"], ["zh-Hant", "pt-BR", "sr-Latn"], ["uk", "EN"]], ids="+".join
)
def test_a_job_has_what_was_asked_for_as_it_was_spelt(job, languages):
    assert job(languages) == ([languages, languages], languages)


REPEATED = [
    (["EN", "en", "de"], ["EN", "de"]),
    (["he", "iw", "de", "DE"], ["he", "de"]),
    (["iw", "he"], ["iw"]),
    (["zh-hant", "en", "zh-Hant"], ["zh-hant", "en"]),
]


@pytest.mark.parametrize(("sent", "kept"), REPEATED, ids=["en", "he", "iw", "zh"])
def test_a_language_sent_twice_is_answered_once_in_its_first_spelling(one_lot, sent, kept):
    assert one_lot(sent) == kept


def test_a_job_pays_for_a_language_sent_twice_once(job, simulator):
    before = len(simulator.ledger())
    assert job(["en", "iw", "EN", "he", "he"])[1] == ["en", "iw"]
    assert len(simulator.ledger()) - before == 4


TWO_LETTERS = """
    af am ar as az be bg bm bn bo bs ca cs cy da de el eo es et eu fa fi fo fr ga gd gl gu ha he hi
    hr hu hy id ig is it ja jv ka kk km kn ko ku ky lb ln lo lt lv mg mi mk ml mn mr ms mt my nb ne
    nl nn or pa pl ps pt qu ro ru rw sd si sk sl so sq sr sv sw ta te tg th ti tk tr tt ug uk ur uz
    vi wo xh yi yo zu
"""
HUNDRED = ["en", *TWO_LETTERS.split()][:100]


def test_two_lots_in_a_hundred_languages(job):
    names = {langcodes.get(tag).display_name() for tag in HUNDRED}
    assert len(names) == 100
    assert job(HUNDRED) == ([HUNDRED, HUNDRED], HUNDRED)


UNKNOWN = ["qq", "xx-YY", "en-XX", "x-klingon", "de-u-co-phonebk", "und", "mul", "en_US", "русский"]


@pytest.mark.parametrize("tag", UNKNOWN)
@pytest.mark.parametrize("lots", [1, 2])
def test_an_unknown_language_is_a_400_that_names_it(client, photos, tag, lots):
    request = [lot(str(n), photos.url("/1.jpg")) for n in range(lots)]
    status, document = client.generate(request, ["en", tag])
    assert (status, document["error"]) == (400, "unknown_language")
    (detail,) = document["details"]
    assert detail["path"] == "languages[1]"
    assert repr(tag) in detail["message"]
    assert repr(tag) in document["message"]


def test_every_unknown_language_is_named(client, photos):
    sent = ["en", "qq", "de", "", "yy"]
    document = client.generate([lot("a", photos.url("/1.jpg"))], sent)[1]
    paths = [detail["path"] for detail in document["details"]]
    assert paths == ["languages[1]", "languages[3]", "languages[4]"]
