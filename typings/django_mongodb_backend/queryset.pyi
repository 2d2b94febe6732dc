from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.db.models.query import RawQuerySet

_Model = TypeVar("_Model", bound=Model, covariant=True)

class MongoQuerySet(QuerySet[_Model, _Model]):
    def raw_aggregate(
        self, pipeline: Sequence[Mapping[str, Any]], using: str | None = None
    ) -> RawQuerySet[Any]: ...
