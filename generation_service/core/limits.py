"""Every fixed limit of the service, in one place; settable ones are in config.py."""

from typing import Final

MIB: Final = 1024 * 1024

# Requests (docs/api.md §1-3)
MAX_JSON_DEPTH: Final = 32
# Of one value that is held as a whole, such as a lot: a lot of 500 photos has 2,000 marks
# (brackets, braces and commas), and at most 8 MB when all its characters are escapes.
MAX_JSON_MARKS: Final = 500_000
MAX_JSON_CHARS: Final = 16 * MIB
MAX_JSON_MEMBERS: Final = 1_000
MAX_LANGUAGES: Final = 200
MAX_LOTS: Final = 50_000
MAX_LOTS_READ: Final = 4 * MAX_LOTS  # to see who has signed; for more than that it is no use
MAX_LOT_ID_CHARS: Final = 128
MAX_ADDITIONAL_INFO_CHARS: Final = 10_000
MAX_IMAGES_PER_LOT: Final = 500
MAX_URL_CHARS: Final = 2_048
MAX_WEBHOOK_URLS: Final = 100
MAX_SYNC_IMAGES: Final = 20
MAX_SYNC_TRANSLATIONS: Final = 2
MAX_VALIDATION_URLS: Final = 100
MAX_METADATA_PAIRS: Final = 16
MAX_METADATA_KEY_CHARS: Final = 64
MAX_METADATA_VALUE_CHARS: Final = 512
MAX_ERROR_DETAILS: Final = 20
MIN_KEY_CHARS: Final = 32
MAX_CLIENT_NAME_CHARS: Final = 64
SIGNATURE_SECONDS: Final = 300
MAX_IDEMPOTENCY_KEY_CHARS: Final = 255
REPLAY_HOURS: Final = 24
MAX_PAGE: Final = 100
DEFAULT_PAGE: Final = 10
REQUEST_STATEMENT_SECONDS: Final = 25
STAGE_LOCK_SECONDS: Final = 60  # cancelling a million requests holds a job for half of that
KEEP_SECONDS: Final = 5.0
RESULTS_PAGE_TEXTS: Final = 1_500  # about a megabyte in one statement: lots times languages
RESULTS_PAGE_MISSING: Final = 4_000  # photos, of 2,048 characters at most

# Images (docs/api.md §4)
MAX_IMAGE_BYTES: Final = 10 * MIB
IMAGE_CONNECT_SECONDS: Final = 3.0
IMAGE_TOTAL_SECONDS: Final = 10.0
IMAGE_REDIRECTS: Final = 3
IMAGES_IN_FLIGHT: Final = 512
IMAGES_PER_HOST: Final = 256
PARK_AFTER_FAILED_CONNECTS: Final = 50
PARK_SECONDS: Final = 60.0
ABSENCE_SECONDS: Final = 0.5  # that nobody looks after transfers and yet counts as there
MAX_REPEATS: Final = 2  # of a photo's request that may have failed for our absence

# OpenAI's Batch API guide: 50,000 lines and 200 MB a file; the margin covers the last line.
MAX_BATCH_REQUESTS: Final = 50_000
MAX_BATCH_BYTES: Final = 190 * MIB
OWN_BATCH_REQUESTS: Final = 1_000
MAX_ATTEMPTS: Final = 3
MAX_CREATIONS_AN_HOUR: Final = 2_000
ATTEMPT_NUMBERS_A_RUN: Final = 10  # MAX_ATTEMPTS, a larger one, one after a probe, and some air
BATCH_WINDOW_HOURS: Final = 24
FALLBACK_LEAD_HOURS: Final = 2  # of those 24, for direct calls; argued in docs/decisions.md
FILE_DAYS: Final = 30
MAX_ENQUEUED_LIMIT: Final = 10**15  # tokens: more than any account's, and its hundredths fit bigint
VISION_MAX_TOKENS: Final = 6_000
TRANSLATION_MAX_TOKENS: Final = 4_000
LARGER_FACTOR: Final = 4
MAX_PRICE_USD: Final = 100_000  # for a million tokens
MAX_COST_USD: Final = 1_000_000_000  # that a client may set as the limit of an order

# Events from OpenAI (docs/api.md §9): small, and sent again for 72 hours by its guide on webhooks
MAX_EVENT_BYTES: Final = 64 * 1024
MAX_EVENT_ID_CHARS: Final = 255
EVENT_DAYS: Final = 4

# Webhooks (docs/api.md §6)
WEBHOOK_TOTAL_SECONDS: Final = 15.0
WEBHOOK_ANSWER_BYTES: Final = 64 * 1024
WEBHOOK_ANSWER_CHARS: Final = 1_000
WEBHOOK_PART_LOTS: Final = 500
WEBHOOK_PART_BYTES: Final = 1_000_000
WEBHOOK_PER_HOST: Final = 4
WEBHOOK_SLOTS: Final = 512
WEBHOOK_SLOTS_PER_CLIENT: Final = WEBHOOK_SLOTS // 4
WEBHOOK_NOT_PROMPT_SHARE: Final = 3 / 4  # of anything; the rest is kept for prompt receivers
WEBHOOK_AHEAD: Final = 32
WEBHOOK_PROMPT_SECONDS: Final = 2.0
WEBHOOK_BODIES_BYTES: Final = 64_000_000
WEBHOOK_SAMPLES: Final = 8
MAX_WEBHOOK_ATTEMPTS: Final = 5
MAX_RETRY_AFTER_SECONDS: Final = 600.0
ENDPOINT_FAILING_DAYS: Final = 5

# Admin pages (docs/api.md §9)
GOOD_PASSWORD_CHARS: Final = 12
ADMIN_LOGINS_A_MINUTE: Final = 5
ADMIN_SESSION_HOURS: Final = 12
MAX_IDLE_BODY_BYTES: Final = 64 * 1024  # of a request whose body nobody reads, but is signed
MAX_VALIDATION_BYTES: Final = 4 * MIB  # a hundred URLs of the greatest length, all of it escaped
MAX_ADMIN_FORM_BYTES: Final = 256 * 1024
MAX_ADMIN_FORM_FIELDS: Final = 1_000
ADMIN_PAGE_ROWS: Final = 50
ADMIN_PAGE_LOTS: Final = 20
ADMIN_PHOTOS_A_LOT: Final = 12  # more of them where one lot is looked at alone
ADMIN_POLL_SECONDS: Final = 2
ADMIN_IDLE_POLL_SECONDS: Final = 15
ADMIN_OVERVIEW_SECONDS: Final = 30

# Leases (docs/api.md §10: work goes on within 60 s of a crash)
LEASE_SECONDS: Final = 20
HEARTBEAT_STALE_SECONDS: Final = 60

# What operators look at: a week of queues, two months of OpenAI's errors
SAMPLE_DAYS: Final = 8
ERROR_DAYS: Final = 60
METRICS_FRESH_SECONDS: Final = 5.0
METRICS_PATIENCE_SECONDS: Final = 2.0
METRICS_STATEMENT_SECONDS: Final = 2
