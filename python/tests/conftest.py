"""What all tests stand on."""

import signal

# Who starts tests in the background may have told them to ignore Ctrl-C, which some of them press.
signal.signal(signal.SIGINT, signal.default_int_handler)
