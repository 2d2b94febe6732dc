from .auto import ObjectIdAutoField as ObjectIdAutoField
from .objectid import ObjectIdField as ObjectIdField
