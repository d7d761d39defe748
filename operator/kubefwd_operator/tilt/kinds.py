"""The kinds of Tilt's apiserver that the operator reads or writes."""

from pykube.objects import APIObject


class TiltObject(APIObject):  # type: ignore[misc]  # pykube-ng is untyped
    """A kind of Tilt's apiserver; all of them are cluster-scoped."""

    version = "tilt.dev/v1alpha1"


class KubernetesDiscovery(TiltObject):
    """What Tilt watches in the cluster for one resource."""

    endpoint, kind = "kubernetesdiscoveries", "KubernetesDiscovery"


class KubernetesApply(TiltObject):
    """What Tilt has deployed for one resource."""

    endpoint, kind = "kubernetesapplys", "KubernetesApply"


class Cluster(TiltObject):
    """A cluster that Tilt is connected to."""

    endpoint, kind = "clusters", "Cluster"


class UIButton(TiltObject):
    """A button in Tilt's page."""

    endpoint, kind = "uibuttons", "UIButton"


class Session(TiltObject):
    """The running `tilt up` itself."""

    endpoint, kind = "sessions", "Session"


class ConfigMap(TiltObject):
    """Strings by key; it has no status and no owner unless Tilt made it."""

    endpoint, kind = "configmaps", "ConfigMap"


class UIResource(TiltObject):
    """A row of Tilt's page. Of those that Tilt did not make it touches none (Tilt 0.37)."""

    endpoint, kind = "uiresources", "UIResource"


class Cmd(TiltObject):
    """A command that Tilt runs; what it writes is in the log of the row in its annotation."""

    endpoint, kind = "cmds", "Cmd"
