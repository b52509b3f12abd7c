"""Administration: its use cases and its lists."""

from dishka import Provider, Scope, provide, provide_all

from adapters.common_passwords import common_passwords
from adapters.sql.administration import SqlAdministration
from application.admin.create_user import CreateUser
from application.admin.decide_tutor_request import DecideTutorRequest
from application.admin.delete_user import DeleteUser
from application.admin.edit_user import EditUser
from application.admin.list_knowledge import ListKnowledge
from application.admin.list_models import ListModels
from application.admin.log_out_user import LogOutUser
from application.admin.send_reset import SendReset
from application.ports.active_model import ActiveModel
from application.ports.administration import Administration
from application.ports.clock import Clock
from application.ports.credentials import PasswordHasher
from application.ports.language_model import LanguageModel
from application.ports.persistence import WorkFactory
from entrypoints.settings import Settings
from entrypoints.wiring.persistence import Sessions


def configured_models(settings: Settings) -> tuple[str, ...]:
    """The names the house knows by itself, the one that is asked first."""
    asked = (settings.llm_model,) if settings.llm_model else ()
    if settings.llm_is_embedded:
        return asked
    return (*asked, *(name for name in settings.llm_models if name not in asked))


class AdministrationProvider(Provider):
    scope = Scope.APP
    plain = provide_all(DecideTutorRequest, DeleteUser, EditUser, ListKnowledge, LogOutUser, SendReset)

    @provide
    def administration(self, sessions: Sessions) -> Administration:
        return SqlAdministration(sessions.reading)

    @provide
    def create_user(self, work: WorkFactory, hasher: PasswordHasher, clock: Clock) -> CreateUser:
        return CreateUser(work=work, hasher=hasher, clock=clock, common_passwords=common_passwords())

    @provide
    def list_models(self, model: LanguageModel, active: ActiveModel, settings: Settings) -> ListModels:
        return ListModels(model=model, active=active, configured=configured_models(settings))
