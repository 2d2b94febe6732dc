"""Clients that ask the running server over kept-alive connections, as browsers do."""

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

CSRF = "benchmarkbenchmarkbenchmark12345"
SECONDS_PER_ANSWER = 60.0
# Gunicorn hangs up on a connection that was idle for 2 seconds; a browser then opens another.
IDLE_SECONDS = 1.0


class Connection:
    """One browser: a connection and its cookies."""

    def __init__(self, port: int, session: str = "") -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_PER_ANSWER)
        self._cookies = {"csrftoken": CSRF}
        self.is_known = bool(session)
        self._used_at = time.monotonic()
        if session:
            self._cookies["sessionid"] = session

    def get(self, path: str) -> int:
        """Ask for a page; return the status."""
        return self._ask("GET", path, None)

    def post(self, path: str, **fields: str) -> int:
        """Send a form; return the status."""
        return self._ask("POST", path, urlencode({"csrfmiddlewaretoken": CSRF, **fields}))

    def _ask(self, method: str, path: str, body: str | None) -> int:
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
            "Accept-Encoding": "gzip",
        }
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if time.monotonic() - self._used_at > IDLE_SECONDS:
            self._http.close()
        self._http.request(method, path, body, headers)
        answer = self._http.getresponse()
        answer.read()
        self._used_at = time.monotonic()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer.status

    def close(self) -> None:
        """Hang up."""
        self._http.close()


@dataclass
class Times:
    """How long the operations took, and how long all of them together."""

    each_ms: list[float]
    all_seconds: float

    def at(self, share: float) -> float:
        """Return the time in ms that `share` of the operations did not exceed."""
        ordered = sorted(self.each_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def drive(work: list[Callable[[], None]], clients: int) -> Times:
    """Do each piece of work once, by `clients` threads that take the next one when free."""
    waiting = iter(work)
    lock = threading.Lock()
    each_ms: list[float] = []
    errors: list[BaseException] = []

    def run() -> None:
        while not errors:
            with lock:
                piece = next(waiting, None)
            if piece is None:
                return
            start = time.perf_counter()
            try:
                piece()
            except BaseException as error:
                errors.append(error)
                return
            each_ms.append((time.perf_counter() - start) * 1000)

    threads = [threading.Thread(target=run) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return Times(each_ms, time.perf_counter() - start)
