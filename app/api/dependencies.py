"""What routes ask for: the world they act in."""

from typing import Annotated

from fastapi import Depends, Request

from app.ports.world import World


async def world_of(request: Request) -> World:
    """The world this process was wired to at its start."""
    world: World = request.app.state.world
    return world


WorldDep = Annotated[World, Depends(world_of)]
