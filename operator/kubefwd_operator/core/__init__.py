"""What is decided: pure values and functions, without asyncio, sockets, processes or clocks.

Everything here can be tested as a table. Nothing here imports anything but itself and the
helper's naming rules (`root.helper.names`), so that both sides of the privilege boundary spell
every name alike.
"""
