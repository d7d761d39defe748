"""Rules: what the developer and the cluster's ForwardPolicy objects say of single services.

Frozen values that travel in `Desired`, put together by `policies.py`. Whoever said something is
kept beside it (`by`: "ForwardPolicy billing/web" or "the argument `skip`"), because whoever looks
for a service that is not there has to know whom to ask.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Requirement:
    """One entry of `matchExpressions`; `operator` is In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Judge labels as Kubernetes does: NotIn also holds where the label is missing."""
        if self.operator == "Exists":
            return self.key in labels
        if self.operator == "DoesNotExist":
            return self.key not in labels
        found = self.key in labels and labels[self.key] in self.values
        return found if self.operator == "In" else not found


@dataclass(frozen=True, slots=True)
class Selector:
    """A Kubernetes label selector: all of it has to hold. An empty one fits everything."""

    requirements: tuple[Requirement, ...] = ()
    by: str = ""

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a service with these labels is meant."""
        return all(requirement.holds(labels) for requirement in self.requirements)


@dataclass(frozen=True, slots=True)
class ServiceRule:
    """What is different for one service. `ports` are (port of the service, port that listens)."""

    name: str
    skip: bool = False
    hostnames: tuple[str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    by: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one namespace. A service that has one of its own is not judged by `selector`."""

    selector: Selector | None = None
    services: Mapping[str, ServiceRule] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, service: str) -> ServiceRule:
        """Give the rule of a service; one that changes nothing where there is none."""
        return self.services.get(service) or ServiceRule(service)

    def skipped_by(self, service: str, labels: Mapping[str, str]) -> str:
        """Say why a service is not to be forwarded, as the rest of a sentence; "" when it is."""
        rule = self.services.get(service)
        if rule is not None:
            return f"{rule.by} says to skip it" if rule.skip else ""
        if self.selector is None or self.selector.fits(labels):
            return ""
        return f"its labels do not fit the serviceSelector of {self.selector.by}"


NO_RULES = Rules()
