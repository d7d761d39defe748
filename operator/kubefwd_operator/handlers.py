"""What `kopf run -A --standalone -m kubefwd_operator.handlers` loads: start, login, doorbells, end.

Handlers only say "look again" and return None: a returned value would be written to Tilt's object,
and any other kind of handler (on.create, on.update, timers, daemons) annotates Tilt's objects or
puts finalizers on them (Kopf 1.45). The App travels in Kopf's root memo.
"""

from typing import Any

import kopf

from kubefwd_operator.app import App
from kubefwd_operator.tilt.login import kopf_session
from kubefwd_operator.tuning import leaving_in_words, log_to_stdout, tune

TILT = ("tilt.dev", "v1alpha1")


@kopf.on.startup(errors=kopf.ErrorsMode.PERMANENT)
async def start(settings: kopf.OperatorSettings, memo: Any, **_: Any) -> None:
    """Tune Kopf for Tilt, then build and start everything."""
    tune(settings)
    log_to_stdout()
    with leaving_in_words():
        memo.app = await App.start()


@kopf.on.login()
async def login(memo: Any, **_: Any) -> kopf.AiohttpSession:
    """Give Kopf its way to Tilt's apiserver."""
    return kopf_session(memo.app.access)


@kopf.on.event(*TILT, "kubernetesdiscoveries")
@kopf.on.event(*TILT, "kubernetesapplys")
@kopf.on.event(*TILT, "clusters")
@kopf.on.event(*TILT, "uibuttons")
async def ring(memo: Any, **_: Any) -> None:
    """Wake the loop, whatever it was."""
    memo.app.wake()


@kopf.on.cleanup(errors=kopf.ErrorsMode.PERMANENT)
async def stop(memo: Any, **_: Any) -> None:
    """Close everything; leave with code 1 if a task of ours had failed."""
    if not await memo.app.close():
        raise SystemExit(1)
