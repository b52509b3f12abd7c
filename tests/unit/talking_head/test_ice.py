import pytest

from adapters.talking_head.ice import ice_servers, without_hidden_candidates


def test_servers_as_browsers_take_them() -> None:
    given = [
        {"urls": "stun:stun.example.org:3478"},
        {"urls": ["turn:turn.example.org"], "username": "ann", "credential": "secret"},
    ]

    stun, turn = ice_servers(given)

    assert stun.urls == ["stun:stun.example.org:3478"]
    assert (turn.urls, turn.username, turn.credential) == (["turn:turn.example.org"], "ann", "secret")
    assert ice_servers([]) == ()


@pytest.mark.parametrize(
    "given", [{}, "stun:x", [5], [{}], [{"urls": []}], [{"urls": [5]}], [{"urls": "stun:x", "username": 5}]]
)
def test_what_are_no_servers(given: object) -> None:
    with pytest.raises(ValueError, match="must"):
        ice_servers(given)


def test_hidden_candidates_are_left_for_the_browser_to_try() -> None:
    open_one = "a=candidate:1 1 udp 2113937151 192.0.2.7 57026 typ host\r\n"
    hidden = "a=candidate:2 1 udp 2113937151 a1b244a7-4862-4e84-ba7b-57120789b304.local 57026 typ host\r\n"
    end, medium = "a=end-of-candidates\r\n", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"

    assert without_hidden_candidates(medium + open_one + end) == medium + open_one + end
    assert without_hidden_candidates(medium + hidden + open_one + end) == medium + open_one
    assert without_hidden_candidates(medium + hidden + end) == medium
