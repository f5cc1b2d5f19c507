"""The JSON of lots as clients read them (docs/api.md §5), written by PostgreSQL.

Results and webhooks pass on up to a hundred megabytes of texts. Reading them into objects only to
write them out again costs as much as everything else together, so one expression makes the document
where the texts are. It belongs into a statement with the job as `j`, its lots as `l`, and ASKED.
"""

from typing import Final

from generation_service.core.languages import SOURCE
from generation_service.core.status import DESCRIPTION_ACTIVE, DescriptionStatus, LotStatus
from generation_service.db.statements import names

_ACTIVE: Final = ", ".join(f"'{name}'" for name in names(DESCRIPTION_ACTIVE))

ASKED: Final = f"""
    CROSS JOIN LATERAL (
        SELECT array_agg(
            CASE WHEN tag = ANY(j.translations) THEN tag ELSE '{SOURCE}' END ORDER BY place
        ) AS stored
        FROM unnest(j.languages) WITH ORDINALITY AS t (tag, place)
    ) asked
"""  # noqa: S608 - constants
"""The languages of `j.languages` as descriptions name them: plain English may be spelled `EN`."""

_OUTCOME: Final = f"""
    l.lot_id, l.status,
    ARRAY(
        SELECT text FROM (
            SELECT j.languages[array_position(asked.stored, d.language)] AS language, d.damages
            FROM descriptions d
            WHERE d.lot = l.id AND d.status = '{DescriptionStatus.COMPLETED}'
                AND d.language = ANY(asked.stored)
            ORDER BY array_position(asked.stored, d.language)
        ) text
    ) AS descriptions,
    coalesce(l.missing_images, '{{}}') AS missing_images
"""  # noqa: S608 - constants

# A lot that failed as a whole has failed in every language that it has no outcome in.
_FAULTS: Final = f"""
    (
        SELECT json_agg(
            json_build_object('language', a.tag, 'error', json_build_object(
                'code', CASE WHEN d.id IS NULL THEN l.error_code ELSE d.error_code END,
                'message', coalesce(CASE WHEN d.id IS NULL THEN l.error_message
                                         ELSE d.error_message END, '')
            )) ORDER BY a.place
        )
        FROM unnest(j.languages, asked.stored) WITH ORDINALITY AS a (tag, stored, place)
        LEFT JOIN descriptions d
            ON d.lot = l.id AND d.language = a.stored AND d.status NOT IN ({_ACTIVE})
        WHERE d.status = '{DescriptionStatus.FAILED}'
            OR (d.id IS NULL AND l.status = '{LotStatus.FAILED}' AND l.error_code IS NOT NULL)
    ) AS failed_languages,
    CASE WHEN l.error_code IS NOT NULL THEN json_build_object(
        'code', l.error_code, 'message', coalesce(l.error_message, '')
    ) END AS error
"""  # noqa: S608 - constants

LOT_DOCUMENT: Final = f"""
    CASE WHEN l.status = '{LotStatus.COMPLETED}'
         THEN (SELECT row_to_json(lot) FROM (SELECT {_OUTCOME}) lot)
         ELSE (SELECT json_strip_nulls(row_to_json(lot)) FROM (SELECT {_OUTCOME}, {_FAULTS}) lot)
    END::text
"""  # noqa: S608 - constants
"""Without spaces; `error` and `failed_languages` are there only if there are any."""
