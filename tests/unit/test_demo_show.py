"""How descriptions look on a terminal."""

from demo.show import WIDTH, lot_text, plain_text


def test_paragraphs_and_items_become_lines():
    html = (
        "<p>The <strong>front</strong>\nbumper &amp; grille:</p><ul><li>torn</li><li>gone</li></ul>"
    )
    assert plain_text(html) == "The front bumper & grille:\n- torn\n- gone"


def test_line_breaks_and_bare_text_are_kept():
    assert plain_text("One.<br>Two.") == "One.\nTwo."
    assert plain_text("no tags") == "no tags"


def test_a_lot_shows_its_languages_its_missing_photos_and_its_error():
    text = lot_text(
        {
            "lot_id": "24-1",
            "status": "failed",
            "descriptions": [{"language": "en", "damages": "<p>Dented.</p>"}],
            "missing_images": ["http://photos.example/gone.jpg"],
            "error": {"code": "openai_refused", "message": "The model refused."},
        }
    )
    assert text.splitlines() == [
        "  24-1  failed",
        "    en  Dented.",
        "    photo not reachable: http://photos.example/gone.jpg",
        "    failed: The model refused.",
    ]


def test_long_texts_are_wrapped_or_shortened():
    lot = {
        "lot_id": "24-1",
        "descriptions": [{"language": "en", "damages": f"<p>{'dent ' * 60}</p>"}],
        "missing_images": [],
    }
    assert all(len(line) <= WIDTH for line in lot_text(lot).splitlines())
    assert lot_text(lot, longest=20).splitlines()[1] == "    en  dent dent dent …"
