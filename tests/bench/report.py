"""Turns measurements into the figures of --json and a table for people."""
from scenarios import median, ratios

# what is to be reached in bijia's row: (name, scenario, figure, limit)
TARGETS = [
    ("CPU of a 1 KiB request / nginx", "1k",
     ("ratio_to_nginx", "bijia", "1k"), 1.3),
    ("CPU of a 32 KiB request / nginx", "32k",
     ("ratio_to_nginx", "bijia", "32k"), 1.2),
    ("CPU of a 512 KiB request / nginx", "512k",
     ("ratio_to_nginx", "bijia", "512k"), 1.0),
    ("CPU of a 1 KiB request over TLS / nginx", "1k_tls",
     ("ratio_to_nginx", "bijia", "1k_tls"), 1.3),
    ("CPU of a chunk, 1,000 streams / nginx", "streams_1000",
     ("streams", "1000", "bijia", "ratio_to_nginx"), 1.15),
    ("CPU of a chunk, 9,500 streams / nginx", "streams_9500",
     ("streams", "9500", "bijia", "ratio_to_nginx"), 1.15),
    ("bytes of RSS a stream, 1,000 streams", "streams_1000",
     ("streams", "1000", "bijia", "rss_bytes_per_stream"), 8 * 1024),
    ("bytes of RSS a stream, 9,500 streams", "streams_9500",
     ("streams", "9500", "bijia", "rss_bytes_per_stream"), 8 * 1024),
    ("bytes of RSS a stream, 2,000 streams over TLS", "streams_2000_tls",
     ("streams", "2000_tls", "bijia", "rss_bytes_per_stream"), 40 * 1024),
    ("request beside 9,000 streams / without", "beside",
     ("beside_9000_streams", "bijia", "ratio"), 1.5),
    ("CPU with 5,000 teams, 20,000 keys / with one", "teams",
     ("compared", "teams", "5000-teams", "ratio"), 1.15),
    ("the same by the worker's instructions", "teams",
     ("compared", "teams", "5000-teams", "instructions_ratio"), 1.15),
    ("ms to start with them and 100,000 exchanges", "teams",
     ("compared", "teams", "5000-teams", "start_ms"), 1000),
    ("CPU with a ledger / without", "ledger",
     ("compared", "ledger", "bijia", "ratio"), 1.10),
    ("the same for short streams", "ledger_streams",
     ("compared", "ledger_streams", "bijia", "ratio"), 1.10),
]

FOREIGN_CORES = 0.15  # more than this of others' work spoils a measurement


def put(tree, path, value):
    for word in path[:-1]:
        tree = tree.setdefault(word, {})
    tree[path[-1]] = round(value, 4) if isinstance(value, float) else value


def get(tree, path):
    for word in path:
        if not isinstance(tree, dict) or word not in tree:
            return None
        tree = tree[word]
    return tree


def field(runs, name):
    return median([run[name] for run in runs])


def add_foreign(figures, scenario, found):
    """What other programs took of the machine meanwhile."""
    busiest = max(run["foreign_cores"] for runs in found.values()
                  for run in runs)
    put(figures, ("foreign_cores", scenario), busiest)
    if busiest > FOREIGN_CORES:
        print(f"bench: {scenario}: other programs used {busiest:.2f} cores; "
              "measure again when the machine is quiet")


def add_requests(figures, size, found):
    for name, runs in found.items():
        put(figures, ("cpu_us_per_request", name, size), field(runs, "us"))
        put(figures, ("rps", name, size), field(runs, "rps"))
        put(figures, ("rss_bytes", name, size), field(runs, "rss"))
        put(figures, ("errors", name, size), sum(r["errors"] for r in runs))
    for name, each in ratios(found, "us").items():
        put(figures, ("ratio_to_nginx", name, size), median(each))
        put(figures, ("ratio_range", name, size),
            [round(each[0], 3), round(each[-1], 3)])
    for run_field, key in (("ledger", "ledger_us_per_request"),
                           ("other", "other_us_per_request")):
        if "bijia" in found:
            put(figures, (key, size), field(found["bijia"], run_field))
    whole = ratios(found, "all").get("bijia")
    if whole:
        put(figures, ("ratio_to_nginx_with_ledger", "bijia", size),
            median(whole))


