"""Our side of the privilege boundary: becoming root once, and talking to the helper afterwards.

Nothing in here runs as root (unless the developer is root). `rundir.py` and `listening.py` are the
socket that the helper connects back to, `door.py` and `peer.py` who may come in; `wire.py`,
`handover.py`, `conversation.py` and `channel.py` are the conversation, `rivals.py` who waits for a
name of ours; `command.py`, `surroundings.py`, `ways/`, `process.py` and `attempts.py` how root is
asked for; `installed.py` and `sudoers.py` are the copy that is root's own, `leftovers.py` and
`purging.py` what `cleanup` does; `machine.py` decides, `authority.py` drives, `advice.py` has the
words. The root side is `kubefwd_operator/root/`, and is never imported here.
"""
