"""What was done by whom to whom, each line chained to the one before."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

FIRST = "0" * 64  # what the first line is chained to


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLine:
    """One line of the log. `details` holds JSON values without fractions."""

    operator_email: str
    role: str
    action: str
    target_user_id: int
    target_user_email: str | None
    reason: str | None
    details: dict[str, object] | None
    timestamp: datetime

    def chained_to(self, previous: str) -> str:
        """SHA-256 over the line before and every field of this one, 64 hexadecimal digits."""
        fields = {
            **asdict(self),
            "timestamp": self.timestamp.astimezone(UTC).isoformat(timespec="microseconds"),
        }
        told = json.dumps([previous, fields], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(told.encode()).hexdigest()
