"""`python -m embedded_mongodb`: start the embedded server in this process.

This file runs inside and adapts SecantusDB, which is GPL-2.0; nothing else of this project
imports it; it talks to the application only over the wire.
"""

import sys

from embedded_mongodb.launcher import main

if __name__ == "__main__":
    sys.exit(main())
