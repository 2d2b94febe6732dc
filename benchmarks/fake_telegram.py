"""The tests' Bot API in a process of its own: prints its address, ends with its input."""

import sys

from tests.telegram_alerts.fake_bot_api import FakeBotApi


def main() -> None:
    """Serve until the other side closes the pipe, then print how many messages arrived."""
    with FakeBotApi() as api:
        print(api.base_url, flush=True)
        sys.stdin.read()
        print(len(api.delivered), flush=True)


if __name__ == "__main__":
    main()
