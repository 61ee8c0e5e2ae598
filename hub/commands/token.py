"""`zhantu-hub token {add,list,end}`: API tokens for programs. Works while the hub runs."""

import argparse
import json

from hub.commands.opening import registry_of, settings_of, shown, utc_ms
from hub.errors import AccountError, HubError
from hub.identity.permissions import Permission
from hub.identity.signin import SignIn

BY = "cli"


def run(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with registry_of(args) as registry:
        sign_in = SignIn(registry, utc_ms, token_s=settings.token_s, session_s=settings.session_s)
        if args.action == "add":
            scope = [_permission(word) for word in args.scope.split(",")]
            token_id, secret = sign_in.new_api_token(args.user, args.name, scope, args.days, BY)
            print(json.dumps({"id": token_id, "token": secret}) if args.json else secret)
        elif args.action == "list":
            for token in sign_in.tokens():
                print(
                    f"{token.id}\t{token.user}\t{token.name}\t{token.scope}\tuntil {shown(token.expires_utc_ms)}"
                )
        elif not sign_in.end_token(args.token, BY):
            raise HubError(f"token: none with the id {args.token!r} holds; `token list` lists them")
    return 0


def _permission(word: str) -> Permission:
    try:
        return Permission(word.strip())
    except ValueError:
        allowed = ", ".join(p.value for p in Permission)
        raise AccountError(f"token: scope {word[:30]!r}, some of {allowed} needed") from None
