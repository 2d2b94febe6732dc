"""Django's own apps with ObjectId keys, as django-mongodb-backend's manual asks for.

Not in an `apps.py`: Django would take AdminConfig, imported here, for this package's own.
"""

from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig

OBJECT_ID = "django_mongodb_backend.fields.ObjectIdAutoField"


class ObjectIdAdminConfig(AdminConfig):
    default_auto_field = OBJECT_ID


class ObjectIdAuthConfig(AuthConfig):
    default_auto_field = OBJECT_ID


class ObjectIdContentTypesConfig(ContentTypesConfig):
    default_auto_field = OBJECT_ID
