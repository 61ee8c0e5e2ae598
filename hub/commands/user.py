"""`zhantu-hub user {add,link,list,set,lock,unlock,sessions,end}`: works while the hub runs."""

import argparse
import json
from dataclasses import replace

from hub.commands.opening import address_of, registry_of, settings_of, shown, utc_ms
from hub.errors import AccountError, HubError
from hub.identity.people import ACTIVE, LOCKED, Accounts, Person, default_sees, role_of, sees_of
from hub.identity.signin import SignIn
from hub.settings import Settings
from hub.store.registry import SqliteRegistry

BY = "cli"


def run(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    with registry_of(args) as registry:
        if args.action == "link":
            _link(args, settings, registry)
        elif args.action == "list":
            for person in Accounts(registry).everybody():
                print("\t".join(_cells(person)))
        elif args.action == "sessions":
            for session, holder in registry.people.sessions(utc_ms()):
                until, seen = shown(session.expires_utc_ms), shown(session.seen_utc_ms)
                place = f"from {session.address or '?'}, seen {seen}, {session.browser or 'no browser named'}"
                print(f"{session.id}\t{session.user}\t{holder.role}\tuntil {until}\t{place}")
        elif args.action == "end":
            sign_in = SignIn(registry, utc_ms, token_s=settings.token_s, session_s=settings.session_s)
            if not sign_in.end_session(args.session, BY):
                raise HubError(f"user: no session {args.session!r} holds; `user sessions` lists them")
        else:
            _change(args, Accounts(registry))
    return 0


def _cells(person: Person) -> list[str]:
    sees = ",".join(person.sees) or "own"
    password = "password" if person.has_password else "link only"
    return [person.name, person.role.value, person.agency, sees, person.team, person.state, password]


def _link(args: argparse.Namespace, settings: Settings, registry: SqliteRegistry) -> None:
    url = args.url or address_of(settings, registry)
    if not url.startswith(("http://", "https://")):
        raise HubError(f"user link: --url {url!r}, http://… or https://… needed")
    sign_in = SignIn(registry, utc_ms, token_s=settings.token_s, session_s=settings.session_s)
    role = role_of(args.role) if args.role else None
    known = registry.people.person(args.name)
    if known is not None and role is not None and known.role != role:
        raise AccountError(f"{args.name!r} is {known.role}; `user set --name … --role {role}` changes that")
    token, _until_ms = sign_in.new_link(args.name, role, BY)
    link = f"{url.rstrip('/')}/#t={token}"
    print(json.dumps({"link": link, "token": token}) if args.json else link)


def _change(args: argparse.Namespace, accounts: Accounts) -> None:
    if args.action == "add":
        sees = default_sees(args.agency) if args.sees is None else sees_of(args.sees)
        person = Person(args.name, role_of(args.role), args.agency, sees, args.team, ACTIVE)
        accounts.put(person, BY, utc_ms(), new_only=True)
        return
    person = accounts.person(args.name)
    if args.action == "set":
        person = replace(
            person,
            role=role_of(args.role) if args.role else person.role,
            agency=person.agency if args.agency is None else args.agency,
            sees=person.sees if args.sees is None else sees_of(args.sees),
            team=person.team if args.team is None else args.team,
        )
    else:
        person = replace(person, state=LOCKED if args.action == "lock" else ACTIVE)
    accounts.put(person, BY, utc_ms())
