from dishka import STRICT_VALIDATION, AsyncContainer, Provider, Scope, make_async_container
from dishka.integrations.litestar import LitestarProvider

from entrypoints.settings import Settings
from entrypoints.wiring.administration import AdministrationProvider
from entrypoints.wiring.avatar_catalogue import AvatarCatalogueProvider
from entrypoints.wiring.avatars import AvatarProvider
from entrypoints.wiring.chat import ChatProvider, StreamProvider
from entrypoints.wiring.documents import DocumentsProvider
from entrypoints.wiring.gateways import GatewayProvider
from entrypoints.wiring.jobs import JobsProvider
from entrypoints.wiring.knowledge import KnowledgeProvider
from entrypoints.wiring.metrics import MetricsProvider
from entrypoints.wiring.models import ModelProvider
from entrypoints.wiring.persistence import PersistenceProvider
from entrypoints.wiring.personal_data import PersonalDataProvider
from entrypoints.wiring.shared_state import SharedStateProvider
from entrypoints.wiring.speech import SpeechProvider
from entrypoints.wiring.use_cases import HttpProvider, UseCaseProvider
from entrypoints.wiring.webrtc import WebRtcProvider


def build_container(settings: Settings, *overrides: Provider) -> AsyncContainer:
    """Everything of one process, made on first use. A port without an adapter fails here, not later."""
    configuration = Provider(scope=Scope.APP)
    configuration.provide(lambda: settings, provides=Settings)
    return make_async_container(
        configuration,
        LitestarProvider(),
        PersistenceProvider(),
        SharedStateProvider(),
        GatewayProvider(),
        KnowledgeProvider(),
        ModelProvider(),
        UseCaseProvider(),
        DocumentsProvider(),
        ChatProvider(),
        AdministrationProvider(),
        AvatarCatalogueProvider(),
        AvatarProvider(),
        WebRtcProvider(),
        SpeechProvider(),
        PersonalDataProvider(),
        JobsProvider(),
        HttpProvider(),
        StreamProvider(),
        MetricsProvider(),
        *overrides,
        validation_settings=STRICT_VALIDATION,
    )
