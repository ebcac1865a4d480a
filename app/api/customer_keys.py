"""Keys of customer tokens: `/v1/customer-token-keys`."""

from datetime import datetime
from typing import Annotated, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import APIRouter, Depends, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.api.auth import Caller, require
from app.api.dependencies import WorldDep
from app.api.parameters import ProviderId
from app.api.problems import OF_EVERY_BODY, Problem, invalid, problems
from app.domain.ids import SHAPE
from app.domain.merchants import CustomerTokenKey, Scope, TokenAlgorithm
from app.services import customer_tokens

router = APIRouter(prefix="/v1/customer-token-keys", tags=["access"])
Writer = Annotated[Caller, Depends(require(Scope.CONFIG_WRITE))]
KeyId = Annotated[str, Path(description="`ctk_…`", examples=["ctk_0198"])]
Origin = Annotated[
    str,
    Field(
        max_length=300,
        pattern=r"^(https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?)$",
        description="As browsers send it: scheme and host, no path.",
        examples=["https://app.example.com"],
    ),
]


def _ed25519(pem: str) -> str:
    try:
        if isinstance(load_pem_public_key(pem.encode()), Ed25519PublicKey):
            return pem
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise ValueError("must be an Ed25519 public key in PEM")


class TokenKeyIn(BaseModel):
    """A key to be made: with `public_key` for EdDSA, without for HS256 and a secret of ours."""

    model_config = ConfigDict(extra="forbid")
    provider_account: ProviderId = Field(description="Whose customers, `acc_…`.")
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
    origins: Annotated[list[Origin], Field(max_length=20)] = []
    public_key: Annotated[
        str | None,
        Field(max_length=1000, description="Ed25519, PEM."),
        AfterValidator(lambda pem: pem and _ed25519(pem)),
    ] = None


class TokenKeyOut(BaseModel):
    """A key of customer tokens."""

    id: str = Field(description="Goes into the token's header as `kid`.")
    provider_account: str
    name: str
    algorithm: TokenAlgorithm
    origins: list[str]
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: CustomerTokenKey) -> Self:
        """A key as it is shown: without what it signs with."""
        return cls(
            id=key.key_id,
            provider_account=key.account_id,
            name=key.name,
            algorithm=key.algorithm,
            origins=list(key.origins),
            created_at=key.created_at,
            revoked_at=key.revoked_at,
        )


class TokenKeyList(BaseModel):
    """All keys of a merchant."""

    keys: list[TokenKeyOut]


class NewTokenKeyOut(TokenKeyOut):
    """A new key with its secret, which is shown this once."""

    secret: str | None = Field(description="For HS256, to be used as it stands; null for EdDSA.")


@router.get("")
async def list_token_keys(caller: Writer, world: WorldDep) -> TokenKeyList:
    """Your keys, oldest first, the revoked ones too."""
    found = await customer_tokens.list_keys(world, caller.merchant_id)
    return TokenKeyList(keys=[TokenKeyOut.of(key) for key in found])


@router.post("", status_code=201, responses=OF_EVERY_BODY | problems("conflict"))
async def create_token_key(caller: Writer, world: WorldDep, asked: TokenKeyIn) -> NewTokenKeyOut:
    """Make a key for your backend to sign customer tokens with. A secret is in this answer and in
    no other. To rotate, make a new key, sign with it, then revoke the former."""
    try:
        key, secret = await customer_tokens.create(
            world,
            caller.merchant_id,
            account_id=asked.provider_account,
            name=asked.name,
            origins=asked.origins,
            public_key=asked.public_key,
            actor=caller.key_id,
        )
    except customer_tokens.UnknownTokenAccount as unknown:
        raise invalid("body.provider_account", "is none of yours") from unknown
    except customer_tokens.TooManyTokenKeys as full:
        raise Problem("conflict", f"Not made: {full}.") from full
    return NewTokenKeyOut(**TokenKeyOut.of(key).model_dump(), secret=secret)


@router.delete("/{key_id}", status_code=204, responses=problems("not-found"))
async def revoke_token_key(caller: Writer, world: WorldDep, key_id: KeyId) -> None:
    """Revoke a key: no token that was signed with it is valid from now on."""
    try:
        if not SHAPE.fullmatch(key_id):
            raise customer_tokens.UnknownTokenKey(key_id)
        await customer_tokens.revoke(world, caller.merchant_id, key_id, actor=caller.key_id)
    except customer_tokens.UnknownTokenKey as unknown:
        raise Problem("not-found", "There is no such key.") from unknown
