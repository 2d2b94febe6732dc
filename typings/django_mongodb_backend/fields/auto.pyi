from typing import TypeVar

from bson import ObjectId
from django.db.models import AutoField
from django.db.models.expressions import Combinable

_ST = TypeVar("_ST", contravariant=True)
_GT = TypeVar("_GT", covariant=True)

# At run time it is an AutoField too; its values are ObjectIds, not numbers.
class ObjectIdAutoField(AutoField[_ST, _GT]):
    _pyi_private_set_type: Combinable | ObjectId | str  # type: ignore[assignment]
    _pyi_private_get_type: ObjectId  # type: ignore[assignment]
    _pyi_lookup_exact_type: ObjectId | str  # type: ignore[assignment]
