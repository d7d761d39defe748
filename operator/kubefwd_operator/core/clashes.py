"""Clashes: what is said where two want one thing, in a sentence for its row and in columns.

One function for each kind of rival. The message of a Problem is about one service, and says what
happened, then what to do. Its columns are for the table (`conflicts.py`), where those of a whole
namespace come together when they are alike.
"""

from kubefwd_operator.core.problem import Clash, ClashKind, Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.root.helper.names import CLUSTER_SUFFIX, HostsEntry, spell


def refused(name: str, entry: HostsEntry, why: str) -> Problem:
    """Leave the name to the machine or to the internet, as root does; `why` is root's sentence."""
    has, kind = "this machine", ClashKind.MACHINE
    if "." in name:
        has, kind = "the internet or the local network", ClashKind.PUBLIC_NAME
    clash = Clash(kind, name, has, _whose(entry), f"Use '{spell(entry)[0]}'.")
    return _problem(Reason.NAME_REFUSED, f"The name '{name}' is not published. {why}", clash)


def elsewhere(name: str, owner: HostsEntry, entry: HostsEntry) -> Problem:
    """Leave the name to another service or pod of this Tilt."""
    instead = f"Use '{spell(entry)[0]}'"
    if owner.namespace == entry.namespace or owner.pod:
        clash = Clash(ClashKind.SAME_NAME, name, _whose(owner), _whose(entry), f"{instead}.")
        what = f"means '{spell(owner)[-1]}'"
        return _problem(Reason.NAME_ELSEWHERE, f"The name '{name}' {what}.", clash)
    first = f"list '{entry.namespace}' first in the argument `namespaces`."
    has, without = _namespace(owner), _namespace(entry)
    remedy = f"Use the names with the namespace, or {first}"
    return Problem(
        Reason.NAME_ELSEWHERE,
        f"The name '{name}' belongs to {has}, which comes first. {instead}, or {first}",
        Clash(ClashKind.SAME_NAME, name, has, without, remedy),
    )


def shadows(name: str, entry: HostsEntry) -> Problem:
    """Give a name that the internet may have: the developer asked for its namespace."""
    long = spell(entry)[-1]
    remedy = (
        f"Use the long forms, in '.{entry.namespace}{CLUSTER_SUFFIX}'. To reach the internet's, "
        f"list '{entry.namespace}' in the argument `exclude`."
    )
    return Problem(
        Reason.SHADOWS_PUBLIC_NAME,
        f"The name '{name}' hides an internet name on this machine, since '.{_domain(name)}' is a "
        f"public top-level domain, and browsers may insist on HTTPS for it. Use '{long}'.",
        Clash(ClashKind.PUBLIC_NAME, name, _namespace(entry), "the internet", remedy),
    )


def uninvited(name: str, entry: HostsEntry) -> Problem:
    """Leave a name that the internet may have: a policy alone asked for its namespace."""
    invite = f"list '{entry.namespace}' in the argument `namespaces`."
    remedy = f"Use the long forms, or {invite}"
    return Problem(
        Reason.SHADOWS_PUBLIC_NAME,
        f"The name '{name}' is not published, since '.{_domain(name)}' is a public top-level "
        f"domain and only a policy asked for the namespace. Use '{spell(entry)[-1]}', or {invite}",
        Clash(ClashKind.PUBLIC_NAME, name, "the internet", _namespace(entry), remedy),
    )


def no_hostname(name: str, by: str, why: str) -> Problem:
    """Leave out a hostname of a policy; `why` is root's sentence."""
    message = (
        f"The hostname '{name}' of {by} is not published. {why} If you trust it, list its domain "
        "in the argument `allow_hostnames`."
    )
    return Problem(Reason.NAME_REFUSED, message)


def own_host(name: str, by: str, namespace: str) -> Problem:
    """Leave out a hostname that may be a program's of this machine: a policy alone asked for it."""
    message = (
        f"The hostname '{name}' of {by} is not published: programs of this machine answer under "
        ".localhost, and only a policy asked for the namespace. "
        f"List '{namespace}' in the argument `namespaces`, or use a name under .test."
    )
    return Problem(Reason.NAME_REFUSED, message)


def machines(name: str, service: str, why: str) -> Problem:
    """Leave it to the machine, whose own name root alone knows; `why` is root's sentence."""
    clash = Clash(
        ClashKind.MACHINE, name, "this machine", service, "Use another name of this service."
    )
    return _problem(Reason.NAME_REFUSED, f"{name}: {why}", clash)


def in_hosts_file(name: str, service: str, why: str, address: str) -> Problem:
    """Leave it to a line of the user's own; `address` is what that leads to, if known."""
    has = f"your own line in /etc/hosts{f', {address}' if address else ''}"
    remedy = "Take that line out of /etc/hosts, or use another name of this service."
    clash = Clash(ClashKind.HOSTS_FILE, name, has, service, remedy)
    return _problem(Reason.NAME_TAKEN, f"{name}: {why}", clash)


def other_tilts(name: str, service: str, why: str, owner: str) -> Problem:
    """Leave it to another instance: `UID.INSTANCE`, or empty when it is not known."""
    remedy = "It comes here when that one ends; until then use another name of it."
    clash = Clash(ClashKind.OTHER_TILT, name, _tilt(owner), service, remedy)
    return _problem(Reason.NAME_TAKEN, f"{name}: {why}", clash)


def contested(name: str, service: str, owner: str) -> Problem:
    """Tell that another instance waits for a name that the service has."""
    clash = Clash(
        ClashKind.OTHER_TILT, name, service, _tilt(owner), "It gets it when this Tilt ends."
    )
    return _problem(Reason.NAME_CONTESTED, f"{name}: {owner} waits for it too.", clash)


def port_taken(place: str, service: str, namespace: str, who: str, again: str) -> Problem:
    """Leave an `address:port` to the program that listens there; `who` names it, if known.

    `again` is a sentence that says when it is tried again.
    """
    has = who or "another program"
    remedy = (
        "Stop that program, or let it listen on 127.0.0.1 only. If it is this very service, which "
        f"you run yourself, list '{namespace}/{service}' in the argument `skip`, or set `skip` in "
        "a ForwardPolicy."
    )
    clash = Clash(ClashKind.PORT, place, has, f"{service}.{namespace}", remedy)
    message = f"{place} is taken by {has}. {remedy} {again}"
    return Problem(Reason.PORT_TAKEN, message, clash)


def _problem(reason: Reason, what: str, clash: Clash) -> Problem:
    return Problem(reason, f"{what} {clash.remedy}", clash)


def _tilt(owner: str) -> str:
    uid, _, instance = owner.partition(".")
    return f"the Tilt '{instance}' of user {uid}" if instance else "another Tilt"


def _domain(name: str) -> str:
    return name.rpartition(".")[2]


def _namespace(entry: HostsEntry) -> str:
    return f"namespace '{entry.namespace}'"


def _whose(entry: HostsEntry) -> str:
    """Name the service or pod as people do, whichever of its names are published."""
    return spell(entry._replace(bare=False, short=True))[0]
