"""`zhantu-hub user {link,list,sessions,end}`: works while the hub runs."""

import argparse
import json

from hub.commands.opening import registry_of, settings_of, shown, utc_ms
from hub.errors import HubError
from hub.identity.signin import SignIn
from hub.roster import NAME_CHARS_MAX


def run(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with registry_of(args) as registry:
        if args.action == "link":
            if not args.url.startswith(("http://", "https://")):
                raise HubError(f"user link: --url {args.url!r}, http://… or https://… needed")
            if not 1 <= len(args.name) <= NAME_CHARS_MAX or not args.name.isprintable():
                raise HubError(
                    f"user link: --name {args.name!r}, 1–{NAME_CHARS_MAX} printable characters needed"
                )
            sign_in = SignIn(registry, utc_ms, token_s=settings.token_s, session_s=settings.session_s)
            token = sign_in.new_token(args.name)
            link = f"{args.url.rstrip('/')}/#t={token}"
            print(json.dumps({"link": link, "token": token}) if args.json else link)
        elif args.action == "list":
            for name, role in registry.people.users():
                print(f"{name}\t{role}")
        elif args.action == "sessions":
            for session in registry.people.sessions(utc_ms()):
                print(f"{session.id}\t{session.user}\tuntil {shown(session.expires_utc_ms)}")
        elif not registry.people.end_session(args.session, utc_ms()):
            raise HubError(f"user: no session {args.session!r} holds; `user sessions` lists them")
        else:
            registry.record(utc_ms(), "cli", "session ended", {"session": args.session})
    return 0
