"""Wake-ups over Redis: publish and listen, so that the api wakes workers without knowing arq."""

from app.wake.listening import listen
from app.wake.publishing import RedisWake

__all__ = ["RedisWake", "listen"]
