"""What runs as root, in reading order.

1. this file: where things are on a real machine, and how the code is kept to its own folder
2. helper/worker.py: its life, from the first line to the last
3. helper/peer.py: for whom, and who is on the other side
4. helper/protocol.py, helper/session.py: what may be asked, and what is done then
5. helper/names.py, helper/hosts.py: what gets into the hosts file, and out of it again
6. helper/ledger.py, helper/listeners.py: addresses and sockets
7. helper/guardian.py: the second process, which undoes everything when the first is gone
8. helper/kubefwd/: one more child, which the native engine has not; process.py first

It is started as `/usr/bin/python3 -I -S -B -X pycache_prefix=/dev/null FOLDER --instance ID`, as
root. With these flags nothing is read but this folder and the standard library, and no cache.
"""

import os
import sys

from helper import worker  # type: ignore[import-not-found]  # found in this folder, when run

sys.path.remove(os.path.dirname(os.path.abspath(__file__)))

# A reboot empties /var/run, on macOS as well.
PATHS = worker.Paths("/etc/hosts", "/var/run/kubefwd-operator", "/run/user")

flags = (sys.flags.isolated, sys.flags.no_site, sys.dont_write_bytecode, sys.pycache_prefix)
if flags != (1, 1, True, os.devnull):
    sys.exit("kubefwd-helper: it must be started as python3 -I -S -B -X pycache_prefix=/dev/null.")
if os.geteuid() != 0:
    sys.exit("kubefwd-helper: it must be started as root.")
sys.exit(worker.run(PATHS, sys.argv[1:], os.environ))
