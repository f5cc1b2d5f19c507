"""What the service keeps for itself."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from generation_service.db.models.base import Base


class WorkerHeartbeat(Base):
    """When each stage of each process last ticked; health is judged from this process's rows."""

    __tablename__ = "worker_heartbeats"

    process: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    ticked_at: Mapped[datetime]


class Setting(Base):
    """Values generated once for a deployment, such as its id."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
