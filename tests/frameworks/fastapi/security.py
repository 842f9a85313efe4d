"""Security schemes: HTTP basic, bearer tokens, API keys."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Security
from fastapi.security import (
    APIKeyHeader,
    HTTPBasic,
    HTTPBasicCredentials,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
    SecurityScopes,
)

router = APIRouter(prefix="/security")
basic = HTTPBasic(realm="cases")
bearer = OAuth2PasswordBearer(tokenUrl="security/token", scopes={"read": "reads", "write": "writes"})
key = APIKeyHeader(name="x-key")


@router.get("/basic")
def with_basic(credentials: Annotated[HTTPBasicCredentials, Depends(basic)]):
    if not secrets.compare_digest(credentials.password.encode(), b"pass"):
        raise HTTPException(401, "wrong", headers={"www-authenticate": "Basic"})
    return {"user": credentials.username}


@router.post("/token")
async def token(form: Annotated[OAuth2PasswordRequestForm, Depends()]):
    return {"access_token": f"{form.username}:{' '.join(form.scopes)}", "token_type": "bearer"}


async def user(scopes: SecurityScopes, token: Annotated[str, Depends(bearer)]) -> str:
    name, _, granted = token.partition(":")
    if not set(scopes.scopes) <= set(granted.split()):
        raise HTTPException(403, f"needs {scopes.scope_str}")
    return name


@router.get("/me")
async def me(name: Annotated[str, Security(user, scopes=["read"])]):
    return {"user": name}


@router.get("/key")
async def with_key(value: Annotated[str, Security(key)]):
    return {"key": value}
