"""Proxies in the environment: programs that use them would ask a proxy for our names.

A proxy knows no name of /etc/hosts, so each namespace's names have to be in no_proxy. Programs
read either spelling of it, so both count where both are set. Suffixes cover what is dotted; a bare
name (`web`) cannot be covered by any suffix.
"""

from collections.abc import Iterable, Mapping, Sequence

from kubefwd_operator.cluster.proxy import exempt
from kubefwd_operator.doctor.finding import Case, Finding, ok, warn
from kubefwd_operator.doctor.where import namespaces_of

VARIABLES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
EXCEPTIONS = ("no_proxy", "NO_PROXY")
_SERVICE = "service"  # stands for any of a namespace's


async def environment(case: Case) -> list[Finding]:
    """Look at the environment; the namespaces are known without asking the cluster."""
    return judge_proxies(case.environ, namespaces_of(case))


def judge_proxies(environ: Mapping[str, str], namespaces: Sequence[str]) -> list[Finding]:
    """Say which names a proxy would be asked for."""
    proxies = [name for name in VARIABLES if environ.get(name)]
    if not proxies:
        return [ok("The environment names no proxy.")]
    lists = {name: environ[name] for name in EXCEPTIONS if environ.get(name)}
    missing = [
        suffix
        for suffix, host in _hosts(namespaces)
        if not lists or not all(_is_exempt(host, rules) for rules in lists.values())
    ]
    if not missing:
        return [ok(f"{', '.join(proxies)}: {' and '.join(lists)} leave the services out.")]
    held = "there is no no_proxy" if not lists else f"{' and '.join(lists)} does not leave them out"
    rules = ",".join(["localhost", "127.0.0.0/8", *missing])
    return [
        warn(
            f"{', '.join(proxies)} would send requests for the services to a proxy: {held}.",
            "Before `tilt up` and in your shell: "
            f'export no_proxy="${{no_proxy:+$no_proxy,}}{rules}" NO_PROXY="$no_proxy"; '
            "bare names (without a dot) have to be listed one by one.",
        )
    ]


def _hosts(namespaces: Iterable[str]) -> list[tuple[str, str]]:
    """Give each suffix that no_proxy needs, and a name that shows whether it is there."""
    first = [(f".{name}", f"{_SERVICE}.{name}") for name in namespaces]
    some = next(iter(namespaces), "default")
    return [
        *first,
        (".svc", f"{_SERVICE}.{some}.svc"),
        (".svc.cluster.local", f"{_SERVICE}.{some}.svc.cluster.local"),
    ]


def _is_exempt(host: str, rules: str) -> bool:
    return exempt(host, 80, rules)
