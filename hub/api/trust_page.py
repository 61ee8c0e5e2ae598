"""GET /trust: how a phone or computer comes to trust this hub's certificate. No scripts, no sign-in.

The page came over a connection that nobody vouches for yet, so it says to compare the fingerprint with the hub's own
console (`zhantu-hub trust`).
"""

import hashlib
from html import escape

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from hub.api.guard import open_to_all
from hub.state import HubState

PAGE_PATH = "/trust"
FILE_PATH = "/trust/authority.crt"
GROUP = 4
_WHY = "a device that does not trust the hub yet must be able to"

_HOW = (
    (
        "Android",
        "下载证书文件。",
        "设置 → 安全 → 加密与凭据 → 安装证书 → CA 证书。",
        "选择该文件，然后重新打开战图。",
        "Download the certificate.",
        "Settings → Security → Encryption &amp; credentials → Install a certificate → CA certificate.",
        "Choose the file, then open Zhantu again.",
    ),
    (
        "iPhone, iPad",
        "用 Safari 下载并允许描述文件。",
        "设置 → 通用 → VPN 与设备管理 → 安装。",
        "设置 → 通用 → 关于本机 → 证书信任设置 → 打开开关。",
        "Download with Safari and allow the profile.",
        "Settings → General → VPN &amp; Device Management → Install.",
        "Settings → General → About → Certificate Trust Settings → switch it on.",
    ),
    (
        "Windows",
        "下载并打开证书文件，点“安装证书”。",
        "选“本地计算机”，存储选“受信任的根证书颁发机构”。",
        "重新启动浏览器。",
        "Download and open the certificate, press Install Certificate.",
        "Choose Local Machine, and the store Trusted Root Certification Authorities.",
        "Start the browser again.",
    ),
)
_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:16px/1.6 system-ui,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif;max-width:40rem;
margin:0 auto;padding:1.25rem 1rem 3rem}
h1{font-size:1.5rem;line-height:1.3;margin:.2rem 0 .8rem}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}
p{margin:.5rem 0}.en{opacity:.75;font-size:.93em}
.print{font:600 1.1rem/1.8 ui-monospace,Menlo,Consolas,monospace;letter-spacing:.04em;background:var(--soft);
border:1px solid var(--line);border-radius:.6rem;padding:.7rem;display:grid;grid-template-columns:repeat(4,auto);
justify-content:space-evenly}
a.get{display:block;text-align:center;background:#c8102e;color:#fff;text-decoration:none;border-radius:.6rem;
padding:.85rem;margin:1.2rem 0;font-weight:600}
ol{margin:.3rem 0;padding-left:1.4rem}li{margin:.3rem 0}li .en{display:block}
.note{border-left:4px solid #c8102e;padding-left:.8rem}
"""


def fingerprint(der: bytes) -> list[str]:
    """SHA-256 of a certificate, hexadecimal, in groups that can be read aloud."""
    digits = hashlib.sha256(der).hexdigest().upper()
    return [digits[i : i + GROUP] for i in range(0, len(digits), GROUP)]


def page(der: bytes, realm: str, *, own_certificate: bool) -> str:
    """The page. `own_certificate`: the installer gave HTTPS another one, so there is nothing to install."""
    groups = "".join(f"<span>{group}</span>" for group in fingerprint(der))
    if own_certificate:
        need = (
            "<p>本中心的网页使用安装者自己的证书，浏览器无需安装本证书；终端设备仍由它验证。"
            '<p class="en">This hub’s pages use the installer’s own certificate: browsers need nothing from here.'
        )
    else:
        need = (
            "<p>本中心用自己的证书加密网页。装好下面的证书，浏览器就不再警告，别人也无法冒充本中心。"
            '<p class="en">This hub encrypts its pages with a certificate of its own. Once the one below is installed,'
            " browsers stop warning, and nobody can pose as this hub."
        )
    steps = "".join(
        f"<h2>{name}</h2><ol>"
        + "".join(
            f'<li>{zh}<span class="en">{en}</span>' for zh, en in zip(lines[:3], lines[3:], strict=True)
        )
        + "</ol>"
        for name, *lines in _HOW
    )
    return f"""<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>信任战图中心 · Trust this hub</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style>
<h1>信任战图中心 <span class="en">Trust this hub</span></h1>{need}
<h2>证书指纹 <span class="en">Fingerprint, SHA-256</span></h2><div class="print">{groups}</div>
<p class="note">安装前，请与中心控制台上 <code>zhantu-hub trust</code> 显示的指纹逐组核对；不一致就不要安装。
<span class="en"><br>Before installing, compare it with what <code>zhantu-hub trust</code> shows on the hub’s console.
If one group differs, do not install.</span></p>
<a class="get" href="{FILE_PATH}">下载证书 · Download certificate</a>{steps}
<p class="en">{escape(realm)} · <a href="/">战图</a></html>"""


def router(state: HubState) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get(PAGE_PATH, dependencies=[open_to_all(_WHY)])
    def trust() -> HTMLResponse:
        settings = state.settings
        return HTMLResponse(
            page(state.authority.der, settings.realm, own_certificate=bool(settings.tls_cert))
        )

    @routes.get(FILE_PATH, dependencies=[open_to_all(_WHY)])
    def authority() -> Response:
        name = f'attachment; filename="zhantu-{state.settings.realm}.crt"'
        media_type = "application/x-x509-ca-cert"
        return Response(state.authority.der, media_type=media_type, headers={"content-disposition": name})

    return routes
