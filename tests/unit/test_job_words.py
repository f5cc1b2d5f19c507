import re
from pathlib import Path

import pytest

from generation_service.admin.job_words import is_web, language_name, photo_fault

CLIENTS = Path(__file__).parents[2] / "generation_service" / "clients"


def test_every_fault_of_a_photo_has_words_of_its_own():
    codes = {
        code
        for name in ("net.py", "images.py", "curl_handle.py", "curl_loop.py")
        for code in re.findall(
            r'(?:error=|return |else )"([a-z]+(?:_[a-z]+)+)"', (CLIENTS / name).read_text()
        )
    }
    assert len(codes) > 5
    unknown = photo_fault("no such code")
    assert {code for code in codes if photo_fault(code) == unknown} == set()


def test_a_status_is_told_as_it_came():
    assert photo_fault("http_status_404") == "its host answered 404"


def test_a_language_has_its_name_and_its_tag():
    assert language_name("zh-Hant") == "Traditional Chinese (zh-Hant)"
    assert language_name("not a tag") == "not a tag"


@pytest.mark.parametrize(
    ("url", "web"),
    [
        ("https://a.example/1.jpg", True),
        ("HTTP://a.example", True),
        ("javascript:alert(1)", False),
        (" https://a.example", False),
        ("data:text/html,x", False),
        ("//a.example", False),
        ("httpsx://a", False),
    ],
)
def test_only_the_web_is_linked(url, web):
    assert is_web(url) is web
