"""What every test shares."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing about the program.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")
# Under coverage everything takes thrice as long; without it each property has all its examples.
settings.register_profile("covered", settings.get_profile("calm"), max_examples=30)

# Tests started by nohup, or in a script's background, would hand that deafness down to the programs
# that they signal.
for _number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(_number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
