"""Logs: one line of JSON each when LOG_FORMAT=json, with the id of the request, never a secret."""

import json
import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse

from ottsonly.redaction import redact

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
HEADER = "X-Request-ID"
# What a proxy of ours would send; anything else could write into the log.
GIVEN = re.compile(r"[A-Za-z0-9-]{8,64}")


class RequestIdMiddleware:
    """Gives each request an id, which every line of its log and its answer carry."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        token = REQUEST_ID.set(given if GIVEN.fullmatch(given) else secrets.token_hex(8))
        try:
            response = self.get_response(request)
            response[HEADER] = REQUEST_ID.get()
            return response
        finally:
            REQUEST_ID.reset(token)


class PlainFormatter(logging.Formatter):
    """For a terminal: time, level, logger, message and the trace, if there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """For a collector of logs: one object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "process": record.process,
        }
        if REQUEST_ID.get():
            line["request_id"] = REQUEST_ID.get()
        if record.exc_info:
            line["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)
