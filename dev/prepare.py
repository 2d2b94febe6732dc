"""`python -m dev.prepare`: migrate if there is something to migrate, and load the demo data once.

One process for both, and no migration where none is due: each start of Django is a good part of the
time that `make run` takes.
"""

import django
from django.core.management import call_command


def main() -> None:
    """Bring the database that the environment names up to date."""
    django.setup()
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False)
    call_command("load_demo_data")


if __name__ == "__main__":
    main()
