"""Examples at the end of each command's help; a test reads every one of them as a command line."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "generate": (
        'manxue generate --prompt "a lighthouse in a storm" --duration 8',
        "manxue generate --request scene.yaml --key order-4711 --output ./videos",
        'manxue generate --prompt "she smiles" --first-image ./face.png --model sd2_manxue_1080p --detach',
        'manxue generate --prompt "a lighthouse" --task-id task-123 --json',
    ),
    "demo": ("manxue demo", "manxue demo --keep"),
    "batch": (
        "manxue batch requests.csv --model sd2_manxue_720p --concurrency 20",
        "manxue batch requests.jsonl --skip-invalid --output ./videos --detach",
        "manxue batch status batch-spring",
        "manxue batch retry batch-spring",
        "manxue batch report batch-spring --out report.html",
    ),
    "schedule": (
        'manxue schedule create daily --cron "0 9 * * 1-5" --timezone Europe/Berlin --request scene.yaml --preview 5',
        "manxue schedule describe daily",
        "manxue schedule trigger daily",
    ),
    "assets": (
        "manxue assets add ./face.png https://example.com/hat.png",
        "manxue assets list --json",
        "manxue assets forget ./face.png",
    ),
    "list": (
        "manxue list --phase needs_decision",
        "manxue list --open --model sd2_manxue_4k --tenant acme",
        "manxue list --closed --since 2h --json",
    ),
    "status": ("manxue status generate-order-4711", "manxue status generate-order-4711 --json"),
    "watch": ("manxue watch generate-order-4711", "manxue watch video-1 video-2 --json"),
    "result": ("manxue result generate-order-4711", "manxue result generate-order-4711 --json"),
    "open": ("manxue open generate-order-4711", "manxue open generate-order-4711 --poster"),
    "cancel": ("manxue cancel generate-order-4711",),
    "poll-now": ("manxue poll-now generate-order-4711",),
    "resolve": (
        "manxue resolve generate-order-4711 --adopt task-123",
        "manxue resolve generate-order-4711 --resubmit",
        "manxue resolve generate-order-4711 --abandon",
    ),
    "local": ("manxue local", "manxue local --speed 600 --state ./other", "manxue local --real"),
    "worker": ("manxue worker",),
    "emulator": ("manxue emulator --port 8090 --speed 60", "manxue emulator --chaos 7"),
    "setup": ("manxue setup", "manxue setup --nexus", "manxue setup --nexus --endpoint video --replace"),
    "codec-server": (
        "manxue codec-server --origin https://temporal.example",
        "manxue codec-server --no-auth --origin http://127.0.0.1:8233",
    ),
    "schema": ("manxue schema", "manxue schema result"),
    "doctor": ("manxue doctor", "manxue doctor --json"),
}


def epilog(command: str) -> str | None:
    """The end of a command's help."""
    lines = EXAMPLES.get(command)
    return "\n\n".join(["Examples:", *(f"  {line}" for line in lines)]) if lines else None
