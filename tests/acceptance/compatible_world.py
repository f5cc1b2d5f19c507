"""The service with a server of strange habits, and times that are moved instead of waited for."""

from uuid import uuid4

from sqlalchemy import text

from tests.acceptance.client import ENDED, Client, lot
from tests.acceptance.compatible_server import Quirks, answer
from tests.waiting import until

_SOONER = """
    UPDATE openai_batches SET next_try_at = now() WHERE status <> 'settled' AND tries > 0;
    UPDATE descriptions SET available_at = now()
    WHERE status = 'queued' AND available_at > now() AND available_at <> 'infinity';
    UPDATE model_limits SET paused_until = now()
"""
_LATER = """
    UPDATE openai_batches SET created_at = created_at - interval '27 hours',
        submitted_at = submitted_at - interval '27 hours',
        overdue_since = overdue_since - interval '27 hours',
        tries = CASE WHEN tries > 0 THEN greatest(tries, 9) ELSE 0 END
    WHERE status <> 'settled';
    UPDATE batch_jobs SET updated_at = updated_at - interval '27 hours' WHERE completed_at IS NULL
"""


class World:
    """A job under some quirks: asked for, hurried along, looked at."""

    def __init__(self, service, server, database, photos):
        self.client, self.server = Client(service), server
        self._database, self._photo = database, photos.url("/1.jpg")

    def one_lot(self, quirks):
        self.server.quirks = quirks
        # A key of its own: the same lot again would otherwise get the first answer again.
        return self.client.generate([lot("a", self._photo)], ["en", "de"], key=uuid4().hex)

    def job(self, quirks, languages=("en",), *, lots=2, later=False):
        """The status of a job that has ended; with `later`, pauses of a day are over as well."""
        self.server.quirks = quirks
        request = [lot(f"lot-{n}", self._photo) for n in range(lots)]
        job_id = self.client.job(request, languages)
        return until(lambda: self._ended(job_id, later=later), what="the job ends")

    def _ended(self, job_id, *, later):
        for statement in (_SOONER + f";{_LATER}" * later).split(";"):
            with self._database.begin() as connection:  # alone: two locks could be a deadlock
                connection.execute(text(statement))
        document = self.client.status(job_id)
        return document if document["status"] in ENDED else None

    def lots(self, status):
        return self.client.results(status["job_id"])[1]["results"]["lots"]

    def assert_described(self, status, lots=2):
        """Every lot has every language, and nothing was asked for twice."""
        assert status["status"] == "completed", status
        for described in self.lots(status):
            languages = [entry["language"] for entry in described["descriptions"]]
            assert languages == status["languages"]
        billed = self.server.billed
        assert len(billed) == len(set(billed)) == lots * len(status["languages"])


def batch(**changes):
    return lambda document: {**document, **changes}


def without(*names):
    return lambda document: {name: document[name] for name in document if name not in names}


def body(change):
    """A change to the body of an output line's response."""
    return lambda line: {
        **line,
        "response": {**line["response"], "body": change(line["response"]["body"])},
    }


def said(**message):
    """An answer whose message has these fields."""
    return body(lambda sent: {**sent, "choices": [{"message": message}]})


def by_turns(shapes):
    """Each line in another shape; the custom_ids of a job count on from one lot to the next."""
    return lambda line: shapes[int(line["custom_id"].partition("-")[0]) % len(shapes)](line)


def refusal(status, words, **headers):
    return answer({"error": {"message": words, "code": None}}, status, **headers)


def rejected(errors):
    return Quirks(statuses=("failed",), batch=batch(output_file_id=None, errors=errors))
