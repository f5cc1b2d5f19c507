"""What all tables share.

Statements in `db` are SQL text; these classes are read for their columns and indexes: by alembic,
by the structure test that compares them with the migrations, and by people.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, registry

NOW = sql("now()")
ZERO = sql("0")


class Base(DeclarativeBase):
    registry = registry(
        type_annotation_map={
            str: Text,
            datetime: DateTime(timezone=True),
            list[str]: ARRAY(Text),
            dict[str, Any]: JSONB,
        }
    )
