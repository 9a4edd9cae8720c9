"""One parser for each command that changes something. The command itself is the person's word."""

from collections.abc import Callable

from slurper_tui.cli.arguments import PROG, Parser, add_json, make_parser

_SOURCE = (
    ("--source-vendor", "V", "s3, gcs or r2"),
    ("--source-bucket", "NAME", "the bucket to copy from"),
    ("--endpoint", "URL", "s3: https://... of a service that is not Amazon's"),
    ("--region", "NAME", "s3: the bucket's region"),
    ("--source-jurisdiction", "J", "r2: default, eu, us or fedramp"),
    ("--prefix", "P", "only keys that begin so"),
    ("--keys-file", "FILE", "only these keys: one a line, or a JSON array; - is stdin"),
)
_TARGET = (
    ("--target-bucket", "NAME", "the R2 bucket to copy to"),
    ("--target-jurisdiction", "J", "default, eu, us or fedramp"),
)
_SECRETS = (("--secrets", "FILE", "TOML with the keys to the buckets, readable by you alone"),)
_RETRY = (
    ("--draft", "FILE", "write the request there instead of sending it; - is stdout"),
    ("--region", "NAME", "s3: the source's region, which the API does not tell"),
)
_SPLIT = (("--prefixes", "FILE", "one job for each prefix in it, one a line; - is stdin"),)

VALUES = frozenset(
    name for options in (_SOURCE, _TARGET, _SECRETS, _RETRY, _SPLIT) for name, _, _ in options
) | {"--file", "--cancel", "--send-again"}
"""Options of these commands that take a value."""

_WHERE_SECRETS = (
    "The keys to the buckets are asked for at the terminal, without echo, or taken from the\n"
    "variables SLURPER_SOURCE_ACCESS_KEY_ID and SLURPER_SOURCE_SECRET_ACCESS_KEY (GCS:\n"
    "SLURPER_SOURCE_CLIENT_EMAIL and SLURPER_SOURCE_PRIVATE_KEY), SLURPER_TARGET_ACCESS_KEY_ID\n"
    "and SLURPER_TARGET_SECRET_ACCESS_KEY, or from --secrets FILE. They are never kept."
)


_FILE = (
    "A file for --file is the API's create request without its secrets, as TOML or JSON:\n"
    "  overwrite = true\n"
    "  [source]\n"
    '  vendor = "s3"\n'
    '  bucket = "photos"\n'
    '  endpoint = "https://..."    # also: region, jurisdiction, pathPrefix, keys\n'
    "  [target]\n"
    '  bucket = "media"            # also: jurisdiction'
)


_ANSWERS = (
    "Says what follows and asks first. A no, or a plain Enter, ends with 0: nothing was done.\n"
    "Ends with 2 where it cannot work now or nobody answers, with 7 where the API refuses or\n"
    "no poll shows it within a minute. Nothing is ever sent twice."
)


def _change(verb: str, what: str) -> Callable[[], Parser]:
    def make() -> Parser:
        parser = make_parser(f"{PROG} {verb} JOB [--yes]", what, _ANSWERS)
        parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
        _yes(parser)
        return parser

    return make


def _abort() -> Parser:
    parser = make_parser(
        f"{PROG} abort JOB [--yes]\n       {PROG} abort --all [--yes]",
        "Stops a job, or every job of an account, for good. Objects in flight finish.",
        f"The source bucket's name has to be typed; for --all the account's id.\n{_ANSWERS}",
    )
    parser.add_argument("jobs", nargs="?", metavar="JOB", help="its id, or the beginning of it")
    parser.add_argument("--all", action="store_true", help="every job of the account")
    _yes(parser)
    return parser


def _retry() -> Parser:
    parser = make_parser(
        f"{PROG} retry JOB [OPTION]...",
        "Makes a job of exactly the keys that failed in another.",
        _WHERE_SECRETS,
    )
    parser.add_argument("job", metavar="JOB", help="its id, or the beginning of it")
    parser.add_argument(
        "--type",
        action="append",
        metavar="T",
        default=[],
        help="rows of this type instead, as the API names it (repeatable)",
    )
    _add(parser, *_RETRY, *_SECRETS)
    _no_precheck(parser)
    _yes(parser)
    parser.add_argument(
        "--again", action="store_true", help="although an earlier retry of it is known"
    )
    add_json(parser, "one JSON object for each job")
    return parser


def _create() -> Parser:
    parser = make_parser(
        f"{PROG} create [OPTION]...",
        "Starts a migration, or one for each prefix of a list as slots become free.",
        f"{_FILE}\n\n{_WHERE_SECRETS}",
    )
    _end_points(parser)
    parser.add_argument("--no-overwrite", action="store_true", help="leave what is there already")
    _no_precheck(parser)
    _add(parser, *_SPLIT)
    parser.add_argument(
        "--go-on", nargs="?", metavar="N", const="", help="start what is left of plan N"
    )
    parser.add_argument(
        "--send-again",
        action="append",
        metavar="N",
        default=[],
        help="with --go-on: send step N again, which was refused or not answered (repeatable)",
    )
    parser.add_argument("--cancel", metavar="N", help="start no more of plan N")
    _yes(parser)
    add_json(parser, "one JSON object for each job")
    return parser


def _precheck() -> Parser:
    parser = make_parser(
        f"{PROG} precheck [OPTION]...",
        "Tells whether both buckets can be reached with their keys.",
        f"{_FILE}\n\n{_WHERE_SECRETS}",
    )
    _end_points(parser)
    add_json(parser, "one JSON object")
    return parser


def _end_points(parser: Parser) -> None:
    parser.add_argument("--file", metavar="FILE", help="the request as TOML or JSON; flags win")
    _add(parser, *_SOURCE, *_TARGET, *_SECRETS)


def _add(parser: Parser, *options: tuple[str, str, str]) -> None:
    for name, value, what in options:
        parser.add_argument(name, metavar=value, help=what)


def _no_precheck(parser: Parser) -> None:
    parser.add_argument("--no-precheck", action="store_true", help="do not try the buckets first")


def _yes(parser: Parser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


PARSERS: dict[str, Callable[[], Parser]] = {
    "pause": _change("pause", "Pauses a running job."),
    "resume": _change("resume", "Resumes a paused job."),
    "abort": _abort,
    "delete": _change("delete", "Lets the API forget an ended job; nothing is undone."),
    "retry": _retry,
    "create": _create,
    "precheck": _precheck,
}
