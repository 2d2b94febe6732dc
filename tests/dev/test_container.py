"""What the image holds, without a container engine: every room, and nothing but the shop."""

import re
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)


def test_the_image_holds_every_room_and_no_development_tool():
    rooms = {app.split(".")[0] for app in settings.INSTALLED_APPS}
    rooms = {room for room in rooms if (ROOT / room / "apps.py").is_file()}
    wanted = rooms | {"manage.py", "templates", "static"}
    copied = re.findall(r"^COPY (\S+) \1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert set(copied) | {"manage.py"} == wanted
    sent = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert set(sent) == wanted | {"requirements/base.txt"}
