"""Run one talking head on this machine: the avatar instance protocol on loopback, media by WebRTC.
The embedded Avatar Manager starts these by itself; by hand it is for trying things out.

Every request must carry the secret in AVATAR_SECRET, or else the one that is printed, in the header
X-Avatar-Secret; with --open, none. AVATAR_ICE_SERVERS takes a JSON list of ICE servers.

examples:
  virtual-tutor avatar-instance --look bruno --port 8615
  AVATAR_SECRET=$(openssl rand -hex 16) virtual-tutor avatar-instance --max-sessions 2
"""

import argparse

from entrypoints.children import avatar_instance

SUMMARY = "run one talking head on this machine"


def configure(parser: argparse.ArgumentParser) -> None:
    avatar_instance.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    return avatar_instance.run(arguments)
