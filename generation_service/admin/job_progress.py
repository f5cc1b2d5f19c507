"""How far a job has come, as the pages draw it."""

from dataclasses import dataclass
from datetime import datetime

from generation_service.core.progress import Shares, expected_end
from generation_service.core.status import JOB_ACTIVE
from generation_service.db.jobs import Job, StageCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`permille` is for the bar, `expected_end` None for a job that has ended."""

    permille: int
    expected_end: datetime | None

    @property
    def percent(self) -> str:
        return f"{self.permille / 10:.0f} %"


def progress(job: Job, now: datetime) -> Progress:
    if job.status not in JOB_ACTIVE:
        return Progress(permille=_permille(job, ended=True), expected_end=None)
    # What an earlier run has done tells nothing of this one's pace.
    texts = _shares(job).texts if job.run == 1 else None
    lots = job.lots_total if job.run == 1 else job.lots_total - job.lots_settled
    end = expected_end(started=job.run_started_at, now=now, lots=lots, texts=texts)
    return Progress(permille=_permille(job, ended=False), expected_end=end)


def _permille(job: Job, *, ended: bool) -> int:
    """Of a cancelled job, how far it came; 1,000 only for one that has ended."""
    share = int(1000 * _shares(job).whole)
    return share if ended else min(share, 999)


def _shares(job: Job) -> Shares:
    return Shares(
        images=share(job.images),
        vision=share(job.vision),
        translation=share(job.translation) if job.translation.total else None,
    )


def share(count: StageCount) -> float:
    """How much of a stage is settled; a stage without anything to do is done."""
    return (count.completed + count.failed) / count.total if count.total else 1.0
