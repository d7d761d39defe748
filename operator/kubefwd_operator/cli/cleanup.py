"""`kubefwd-operator cleanup`: removes what operators of this user have left, and says what.

Root's things go first, through a helper (sudo may ask, once and only if there is something to do);
then run directories, then the cache. What a running operator needs stays.
"""

import asyncio
import errno
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from kubefwd_operator import config
from kubefwd_operator.cli.install_helper import asking, require_oneself
from kubefwd_operator.cli.look import NOT_WELL, WELL, Leaving
from kubefwd_operator.core.errors import HelperError
from kubefwd_operator.installer import PLACE
from kubefwd_operator.privileged import leftovers, purging, rundir, surroundings
from kubefwd_operator.privileged.command import sudo, typed
from kubefwd_operator.privileged.surroundings import Surroundings

MOMENT = 20
"""Tenths of a second for an operator that has been told to end."""


@click.command("cleanup")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.pass_context
def command(ctx: click.Context, dry_run: bool) -> None:
    """Remove every trace. Exit code 0: nothing is left; 1: something is kept, and is said."""
    require_oneself(os.geteuid(), os.environ)
    cleaning = Cleaning(os.geteuid(), config.cache(), dry_run)
    asyncio.run(cleaning.run(os.environ))
    if Path(PLACE).exists():
        click.echo(f"stays: {PLACE}, which install-helper made (sudo rm -r {PLACE} removes it)")
    ctx.exit(NOT_WELL if cleaning.kept else WELL)


@dataclass
class Cleaning:
    """One run, which says each thing as it is done. `kept`: whether anything stays."""

    uid: int
    cache: Path
    dry: bool
    kept: bool = False

    async def run(self, environ: Mapping[str, str]) -> None:
        """Clean up, in order."""
        running = {path for path in self._directories() if leftovers.listens(path)}
        for path in sorted(running):
            self._keep(f"what {path.name} has", "its operator runs: stop its Tilt first")
        await self._roots({path.name for path in running}, environ)
        for path in self._directories():
            if path not in running:
                self._remove(path)
        if self.cache.exists():
            if running or not await self._free():
                self._keep(str(self.cache), "an operator runs from it, or is being set up")
            elif self.kept:
                self._keep(str(self.cache), "it is what cleanup is run from, to try again")
            else:
                self._remove(self.cache)

    async def _free(self) -> bool:
        """Say whether nothing runs from the cache. What is just ending has a moment to do so."""
        for _ in range(MOMENT):
            if not leftovers.in_use(self.cache):
                return True
            await asyncio.sleep(0.1)
        return False

    def _directories(self) -> list[Path]:
        return leftovers.run_directories(self.uid, rundir.home_of(self.uid))

    async def _roots(self, running: set[str], environ: Mapping[str, str]) -> None:
        before = leftovers.roots()
        mine = {f"{self.uid}.{name}" for name in running}
        todo = [owner for owner in before.of_user(self.uid) if owner not in mine]
        if self.dry:
            for owner in todo:
                click.echo(f"would remove, as root: {before.of(owner)} of {owner}")
            return
        why = await self._purged(todo, running, environ)
        after = leftovers.roots()
        for owner in before.owners():
            if not after.of(owner):
                click.echo(f"removed, as root: {before.of(owner)} of {owner}")
            elif owner in todo:
                self._keep(f"{after.of(owner)} of {owner}", why or "its helper runs")

    async def _purged(self, todo: list[str], running: set[str], environ: Mapping[str, str]) -> str:
        """Have all undone that is dead. Return "", or why it came to nothing."""
        try:
            for path in self._directories() if leftovers.STATE.exists() else ():
                if path.name not in running and await purging.by_lingering(path.name):
                    click.echo(f"ended: the helper that waited for an operator of {path.name}")
            left = leftovers.roots()
            if not any(map(left.of, todo)):
                return ""
            here = await surroundings.look(purging.INSTANCE, environ)
            env = {} if here.uid == 0 else environ
            return here.fault or await purging.by_program(_helper(here), env)
        except (HelperError, OSError) as error:
            return str(error)

    def _remove(self, path: Path) -> None:
        what = f"{path} ({leftovers.size(path) / (1 << 20):.1f} MiB)"
        if self.dry:
            click.echo(f"would remove: {what}")
            return
        try:
            shutil.rmtree(path)
            if path != self.cache and not any(path.parent.iterdir()):
                path.parent.rmdir()
            click.echo(f"removed: {what}")
        except OSError as error:
            if error.errno == errno.EBUSY and not any(path.iterdir()):
                click.echo(f"removed: all that was in {what}, which is a mount point")
            else:
                self._keep(str(path), f"it cannot be removed ({error.strerror})")

    def _keep(self, what: str, why: str) -> None:
        self.kept = True
        click.echo(f"kept: {what}: {why}")


def _helper(here: Surroundings) -> tuple[str, ...]:
    if here.uid == 0:
        return here.helper(0)
    if not here.sudo:
        raise Leaving(
            "There is no sudo on this machine that can be trusted, and root has something to "
            f"remove. Run in another terminal, as root: {typed(here.helper(here.uid))}",
            NOT_WELL,
        )
    return sudo(here.sudo, here.helper(), *asking(here))
