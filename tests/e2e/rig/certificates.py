"""Certificates of the tests, as tests/certificates/make.sh made them in a directory."""


def tls(certificates, name="server", **others):
    """The `tls` section of a listener that shows this certificate."""
    return {"cert": str(certificates / f"{name}.crt"), "key": str(certificates / f"{name}.key"), **others}
