"""The stages of a job as its page draws them: photos, descriptions, translations, webhooks."""

from collections.abc import Sequence
from dataclasses import dataclass

from generation_service.core.status import JOB_ACTIVE, DeliveryStatus, Kind
from generation_service.db.admin_jobs import JobBatch
from generation_service.db.delivery_log import Tally
from generation_service.db.jobs import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One box of the stage picture; `busy` is how much of it is at OpenAI or on its way.

    `over`: nothing of it is worked on any more, so what is not settled stays so.
    """

    name: str
    unit: str
    total: int
    completed: int
    failed: int
    busy: int = 0
    over: bool = False

    @property
    def settled(self) -> int:
        return self.completed + self.failed

    @property
    def state(self) -> str:
        if not self.total:
            return "none"
        if self.settled < self.total:
            if self.over:
                return "ended"
            return "begun" if self.settled or self.busy else "waiting"
        return "failed" if self.failed == self.total else "done"


def stages(job: Job, batches: Sequence[JobBatch], tallies: Sequence[Tally]) -> Sequence[Stage]:
    """`tallies` are those of the newest run; webhooks go out when the job has ended."""
    counted = [
        ("Photos", "checked", job.images, 0),
        ("Descriptions", "written", job.vision, _busy(batches, Kind.VISION)),
        ("Translations", "written", job.translation, _busy(batches, Kind.TRANSLATION)),
    ]
    worked = [
        Stage(
            name=name,
            unit=unit,
            total=count.total,
            completed=count.completed,
            failed=count.failed,
            busy=busy,
            over=job.status not in JOB_ACTIVE,
        )
        for name, unit, count, busy in counted
    ]
    return [*worked, _webhooks(tallies)]


def _webhooks(tallies: Sequence[Tally]) -> Stage:
    delivered, failed = (
        sum(tally.deliveries for tally in tallies if tally.status is status)
        for status in (DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)
    )
    return Stage(
        name="Webhooks",
        unit="delivered",
        total=sum(tally.deliveries for tally in tallies),
        completed=delivered,
        failed=failed,
    )


def _busy(batches: Sequence[JobBatch], kind: Kind) -> int:
    return sum(batch.waiting for batch in batches if batch.kind is kind)
