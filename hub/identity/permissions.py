"""The one table of who may do what: roles × permissions.

Enters: a role, an agency, a team. Leaves: `Principal`, which every route and the feed ask. Pure. docs/roles.md is made
of this table; a test walks every route and every message of the feed × role × agency.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from protocols.catalog import PRIVATE_FIELDS


class Permission(StrEnum):
    """What can be allowed. The value is its name in API tokens and in docs/roles.md."""

    PICTURE = "picture"  # units, positions, air, gas, alarms, trails of the agencies one sees
    PHYSIOLOGY = "physiology"  # heart rate and the like, of every unit one sees
    PHYSIOLOGY_TEAM = "physiology-team"  # the same, of one's own team only
    ACKNOWLEDGE = "acknowledge"  # take an alarm
    DISPATCH = "dispatch"  # tasks and resources
    ORDER = "order"  # hold a commander's key: evacuate, retreat
    ALL_CLEAR = "all-clear"  # be one of the two who sign an all-clear
    DEVICES = "devices"  # enrol, bind, revoke devices; see their state
    SECURITY = "security"  # see and take security notices
    PEOPLE = "people"  # accounts, sessions, API tokens of others
    EXPORT = "export"  # take data out
    AUDIT = "audit"  # read operator records
    EXERCISE = "exercise"  # run a drill: injects, clock
    EVALUATE = "evaluate"  # score a drill
    SHELVE = "shelve"  # silence an alarm for a while, close one for good
    RULES = "rules"  # the rules, mapping files and call-out of this hub
    ZONES = "zones"  # draw, change and end zones
    ROLL_CALL = "roll-call"  # start a roll-call, confirm people by voice
    ENTRY = "entry"  # entry control: teams, people without a device, pressures as read
    WARNINGS = "warnings"  # take in, issue and cancel warnings
    SEARCH = "search"  # search segments and the planner's prior


class Role(StrEnum):
    """Who somebody is on duty. The value is kept in the registry and said in the session."""

    COMMANDER = "commander"
    DISPATCHER = "dispatcher"
    DUTY_OFFICER = "duty-officer"
    SAFETY_OFFICER = "safety-officer"
    MEDIC = "medic"
    TEAM_LEADER = "team-leader"
    MEMBER = "member"
    TECHNICIAN = "technician"
    OBSERVER = "observer"
    CONTROLLER = "controller"
    EVALUATOR = "evaluator"
    ADMINISTRATOR = "administrator"


P = Permission
ALLOWED: dict[Role, frozenset[Permission]] = {
    Role.COMMANDER: frozenset(
        {P.PICTURE, P.ACKNOWLEDGE, P.DISPATCH, P.ORDER, P.ALL_CLEAR, P.SECURITY, P.EXPORT}
        | {P.SHELVE, P.ZONES, P.ROLL_CALL, P.ENTRY, P.WARNINGS, P.SEARCH}
    ),
    Role.DISPATCHER: frozenset(
        {P.PICTURE, P.ACKNOWLEDGE, P.DISPATCH, P.ZONES, P.ROLL_CALL, P.WARNINGS, P.SEARCH}
    ),
    Role.DUTY_OFFICER: frozenset(
        {P.PICTURE, P.ACKNOWLEDGE, P.DISPATCH, P.SECURITY, P.EXPORT, P.SHELVE, P.ZONES, P.WARNINGS}
    ),
    Role.SAFETY_OFFICER: frozenset(
        {P.PICTURE, P.PHYSIOLOGY, P.ACKNOWLEDGE, P.ORDER, P.ALL_CLEAR}
        | {P.SHELVE, P.ZONES, P.ROLL_CALL, P.ENTRY, P.RULES}
    ),
    Role.MEDIC: frozenset({P.PICTURE, P.PHYSIOLOGY, P.ACKNOWLEDGE}),
    Role.TEAM_LEADER: frozenset({P.PICTURE, P.PHYSIOLOGY_TEAM, P.ACKNOWLEDGE, P.ROLL_CALL, P.ENTRY}),
    Role.MEMBER: frozenset({P.PICTURE}),
    Role.TECHNICIAN: frozenset({P.PICTURE, P.DEVICES, P.SECURITY}),
    Role.OBSERVER: frozenset({P.PICTURE}),
    Role.CONTROLLER: frozenset({P.PICTURE, P.EXERCISE, P.EVALUATE, P.EXPORT}),
    Role.EVALUATOR: frozenset({P.PICTURE, P.EVALUATE}),
    Role.ADMINISTRATOR: frozenset({P.PICTURE, P.DEVICES, P.SECURITY, P.PEOPLE, P.AUDIT, P.EXPORT, P.RULES}),
}
"""No role both orders and looks after accounts. An administrator could still make a second account; that is recorded,
and its key is on every screen's list of commanders."""

