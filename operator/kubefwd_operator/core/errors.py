"""Every error that this program raises on purpose, as one tree.

KubefwdOperatorError
  SettingsError            an argument of the extension or the command line is wrong
  TiltError                Tilt's apiserver
    TiltGone                 it does not answer, or its context has left Tilt's kubeconfig
    TiltConflict             an object changed under us (409)
  ClusterError             the developer's cluster
    ClusterUnreachable       no connection, TLS failure, time-out
    CredentialsError         the kubeconfig or its plugin gives nothing usable
      CredentialsUnsupported   it asks for something that is refused by name
      CredentialsExpired       fresh credentials were refused, or the plugin keeps failing
    Forbidden                403
    NotFound                 404
    DialError                a port-forward could not be opened or ended badly
      DialRefused              nothing listens on that port inside the pod
  HelperError              the privileged helper
    HelperGone               the connection to it has ended
    HelperRefused            it answered with an error; `.code` is the wire's error code
  KubefwdError             kubefwd's REST API
    KubefwdUnreachable       no answer, or none in time
    KubefwdForeign           something else answers at its address, or a kubefwd that is not ours
    KubefwdRefused           it answered with an error; `.code` is kubefwd's own
  OperatorSilent           the running operator does not answer at its socket

The message of each is a sentence for people: what is wrong and what to do. Secrets and blobs are
kept out. The third-party error that caused it is chained (`raise ... from`), never pasted in.
"""


class KubefwdOperatorError(Exception):
    """Base of everything below."""


class SettingsError(KubefwdOperatorError):
    """An argument of the extension or of the command line is wrong."""


class TiltError(KubefwdOperatorError):
    """Tilt's apiserver refused or failed."""


class TiltGone(TiltError):
    """Tilt's apiserver does not answer any more, or its context has left Tilt's kubeconfig."""


class TiltConflict(TiltError):
    """The object changed meanwhile (409); read it again."""


class ClusterError(KubefwdOperatorError):
    """The developer's cluster refused or failed."""


class ClusterUnreachable(ClusterError):
    """No connection to the cluster: network, TLS or time-out."""


class CredentialsError(ClusterError):
    """The kubeconfig, or a plugin that it names, gives no usable credentials."""


class CredentialsUnsupported(CredentialsError):
    """The kubeconfig asks for something that is not supported; the message names it."""


class CredentialsExpired(CredentialsError):
    """Fresh credentials were refused, or the plugin keeps failing; Refresh tries again."""


class Forbidden(ClusterError):
    """The cluster said 403."""


class NotFound(ClusterError):
    """The cluster said 404."""


class DialError(ClusterError):
    """A connection to a pod could not be opened, or ended abnormally on the pod's side."""


class DialRefused(DialError):
    """Nothing listens on that port inside the pod."""


class HelperError(KubefwdOperatorError):
    """The privileged helper."""


class HelperGone(HelperError):
    """The connection to the helper has ended; what it did for us is undone."""


class HelperRefused(HelperError):
    """The helper answered with an error.

    `code` is one of the wire's error codes (see `root/helper/protocol.py`).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class KubefwdError(KubefwdOperatorError):
    """The REST API of kubefwd."""


class KubefwdUnreachable(KubefwdError):
    """kubefwd does not answer, or not in time."""


class KubefwdForeign(KubefwdError):
    """What answers at kubefwd's address is not the kubefwd that we started."""


class KubefwdRefused(KubefwdError):
    """kubefwd answered with an error; `code` is the one in its answer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OperatorSilent(KubefwdOperatorError):
    """Nobody answers at the operator's own socket, or with nothing that can be understood."""
