"""`python -m slurper_tui`."""

import sys

from slurper_tui.cli.main import main

sys.exit(main())
