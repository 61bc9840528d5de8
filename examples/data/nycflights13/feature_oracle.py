#!/usr/bin/env python3
"""Answer feature-questions.json from the raw lines, without nowfold.

  python3 feature_oracle.py            # recompute every answer and compare
  python3 feature_oracle.py --write    # choose the questions afresh and write them

Standard library only, each window a plain filter over a list.
"""
import json, math, os, random, sys
from oracle import HERE, HOUR, load

FILE = os.path.join(HERE, "feature-questions.json")
DAY = 24 * HOUR


def sliding(rows, q, w):
    return [e for e in rows if q - w < e["ms"] <= q]


def tumbling(rows, q, w, start=0, previous=False):
    begin = (q - start) // w * w + start
    if previous:
        return [e for e in rows if begin - w <= e["ms"] < begin]
    return [e for e in rows if begin <= e["ms"] <= q]


def session(rows, q, gap):
    known = [e for e in rows if e["ms"] <= q]
    first = len(known)
    while first > 0 and (first == len(known) or known[first]["ms"] - known[first - 1]["ms"] <= gap):
        first -= 1
    return known[first:]


def nearest_rank(values, p):
    values = sorted(values)
    return float(values[max(math.ceil(p * len(values)), 1) - 1]) if values else None


def answer(events, vectors, q):
    at = q["as_of_ms"]
    rows = sorted((e for e in events if e[q["actor_field"]] == q["actor"]), key=lambda e: (e["ms"], e["line"]))
    cancels = [e for e in rows if e["verb"] == "cancel"]
    departs = [e for e in rows if e["verb"] == "depart"]
    day = sliding(rows, at, DAY)
    late = [e["dest"] for e in day if e["dep_delay"] is not None and e["dep_delay"] >= 15]
    newest = [e for e in rows if e["ms"] <= at][-20:]
    delays = [e["arr_delay"] for e in newest if at - DAY < e["ms"] and e["arr_delay"] is not None]
    worst = [e["dep_delay"] for e in newest if e["dep_delay"] is not None]
    miles = lambda rows: sum(e["distance"] for e in rows)
    found = [vectors[e["dest"]] for e in day if e["dest"] in vectors]
    four = sliding(rows, at, 96 * HOUR)
    return {
        "flights": {f"{h}h": len(sliding(rows, at, h * HOUR)) for h in (1, 24, 96)},
        "cancelled-before-today": {
            "24h-offset-24h": len(sliding(cancels, at - DAY, DAY)),
            "24h-end-excluded": len([e for e in cancels if at - DAY <= e["ms"] < at]),
        },
        "late-destinations": {dest: late.count(dest) for dest in sorted(set(late))},
        "last-delays": delays[::-1][:5],
        "worst-of-last": max(worst) if worst else None,
        "miles": {
            "tumbling-24h": miles(tumbling(departs, at, DAY)),
            "tumbling-24h-previous": miles(tumbling(departs, at, DAY, previous=True)),
            "tumbling-24h-from-5h-previous": miles(tumbling(departs, at, DAY, 5 * HOUR, True)),
        },
        "session": len(session(rows, at, 90 * 60_000)),
        "median-delay": nearest_rank([e["dep_delay"] for e in day if e["dep_delay"] is not None], 0.5),
        "long-haul": len({e["dest"] for e in four if e["distance"] > 1000 and e["dep_delay"] is not None}),
        "days": {label: len(sliding(rows, at - i * DAY, DAY)) for i, label in enumerate(["24h", "24h-offset-24h", "24h-offset-48h"])},
        "taste": [round(math.fsum(c) / len(found), 9) for c in zip(*found)] if found else None,
        "recency": at - four[-1]["ms"] if four else None,
    }


def choose(events):
    """Instants of the last day, so that everything is fed and nothing has left the retention."""
    random.seed(7)
    end, questions = max(e["ms"] for e in events), []
    recent = [e for e in events if e["ms"] > end - DAY]
    for field, n in (("carrier", 24), ("tailnum", 24)):
        actors = sorted({e[field] for e in recent if e[field]})
        for i in range(n):
            actor = actors[i % len(actors)] if field == "carrier" else random.choice(actors)
            own = [e["ms"] for e in recent if e[field] == actor]
            # On an action's own time, where edges matter, or anywhere.
            at = random.choice(own) if i % 2 else random.randrange(end - DAY + 1, end + 1)
            questions.append({"id": f"f{len(questions) + 1:03}", "actor_field": field, "actor": actor, "window_ms": HOUR, "as_of_ms": at})
    return questions


def agrees(found, expected):
    return all(found[name] == value for name, value in expected.items())


def main():
    events, vectors = load()
    if "--write" in sys.argv:
        questions = choose(events)
        for q in questions:
            features = answer(events, vectors, q)
            q["retention_needed_ms"] = max(e["ms"] for e in events) - q["as_of_ms"] + HOUR
            # A plane's last 20 flights or last session may begin before the data: a store cannot tell, and says so.
            unbounded = ["worst-of-last", "session"] if q["actor_field"] == "tailnum" else []
            features = {name: value for name, value in features.items() if name not in unbounded}
            q["features"], q["expect"] = list(features), {"features": features}
        text = ",\n".join(json.dumps(q, ensure_ascii=False) for q in questions)
        with open(FILE, "w", encoding="utf-8") as f:
            f.write('{"dataset": "nycflights13", "tolerance": {"relative": 1e-6, "absolute": 1e-6},\n "queries": [\n' + text + "\n]}\n")
        return
    questions = json.load(open(FILE, encoding="utf-8"))["queries"]
    wrong = [q["id"] for q in questions if not agrees(answer(events, vectors, q), q["expect"]["features"])]
    print(f"{len(questions)} questions, {len(wrong)} wrong: {wrong}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
