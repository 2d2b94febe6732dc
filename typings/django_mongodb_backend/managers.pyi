from typing import TypeVar

from django.db.models import Manager, Model

_Model = TypeVar("_Model", bound=Model, covariant=True)

class MongoManager(Manager[_Model]): ...
