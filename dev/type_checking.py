"""Settings as the type checker's Django plugin sees them: no secret, no database is needed.

The plugin knows Django's own apps by their plain names only, while the shop names its own
configurations of them; without this it would take `request.user` for any user.
"""

import os

os.environ.setdefault("DEBUG", "true")

from ottsonly.settings import *  # noqa: E402, F403
from ottsonly.settings import INSTALLED_APPS as SHOP_APPS  # noqa: E402

PLAIN_NAMES = {"ottsonly.apps.AuthConfig": "django.contrib.auth"}
INSTALLED_APPS = [PLAIN_NAMES.get(app, app) for app in SHOP_APPS]
