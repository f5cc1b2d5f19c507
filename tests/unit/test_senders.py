"""Whose address a request counts against."""

from ipaddress import ip_network

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from generation_service.api.senders import asked_host, sender, sender_of

PROXIES = tuple(map(ip_network, ("10.0.0.0/8", "192.168.1.1/32", "2001:db8:aaaa::/48")))


def test_without_proxies_the_peer_is_the_sender_whatever_is_claimed():
    assert sender("203.0.113.7", "198.51.100.1", ()) == "203.0.113.7"


def test_a_stranger_is_not_believed():
    assert sender("203.0.113.7", "198.51.100.1", PROXIES) == "203.0.113.7"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("1.1.1.1,198.51.100.1 , 10.9.9.9,192.168.1.1", "198.51.100.1"),
        ("198.51.100.1, 2001:db8:aaaa::1", "198.51.100.1"),
        ("198.51.100.1:4711", "198.51.100.1"),
        ("[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"),
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
    ],
)
def test_behind_proxies_it_is_the_last_address_that_is_not_one_of_them(forwarded, expected):
    assert sender("10.0.0.1", forwarded, PROXIES) == expected


@pytest.mark.parametrize("junk", ["", "unknown", "_hidden", "1.2.3", "é", "1.2.3.4.5", "[", "::g"])
def test_what_is_no_address_ends_the_search(junk):
    assert sender("10.0.0.1", f"198.51.100.1, {junk}", PROXIES) == "10.0.0.1"
    assert sender("10.0.0.1", f"198.51.100.1, {junk}, 10.0.0.2", PROXIES) == "10.0.0.2"


def test_an_ipv6_network_of_64_bits_is_one_sender():
    assert sender("2001:db8:1:2::1", "", ()) == sender("2001:db8:1:2:ffff::9", "", ())
    assert sender("2001:db8:1:2::1", "", ()) != sender("2001:db8:1:3::1", "", ())


def test_an_ipv4_address_is_the_same_sender_in_its_ipv6_form():
    assert sender("::ffff:203.0.113.7", "", ()) == "203.0.113.7"
    assert sender("::ffff:10.0.0.1", "198.51.100.1", PROXIES) == "198.51.100.1"


@pytest.mark.parametrize("peer", ["", "unix"])
def test_a_peer_without_address_is_unknown(peer):
    assert sender(peer, "198.51.100.1", PROXIES) == "unknown"


def test_several_headers_are_read_as_one():
    headers = [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "198.51.100.1, 10.0.0.2")]
    environ = EnvironBuilder(headers=headers).get_environ() | {"REMOTE_ADDR": "10.0.0.1"}
    assert sender_of(Request(environ), PROXIES) == "198.51.100.1"


@given(st.text(), st.text())
def test_a_sender_is_always_a_short_text(peer, forwarded):
    assert len(sender(peer, forwarded, PROXIES)) <= 43
    assert len(sender("10.0.0.1", forwarded, PROXIES)) <= 43


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:5000", "localhost"),
        ("[::1]:5000", "::1"),
        ("[:::::]", ""),
        ("[::1", ""),
        ("", ""),
    ],
)
def test_a_host_header_is_read_for_what_it_names(host, name):
    assert asked_host(Request({"HTTP_HOST": host, "SERVER_NAME": ""})) == name
