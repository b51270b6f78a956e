import pytest
from helpers import HELLO


@pytest.fixture
def hello():
    """The book's first program."""
    return HELLO
