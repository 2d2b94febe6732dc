"""A migrated database for one measurement, dropped afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.core.management import call_command


@contextmanager
def throw_away_database() -> Iterator[None]:
    """Set Django up on MONGODB_URI, or on an embedded server of this process's own."""
    os.environ |= {"DEBUG": "true", "DJANGO_SETTINGS_MODULE": "ottsonly.settings"}
    os.environ["MONGODB_NAME"] = f"ottsonly_benchmark_{os.getpid()}"
    server = None
    if "MONGODB_URI" not in os.environ:
        from embedded_mongodb.process import EmbeddedServer

        server = EmbeddedServer()
        os.environ["MONGODB_URI"] = server.start().uri
    try:
        django.setup()
        call_command("migrate", verbosity=0)
        yield
    finally:
        from django.db import connection

        connection.ensure_connection()
        connection.connection.drop_database(os.environ["MONGODB_NAME"])
        if server is not None:
            server.stop()
