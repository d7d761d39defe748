"""The contract tier's settings."""

import asyncio

# looptime asks for an event loop around synchronous tests too, and Python up to 3.13 makes one when
# none was ever set, which nobody closes. Once one was set (to none), it does not.
asyncio.set_event_loop(None)
