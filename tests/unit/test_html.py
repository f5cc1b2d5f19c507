"""What remains of a model's answer."""

import re

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.html import ALLOWED_TAGS, clean, plain

FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *("<p>", "</p>", "<br/>", "<ul>", "<li>", "</ul>", "<b>", "</b>", "<h2>", "</h2>"),
            *("<script>", "</script>", "<style>", "<textarea>", "<svg", "<math><mi>", "<![CDATA["),
            *("<img src=x onerror=y>", "<a href='z'>", "<p title='x' lang=y>", "<!--", "-->"),
            *("&lt;script&gt;", "&#60;p&#62;", "```", "```html\n", "\n", "\n\n", "text", '"'),
            *("\x00", "\ud800"),
        ]
    )
    | st.text(max_size=4)
).map("".join)


@given(FRAGMENTS)
def test_only_bare_allowed_tags_are_left(text):
    tags = re.findall(r"<[^>]*>?", clean(text))
    assert {tag.strip("</>") for tag in tags} <= ALLOWED_TAGS
    assert not re.search("[\x00\ud800-\udfff]", clean(text))


@given(FRAGMENTS)
def test_a_browser_reads_the_result_as_it_is_written(text):
    html = clean(text)
    assert nh3.clean(html, tags=set(ALLOWED_TAGS), attributes={"*": set()}) == html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<p>Dent.</p><ul><li>Hood</li></ul>", "<p>Dent.</p><ul><li>Hood</li></ul>"),
        ('<p onclick="x()" class=y>a</p>', "<p>a</p>"),
        ('<p title="x" lang=y dir=rtl data-z=1>a</p>', "<p>a</p>"),
        ("<p>a<script>alert(1)</script>b</p>", "<p>ab</p>"),
        ("<style>p{}</style><p>a</p>", "<p>a</p>"),
        ("<p>a <a href='https://x.example'>link</a></p>", "<p>a link</p>"),
        ("<p>a<img src=x onerror=y>b</p>", "<p>ab</p>"),
        ("<p>a<!-- hidden -->b</p>", "<p>ab</p>"),
        ("<p>gap < 5 cm & rust</p>", "<p>gap &lt; 5 cm &amp; rust</p>"),
        ("<p>never closed", "<p>never closed</p>"),
        ("<p>a\x00b\ud83dc</p>", "<p>ab?c</p>"),
    ],
)
def test_markup_is_reduced_to_the_allow_list(text, html):
    assert clean(text) == html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("```html\n<p>a</p>\n```", "<p>a</p>"),
        ("```html <p>a</p>```", "<p>a</p>"),
        ("  ```\n<p>a</p>", "<p>a</p>"),
        (
            "Hood bent.\nGlass gone.\n\n\nNo rust.",
            "<p>Hood bent.<br>Glass gone.</p>\n<p>No rust.</p>",
        ),
        ("The <b>hood</b> is <i>bent</i>.", "<p>The <strong>hood</strong> is <em>bent</em>.</p>"),
        ("<h2>Front</h2><div>a</div><DIV>b</DIV>", "<p>Front</p><p>a</p><p>b</p>"),
        ("<p>a</p><\u017fection>", "<p>a</p>&lt;\u017fection&gt;"),
        ("<html><head><title>t</title></head><body><p>a</p></body></html>", "<p>a</p>"),
    ],
)
def test_a_models_habits_are_mended(text, html):
    assert clean(text) == html


@pytest.mark.parametrize(
    "text",
    ["", " \n", "<p></p>", "<p>&nbsp;<br></p>", "<script>a</script>", "```\n```", "<ul></ul>"],
)
def test_nothing_visible_is_nothing(text):
    assert clean(text) == ""


def test_where_no_html_is_expected_no_tag_is_left():
    assert plain("<p title=x>I can't<script>z()</script> <b>do</b> a < b\x00</p>") == (
        "I can't do a &lt; b"
    )
