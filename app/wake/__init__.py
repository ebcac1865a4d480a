"""Wake-ups over Redis: publish and listen, so that the api wakes workers without knowing arq."""

from app.wake.bells import Bell, Bells
from app.wake.listening import listen, ringing
from app.wake.publishing import REST, RedisWake

__all__ = ["REST", "Bell", "Bells", "RedisWake", "listen", "ringing"]
