"""What stops the launcher."""


class CannotRun(Exception):
    """The shop cannot be started here; the message is one sentence for the person."""
