"""The database server of a test run; a pytest plugin, because it must come before the settings.

Without MONGODB_URI a throw-away embedded server is started. It is loaded by `-p tests.database`
(see pyproject.toml), which is read before pytest-django reads the settings.
"""

import atexit
import os

os.environ["DEBUG"] = "true"
os.environ["DEMO_LOGIN_CODE"] = ""
os.environ["SMS_BACKEND"] = "accounts.sms.ConsoleSms"
os.environ["RAZORPAY_KEY_ID"] = ""
os.environ["TELEGRAM_BOT_TOKEN"] = ""
os.environ["MONGODB_NAME"] = f"ottsonly_{os.getpid()}"

if "MONGODB_URI" not in os.environ:
    from embedded_mongodb.process import EmbeddedServer

    _server = EmbeddedServer()
    _server.start()
    atexit.register(_server.stop)
    os.environ["MONGODB_URI"] = _server.uri
