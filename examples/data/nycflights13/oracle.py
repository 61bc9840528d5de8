#!/usr/bin/env python3
"""Answer the questions of this folder from its raw lines, without nowfold.

  python3 oracle.py            # recompute every answer of questions.json and compare
  python3 oracle.py --write    # choose the questions afresh and write questions.json

Standard library only, one pass over a list for each question: slow and plain on purpose.
"""
import gzip, json, math, os, random, sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

HERE = os.path.dirname(os.path.abspath(__file__))
FILE = os.path.join(HERE, "questions.json")
HOUR = 3_600_000
NUMBERS = ["dep_delay", "arr_delay", "distance"]
SEMANTICS = [
    "Feed the first feed_lines lines of events.jsonl.gz in file order, then ask. feed_lines is the shortest prefix that holds every event with time <= as_of_ms.",
    "A question covers events with actor_field == actor, verb == verb (null: any verb), and as_of_ms - window_ms < time <= as_of_ms.",
    "verb: cancel where dep_time is null, else depart. object: dest. time: scheduled departure (year, month, day, hour, minute) in America/New_York.",
    "A flight without a tailnum counts for no plane, but for its carrier.",
    "sum and mean skip nulls; a sum of nothing is 0, a mean of nothing is null.",
    "avg_embedding is the component-wise mean over events whose dest has an embedding in destinations.jsonl; embedding_count is how many those are.",
    "last5_objects: up to five events' objects, newest first, by (time, line number) descending.",
    "retention_needed_ms: how far back from the newest event fed the window begins.",
]


def lines(name):
    opened = gzip.open if name.endswith(".gz") else open
    with opened(os.path.join(HERE, name), "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def load():
    zone = ZoneInfo("America/New_York")
    events = []
    for line, raw in enumerate(lines("events.jsonl.gz"), 1):
        local = datetime(raw["year"], raw["month"], raw["day"], raw["hour"], raw["minute"], tzinfo=zone)
        events.append({"line": line, "ms": int(local.timestamp()) * 1000,
                       "verb": "cancel" if raw["dep_time"] is None else "depart", **raw})
    return events, {d["dest"]: d["embedding"] for d in lines("destinations.jsonl") if d["embedding"]}


def answer(events, vectors, q):
    rows = [e for e in events[: q["feed_lines"]]
            if e[q["actor_field"]] == q["actor"] and q["verb"] in (None, e["verb"])
            and q["as_of_ms"] - q["window_ms"] < e["ms"] <= q["as_of_ms"]]
    rows.sort(key=lambda e: (e["ms"], e["line"]))
    found = [vectors[e["dest"]] for e in rows if e["dest"] in vectors]
    out = {"count": len(rows), "distinct_objects": len({e["dest"] for e in rows}), "sum": {}, "mean": {}}
    for name in NUMBERS:
        values = [e[name] for e in rows if e[name] is not None]
        out["sum"][name] = float(sum(values))
        out["mean"][name] = sum(values) / len(values) if values else None
    out["embedding_count"] = len(found)
    out["avg_embedding"] = [round(math.fsum(c) / len(found), 12) for c in zip(*found)] if found else None
    out["last5_objects"] = [e["dest"] for e in reversed(rows[-5:])]
    if q["verb"] is None:
        out["counts_by_verb"] = {v: n for v in ("cancel", "depart") if (n := sum(e["verb"] == v for e in rows))}
    return out


def complete(events, q):
    q["feed_lines"] = max((e["line"] for e in events if e["ms"] <= q["as_of_ms"]), default=0)
    newest = max((e["ms"] for e in events[: q["feed_lines"]]), default=q["as_of_ms"])
    q["retention_needed_ms"] = max(newest, q["as_of_ms"]) - (q["as_of_ms"] - q["window_ms"])
    q["as_of"] = datetime.fromtimestamp(q["as_of_ms"] / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return q


def question(rnd, events, field, i):
    """A quarter at the closed edge of a window, a quarter at the open one, every fifth on the night of 3 November."""
    pool = [e for e in events if e[field] is not None]
    if i % 5 == 0:
        night = int(datetime(2013, 11, 3, 6, tzinfo=timezone.utc).timestamp()) * 1000
        pool = [e for e in pool if abs(e["ms"] - night) < 20 * HOUR]
    if i % 3 == 0:
        pool = [e for e in pool if e["verb"] == "cancel"] or pool
    event, window = rnd.choice(pool), rnd.choice([1, 24, 24, 96, 96]) * HOUR
    shift = [0, window, rnd.randrange(1, window // 60_000) * 60_000, rnd.randrange(1, window // 60_000) * 60_000][i % 4]
    verb = rnd.choice([event["verb"], None, None, "depart", "cancel"])
    return {"actor_field": field, "actor": event[field], "verb": verb, "window_ms": window, "as_of_ms": event["ms"] + shift}


def choose(events, vectors):
    rnd = random.Random(20131103)
    chosen = []
    for field in ("tailnum", "carrier"):
        empty = taken = 0
        while taken < 20:
            q = complete(events, question(rnd, events, field, taken))
            empty += (nothing := answer(events, vectors, q)["count"] == 0)
            if not (nothing and empty > 3):
                chosen.append(q)
                taken += 1
        first = min(e["ms"] for e in events)
        chosen.append(complete(events, {"actor_field": field, "actor": "no-such-actor", "verb": None,
                                        "window_ms": 24 * HOUR, "as_of_ms": first + HOUR}))
    chosen.sort(key=lambda q: (q["as_of_ms"], q["actor_field"], q["actor"]))
    return [{"id": f"q{i:03d}", **q} for i, q in enumerate(chosen, 1)]


def main():
    events, vectors = load()
    write = "--write" in sys.argv
    questions = choose(events, vectors) if write else json.load(open(FILE, encoding="utf-8"))["queries"]
    wrong = 0
    for q in questions:
        got = answer(events, vectors, q)
        wrong += not write and got != q["expect"]
        q["expect"] = got
    if write:
        body = ",\n".join("  " + json.dumps(q, ensure_ascii=False) for q in questions)
        head = json.dumps(SEMANTICS, indent=2)
        with open(FILE, "w", encoding="utf-8") as f:
            f.write('{"dataset": "nycflights13",\n "semantics": %s,\n "tolerance": {"relative": 1e-6, "absolute": 1e-6},\n'
                    ' "queries": [\n%s\n]}\n' % (head, body))
    empty = sum(q["expect"]["count"] == 0 for q in questions)
    print(f"nycflights13: {len(questions)} questions, {empty} with an empty answer, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
