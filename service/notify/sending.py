"""Send a notice: post a webhook, or write an e-mail."""

import hashlib
import hmac
import json
import smtplib
import ssl
import urllib.request
from email.message import EmailMessage
from http.client import HTTPException
from pathlib import Path

from service.notify.messages import as_json, as_text, title
from service.notify.targets import Smtp, Target
from service.store.loops import Loop
from service.store.notices import Notice

TIMEOUT_S = 10.0
FAULTS = (OSError, HTTPException, smtplib.SMTPException, ValueError)
"""What may go wrong with a target: it is tried again."""
SIGNATURE = "X-Evalmend-Signature"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A target that sends elsewhere is not followed: its address was chosen by whoever runs the server."""

    def redirect_request(self, *_: object) -> None:
        return None


def send(target: Target, notice: Notice, loop: Loop, server: str) -> None:
    """Send a notice to a target.

    Args:
        server: Address of the server, for links.

    Raises:
        OSError: it cannot be reached, or refuses; `FAULTS` are all that may be raised.
    """
    if target.webhook is not None:
        _post(target, json.dumps(as_json(notice, loop, server), allow_nan=False).encode())
    elif target.smtp is not None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = target.sender, target.email, title(notice, loop)
        mail["Message-ID"] = f"<{notice.loop}.{notice.number}@evalmend>"
        mail.set_content(as_text(notice, loop, server))
        _mail(target.smtp, mail)


def _post(target: Target, body: bytes) -> None:
    headers = {"content-type": "application/json", "user-agent": "evalmend"}
    if target.secret_file is not None:
        digest = hmac.new(_secret(target.secret_file).encode(), body, hashlib.sha256).hexdigest()
        headers[SIGNATURE] = f"sha256={digest}"
    request = urllib.request.Request(str(target.webhook), data=body, headers=headers, method="POST")
    opener = urllib.request.build_opener(_NoRedirects)
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        answer.read(1024)


def _mail(smtp: Smtp, mail: EmailMessage) -> None:
    context = ssl.create_default_context()
    if smtp.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(smtp.host, smtp.port, timeout=TIMEOUT_S)
    with server:
        if smtp.security == "starttls":
            server.starttls(context=context)
        if smtp.user is not None:
            server.login(smtp.user, _secret(smtp.password_file) if smtp.password_file is not None else "")
        server.send_message(mail)


def _secret(path: Path) -> str:
    return path.expanduser().read_text(encoding="utf-8").strip()
