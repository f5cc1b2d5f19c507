"""One lot, described within the request that asks for it.

The deadline is handed down to every call, translations run side by side, and the only layer of
retries is the one in `clients.openai_api`: what is repeated here are remedies, each at most once.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import structlog

from generation_service.clients.deadline import Deadline
from generation_service.core.described import Described
from generation_service.core.errors import ERRORS, ServiceError
from generation_service.core.images import TOO_FEW, too_few
from generation_service.core.languages import translations
from generation_service.core.limits import MAX_ATTEMPTS
from generation_service.core.lots import GenerationRequest, Lot
from generation_service.core.openai_errors import Failure
from generation_service.core.results import LanguageResult, LotError
from generation_service.core.status import Kind
from generation_service.core.verdicts import Again, Done, How, judge
from generation_service.pipeline import bodies
from generation_service.pipeline.bill import Bill
from generation_service.pipeline.resources import Resources
from generation_service.telemetry import openai_errors
from generation_service.telemetry.logs import in_context

_RETRY_AFTER_SECONDS = 30

_log = structlog.get_logger()

Asked = Done | Again | Failure


def describe(
    resources: Resources,
    request: GenerationRequest,
    so_far: Described | None,
    admit: Callable[[], None],
    bill: Bill,
) -> Described:
    """Describe the lot, or only what is missing `so_far`; ServiceError when there is no English.

    `admit` is called before OpenAI is asked for the first time, and may refuse: a lot without
    enough photos is refused before it is counted as a generation (docs/api.md §7). All answers go
    on the `bill`, also where an error ends it; its client's slow names hold up nobody else's.
    """
    deadline = Deadline.after(resources.settings.sync_deadline_seconds)
    asking = _Asking(resources, deadline, bill)
    if so_far is None:
        lot = request.lots.first
        unreachable = partial(_unreachable, resources, lot, bill.client)
        missing = unreachable(lot.image_urls)
        admit()
        english, missing = _english(asking, lot, missing, unreachable)
        so_far = Described(english=english, missing_images=missing, translations={})
    else:
        admit()
    wanted = [tag for tag in translations(request.languages) if tag not in so_far.translations]
    translated = _translate(asking, so_far.english, wanted)
    return replace(so_far, translations={**so_far.translations, **translated})


def _unreachable(resources: Resources, lot: Lot, client: str, urls: Sequence[str]) -> list[str]:
    """Probe the URLs; ServiceError when too few of the lot's photos are left."""
    checks = resources.prober.check(urls, patient=False, asker_of=lambda _url: client)
    reachable = {url for url, check in checks if check.reachable}
    missing = [url for url in lot.image_urls if url not in reachable]
    if missing:
        _log.warning("images_unreachable", lots=1, images=len(missing))
    reason = too_few(lot.image_urls, missing, resources.settings.image_threshold)
    if reason is not None:
        raise ServiceError(TOO_FEW, reason, extra={"unreachable_urls": missing})
    return missing


@dataclass(frozen=True, slots=True)
class _Asking:
    """What all questions about the lot have in common."""

    resources: Resources
    deadline: Deadline
    bill: Bill

    def ask(
        self, kind: Kind, body: Callable[[bool], dict[str, object]], *, reprobed: bool
    ) -> Asked:
        """Ask once, and once more with room for a longer answer if it was cut off."""
        for larger in (False, True):
            with openai_errors.asked_for(kind):
                reply = self.resources.openai.complete(body(larger), self.deadline)
            verdict = judge(reply, attempt=MAX_ATTEMPTS, larger=larger, reprobed=reprobed)
            self.bill.add(kind, reply, done=isinstance(verdict, Done))
            if isinstance(verdict, Done):
                return verdict
            if not isinstance(verdict, Again):
                return verdict.failure
            if verdict.how is not How.LARGER:
                return verdict
        raise AssertionError("a larger answer is asked for once")


def _english(
    asking: _Asking,
    lot: Lot,
    missing: list[str],
    unreachable: Callable[[Sequence[str]], list[str]],
) -> tuple[str, list[str]]:
    """Return the description and the photos it does without."""
    answer = _ask_about(asking, lot, missing, reprobed=False)
    if isinstance(answer, Again):  # OpenAI could not download a photo: go on without the dead
        named = answer.failure.image_url
        alive = [url for url in lot.image_urls if url not in missing and url != named]
        missing = unreachable(alive)
        answer = _ask_about(asking, lot, missing, reprobed=True)
    if isinstance(answer, Done):
        return answer.text, missing
    raise _service_error(answer.failure if isinstance(answer, Again) else answer)


def _ask_about(asking: _Asking, lot: Lot, missing: Sequence[str], *, reprobed: bool) -> Asked:
    urls = [url for url in lot.image_urls if url not in missing]
    settings = asking.resources.settings
    return asking.ask(
        Kind.VISION,
        lambda larger: bodies.vision(settings, urls, lot.additional_info, larger=larger),
        reprobed=reprobed,
    )


def _translate(
    asking: _Asking, english: str, languages: Sequence[str]
) -> dict[str, LanguageResult]:
    if not languages:
        return {}
    settings = asking.resources.settings

    def translate(language: str) -> LanguageResult:
        answer = asking.ask(
            Kind.TRANSLATION,
            lambda larger: bodies.translation(settings, english, language, larger=larger),
            reprobed=True,
        )
        if isinstance(answer, Done):
            return LanguageResult(language, answer.text)
        failure = answer.failure if isinstance(answer, Again) else answer
        return LanguageResult(language, None, LotError(failure.code, failure.message))

    with ThreadPoolExecutor(len(languages), thread_name_prefix="translate") as pool:
        return {result.language: result for result in pool.map(in_context(translate), languages)}


def _service_error(failure: Failure) -> ServiceError:
    code = failure.code if failure.code in ERRORS else "openai_error"
    retry_after = None
    if code == "openai_rate_limited":
        retry_after = int(failure.retry_after or _RETRY_AFTER_SECONDS)
    return ServiceError(code, failure.message, retry_after=retry_after)
