//! Recordings: replay needs nothing but the file, secrets are not in it, and damage never does more
//! than cost what is damaged.

use harness::{Daemon, Numbers, Tool, json_lines, request, traced};
use mobytrace::addr::{ImageAddr, ProcessAddr};
use mobytrace::capture::Recording;
use mobytrace::render::{FORMATS, Style, View};
use mobytrace::session::{Context, Filter, Stream};

/// Reads, decodes and correlates; gives how many calls came out.
fn replay(bytes: &[u8]) -> Option<usize> {
    let recording = Recording::read(bytes).ok()?;
    let trace = mobytrace::session::replay(&recording);
    let mut out = Vec::new();
    let context = Context::of_recording(&recording);
    for format in FORMATS {
        let sink = format.sink(&context, Style::new(Some(false)), View::default());
        let mut stream = Stream::new(context.clone(), Filter::default(), sink);
        stream.begin(&mut out).expect("begun");
        stream.batch(&trace, &mut out).expect("rendered");
        stream.finish(&trace.summary, &mut out).expect("finished");
    }
    let columns: Vec<_> = mobytrace::render::list_requests(&trace)
        .into_iter()
        .take(2)
        .map(|r| mobytrace::render::Column::one(String::new(), r))
        .collect();
    let comparison = mobytrace::render::Comparison::new(&context, &trace, &columns);
    comparison.markdown(&mut out).expect("rendered");
    Some(trace.calls.len())
}

/// A recording goes on in further files: each can be read by itself, no request is missing between
/// them, and only so many are kept.
#[test]
fn a_long_recording_is_several_files() {
    const MOST_REQUESTS: usize = 20_000;
    let assets = harness::assets_or_skip!();
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start(&assets).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 20).expect("created");
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("r").display().to_string();
    let of = |n: usize| format!("{file}.{n}");
    let mut sent = 0;
    let args = ["-o", &file, "--max-size", "1M", "--max-files", "3"];
    let (_, live) = traced(&daemon, &args, || {
        while !std::path::Path::new(&of(4)).exists() {
            assert!(sent < MOST_REQUESTS, "no further file");
            let path = format!("/v1.41/containers/json?all=1&n={sent}");
            daemon.get_as(&path, "t-files").expect("answer");
            sent += 1;
        }
    });
    let said = harness::words(&live.stderr);
    let turned = format!("recording to {}; {} is removed", of(4), of(1));
    assert!(said.contains(&turned), "{said}");
    assert!(said.contains("complete:"), "{said}");

    let mut kept = Vec::new();
    for n in 2..=4 {
        let shown = tool.run(&["show", &of(n), "--format", "jsonl"]);
        // nothing of it is missing, whatever its last file still holds
        let shown = shown.expect("run");
        assert!(shown.stderr.contains("complete:"), "{}", shown.stderr);
        let events = json_lines(&shown.stdout).expect("JSON lines");
        let requests = events.iter().filter(|e| e["type"] == "request");
        let queries = requests.filter_map(|r| r["query"].as_str());
        let number = |q: &str| q.strip_prefix("all=1&n=")?.parse::<usize>().ok();
        kept.extend(queries.filter_map(number));
        let size = std::fs::metadata(of(n)).expect("there").len();
        // what was taken at once, and the end
        assert!(size < 3 << 20, "{} has {size} bytes", of(n));
    }
    kept.sort_unstable();
    let first = kept.first().copied().expect("requests");
    assert!(
        kept.iter().copied().eq(first..sent),
        "{sent} sent: {kept:?}"
    );
    assert!(sent - first > 10, "{sent} sent: {kept:?}");
    let left = std::fs::read_dir(dir.path()).expect("folder").count();
    assert_eq!(left, 3);

    let args = ["--max-size", "1M", "--cmd", "true"];
    let pid = daemon.pid().to_string();
    let refused = [&["trace", "--pid", &pid, "-o", &file][..], &args].concat();
    let refused = tool.run(&refused).expect("run").expect(2);
    assert!(refused.stderr.contains("exists"), "{}", refused.stderr);
}

#[test]
fn live_and_replayed_are_the_same_and_damage_is_survived() {
    const SECRET: &str = "c2VjcmV0LXRoYXQtbXVzdC1ub3QtYmUtc2Vlbg";
    let assets = harness::assets_or_skip!();
    let tool = Tool::find().expect("tool");
    let daemon = Daemon::start(&assets).expect("daemon");
    daemon.import_image().expect("image");
    daemon.create_containers("c", 4).expect("created");
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("recording");
    let shown = file.display().to_string();
    let (_, live) = traced(&daemon, &["-o", &shown], || {
        let headers = [
            ("X-Registry-Auth", SECRET),
            ("User-Agent", "t-secret"),
            ("Authorization", SECRET),
        ];
        request(
            &daemon.socket(),
            "GET",
            "/v1.41/containers/json?all=1",
            &headers,
            &[],
        )
        .expect("answer");
        daemon.get_as("/v1.41/system/df", "t-df").expect("answer");
    });
    let bytes = std::fs::read(&file).expect("recording");

    assert!(
        !bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()),
        "the secret is in the file"
    );
    assert!(
        bytes.windows(8).any(|w| w == b"t-secret"),
        "what is no secret is there"
    );
    assert!(!live.stdout.contains(SECRET));

    let replayed = tool
        .run(&["show", &file.display().to_string(), "--format", "jsonl"])
        .expect("run")
        .expect(0);
    let sorted = |text: &str| {
        let mut events = json_lines(text).expect("JSON lines");
        // positions are those within one batch of a live session
        for event in &mut events {
            if let Some(object) = event.as_object_mut() {
                object.remove("index");
                object.remove("parent");
            }
        }
        let mut lines: Vec<String> = events.iter().map(ToString::to_string).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&live.stdout), sorted(&replayed.stdout));

    // every return address in a caller stack has its names, also of calls that were shown long
    // before the end
    let recording = Recording::read(bytes.as_slice()).expect("recording");
    let bias = recording.header().daemon.load_bias;
    let symbols: std::collections::BTreeMap<ImageAddr, Vec<String>> = recording
        .trailer()
        .expect("trailer")
        .symbols
        .iter()
        .cloned()
        .collect();
    let mut named = 0;
    for head in recording.parts().iter().map(|p| &p.head) {
        for address in &head.stack[..head.stack_len as usize] {
            let names = symbols
                .get(&bias.to_image(ProcessAddr(*address)))
                .expect("symbol");
            assert!(!names.is_empty());
            named += 1;
        }
    }
    assert!(named > 10, "{named}");
    let handler = |n: &String| n.ends_with("(*containerRouter).getContainersJSON");
    assert!(symbols.values().flatten().any(handler), "{symbols:?}");

    let whole = replay(&bytes).expect("whole");
    assert_eq!(whole, 4);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let header_end = 20 + u32::from_le_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]) as usize;
    for round in 0..400 {
        let mut damaged = bytes.clone();
        // records in most rounds, the header with the plan in some
        let from = if round % 4 == 0 { 0 } else { header_end };
        for _ in 0..=numbers.any() % 8 {
            let at = from + numbers.below(damaged.len() - from);
            damaged[at] = numbers.any() as u8;
        }
        if round % 3 == 0 {
            damaged.truncate(numbers.below(damaged.len()));
        }
        // the answer may be anything but a panic or a hang
        let _ = replay(&damaged);
    }
}
