"""Every way an OpenAI batch is known to fail as a whole; read it like openai_faults.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.integration.openai_faults import USED_UP, Rule, error


@dataclass(frozen=True, kw_only=True)
class BatchFault:
    """Strikes an OpenAI batch of three lines as a whole.

    `tries` are the attempts at its lines, `failed` the lots that fail and `says` the words they
    fail with; `bills` is the most that may be billed. `hours`: how old it is before that comes.
    """

    rules: Sequence[Rule]
    tries: Sequence[int] = (1, 1, 1)
    failed: int = 0
    says: str = ""
    bills: int = 3
    hours: float = 0


def _on_batch(do: str, **more: object) -> Sequence[Rule]:
    return [{"on": "batch", "do": do, "times": 1, **more}]


def _invalid(code: str, **more: object) -> Sequence[Rule]:
    return _on_batch("fail", code=code, message="These words.", **more)


SENT_AGAIN = (
    "invalid_json_line",
    "duplicate_custom_id",
    "missing_required_parameter",
    "mismatched_model",
    "invalid_request",
    "streaming_unsupported",
)
HOPELESS = ("invalid_url", "model_not_found")
ALL_AGAIN = (2, 2, 2)
ALL_OVER = (3, 3, 3)
UNANSWERED = "without an answer"
AN_HOUR = 3600

_ENDED_WRONGLY: Mapping[str, BatchFault] = {
    **{f"failed: {code}": BatchFault(rules=_invalid(code), tries=ALL_AGAIN) for code in SENT_AGAIN},
    **{
        f"failed: {code} in one line": BatchFault(
            rules=_invalid(code, line=2), failed=1, says=f"These words. ({code})", bills=2
        )
        for code in SENT_AGAIN
    },
    **{
        f"failed: {code}": BatchFault(
            rules=_invalid(code), failed=3, says=f"These words. ({code})", bills=0
        )
        for code in HOPELESS
    },
    "failed for ever": BatchFault(
        rules=_invalid("invalid_request", times=None),
        tries=ALL_OVER,
        failed=3,
        says="These words.",
        bills=0,
    ),
    "token_limit_exceeded": BatchFault(rules=_on_batch("token_limit")),
    "expired with partial output": BatchFault(
        rules=_on_batch("expire", fraction=0.4), tries=(1, 1, 2)
    ),
    "expired, and the rest in neither file": BatchFault(
        rules=[*_on_batch("expire", fraction=0.4), *_on_batch("forget_undone")], tries=(1, 1, 2)
    ),
    "expired before its first line": BatchFault(
        rules=_on_batch("expire", fraction=0.0), tries=ALL_AGAIN
    ),
    "expired for ever": BatchFault(
        rules=_on_batch("expire", fraction=0.0, times=None),
        tries=ALL_OVER,
        failed=3,
        says="expired",
        bills=0,
    ),
    "cancelled with partial output": BatchFault(
        rules=_on_batch("cancel_batch", fraction=0.4), tries=(1, 1, 2)
    ),
    "cancelled, and the rest in neither file": BatchFault(
        rules=[*_on_batch("cancel_batch", fraction=0.4), *_on_batch("forget_undone")],
        tries=(1, 1, 2),
    ),
}
_ANSWERS_LOST: Mapping[str, BatchFault] = {
    "completed with a null output file, for all its lines failed": BatchFault(
        rules=[{"on": "line", **error(400, message="No.")}], failed=3, says="No.", bills=0
    ),
    "completed with a null output file, though lines were billed": BatchFault(
        rules=_on_batch("no_output"), tries=ALL_AGAIN, bills=6
    ),
    "an output file that is gone": BatchFault(
        rules=_on_batch("lost_output"), tries=ALL_AGAIN, bills=6
    ),
    "an output file that is empty for a while": BatchFault(
        rules=[{"on": "content", "do": "empty_content", "times": 2}]
    ),
    "an output file that stays empty": BatchFault(
        rules=[{"on": "content", "do": "empty_content"}],
        tries=ALL_OVER,
        failed=3,
        says=UNANSWERED,
        bills=9,
    ),
    "an output file that breaks off": BatchFault(
        rules=[{"on": "content", "do": "cut_content", "times": 3}]
    ),
    "an empty error file": BatchFault(rules=_on_batch("empty_error_file")),
    "lines in another order": BatchFault(rules=_on_batch("shuffle")),
}
_VANISHED: Mapping[str, BatchFault] = {
    "a batch that vanishes": BatchFault(rules=_on_batch("vanish"), tries=ALL_AGAIN),
    "a batch that is unknown for a while": BatchFault(
        rules=[{"on": "retrieve", **error(404), "times": 5}]
    ),
    "an upload that vanishes": BatchFault(rules=[{"on": "upload", "do": "lose_file", "times": 1}]),
    "uploads that always vanish": BatchFault(
        rules=[{"on": "upload", "do": "lose_file"}], failed=3, says="no such file", bills=0
    ),
}
_VIEWS: Mapping[str, Mapping[str, object]] = {
    "a status that is unknown today": {"do": "unknown_status", "times": 3},
    "a status that is unknown today, for ever": {"do": "unknown_status"},
    "a status in capitals": {"do": "capital_status"},
    "counts that lie: none": {"do": "false_counts"},
    "counts that lie: too many": {"do": "false_counts", "total": 9, "completed": 7, "failed": 2},
    "counts that lie: all failed": {"do": "false_counts", "total": 3, "failed": 3},
    "null counts": {"do": "null_counts"},
    "ids that are empty texts": {"do": "blank_file_ids"},
    "no metadata": {"do": "no_metadata"},
    "a clock that is minutes late": {"do": "shift_clock", "seconds": -300},
    "a clock that is minutes early": {"do": "shift_clock", "seconds": 300},
    "a clock that is a day late": {"do": "shift_clock", "seconds": -24 * AN_HOUR},
}
BATCH_CALLS = ["create", "retrieve", "list", "cancel"]
_SHOWN_WRONGLY = {
    name: BatchFault(rules=[{"on": BATCH_CALLS, **rule}]) for name, rule in _VIEWS.items()
}
_NEVER_ENDING: Mapping[str, BatchFault] = {
    "a batch that never ends": BatchFault(
        rules=_on_batch("stall", fraction=0.4), tries=(1, 1, 2), hours=25.5
    ),
    "a batch that never ends and can't be cancelled": BatchFault(
        rules=[*_on_batch("stall", fraction=0.4), {"on": "cancel", **error(500)}],
        tries=ALL_AGAIN,
        bills=5,
        hours=26.5,
    ),
    "a batch of unknown status that never ends": BatchFault(
        rules=[*_on_batch("stall", fraction=0.4), {"on": BATCH_CALLS, "do": "unknown_status"}],
        tries=(1, 1, 2),
        hours=25.5,
    ),
}
_REFUSED: Mapping[str, BatchFault] = {
    f"{call} is refused for good: {status} {code}": BatchFault(
        rules=[{"on": call, **error(status, code, message="Refused.")}],
        failed=3,
        says="Refused.",
        bills=0,
        hours=0.5,
    )
    for call in ("upload", "create")
    for status, code in [(400, None), (401, None), (403, None), *((429, kind) for kind in USED_UP)]
}

BATCHES: Mapping[str, BatchFault] = {
    **_ENDED_WRONGLY,
    **_ANSWERS_LOST,
    **_VANISHED,
    **_SHOWN_WRONGLY,
    **_NEVER_ENDING,
    **_REFUSED,
}
