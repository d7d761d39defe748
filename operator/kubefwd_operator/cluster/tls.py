"""The TLS context that list and watch traffic and the WebSocket dials share.

It judges certificates as kubectl (Go) does, because the same kubeconfig must work in both:

- `VERIFY_X509_STRICT`, which Python 3.13 turns on, is off. It demands extensions (an authority key
  identifier, a critical basicConstraints) that the CAs of many clusters do not have. Signatures,
  validity, names and the chain are verified all the same.
- `VERIFY_X509_PARTIAL_CHAIN` is on: a certificate in the kubeconfig's CA data is trusted as such,
  even when it is an intermediate or the server's own self-signed one.

Client certificates and keys that come as bytes pass through a 0600 file in a 0700 folder that is
gone before this returns; Python has no other way in.
"""

import os
import ssl
import tempfile
from pathlib import Path

import certifi

from kubefwd_operator.core.errors import CredentialsError, CredentialsUnsupported


def build(
    *, ca: bytes = b"", insecure: bool = False, certificate: bytes = b"", key: bytes = b""
) -> ssl.SSLContext:
    """Make the context from PEM bytes; without `ca` the system's roots are trusted.

    Raises CredentialsError when a PEM cannot be used, CredentialsUnsupported for a key that has a
    password.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca:
        _trust(context, ca)
    else:
        _trust_system(context)
    if certificate:
        _present(context, certificate, key)
    return context


def _trust(context: ssl.SSLContext, ca: bytes) -> None:
    try:
        context.load_verify_locations(cadata=ca.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError) as error:
        raise CredentialsError(
            "The certificate-authority in the kubeconfig is not a PEM certificate: fetch the "
            "kubeconfig anew from your cluster's provider."
        ) from error


def _trust_system(context: ssl.SSLContext) -> None:
    """Trust the system's roots, or certifi's where Python finds none (macOS)."""
    context.load_default_certs()
    if not context.cert_store_stats()["x509_ca"] and not _has_root_folder():
        context.load_verify_locations(cafile=certifi.where())


def _has_root_folder() -> bool:
    folder = ssl.get_default_verify_paths().capath
    return bool(folder) and any(Path(folder).iterdir())


def _present(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    def refuse_password() -> str:
        raise CredentialsUnsupported(
            "The client key in the kubeconfig has a password, which is not supported: store it "
            "without one (openssl rsa -in KEY -out NEWKEY)."
        )

    with tempfile.TemporaryDirectory(prefix="kubefwd-operator-") as folder:
        path = Path(folder, "client.pem")
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(certificate.rstrip(b"\n") + b"\n" + key)
        try:
            context.load_cert_chain(path, password=refuse_password)
        except (ssl.SSLError, ValueError) as error:
            raise CredentialsError(
                "The client certificate and key do not belong together or are not PEM: fetch the "
                "kubeconfig anew, or log in again."
            ) from error
