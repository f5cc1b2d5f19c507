"""When a lot has enough photos to be described."""

from collections.abc import Collection, Sequence

TOO_FEW = "too_many_unreachable_images"


def too_few(urls: Sequence[str], missing: Collection[str], threshold: float) -> str | None:
    """Say why too few of the photos are reachable; None when they suffice (docs/api.md §4)."""
    reachable = len(urls) - len(missing)
    # The tiny tolerance keeps 7 of 10 at a threshold of 0.7, whatever binary fractions say.
    if reachable and reachable >= threshold * len(urls) - 1e-9:
        return None
    return (
        f"Only {reachable} of {len(urls)} images can be fetched; at least {threshold:.0%} are "
        "needed. Make sure that the URLs are public and lead to images."
    )
