"""Python runs this at the start of each measured program: it has what users have.

httpx imports click and Pygments where click is installed. The `test` extra installs it, the program
does not, and it would make each reference that uses httpx 60 ms slower than it is for users.
"""

import sys

sys.modules["click"] = None  # type: ignore[assignment]  # an import of it fails, as without it
