//! Methods with signatures made by chance, by several Go releases: every argument lies where mobytrace says, told by what the program
//! printed, and by its DWARF.

use harness::{BATCHES, Program, Tally, compare_live, programs, receivers, report};
use mobytrace::gobin::GoBinary;
use mobytrace::plan::{PlanRequest, SignatureSource, build, entry_parity};
use serde_json::json;

/// What was found about one program.
#[derive(Debug, Default)]
struct Row {
    /// Methods whose signature was found and agrees with the compiler's records.
    signatures: usize,
    /// Parameters whose place at the entry is what DWARF lists.
    places: usize,
    /// Parameters that DWARF has no place for.
    unplaced: usize,
    live: Tally,
    wrong: Vec<String>,
}

fn check(program: &Program) -> Row {
    let mut row = Row::default();
    let bytes = std::fs::read(&program.path).expect("program");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let mut fixture = if program.arch == "amd64" {
        program.start().expect("fixture")
    } else {
        None
    };
    for batch in 0..BATCHES {
        let patterns: Vec<String> = receivers(batch).iter().map(|r| format!("{r}*")).collect();
        let request = PlanRequest::new(&[], &patterns).expect("request");
        let plan = build(&request, &binary).expect("plan");
        row.signatures += plan
            .functions
            .iter()
            .filter(|f| {
                f.signature_source == SignatureSource::MethodTable && f.short.starts_with('F')
            })
            .count();
        let refused = plan.issues.iter().map(|i| i.text.clone());
        row.wrong.extend(refused);
        if let Some(fixture) = &mut fixture {
            let number = batch.to_string();
            compare_live(fixture, &number, &patterns, &plan, &mut row.live).expect("calls");
        }
    }
    row.wrong.append(&mut row.live.wrong);
    if program.is_plain() {
        for f in binary.find_functions(&mut |name| name.starts_with("main.") && name.contains(".F"))
        {
            let parity = entry_parity(&binary, &f).expect("DWARF");
            row.places += parity.same;
            row.unplaced += parity.unknown.values().sum::<usize>();
            let different = parity.different.iter();
            row.wrong
                .extend(different.map(|d| format!("{}: {d}", f.name)));
        }
    }
    row
}

#[test]
fn arguments_of_every_signature_lie_where_the_compiler_puts_them() {
    let Some(programs) = programs("signatures") else {
        return;
    };
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for program in programs {
        let row = check(&program);
        println!(
            "{program}: {} signatures, {} places equal DWARF's, {} not in it, {} calls and {} values live, missing {:?}, wrong {:?}",
            row.signatures,
            row.places,
            row.unplaced,
            row.live.calls,
            row.live.equal,
            row.live.missing,
            row.wrong
        );
        wrong.extend(row.wrong.iter().map(|w| format!("{program}: {w}")));
        let live = program.arch == "amd64";
        if row.signatures != 300
            || live && (row.live.calls != 300 || row.live.equal < 2000)
            || program.is_plain() && row.places < 900
        {
            wrong.push(format!("{program}: too little was compared"));
        }
        let found = json!({
            "signatures": row.signatures, "places": row.places, "unplaced": row.unplaced, "calls": row.live.calls,
            "values": row.live.equal, "missing": row.live.missing, "wrong": row.wrong.len(),
        });
        rows.push((program, found));
    }
    report("signatures", &rows).expect("report");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
