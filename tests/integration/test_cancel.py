"""Cancelling what takes more than one statement."""

from tests.integration.api_service import serving


def test_a_large_job_is_cancelled_whole(engine):
    with serving(engine) as service:
        job_id = service.job(1_001)
        service.run(
            "INSERT INTO descriptions (job_id, lot, kind, language, estimated_tokens)"
            " SELECT job_id, id, 'vision', 'en', 1 FROM batch_lots"
        )
        assert service.ask("/batch-jobs/{job_id}/cancel", job_id, method="POST").status_code == 200
        for table in ("batch_lots", "descriptions"):
            assert set(service.run(f"SELECT status FROM {table}").scalars()) == {"cancelled"}