TITLES: dict[Role, tuple[str, str]] = {
    Role.COMMANDER: ("指挥员", "Commander"),
    Role.DISPATCHER: ("调度员", "Dispatcher"),
    Role.DUTY_OFFICER: ("值班员", "Duty officer"),
    Role.SAFETY_OFFICER: ("安全员", "Safety officer"),
    Role.MEDIC: ("医务员", "Medic"),
    Role.TEAM_LEADER: ("队长", "Team leader"),
    Role.MEMBER: ("队员", "Member"),
    Role.TECHNICIAN: ("技术保障员", "Technician"),
    Role.OBSERVER: ("观察员", "Observer"),
    Role.CONTROLLER: ("导调员", "Controller"),
    Role.EVALUATOR: ("评估员", "Evaluator"),
    Role.ADMINISTRATOR: ("管理员", "Administrator"),
}

MEANINGS: dict[Permission, tuple[str, str]] = {
    P.PICTURE: (
        "看所见单位的位置、空气、气体、告警和轨迹",
        "units, positions, air, gas, alarms and trails of the agencies one sees",
    ),
    P.PHYSIOLOGY: ("看所见全部单位的心率等体征", "heart rate and the like, of every unit one sees"),
    P.PHYSIOLOGY_TEAM: ("只看本队的心率等体征", "heart rate and the like, of one's own team only"),
    P.ACKNOWLEDGE: ("接手告警", "take an alarm"),
    P.DISPATCH: ("派任务、调资源", "tasks and resources"),
    P.ORDER: ("持有指挥密钥：撤离、撤退", "hold a commander's key: evacuate, retreat"),
    P.ALL_CLEAR: ("作为两人之一签署解除", "be one of the two who sign an all-clear"),
    P.DEVICES: ("登记、绑定、吊销设备，看设备状态", "enrol, bind and revoke devices; see their state"),
    P.SECURITY: ("看和处理安全通知", "see and take security notices"),
    P.PEOPLE: ("管理他人的账号、会话和接口令牌", "accounts, sessions and API tokens of others"),
    P.EXPORT: ("导出数据", "take data out"),
    P.AUDIT: ("读操作记录", "read operator records"),
    P.EXERCISE: ("组织演练：注入、时钟", "run a drill: injects, clock"),
    P.EVALUATE: ("给演练评分", "score a drill"),
    P.SHELVE: ("搁置告警、关闭告警", "silence an alarm for a while, close one for good"),
    P.RULES: ("管理规则、映射文件和呼叫", "the rules, mapping files and call-out of this hub"),
    P.ZONES: ("画、改、结束区域", "draw, change and end zones"),
    P.ROLL_CALL: ("发起点名、口头确认", "start a roll-call, confirm people by voice"),
    P.ENTRY: (
        "进入管控：编组、无设备人员、读压",
        "entry control: teams, people without a device, pressures as read",
    ),
    P.WARNINGS: ("接收、发布、解除预警", "take in, issue and cancel warnings"),
    P.SEARCH: ("搜索分区和先验", "search segments and the planner's prior"),
}

PHYSIOLOGY_FIELDS = PRIVATE_FIELDS
"""Fields of the catalog that say how a body is doing. Alarms of these show without code and numbers."""
ALL_AGENCIES = "*"


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a message of the feed is made for; encoded once for all who are alike.

    agencies    whose units are seen; None: everybody's. A unit of no agency is seen by all.
    physiology  "all", "none", or "team:<team>" for one team
    """

    agencies: frozenset[str] | None
    physiology: str

    def sees(self, agency: str) -> bool:
        return self.agencies is None or not agency or agency in self.agencies

    def sees_body(self, team: str) -> bool:
        """Whether the physiology of a visible unit of this team may be shown."""
        return self.physiology == "all" or (bool(team) and self.physiology == f"team:{team}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a person's session, or an API token of theirs.

    id      of the session or token, for ending it
    sees    agencies whose units are visible beside the own one; ("*",) for all
    """

    name: str
    role: Role
    agency: str
    sees: tuple[str, ...]
    team: str
    id: str
    allowed: frozenset[Permission]
    expires_utc_ms: int
    is_token: bool = False

    def may(self, permission: Permission) -> bool:
        return permission in self.allowed

    @property
    def audience(self) -> Audience:
        agencies = None if ALL_AGENCIES in self.sees else frozenset((self.agency, *self.sees))
        if self.may(Permission.PHYSIOLOGY):
            return Audience(agencies, "all")
        if self.may(Permission.PHYSIOLOGY_TEAM) and self.team:
            return Audience(agencies, f"team:{self.team}")
        return Audience(agencies, "none")


def allowed_to(role: Role, scope: Iterable[Permission] | None = None) -> frozenset[Permission]:
    """What a role may do; with a token's scope, no more than that. A token never orders."""
    if scope is None:
        return ALLOWED[role]
    return ALLOWED[role] & frozenset(scope) - {Permission.ORDER, Permission.ALL_CLEAR}
