"""Path converters."""

from bson import ObjectId


class ObjectIdConverter:
    """An ObjectId in an address; anything else is no match, hence a 404."""

    regex = "[0-9a-f]{24}"

    def to_python(self, value: str) -> ObjectId:
        return ObjectId(value)

    def to_url(self, value: ObjectId | str) -> str:
        return str(value)
