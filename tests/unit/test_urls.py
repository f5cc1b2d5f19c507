import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.clients.urls import BadUrlError, parse_target, redirected


@pytest.mark.parametrize(
    ("url", "rebuilt"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://Example.COM:443/A", "https://example.com/A"),
        ("http://example.com:080/", "http://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com./x", "http://example.com/x"),
        ("http://example.com:/x", "http://example.com/x"),
        ("http://example.com?q=1", "http://example.com/?q=1"),
        ("http://example.com/a#b", "http://example.com/a"),
        ("  http://example.com/a ", "http://example.com/a"),
        ("http://my_host.example.com/", "http://my_host.example.com/"),
        ("http://example.com/a b.jpg", "http://example.com/a%20b.jpg"),
        ("http://example.com/a%20b.jpg?x=%D0", "http://example.com/a%20b.jpg?x=%D0"),
        ("http://example.com/ф.jpg", "http://example.com/%D1%84.jpg"),
        ("http://example.com/?q=ф&r=[1]", "http://example.com/?q=%D1%84&r=[1]"),
        ("http://example.com/a\\b", "http://example.com/a%5Cb"),
        ("https://фото.рф/", "https://xn--n1aalg.xn--p1ai/"),
        ("https://BÜCHER.example/", "https://xn--bcher-kva.example/"),
        ("http://127.1:8001/", "http://127.0.0.1:8001/"),
        ("http://0x7f.0.0.1/", "http://127.0.0.1/"),
        ("http://0177.1/", "http://127.0.0.1/"),
        ("http://134744072/", "http://8.8.8.8/"),
        ("http://[0:0::1]:81/", "http://[::1]:81/"),
    ],
)
def test_a_url_is_rebuilt_so_that_curl_sees_the_host_that_was_judged(url, rebuilt):
    assert parse_target(url).url == rebuilt


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/1.jpg",
        "//example.com/1.jpg",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http:/example.com/",
        "http:///1.jpg",
        "http://?q",
        "http://user@example.com/",
        "http://user:pass@example.com/",
        "http://@example.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:99999999999/",
        "http://example.com:80:80/",
        "http://example.com:８０/",  # noqa: RUF001 - fullwidth digits
        "http://exa mple.com/",
        "http://example.com\\@evil.example/",
        "http://example.com%2eevil.example/",
        "http://example..com/",
        "http://.example.com/",
        "http://example.com../",
        "http://exam\tple.com/",
        "http://example.com/\r\nX-Injected: 1",
        "http://example.com/\x00",
        "http://example.com/\ud800",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://[1.2.3.4]/",
        "http://::1/",
        "http://256.1.1.1/",
        "http://1.2.3.4.5/",
        "http://1..2/",
        "http://1.2.3.08/",
        "http://4294967296/",
        "http://example.0x7f/",
        "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 127 + "example/",
        "http://☃.example/",
    ],
)
def test_a_url_that_could_be_read_in_two_ways_or_in_none_is_refused(url):
    with pytest.raises(BadUrlError):
        parse_target(url)


def test_a_target_tells_host_port_and_whether_a_look_up_is_needed():
    named, literal = parse_target("https://example.com/"), parse_target("http://[::1]:81/")
    assert (named.key, named.is_literal) == (("example.com", 443), False)
    assert (literal.key, literal.is_literal) == (("::1", 81), True)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "http://example.com:81/b"),
        ("b?x=1", "http://example.com:81/a/b?x=1"),
        ("//other.example/c", "http://other.example/c"),
        ("https://other.example/фото", "https://other.example/%D1%84%D0%BE%D1%82%D0%BE"),
    ],
)
def test_a_redirect_may_be_relative(location, url):
    assert redirected(parse_target("http://example.com:81/a/1.jpg"), location).url == url


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://[", "http://u:p@example.com/"])
def test_a_redirect_to_no_usable_url_is_refused(location):
    with pytest.raises(BadUrlError):
        redirected(parse_target("http://example.com/"), location)


@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://h.example/", "http://h:1/"]))
def test_any_text_is_refused_or_rebuilt_to_a_url_that_reads_the_same(text, start):
    try:
        target = parse_target(start + text)
    except BadUrlError:
        return
    assert target.url.isascii()
    assert parse_target(target.url) == target
