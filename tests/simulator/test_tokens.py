"""Token counts, by OpenAI's own examples."""

import pytest

from openai_simulator.tokens import image_tokens, text_tokens


@pytest.mark.parametrize(
    ("size", "detail", "tokens"),
    [
        ((4000, 3000), "auto", 14_100),
        ((4000, 3000), "original", 14_100),
        ((4000, 3000), "high", 2_942),
        ((640, 480), "high", 360),
        ((640, 480), "low", 281),
        ((1, 1), "high", 2),
        ((100_000, 10), "high", 3_000),
        (None, "high", 922),
    ],
)
def test_a_photo_costs_its_patches(size: tuple[int, int] | None, detail: str, tokens: int) -> None:
    assert image_tokens(size, detail) == tokens


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_four_characters_are_a_token(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens
