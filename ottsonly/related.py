"""Documents that others refer to, loaded by an index."""

from typing import Any

from ottsonly.encryption import EncryptedQuerySet


def attach_related(rows: list[Any], names: tuple[str, ...]) -> None:
    """Load the documents that the foreign keys `names` of `rows` refer to, by one command each.

    Django's own prefetching asks with an expression (`$expr`), which no index answers.

    Args:
        names: as for `select_related`; "plan__platform" loads the plans and then their platforms.
    """
    for path in names:
        name, _separator, further = path.partition("__")
        field = rows[0]._meta.get_field(name) if rows else None
        if field is None:
            return
        keys = sorted({getattr(row, field.attname) for row in rows} - {None}, key=str)
        found = field.related_model._default_manager.filter(pk__in=keys) if keys else []
        if isinstance(found, EncryptedQuerySet):
            # No list shows a secret, so none is opened for it.
            found = found.without_secrets()
        by_key = {document.pk: document for document in found}
        for row in rows:
            key = getattr(row, field.attname)
            if key is None or key in by_key:
                field.set_cached_value(row, by_key.get(key))
        if further:
            attach_related(list(by_key.values()), (further,))
