"""An operator at the admin pages, without a browser."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.integration.api_service import Service

PASSWORD = "a password of operators"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Pages:
    """Each has cookies of its own; `host` and `address` are as in the requests that it sends."""

    service: Service
    host: str = "localhost"
    address: str = "192.0.2.1"
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.service.client

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=headers, **self._where())

    def post(self, path: str, **fields: str | bytes) -> Any:
        """Send a form as a page of ours would."""
        return self.client.post(path, data={"csrf_token": self.token(), **fields}, **self._where())

    def post_bare(self, path: str, **fields: str) -> Any:
        """Send a form as a page of somebody else would."""
        return self.client.post(path, data=fields, **self._where())

    def token(self) -> str:
        """The token in whatever page has a form: the list, or the login that it leads to."""
        page = self.client.get("/admin/jobs", follow_redirects=True, **self._where()).text
        found = _TOKEN.search(page)
        assert found, page
        return found[1]

    def log_in(self, password: str | bytes = PASSWORD, query: str = "") -> Any:
        return self.post(f"/admin/login{query}", password=password)

    def is_in(self) -> bool:
        return bool(self.get("/admin/jobs").status_code == 200)

    def _where(self) -> dict[str, Any]:
        return {
            "base_url": f"http://{self.host}",
            "environ_overrides": {"REMOTE_ADDR": self.address},
        }


def operator(service: Service) -> Pages:
    pages = Pages(service)
    assert pages.log_in().status_code == 302
    return pages
