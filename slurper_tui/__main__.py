"""`python -m slurper_tui`."""

from slurper_tui.cli.main import main

main()
