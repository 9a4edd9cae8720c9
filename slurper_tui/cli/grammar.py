"""One parser for each command that only reads."""

from slurper_tui.cli.arguments import PROG, Parser, add_json, add_timeout, make_parser

VALUES = frozenset({"--type", "--migration", "--timeout"})
"""Options of these commands that take a value."""


def monitor() -> Parser:
    """The parser of the monitor, which has no name of its own."""
    parser = make_parser(
        f"{PROG} [JOB]... [OPTION]...\n       {PROG} COMMAND [OPTION]...",
        "Shows every Super Slurper job of an account, live. Lines instead of a screen where "
        "there is no terminal.",
        "commands:\n"
        "  jobs [--json] [--status S]...   one line a job, once\n"
        "  progress JOB [--json]           one job, once\n"
        "  watch [JOB]... [--json]         a plain line whenever something changes\n"
        "  history [JOB] [--json|--csv]    what was recorded; --path: where\n"
        "  digest [--since TIME] [--json]  what happened since somebody last looked\n"
        "  logs JOB [--follow] [--json]    every row of its log\n"
        "  failures JOB [--keys] [--json]  what failed, by reason and prefix\n"
        "  report JOB [--json]             the receipt of an ended job\n"
        "  pause|resume|abort|delete JOB   change a job; abort --all: every job\n"
        "  retry JOB [--draft FILE]        copy again exactly what failed\n"
        "  create, precheck                a new migration; whether its buckets open\n\n"
        "A JOB is an id or the beginning of one.\n\n"
        "environment:\n"
        "  CLOUDFLARE_API_TOKEN, or CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY\n"
        "  CLOUDFLARE_ACCOUNT_ID           one id, or several with commas between\n"
        "  CLOUDFLARE_BASE_URL             another address of the API, its path included\n\n"
        "exit codes:\n"
        "  0 done  2 usage  3 credentials  4 objects failed  5 a job aborted or gone\n"
        "  7 the API failed  70 a bug  129 130 131 143 ended by a signal",
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="only these jobs")
    parser.add_argument("--mouse", action="store_true", default=None, help="listen to the mouse")
    parser.add_argument("--write", action="store_true", help="allow changing jobs")
    parser.add_argument("--theme", metavar="NAME", help="the colours")
    parser.add_argument("--deadline", metavar="TIME", help='say what will be late: "Fri 18:00"')
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    return parser


def jobs() -> Parser:
    """The parser of `jobs`."""
    parser = make_parser(f"{PROG} jobs [OPTION]...", "Prints one line a job, once.")
    add_json(parser, "one JSON array")
    add_timeout(parser)
    parser.add_argument(
        "--status",
        action="append",
        metavar="S",
        default=[],
        help="only jobs of this status: the API's word or the screen's (repeatable)",
    )
    return parser


def progress() -> Parser:
    """The parser of `progress`."""
    parser = make_parser(f"{PROG} progress JOB [OPTION]...", "Prints one job, once.")
    parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
    add_json(parser, "one JSON object")
    add_timeout(parser)
    return parser


def watch() -> Parser:
    """The parser of `watch`."""
    parser = make_parser(
        f"{PROG} watch [JOB]... [OPTION]...",
        "Prints each job once and then a line whenever its status, phase, whole percent or "
        "failed count changes. Ends when every JOB has ended; without JOB it runs until stopped.",
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="ids, or beginnings of ids")
    add_json(parser, "JSON Lines")
    return parser


def history() -> Parser:
    """The parser of `history`."""
    parser = make_parser(
        f"{PROG} history [JOB] [OPTION]...",
        "Prints every sample that was recorded, the oldest first. Asks nothing of the API.",
    )
    parser.add_argument("jobs", nargs="?", metavar="JOB", help="its id, or the beginning of it")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="one JSON array")
    forms.add_argument("--csv", action="store_true", help="comma separated, with a header")
    forms.add_argument("--path", action="store_true", help="print where the history is, no more")
    return parser


def digest() -> Parser:
    """The parser of `digest`."""
    parser = make_parser(
        f"{PROG} digest [OPTION]...",
        "Tells what happened while nobody looked, and what is to be done, the worst first.",
    )
    parser.add_argument(
        "--since", metavar="TIME", help='"Mon 18:00", "2h" (default: the last absence)'
    )
    add_json(parser, "one JSON object")
    add_timeout(parser)
    return parser


def logs() -> Parser:
    """The parser of `logs`."""
    parser = make_parser(
        f"{PROG} logs JOB [OPTION]...",
        "Prints every row of a job's log, the newest first; with --follow the oldest first, and "
        "then whatever comes.",
    )
    parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
    _type(parser, "only rows of this type, as the API names it (repeatable)")
    parser.add_argument("--follow", action="store_true", help="wait for more until stopped")
    add_json(parser, "JSON Lines")
    add_timeout(parser)
    return parser


def failures() -> Parser:
    """The parser of `failures`."""
    parser = make_parser(
        f"{PROG} failures JOB [OPTION]...",
        "Tells which objects failed or were not copied, by reason and prefix; or their exact keys.",
    )
    parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
    _type(parser, "only rows of this type, as the API names it (repeatable)")
    parser.add_argument("--keys", action="store_true", help="the exact keys, one a line")
    parser.add_argument("--null", action="store_true", help="with --keys: NUL between them")
    add_json(parser, "one JSON object; with --keys an array")
    add_timeout(parser)
    return parser


def report() -> Parser:
    """The parser of `report`."""
    parser = make_parser(
        f"{PROG} report JOB [OPTION]...\n       {PROG} report --migration SOURCE [OPTION]...",
        "Prints the receipt of an ended job, or of all jobs of one migration, as Markdown.",
    )
    parser.add_argument("jobs", nargs="?", metavar="JOB", help="its id, or the beginning of it")
    parser.add_argument(
        "--migration",
        metavar="SOURCE",
        help="a source bucket, or SOURCE:TARGET where it went to several targets",
    )
    add_json(parser, "one JSON object")
    add_timeout(parser)
    return parser


def _type(parser: Parser, what: str) -> None:
    parser.add_argument("--type", action="append", metavar="T", default=[], help=what)
