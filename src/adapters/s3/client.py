"""A client of an S3-compatible store, as we want it."""

import ssl
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

CONNECT_S, READ_S = 5.0, 10.0
CONNECTIONS = 50  # uploads and downloads at once in this process; the others wait


def s3_client(
    *,
    endpoint_url: str | None,
    region: str,
    access_key_id: str | None,
    secret_access_key: str | None,
    read_s: float = READ_S,
) -> AbstractAsyncContextManager[Any]:
    """Without an endpoint it is Amazon's of the region, without keys whatever identifies this machine there.
    Where to go is told here alone: no environment, profile or proxy leads elsewhere. Open in the context."""
    config = AioConfig(
        connect_timeout=min(CONNECT_S, read_s),
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=CONNECTIONS,
        signature_version="s3v4",
        proxies={},
        ignore_configured_endpoint_urls=True,
        # by its name in the path: most stores of one's own have no names for their buckets
        s3={"addressing_style": "path" if endpoint_url else "auto"},
        # newer checksums are unknown to many compatible stores; bodies are signed with theirs anyway
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client: AbstractAsyncContextManager[Any] = AioSession().create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        verify=ssl.get_default_verify_paths().cafile or True,  # the machine's certificates, if it has any
        config=config,
    )
    return client
