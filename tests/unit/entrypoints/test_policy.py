import pytest

from domain.user import Role
from entrypoints.http.policy import Policy, Roles

STUDENT, TUTOR, ADMIN = Role.STUDENT, Role.TUTOR, Role.ADMIN


@pytest.mark.parametrize(
    ("policy", "tutors_administer", "allowed"),
    [
        (Policy.ADMIN, False, {ADMIN}),
        (Policy.ADMIN, True, {ADMIN, TUTOR}),
        (Policy.TUTOR, False, {ADMIN, TUTOR}),
        (Policy.TUTOR, True, {ADMIN, TUTOR}),
        *((policy, True, set(Role)) for policy in Policy if policy not in (Policy.ADMIN, Policy.TUTOR)),
    ],
)
def test_what_a_role_may_call(policy: Policy, tutors_administer: bool, allowed: set[Role]) -> None:
    roles = Roles(tutors_administer)
    assert {role for role in Role if roles.allow(role, policy)} == allowed
