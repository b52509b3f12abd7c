import ssl
from functools import cache

import certifi


@cache  # reading them all takes long, and they are the same for every client
def trusted() -> ssl.SSLContext:
    """Whom we believe: the machine's certificates, or those in SSL_CERT_FILE and SSL_CERT_DIR, and Mozilla's,
    since some machines have none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
