"""How often is too often (contract 2.2). Unknown accounts count like known ones."""

from datetime import timedelta

from application.ports.throttle import Limit

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

LOGIN_PER_ACCOUNT = Limit("login", 10, QUARTER)
LOGIN_PER_IP = Limit("login-ip", 100, QUARTER)
OWNER_WARNED = Limit("login-warned", 1, QUARTER)  # of failed logins
CODES_PER_IP = Limit("code-ip", 60, HOUR)
CODES_PER_EMAIL = Limit("code", 10, HOUR)
CODE_CHECKS = Limit("code-check", 20, QUARTER)

# of one user, by his number
EXPORTS = Limit("export", 20, DAY)  # archives that are made
PICTURES = Limit("picture", 200, HOUR)  # decoded, whether they turn out to be pictures or not
PROFILE_CHANGES = Limit("profile", 600, HOUR)  # each stays in the action log
