"""Sessions in MongoDB that know whose they are, where they began and when they were last seen."""

from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

from accounts.models import LoginSession, object_id

# Key in the session's data under which the log-in view leaves address and device.
LOGIN_KEY = "login"
# Where the pages of the second factor leave when it was given, as seconds since 1970.
VERIFIED_AT_KEY = "second_factor_at"
SEEN_EVERY = timedelta(minutes=5)


class SessionStore(DatabaseStore):
    """Django's database store on our own model."""

    cache_key_prefix = "accounts.sessions"
    last_seen_at: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[LoginSession]:
        return LoginSession

    def _get_session_from_db(self) -> LoginSession | None:
        # The stubs leave this method of Django's store out.
        row = cast(LoginSession | None, super()._get_session_from_db())  # type: ignore[misc]
        self.last_seen_at = row.last_seen_at if row is not None else None
        return row

    def create_model_instance(self, data: dict[str, Any]) -> LoginSession:
        row = cast(LoginSession, super().create_model_instance(data))
        login = data.get(LOGIN_KEY) or {}
        row.user_id = object_id(data.get(SESSION_KEY))
        row.ip = login.get("ip", "")
        row.device = login.get("device", "")
        if login.get("at"):
            row.created_at = datetime.fromisoformat(login["at"])
        return row

    def touch(self) -> None:
        """Note that the session was seen, at most every SEEN_EVERY, without saving its data.

        A session that nobody read, that ended or that is about to be saved needs no note.
        """
        now = timezone.now()
        if self.last_seen_at is None or not self.session_key or self.modified:
            return
        if self.last_seen_at < now - SEEN_EVERY:
            LoginSession.objects.filter(pk=self.session_key).update(last_seen_at=now)
            self.last_seen_at = now
