"""How it stands with a file, in one word."""

from enum import StrEnum

from application.ports.persistence import FileProgress
from domain.document import IndexState
from domain.job import JobState


class Standing(StrEnum):
    STORED = "stored"  # it is no document: there is nothing to index
    WAITING = "waiting"  # for its turn, or for another try
    INDEXING = "indexing"
    INDEXED = "indexed"
    FAILED = "failed"


def standing(file: FileProgress) -> Standing:
    """What is being done counts more than what is known: a document may be indexed again."""
    if file.job is JobState.RUNNING:
        return Standing.INDEXING
    if file.job is JobState.WAITING:
        return Standing.WAITING
    match file.rag_status:
        case IndexState.INDEXED:
            return Standing.INDEXED
        case IndexState.FAILED:
            return Standing.FAILED
        case IndexState.PENDING:  # its job is just being made, or was just ended
            return Standing.WAITING
    return Standing.STORED