def add_streams(figures, label, found):
    direct = found.pop("direct", None)
    for name, runs in found.items():
        row = {"cpu_us_per_chunk": field(runs, "us"),
               "other_us_per_chunk": field(runs, "other"),
               "rss_bytes_per_stream": field(runs, "rss"),
               "first_byte_ms": field(runs, "first_ms"),
               "opening_first_byte_ms": field(runs, "opening_ms"),
               "chunk_delay_ms": field(runs, "delay_ms"),
               "open": min(run["open"] for run in runs),
               "errors": sum(run["errors"] for run in runs)}
        if direct:
            row["added_first_byte_ms"] = median(
                [a["first_ms"] - b["first_ms"] for a, b in zip(runs, direct)])
        for key, value in row.items():
            put(figures, ("streams", label, name, key), value)
    for name, each in ratios(found, "us").items():
        put(figures, ("streams", label, name, "ratio_to_nginx"), median(each))
        put(figures, ("streams", label, name, "ratio_range"),
            [round(each[0], 3), round(each[-1], 3)])


def add_latency(figures, label, found):
    direct = found.pop("direct")
    for name, runs in found.items():
        for part in ("p50", "p99"):
            added = median([a[part] - b[part] for a, b in zip(runs, direct)])
            put(figures, ("added_ms", name, label, part), added)
    for part in ("p50", "p99"):
        put(figures, ("direct_ms", label, part), field(direct, part))


def add_beside(figures, found):
    for name, runs in found.items():
        for key in ("without", "with"):
            put(figures, ("beside_9000_streams", name, f"{key}_us"),
                field(runs, key))
        put(figures, ("beside_9000_streams", name, "ratio"),
            field(runs, "ratio"))
        put(figures, ("beside_9000_streams", name, "streams"),
            min(run["open"] for run in runs))


def add_compared(figures, scenario, found, counted):
    """The second program against the first, each repetition by itself. Of
    instructions only the worker's: under valgrind requests are so slow that
    each has a transaction of its own."""
    first, second = found
    for name, runs in found.items():
        row = {"cpu_us_per_request": field(runs, "all"),
               "worker_us": field(runs, "worker"),
               "ledger_us": field(runs, "ledger"),
               "start_ms": field(runs, "start_ms"),
               "instructions": counted.get(name, {}).get("worker"),
               "errors": sum(run["errors"] for run in runs)}
        for key, value in row.items():
            put(figures, ("compared", scenario, name, key), value)
    each = sorted(b["all"] / a["all"]
                  for a, b in zip(found[first], found[second]))
    at = ("compared", scenario, second)
    put(figures, (*at, "ratio"), median(each))
    put(figures, (*at, "ratio_range"), [round(each[0], 3), round(each[-1], 3)])
    if counted:
        put(figures, (*at, "instructions_ratio"),
            counted[second]["worker"] / counted[first]["worker"])


def add_targets(figures):
    rows = []
    for name, scenario, path, limit in TARGETS:
        value = get(figures, path)
        if value is not None:
            foreign = get(figures, ("foreign_cores", scenario))
            rows.append({"name": name, "value": value, "limit": limit,
                         "met": value <= limit,
                         "disturbed": foreign > FOREIGN_CORES})
    figures["targets"] = rows


def cell(value, digits=2):
    if value is None:
        return "-"
    return f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}"


def with_ratio(us, ratio, limits):
    """us, the median of the ratios, and the lowest and highest of them."""
    if not ratio:
        return cell(us)
    low, high = limits
    return f"{us:,.1f} ({ratio:.2f}: {low:.2f}-{high:.2f})"


