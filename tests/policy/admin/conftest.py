import pytest
from django.contrib.auth.models import User

from tests.policy.world import World, make_world


@pytest.fixture
def world(responder: User) -> World:
    return make_world(responder)
