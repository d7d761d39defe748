"""All checks, in the order of the table: what is installed, root, names, network, cluster."""

from kubefwd_operator.doctor import (
    cluster,
    forwarders,
    hosts,
    loopback,
    names,
    policies,
    proxies,
    root,
    running,
    versions,
)
from kubefwd_operator.doctor.examine import Check

CHECKS = (
    Check("operator", running.operator),
    Check("Tilt", versions.tilt),
    Check("Python", versions.python),
    Check("Kopf", versions.kopf),
    Check("kubefwd", versions.kubefwd),
    Check("system Python", root.interpreter),
    Check("sudo", root.sudo),
    Check("way to root", root.way, seconds=15.0),
    Check("installed helper", root.helper),
    Check("hosts file", hosts.file),
    Check("name order", names.order),
    Check("proxies", proxies.environment),
    Check("loopback", loopback.addresses),
    Check("other forwarders", forwarders.others),
    Check("cluster", cluster.cluster, seconds=30.0),
    Check("ForwardPolicy", policies.policies, seconds=30.0),
)
