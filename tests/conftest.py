"""What every test shares."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing about the program.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")

# Tests started by nohup would hand its deafness down to the programs that they signal.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
