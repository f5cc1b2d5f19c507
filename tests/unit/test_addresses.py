import pytest

from generation_service.clients.addresses import NOBODY, literal_refusal, refusal

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.88.98.255",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "2001:200::1",
    "2400:cb00::1",
    "2a00:1450:4001:800::200e",
]

NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - an address to refuse, not to bind
    "0.1.2.3",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "100::1",
    "100:0:0:1::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "4000::1",
    "5f00::1",
    "8000::1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]

NEVER = [
    "169.254.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd00:42::42",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::a00:1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "not an address",
    "",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_dialled(address):
    assert refusal(address, "photos.example", 443, NOBODY) is None


@pytest.mark.parametrize("address", NOT_PUBLIC + NEVER)
def test_an_address_that_is_not_public_is_refused(address):
    assert refusal(address, "photos.example", 443, NOBODY)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_named_exception_opens_whatever_the_name_resolves_to(address):
    allowed = frozenset({("photos.local", 8001)})
    assert refusal(address, "photos.local", 8001, allowed) is None


@pytest.mark.parametrize("address", NEVER)
def test_no_exception_opens_link_local_metadata_or_disguised_addresses(address):
    assert refusal(address, "photos.local", 8001, frozenset({("photos.local", 8001)}))
    assert refusal(address, address, 8001, frozenset({(address, 8001)}))


@pytest.mark.parametrize(
    ("host", "port"), [("photos.local", 8002), ("other.local", 8001), ("127.0.0.1", 8001)]
)
def test_an_exception_holds_for_its_own_host_and_port_only(host, port):
    assert refusal("127.0.0.1", host, port, frozenset({("photos.local", 8001)}))


def test_a_refusal_names_the_rule_but_not_the_address():
    reason = refusal("10.20.30.40", "db.corp.example", 443, NOBODY)
    assert reason == "The address of db.corp.example is not public: private (RFC 1918)."


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://127.0.0.1./",
        "http://１２７.0.0.1/",  # noqa: RUF001 - fullwidth digits, as in a disguised host
        "http://127。0。0。1/",
        "http://10.0.0.1:8080/",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost/",
        "http://LOCALHOST./",
        "https://photos.localhost:8443/1.jpg",
        "ftp://example.com/1.jpg",
        "http://user:secret@example.com/",
        "http://example.com@127.0.0.1/",
        "not a url",
    ],
)
def test_a_url_written_with_a_private_host_is_refused_before_any_look_up(url):
    assert literal_refusal(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/1.jpg",
        "http://8.8.8.8/",
        "https://[2606:4700::1111]:8443/hook",
        "https://фото.рф/авто 1.jpg",
        "http://localhost.example.com/",
        "http://10.example.com/",
    ],
)
def test_a_url_whose_host_has_to_be_looked_up_is_not_refused_yet(url):
    assert literal_refusal(url) is None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8001/", "http://127.1:8001/", "http://[::1]:8001/"]
)
def test_a_literal_that_the_operator_named_is_not_refused(url):
    allowed = frozenset({("127.0.0.1", 8001), ("::1", 8001)})
    assert literal_refusal(url, allowed) is None


def test_localhost_is_refused_unless_the_operator_wrote_localhost():
    url = "http://localhost:8001/hook"
    assert literal_refusal(url, frozenset({("127.0.0.1", 8001)}))
    assert literal_refusal(url, frozenset({("localhost", 8001)})) is None
