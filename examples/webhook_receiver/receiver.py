"""A receiver of notifications: verifies them, takes each once, and answers before it does anything slow.

    pip install standardwebhooks
    WEBHOOK_SECRETS=whsec_... python receiver.py 8400

`WEBHOOK_SECRETS` may have several, separated by commas: while a secret is exchanged for another, both are right.
"""

import json
import os
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

WEBHOOKS = [Webhook(secret.strip()) for secret in os.environ["WEBHOOK_SECRETS"].split(",")]
STORE = os.environ.get("WEBHOOK_STORE", "notifications.db")
MOST_BYTES = 1024 * 1024


def verified(body: bytes, headers: dict[str, str]) -> dict[str, Any] | None:
    """The notification; None when no secret fits, or when it was signed more than five minutes ago."""
    for webhook in WEBHOOKS:
        try:
            webhook.verify(body, headers, json_parse=False)
        except (WebhookVerificationError, ValueError):
            continue
        notification: dict[str, Any] = json.loads(body)
        return notification
    return None


def is_new(webhook_id: str, body: bytes) -> bool:
    """Keep it, unless it came before: an answer can be lost on its way, and the same notification comes again."""
    with sqlite3.connect(STORE) as store:
        store.execute("CREATE TABLE IF NOT EXISTS notifications (id TEXT PRIMARY KEY, body TEXT)")
        kept = store.execute("INSERT OR IGNORE INTO notifications VALUES (?, ?)", (webhook_id, body.decode()))
        return kept.rowcount == 1


def describe(notification: dict[str, Any]) -> str:
    """One line for a person; a service branches on `type` in the same way, and does its work elsewhere."""
    data = notification["data"]
    match notification["type"]:
        case "video.completed":
            told = data["result"]["video"]["uri"]
        case "video.failed":
            told = f"{data['failure']['type']}: {data['failure']['message']}"
        case "video.needs_decision":
            told = f"somebody must decide: {data['decision']['why']}"
        case "video.canceled":
            told = data["message"]
        case _:
            told = "a type that this receiver does not know yet"
    return f"{notification['type']} {data['workflow_id']} {told}"


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what it has kept; whatever else it answers, the notification comes again."""

    timeout = 10

    def do_POST(self) -> None:
        """One notification."""
        length = int(self.headers.get("Content-Length", 0))
        if length > MOST_BYTES:
            self.send_error(413)
            return
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        notification = verified(body, headers)
        if notification is None:
            self.send_error(401)
            return
        if is_new(headers["webhook-id"], body):
            print(describe(notification), flush=True)
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(f"listening at http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
