"""Reports of errors to Sentry, when SENTRY_DSN is set: no person, no secret, no local variable."""

from typing import Any

import sentry_sdk
from django.conf import settings

from ottsonly.logs import REQUEST_ID
from ottsonly.redaction import redact


def start() -> None:
    """Begin to report, if there is somewhere to report to."""
    if not settings.SENTRY_DSN:
        return
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        traces_sample_rate=0,
        before_send=scrubbed,
    )


def scrubbed(event: Any, hint: Any) -> Any:
    """Return the event with everything dropped that could name a person or hold a secret."""
    for name in ("user", "extra", "breadcrumbs", "server_name", "modules"):
        event.pop(name, None)
    request = event.pop("request", None) or {}
    # Query and headers may hold tokens: the address without them is enough to find the view.
    event["request"] = {
        "method": request.get("method"),
        "url": redact(str(request.get("url", "")).split("?")[0]),
    }
    event.setdefault("tags", {})["request_id"] = REQUEST_ID.get()
    for entry in (event.get("exception") or {}).get("values") or []:
        entry["value"] = redact(str(entry.get("value") or ""))
        for frame in (entry.get("stacktrace") or {}).get("frames") or []:
            frame.pop("vars", None)
    entry = event.get("logentry")
    if entry:
        text = str(entry.get("formatted") or entry.get("message") or "")
        event["logentry"] = {"message": redact(text)}
    if event.get("message"):
        event["message"] = redact(str(event["message"]))
    return event