def table(title, head, rows):
    """Left column as wide as needed, the others right-aligned."""
    if not rows:
        return
    widths = [max(len(str(row[i])) for row in [head, *rows])
              for i in range(len(head))]
    print(f"\n{title}")
    for row in [head, *rows]:
        first, *others = [str(word) for word in row]
        print("  " + first.ljust(widths[0]) + "".join(
            "  " + word.rjust(width) for word, width in zip(others, widths[1:])))


def print_requests(figures):
    sizes = ("1k", "32k", "512k", "1k_tls")
    cpu = figures.get("cpu_us_per_request", {})
    rows = []
    for name in cpu:
        row = [name]
        for size in sizes:
            row.append(with_ratio(
                get(cpu, (name, size)),
                get(figures, ("ratio_to_nginx", name, size)),
                get(figures, ("ratio_range", name, size))))
        rows.append(row)
    for key, name in (("ledger_us_per_request", "bijia's ledger thread"),
                      ("other_us_per_request", "bijia's other threads")):
        if key in figures:
            rows.append([name] + [cell(figures[key].get(s)) for s in sizes])
    table("CPU us per request (x nginx of the same repetition: median: range)",
          ["", *sizes], rows)


def print_streams(figures):
    for label, programs in figures.get("streams", {}).items():
        rows = []
        for name, row in programs.items():
            rows.append([
                name, cell(row["open"]),
                with_ratio(row["cpu_us_per_chunk"], row.get("ratio_to_nginx"),
                           row.get("ratio_range")),
                cell(row["rss_bytes_per_stream"] / 1024),
                cell(row.get("added_first_byte_ms"), 3),
                cell(row["chunk_delay_ms"], 3)])
        table(f"Streams: {label}, {20000:,} chunks a second",
              ["", "open", "CPU us/chunk", "RSS KiB/stream",
               "added first byte ms", "chunk delay ms"], rows)


def print_others(figures):
    rows = [[name, *(cell(get(parts, (c, p)), 3) for c in ("c1", "c8")
                     for p in ("p50", "p99"))]
            for name, parts in figures.get("added_ms", {}).items()]
    table("Added latency, ms", ["", "c1 p50", "c1 p99", "c8 p50", "c8 p99"], rows)
    rows = [[name, cell(row["without_us"]), cell(row["with_us"]),
             cell(row["ratio"]), cell(row["streams"])]
            for name, row in figures.get("beside_9000_streams", {}).items()]
    table("CPU us of a 1 KiB request beside open streams",
          ["", "without", "with", "ratio", "streams"], rows)
    names = [*figures.get("syscalls_per_request", {})]
    names += [n for n in figures.get("instructions_per_request", {})
              if n not in names]
    rows = [[name, cell(get(figures, ("instructions_per_request", name))),
             cell(get(figures, ("syscalls_per_request", name)))]
            for name in names]
    table("Per 1 KiB request, whatever the machine's mood",
          ["", "user instructions", "system calls"], rows)


def print_compared(figures):
    for scenario, programs in figures.get("compared", {}).items():
        rows = [[name,
                 with_ratio(row["cpu_us_per_request"], row.get("ratio"),
                            row.get("ratio_range")),
                 cell(row["worker_us"]), cell(row["ledger_us"]),
                 cell(row["instructions"]), cell(row["start_ms"], 0)]
                for name, row in programs.items()]
        table(f"Compared: {scenario} (CPU us per request, all threads)",
              ["", "all", "workers", "ledger's thread",
               "worker's instructions", "ms to start"], rows)


def show(figures):
    print_requests(figures)
    print_streams(figures)
    print_others(figures)
    print_compared(figures)
    rows = [[t["name"], cell(t["value"]), "<= " + cell(t["limit"]),
             "met" if t["met"] else "NOT MET",
             "disturbed by others" if t["disturbed"] else ""]
            for t in figures["targets"]]
    table("Targets of bijia", ["", "value", "target", "", ""], rows)
